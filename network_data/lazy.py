"""Names of a module that are imported on first use, so that importing the module alone stays cheap (PEP 562)."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


def names_of_stub(path: Path) -> dict[str, str]:
    """
    Read which module each public name comes from, out of a stub made of lines `from MODULE import NAME as NAME`.

    Parameters
    ----------
    path
        The stub.

    Returns
    -------
    dict
        Module by name.
    """
    module_of = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        words = line.split()
        if words[:1] == ["from"]:
            _, module, _, name, _, public = words
            if name != public:
                raise ValueError(f"{path.name}: {line!r} renames what it hands out")
            module_of[name] = module
    return module_of


def lazy_names(
    package: str, namespace: dict[str, Any], module_of: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """
    Make a module's `__getattr__` and `__dir__`.

    Parameters
    ----------
    package
        Name of the module.
    namespace
        Its `globals()`; a name stays there once it has been used.
    module_of
        Full module name by public name.

    Returns
    -------
    tuple
        The two functions.
    """

    def get(name: str) -> Any:
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(module_of[name]), name)
        namespace[name] = value
        return value

    def names() -> list[str]:
        return sorted({*namespace, *module_of})

    return get, names
