"""Turn what `edwc compare` is asked for into cases with readable ids."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from network_data.faults import FaultList, InputError, suggest
from optimizer.cases import REFERENCE, REFERENCE_ID, Case
from scenarios.price_case import load_price_case
from scenarios.price_parameters import (
    ParameterRange,
    Sweep,
    label_of,
    overrides_of,
    price_case_override,
    sweep_points,
)
from scenarios.sources import price_case_names

MAX_ID_LENGTH = 48
MAX_CASES = 10_000
_NOT_IN_ID = re.compile("[^a-z0-9]+")
# What tells labels apart and is lost in an id: letters of other alphabets, the sign of a value or of its exponent.
_LOST_IN_ID = re.compile(r"[^\x00-\x7f]|=[^,]*[-+]")


def split_price_cases(texts: Iterable[str]) -> list[str]:
    """
    Take `a,b,c+d` apart at its commas; the name of a file that holds one is left whole.

    Parameters
    ----------
    texts
        As given on the command line.

    Examples
    --------
    >>> split_price_cases(["today,carbon_50", "today+carbon_50"])
    ['today', 'carbon_50', 'today+carbon_50']
    """
    parts: list[str] = []
    for text in texts:
        parts += [text] if _is_file(text) else [part.strip() for part in text.split(",")]
    return parts


def expand_cases(
    price_cases: Sequence[str], sweeps: Sequence[Sweep], ranges: Sequence[ParameterRange] = ()
) -> list[Case]:
    """
    Make the cases of a comparison: each price case with each point of the sweeps, and the ends of ranges alone.

    Parameters
    ----------
    price_cases
        Names or files; `a+b` is first a, then b.
    sweeps
        Every combination of their values is a point.
    ranges
        Parameters that go to either end, one at a time.

    Raises
    ------
    InputError
        With every fault of the price cases, or if there are too many cases.

    Examples
    --------
    >>> [case.id for case in expand_cases(["carbon_50"], [Sweep("price.west", (0.5, 1.0))])]
    ['carbon_50_price_west_0_5', 'carbon_50_price_west_1']
    """
    faults = FaultList("the cases")
    _check_price_cases(price_cases, faults)
    count = max(1, len(price_cases))
    for sweep in sweeps:
        count *= len(sweep.values)
    if count > MAX_CASES:
        faults.add("--sweep", f"makes {count:,} cases", f"Ask for no more than {MAX_CASES:,}.")
    faults.raise_if_any()
    points = sweep_points(sweeps) if sweeps else ()
    labelled: dict[str, tuple[tuple[str, ...], dict[str, float]]] = {}
    for name in price_cases or ("",) * bool(points):
        applied = (price_case_override([name]),) if name else ()
        for point in points or ({},):
            label = ", ".join(part for part in (name, label_of(point)) if part)
            labelled.setdefault(label, ((*applied, *overrides_of(point)), dict(point)))
    for key, *ends in ranges:
        for value in ends:
            point = {key: float(value)}
            labelled.setdefault(label_of(point), (overrides_of(point), point))
    taken = {REFERENCE_ID}
    return [Case(id_of(label, taken), label, *of_case) for label, of_case in labelled.items()]


def find_case(name: str, cases: Sequence[Case], option: str, faults: FaultList) -> Case:
    """
    Find a case by its id or its label.

    Parameters
    ----------
    name
        As given.
    cases
        Those to choose from, at least one.
    option
        Name of the option for the fault.
    faults
        Receives a name that is none.

    Returns
    -------
    Case
        The first where there is no such case.
    """
    for names in ({case.label: case for case in cases}, {case.id: case for case in cases}):
        if name in names:
            return names[name]
    ids = [case.id for case in cases]
    remedy = f"Give an id or a label, such as {ids[-1]}.{suggest(name, ids)}"
    faults.add(option, "is none of the cases", remedy, value=name)
    return cases[0]


def require_scenario_as_reference(
    reference: Case, ranges: Sequence[ParameterRange], option: str, faults: FaultList
) -> None:
    """
    Refuse to hold a tornado against another case than the scenario as it is.

    The ends of its ranges are changes of the scenario: held against a case that differs in more, every bar would
    hold that difference too.

    Parameters
    ----------
    reference
        What the cases are held against.
    ranges
        Of the tornado.
    option
        Name of the option for the fault.
    faults
        Receives it.
    """
    if ranges and reference != REFERENCE:
        remedy = "Leave the reference out; to turn parameters of another case, make it the scenario with overrides."
        faults.add(
            option, "turns parameters of the scenario as it is, not of the reference", remedy, value=reference.id
        )


def id_of(label: str, taken: set[str]) -> str:
    """
    Spell a label as the name of a folder.

    Parameters
    ----------
    label
        Any text.
    taken
        Ids given so far; the new one joins them. Labels that are spelled alike are told apart by a hash, which those
        have from the start that lose more than dots and spaces, whatever was taken before.

    Examples
    --------
    >>> id_of("price.west=0.5", set()), id_of("price.west=-5", set())
    ('price_west_0_5', 'price_west_5_23e88611')
    """
    name = _NOT_IN_ID.sub("_", Path(label).stem.lower() if _is_file(label) else label.lower()).strip("_")
    if not name or name in taken or len(name) > MAX_ID_LENGTH or _LOST_IN_ID.search(label):
        digest = hashlib.sha256(label.encode(errors="surrogateescape")).hexdigest()[:8]
        name = f"{name[: MAX_ID_LENGTH - len(digest) - 1].strip('_') or 'case'}_{digest}"
    taken.add(name)
    return name


def _check_price_cases(texts: Sequence[str], faults: FaultList) -> None:
    checked: set[str] = set()
    for text in texts:
        for name in price_case_names(text):
            if name in checked:
                continue
            checked.add(name)
            if not name:
                faults.add("--price-cases", "a name is missing", "Write a,b,c+d.", value=text)
                continue
            try:
                load_price_case(name)
            except InputError as error:
                faults.extend(error.faults)


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):
        return False
