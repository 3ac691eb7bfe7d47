"""The language that texts are written in: that of `EDWC_LANG`, or the one that `speaking` sets for a while."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal, cast, get_args

from network_data.faults import Fault, InputError

Lang = Literal["en", "zh"]
LANGS: tuple[str, ...] = get_args(Lang)
VARIABLE = "EDWC_LANG"
_spoken: ContextVar[Lang | None] = ContextVar("spoken", default=None)


def current_language() -> Lang:
    """
    Tell the language in force.

    Raises
    ------
    InputError
        If `EDWC_LANG` names one that is not known.
    """
    spoken = _spoken.get()
    return check_language(os.environ.get(VARIABLE) or "en", VARIABLE) if spoken is None else spoken


def check_language(name: str, where: str = "lang") -> Lang:
    """
    Refuse a language that is not known.

    Parameters
    ----------
    name
        What was asked for.
    where
        Who asked: an option, an argument or a variable.

    Raises
    ------
    InputError
        If the language is not known.
    """
    if name not in LANGS:
        remedy = "Use en for English or zh for Chinese."
        raise InputError([Fault(where, None, None, name, "is not a language of edwc", remedy)], "the language")
    return cast("Lang", name)


@contextmanager
def speaking(lang: str | None) -> Iterator[None]:
    """
    Write all texts in a language until the block ends; None leaves it as it is.

    Raises
    ------
    InputError
        If the language is not known.
    """
    if lang is None:
        yield
        return
    token = _spoken.set(check_language(lang))
    try:
        yield
    finally:
        _spoken.reset(token)
