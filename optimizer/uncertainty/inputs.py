"""
The uncertain inputs of a scenario: rows of its tables of ranges, joined with the values that the tables state.

Rows with the same name of an input move together: one quantile sets all of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from network_data.faults import Fault, FaultList, InputError, suggest
from network_data.load import Network
from network_data.ranges import RangeRow, read_ranges
from network_data.schema import CellError
from optimizer.problem.assemble import assemble_problem
from optimizer.problem.equivalence import is_same_problem
from optimizer.problem.problem import PlacementProblem
from scenarios.load import load_scenario
from scenarios.network_changes import ROW_COLUMN, numeric_attribute, rows_of
from scenarios.price_parameters import ALL_ROWS, CARBON, CELL, CELL_FACTOR, FACTOR_NAMES, check_key, overrides_of
from scenarios.schema import Scenario

_OF_NETWORK = (*(name for name in FACTOR_NAMES if name != "token_price"), CELL)
MAX_INPUTS = 200
_POLICY = "policy."  # begins the keys of the policy of a scenario


@dataclass(frozen=True)
class InputRange:
    """A parameter with the value it has and the range it may have."""

    key: str  # as `overrides_of` takes it
    value: float
    low: float
    high: float
    is_whole: bool  # rounded, since its key takes whole numbers alone
    row: RangeRow

    def at(self, quantile: float) -> float:
        """
        Find the value at a quantile of the distribution.

        Parameters
        ----------
        quantile
            0 (low) to 1 (high).
        """
        found = value_at(self.row.shape, self.low, self.value, self.high, quantile)
        return float(round(found)) if self.is_whole else found


@dataclass(frozen=True)
class UncertainInput:
    """Ranges that move together."""

    name: str
    ranges: tuple[InputRange, ...]

    def point(self, quantile: float) -> dict[str, float]:
        """
        Set every range of the input to one quantile.

        Parameters
        ----------
        quantile
            0 (low) to 1 (high).

        Returns
        -------
        dict
            Value by parameter.
        """
        return {one.key: one.at(quantile) for one in self.ranges}


def value_at(shape: str, low: float, mode: float, high: float, quantile: float) -> float:
    """
    Invert a distribution function.

    Parameters
    ----------
    shape
        uniform, loguniform or triangular.
    low, mode, high
        Ends, and the peak of a triangle.
    quantile
        0 to 1.
    """
    if shape == "uniform":
        return low + (high - low) * quantile
    if shape == "loguniform":
        return float(low * (high / low) ** quantile)
    if quantile * (high - low) < mode - low:
        return low + math.sqrt(quantile * (high - low) * (mode - low))
    return high - math.sqrt((1 - quantile) * (high - low) * (high - mode))


class _OutsideError(CellError):
    """A value lies outside its range."""


def read_inputs(
    scenario: Scenario, network: Network, faults: FaultList, *, skips_what_does_not_fit: bool = False
) -> tuple[UncertainInput, ...]:
    """
    Read the ranges of a scenario and of its network, and join them with their values.

    Parameters
    ----------
    scenario, network
        As loaded.
    faults
        Receives what is wrong: of the tables, keys that do not exist, values outside their range.
    skips_what_does_not_fit
        Leave out values outside their range, which a change of the scenario may well put there, and keys that a
        scenario with ranges from elsewhere lacks.

    Returns
    -------
    tuple of UncertainInput
        In the order of the tables, those of the network first; rows with a fault are left out, and factors on 0.
    """
    rows: list[tuple[RangeRow, bool]] = []
    if network.ranges_path is not None:
        rows += [(row, True) for row in read_ranges(network.ranges_path, faults)]
    if scenario.ranges_path is not None:
        if scenario.ranges_path.is_file():
            rows += [(row, False) for row in read_ranges(scenario.ranges_path, faults)]
        else:
            faults.add(scenario.source_path.name, "there is no such file", "Correct the name, or leave the key out.",
                       column="ranges_table", value=scenario.ranges_path)  # fmt: skip
    found: dict[str, list[InputRange]] = {}
    rows_of_key: dict[str, RangeRow] = {}
    for row, is_of_network in rows:
        is_own = is_of_network or scenario.ranges_path is None or _is_own(scenario)
        skipped = (_OutsideError if is_own else CellError) if skips_what_does_not_fit else ()
        for one in _expand(row, scenario, network, faults, is_of_network=is_of_network, skipped=skipped):
            if (first := rows_of_key.setdefault(one.key, row)) is not row:
                remedy = f"Keep one; the first is {first.file} row {first.row}."
                faults.add(row.file, f"{one.key} has a range already", remedy, row=row.row, column="key", value=row.key)
                continue
            found.setdefault(row.input, []).append(one)
    if len(found) > MAX_INPUTS:
        remedy = f"Give rows of one cause the same name of an input; no more than {MAX_INPUTS} are sampled."
        faults.add("ranges", f"make {len(found):,} inputs", remedy)
    return tuple(UncertainInput(name, tuple(ranges)) for name, ranges in found.items())


def _is_own(scenario: Scenario) -> bool:
    """Whether the table of ranges stands beside the file of the scenario, not beside one that it extends."""
    return scenario.ranges_path is not None and scenario.ranges_path.parent == scenario.source_path.parent


def choose_inputs(
    inputs: Sequence[UncertainInput], names: Sequence[str], faults: FaultList
) -> tuple[UncertainInput, ...]:
    """
    Choose inputs by name.

    Parameters
    ----------
    inputs
        From `read_inputs`.
    names
        Names; none = all.
    faults
        Receives names that no input has.
    """
    known = {one.name: one for one in inputs}
    if not known and not len(faults):
        faults.add("inputs", "no range is given in ranges.csv of the network or in the scenario's ranges_table",
                   "Add rows with low and high for what is uncertain: see docs/uncertainty.md.")  # fmt: skip
    for name in names:
        if known and name not in known:
            remedy = f"Name some of {', '.join(known)}.{suggest(name, known)}"
            faults.add("inputs", "there is no such uncertain input", remedy, value=name)
    return tuple(one for one in inputs if not names or one.name in names)


def find_effective(
    scenario: str | Path,
    overrides: Sequence[str],
    network: Network,
    inputs: Sequence[UncertainInput],
    faults: FaultList,
    *,
    are_named: bool,
) -> tuple[tuple[UncertainInput, ...], tuple[str, ...], dict[str, str]]:
    """
    Tell the inputs that change the problem of a scenario from those that change nothing in it.

    Each is set to either end, everything else as it is: an end that the scenario cannot take is a fault.

    Parameters
    ----------
    scenario, overrides
        As `load_scenario` takes them.
    network
        Its network.
    inputs
        From `choose_inputs`.
    faults
        Receives the faults of the ends, with the row of the range.
    are_named
        Whether the inputs were asked for by name. If not, those are left out of which an end contradicts the policy of
        the scenario: it decides what the estimate is not free to be.

    Returns
    -------
    tuple of UncertainInput
        Those with an effect.
    tuple of str
        Names of the others, such as rates of an accelerator that the scenario does not use.
    dict
        Inputs left out, with the key of the policy.
    """

    def assemble(point: Mapping[str, float]) -> PlacementProblem:
        return assemble_problem(network, load_scenario(scenario, [*overrides, *overrides_of(point)]))

    def refuse(one: UncertainInput, end: float, found: Sequence[Fault]) -> None:
        keys = {fault.column or "" for fault in found}
        if are_named or not all(key.startswith(_POLICY) for key in keys):
            faults.extend(_of_row(fault, one, end) for fault in found)
        else:
            left_out[one.name] = ", ".join(sorted(keys))

    base = assemble({})
    effective, idle, left_out = list[UncertainInput](), list[str](), dict[str, str]()
    for one in inputs:
        try:
            if is_same_problem(base, assemble(one.point(_far_end(one)))):
                idle.append(one.name)
                continue
        except InputError as error:
            refuse(one, _far_end(one), error.faults)
        effective.append(one)
    others = [one for one in inputs if one.name not in left_out]
    try:
        # All at once, to assemble half as often; one by one only to say which of them it is.
        assemble({key: value for one in others for key, value in one.point(1 - _far_end(one)).items()})
    except InputError:
        for one in others:
            try:
                assemble(one.point(1 - _far_end(one)))
            except InputError as error:
                refuse(one, 1 - _far_end(one), error.faults)
    return tuple(one for one in effective if one.name not in left_out), tuple(idle), left_out


def _far_end(one: UncertainInput) -> float:
    """Find the quantile of the end that is farther from the values: the other may be the values themselves."""
    first = one.ranges[0]
    return float(first.high - first.value > first.value - first.low)


def _of_row(fault: Fault, one: UncertainInput, quantile: float) -> Fault:
    row, end = one.ranges[0].row, "high" if quantile else "low"
    problem = f"the {end} end of {one.name} cannot be: {fault.column or fault.file}: {fault.problem}"
    value = None if len(one.ranges) > 1 else f"{one.ranges[0].at(quantile):g}"
    return Fault(row.file, row.row, end, value, problem, f"Narrow the range. {fault.remedy}")


def _expand(
    row: RangeRow,
    scenario: Scenario,
    network: Network,
    faults: FaultList,
    *,
    is_of_network: bool,
    skipped: type[CellError] | tuple[()],
) -> Iterator[InputRange]:
    """Turn a row into the parameters that it names, with their values; faults of the kind `skipped` are none."""
    where: dict[str, Any] = {"row": row.row, "column": "key", "value": row.key}
    name = row.key.partition(".")[0]
    named = FaultList()
    check_key(row.key, row.key, row.file, named)
    for fault in named:
        faults.add(row.file, fault.problem, fault.remedy, **where)
    if len(named):
        return
    if is_of_network and name not in _OF_NETWORK:
        remedy = f"Give a key that begins with {', '.join(_OF_NETWORK)}; keys of a scenario go to its ranges_table."
        faults.add(row.file, "is nothing of a network", remedy, **where)
        return
    try:
        if name in {CELL, CELL_FACTOR}:
            found = _cells(row, network)
        elif name in FACTOR_NAMES:
            _require_factor(row)
            found = {row.key: 1.0}
        elif row.key == CARBON:
            found = {row.key: scenario.costs.carbon_price_cny_per_t}
        else:
            found = _keys(row, scenario)
        yield from _ranges(row, found)
    except skipped:
        return
    except CellError as error:
        faults.add(row.file, error.problem, error.remedy, **where)


def _ranges(row: RangeRow, values: Mapping[str, float]) -> list[InputRange]:
    ranges = []
    for key, value in values.items():
        is_factor = row.basis == "factor" and key.partition(".")[0] not in FACTOR_NAMES
        if is_factor and value == 0:
            continue  # 0 times anything
        low, high = sorted((row.low * value, row.high * value)) if is_factor else (row.low, row.high)
        if not low <= value <= high:
            problem = f"the value of {key} is {value:g}, outside {low:g} to {high:g}"
            raise _OutsideError(problem, "Widen the range, or correct the value.")
        ranges.append(InputRange(key, float(value), low, high, isinstance(value, int), row))
    return ranges


def _require_factor(row: RangeRow) -> None:
    if row.basis != "factor":
        raise CellError("is a factor, not a value", "Write factor as the basis, and factors for low and high.")


def _cells(row: RangeRow, network: Network) -> dict[str, float]:
    name, table, line, column = row.key.split(".")
    if table not in ROW_COLUMN:
        remedy = f"Name one of {', '.join(ROW_COLUMN)}; prices are price.REGION and demand_charge."
        raise CellError(f"table {table} has no ranges of this kind", remedy + suggest(table, ROW_COLUMN))
    attribute = numeric_attribute(table, column)
    frame = getattr(network, table)
    held = rows_of(frame, table)
    if line != ALL_ROWS and line not in held:
        raise CellError(f"table {table} has no row {line}", f"Correct it, or remove the row.{suggest(line, held)}")
    if name == CELL_FACTOR:
        _require_factor(row)
        return {row.key: 1.0}
    values = [value for at, value in zip(held, frame[column].tolist(), strict=True) if at == line]
    if row.basis == "factor" or line == ALL_ROWS or len(values) > 1:
        raise CellError("needs factors", f"Write {CELL_FACTOR}.{table}.{line}.{column} with the basis factor.")
    if math.isnan(values[0]):
        raise CellError("has no value in its table", "Fill the cell, or remove the row.")
    return {row.key: int(values[0]) if attribute.kind == "int" else float(values[0])}


def _keys(row: RangeRow, scenario: Scenario) -> dict[str, float]:
    """Find the numbers that a key path of a scenario names; `*` stands for every id of a mapping."""
    found: dict[str, object] = {"": scenario}
    for part in row.key.split("."):
        deeper: dict[str, object] = {}
        for path, value in found.items():
            held = _children(value)
            names = list(held) if part == ALL_ROWS and isinstance(value, Mapping) else [part]
            for name in names:
                if name not in held:
                    near = suggest(part, held)
                    raise CellError("there is no such key", f"Name a key of the scenario that holds a number.{near}")
                deeper[f"{path}.{name}" if path else name] = held[name]
        found = deeper
    if all(value is None for value in found.values()):
        return {}  # the scenario leaves it open: there is nothing beside which a range could stand
    numbers: dict[str, float] = {
        key: value for key, value in found.items() if isinstance(value, int | float) and not isinstance(value, bool)
    }
    if ALL_ROWS in row.key:
        if row.basis != "factor":
            raise CellError("names several numbers", "Write factor as the basis, or a row for each of them.")
        found = {key: value for key, value in found.items() if value is not None}
    if not numbers or len(numbers) < len(found):
        raise CellError("holds no number", "Name a key that holds one, or give it a value.")
    return numbers


def _children(value: object) -> Mapping[str, object]:
    if isinstance(value, Mapping):
        return value
    # What a scenario file may say: not where it was read from.
    names = type(value).model_fields if isinstance(value, BaseModel) else ()
    return {name: getattr(value, name) for name in names}
