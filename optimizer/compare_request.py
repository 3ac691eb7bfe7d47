"""What `edwc compare` is asked for: read with every fault at once, before anything is solved."""

from __future__ import annotations

import contextlib
from argparse import Namespace
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from network_data.faults import Fault, FaultList, InputError
from network_data.load import load_network
from optimizer.assemble import assemble_problem
from optimizer.case_expansion import expand_cases, find_case, require_scenario_as_reference, split_price_cases
from optimizer.cases import REFERENCE, Case
from optimizer.comparison_folder import COMPARISON_FILE, read_stored
from optimizer.run_folder import INFO_FILE
from scenarios.load import load_scenario
from scenarios.price_parameters import ParameterRange, Sweep, overrides_of, parse_ranges, parse_sweeps

_Parsed = TypeVar("_Parsed")
_ASKED = ("price_cases", "sweep", "tornado", "break_even", "frontier", "reference", "waterfall")


@dataclass(frozen=True)
class CompareRequest:
    """
    A comparison, ready to be carried out.

    Attributes
    ----------
    scenario
        Built-in name or YAML file; None where stored runs are compared.
    overrides
        Of all cases.
    folders
        Stored runs, or the folder of one stored comparison.
    reference
        What the other cases are held against and start from.
    cases
        The others, in order.
    tornado, break_evens
        Ranges to analyse.
    frontiers
        Which ones.
    waterfalls
        Pairs of ids.
    asked
        The same for `comparison.json`.
    """

    scenario: str | None
    overrides: tuple[str, ...]
    folders: tuple[Path, ...]
    reference: Case
    cases: tuple[Case, ...]
    tornado: tuple[ParameterRange, ...]
    break_evens: tuple[ParameterRange, ...]
    frontiers: tuple[str, ...]
    waterfalls: tuple[tuple[str, str], ...]
    asked: Mapping[str, Any]


def read_request(arguments: Namespace) -> CompareRequest:
    """
    Read the arguments of `edwc compare`.

    Parameters
    ----------
    arguments
        From the parser of the command line.

    Raises
    ------
    InputError
        With every fault.
    """
    faults = FaultList("edwc compare")
    _check_options(arguments, faults)
    sweeps = _collect(faults, parse_sweeps, arguments.sweep, "--sweep")
    tornado = _collect(faults, parse_ranges, arguments.tornado, "--tornado")
    break_evens = _collect(faults, parse_ranges, arguments.break_even, "--break-even")
    overrides = (*arguments.overrides, *_solver_overrides(arguments))
    asked = {name: getattr(arguments, name) for name in _ASKED}
    folders = _stored(arguments.inputs)
    if folders:
        _refuse_solving(arguments, faults)
        cases = _stored_cases(folders, faults)
    else:
        cases = _new_cases(arguments, sweeps, tornado, faults)
        keys = {sweep.key: sweep.values for sweep in sweeps}
        keys |= {key: (low, high) for key, low, high in (*tornado, *break_evens)}
        _check_keys(arguments.inputs[0], overrides, keys, faults)
        if not (cases or break_evens or arguments.frontier or len(faults)):
            remedy = "Give --price-cases, --sweep, --tornado, --break-even or --frontier, or several stored runs."
            faults.add("edwc compare", "there is nothing to compare the scenario with", remedy)
    reference = cases[0] if folders and cases else REFERENCE
    waterfalls = []
    if cases:
        known = cases if folders else [REFERENCE, *cases]
        if arguments.reference is not None:
            reference = find_case(arguments.reference, known, "--reference", faults)
            require_scenario_as_reference(reference, tornado, "--tornado", faults)
        waterfalls = [_pair(text, known, faults) for text in arguments.waterfall]
    faults.raise_if_any()
    return CompareRequest(
        None if folders else arguments.inputs[0],
        overrides,
        folders,
        reference,
        tuple(case for case in cases if case != reference),
        tornado,
        break_evens,
        tuple(dict.fromkeys(arguments.frontier)),
        tuple(waterfalls),
        asked,
    )


def _new_cases(
    arguments: Namespace, sweeps: Sequence[Sweep], tornado: Sequence[ParameterRange], faults: FaultList
) -> list[Case]:
    for name in arguments.inputs if len(arguments.inputs) > 1 else ():
        if not (Path(name) / INFO_FILE).is_file():
            faults.add(name, "is no run folder", "Give one scenario, or run folders that `edwc solve --out` wrote.")
    try:
        return expand_cases(split_price_cases(arguments.price_cases), sweeps, tornado)
    except InputError as error:
        faults.extend(error.faults)
        return []


def _stored_cases(folders: Sequence[Path], faults: FaultList) -> list[Case]:
    try:
        return [result.case for result in read_stored(folders)]
    except InputError as error:
        faults.extend(error.faults)
        return []


def _solver_overrides(arguments: Namespace) -> list[str]:
    keys = {"mip_rel_gap": "solver.mip_rel_gap", "time_limit": "solver.time_limit_s"}
    return [f"{key}={value!r}" for name, key in keys.items() if (value := getattr(arguments, name)) is not None]


def _stored(inputs: Sequence[str]) -> tuple[Path, ...]:
    """Folders of stored runs, or that of a comparison; none if a scenario is meant."""
    paths = tuple(Path(name) for name in inputs)
    if len(paths) == 1:
        return paths if (paths[0] / COMPARISON_FILE).is_file() else ()
    return paths if all((path / INFO_FILE).is_file() for path in paths) else ()


def _refuse_solving(arguments: Namespace, faults: FaultList) -> None:
    names = ("price_cases", "sweep", "tornado", "break_even", "frontier", "overrides")
    flags = {name: "--" + name.replace("_", "-") for name in names} | {"overrides": "--set"}
    for name, flag in flags.items():
        if getattr(arguments, name):
            faults.add(flag, "stored runs are not solved again", "Leave it out, or give a scenario in their place.")


def _check_options(arguments: Namespace, faults: FaultList) -> None:
    if arguments.workers is not None and arguments.workers < 1:
        faults.add("--workers", "is below 1", "Give the number of processes.", value=arguments.workers)
    if arguments.scheduler is not None and arguments.engine != "dask":
        faults.add("--scheduler", "is an address for Dask", "Add --engine dask.", value=arguments.scheduler)


def _collect(
    faults: FaultList, parse: Callable[..., tuple[_Parsed, ...]], texts: Sequence[str], option: str
) -> tuple[_Parsed, ...]:
    try:
        return parse(texts, option=option)
    except InputError as error:
        faults.extend(error.faults)
    good: list[_Parsed] = []
    for text in texts:  # what is right is kept, so that its other faults come out too
        with contextlib.suppress(InputError):
            good += parse([text], option=option)
    return tuple(good)


def _check_keys(
    scenario: str, overrides: Sequence[str], values_of: Mapping[str, Iterable[float]], faults: FaultList
) -> None:
    """
    See that the scenario can be read, and each parameter can be set to its first value or its last.

    A value that is out of range is a failed row of the comparison; a name that no value helps is a slip of the pen.
    """
    try:
        _load(scenario, overrides)
    except InputError as error:
        faults.extend(error.faults)
        return
    for key, values in values_of.items():
        listed = list(values)
        found: list[Sequence[Fault]] = []
        for value in dict.fromkeys((listed[0], listed[-1])):
            try:
                _load(scenario, [*overrides, *overrides_of({key: value})])
            except InputError as error:
                found.append(error.faults)
            else:
                break
        else:
            faults.extend(found[0])


def _load(scenario: str, overrides: Sequence[str]) -> None:
    loaded = load_scenario(scenario, overrides)
    assemble_problem(load_network(loaded.network), loaded)


def _pair(text: str, cases: Sequence[Case], faults: FaultList) -> tuple[str, str]:
    for place in [place for place, letter in enumerate(text) if letter == ","]:
        trial = FaultList()
        names = (text[:place].strip(), text[place + 1 :].strip())  # a label may hold commas of its own
        pair = [find_case(name, cases, "--waterfall", trial) for name in names]
        if not len(trial):
            return pair[0].id, pair[1].id
    remedy = f"Write A,B with ids of cases, such as {cases[0].id},{cases[-1].id}."
    faults.add("--waterfall", "is no pair of cases", remedy, value=text)
    return REFERENCE.id, REFERENCE.id
