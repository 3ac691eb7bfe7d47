"""
Parameters of a sweep: what each is called, its values, and the overrides that set it.

`price`, `price.SELECTOR`, `demand_charge`, `demand_charge.SELECTOR`, `token_price` and `token_price.CLASS` are factors,
`carbon_price` is CNY per tonne of CO2; `network.TABLE.ROW.COLUMN` is a number of the network's tables and
`network_factor.TABLE.ROW.COLUMN` a factor on it, `*` for ROW meaning all rows; every other name is the key path of a
scenario. A selector is the name of a region, province, data center, tariff or period; where a name is that of two,
`price.province.NAME` says which is meant.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from network_data.faults import FaultList, suggest
from network_data.schema import ID_PATTERN
from scenarios.sources import price_case_names

__all__ = [
    "ALL_ROWS",
    "CARBON",
    "CELL",
    "CELL_FACTOR",
    "FACTOR_NAMES",
    "ParameterRange",
    "Sweep",
    "check_key",
    "label_of",
    "overrides_of",
    "parse_ranges",
    "parse_sweeps",
    "price_case_override",
    "sweep_points",
]

MAX_VALUES = 10_000
MAX_ID_LENGTH = 64
_FACTORS = {"price": "energy_price", "demand_charge": "demand_charge", "token_price": "token_price"}
CARBON = "carbon_price"
CELL, CELL_FACTOR = "network", "network_factor"
_CELL_PARTS = 4  # network.TABLE.ROW.COLUMN
ALL_ROWS = "*"
_KINDS = {
    "region": "regions",
    "province": "provinces",
    "data_center": "data_centers",
    "tariff": "tariffs",
    "period": "periods",
}
_NAMES = (*_FACTORS, CARBON)
FACTOR_NAMES = (*_FACTORS, CELL_FACTOR)


class Sweep(NamedTuple):
    """The values that a sweep gives to one parameter."""

    key: str
    values: tuple[float, ...]


class ParameterRange(NamedTuple):
    """The range of one parameter, of a tornado or a break-even search."""

    key: str
    low: float
    high: float


def overrides_of(point: Mapping[str, float]) -> tuple[str, ...]:
    """
    Write the overrides of a scenario that set parameters to values.

    Parameters
    ----------
    point
        Value by parameter.

    Returns
    -------
    tuple of str
        As `load_scenario` takes them. Prices become changes that are applied after those of the scenario and of its
        price cases, so that a carbon price given here is the one that counts, and a factor acts on their result.

    Examples
    --------
    >>> overrides_of({"demand.tokens_per_day_trillion": 200.0, "carbon_price": 50.0})
    ('demand.tokens_per_day_trillion=200', 'price_changes.sweep_carbon_price={"what": "carbon_price", "replace": 50}')
    """
    return tuple(_override(key, value) for key, value in point.items())


def label_of(point: Mapping[str, float]) -> str:
    """
    Name a point as the command line writes it.

    Parameters
    ----------
    point
        Value by parameter.

    Examples
    --------
    >>> label_of({"price.west": 0.5, "carbon_price": 100.0})
    'price.west=0.5, carbon_price=100'
    """
    return ", ".join(f"{key}={format_value(value)}" for key, value in point.items())


def format_value(value: float) -> str:
    """
    Write a number without a superfluous `.0`, so that keys that want a whole number take it.

    Parameters
    ----------
    value
        A finite number.

    Examples
    --------
    >>> format_value(200.0), format_value(0.1)
    ('200', '0.1')
    """
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"a parameter is {number}, not a finite number")
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)  # noqa: PLR2004


def parse_sweeps(texts: Sequence[str], *, option: str = "--sweep") -> tuple[Sweep, ...]:
    """
    Read sweeps such as `price.west=0.5:1.5:0.1` (both ends belong to it) or `carbon_price=0,50,100`.

    Parameters
    ----------
    texts
        One for each parameter.
    option
        Name for the faults.

    Raises
    ------
    InputError
        With every fault of all texts.

    Examples
    --------
    >>> parse_sweeps(["price.west=0.9:1.1:0.1"])
    (Sweep(key='price.west', values=(0.9, 1.0, 1.1)),)
    """
    faults = FaultList(f"{option}")
    sweeps = []
    for key, text, whole in _split(texts, option, "KEY=START:STOP:STEP or KEY=V1,V2", faults):
        values = _range(text, whole, option, faults) if ":" in text else _list(text, whole, option, faults)
        _check_values(key, values, whole, option, faults)
        sweeps.append(Sweep(key, tuple(float(value) for value in values)))
    faults.raise_if_any()
    return tuple(sweeps)


def parse_ranges(texts: Sequence[str], *, option: str = "--tornado") -> tuple[ParameterRange, ...]:
    """
    Read ranges such as `price.west=0.8:1.2`.

    Parameters
    ----------
    texts
        One for each parameter.
    option
        Name for the faults.

    Raises
    ------
    InputError
        With every fault of all texts.
    """
    faults = FaultList(f"{option}")
    ranges = []
    for key, text, whole in _split(texts, option, "KEY=LOW:HIGH", faults):
        ends = [_number(part, whole, option, faults) for part in text.split(":")]
        low, high = (*ends, None, None)[:2]
        if len(ends) != 2:  # noqa: PLR2004
            faults.add(option, "is not a range", "Write KEY=LOW:HIGH.", value=whole)
        elif low is not None and high is not None:
            if low >= high:
                faults.add(option, "the range is empty: its low end is not below its high end", "Exchange them.",
                           value=whole)  # fmt: skip
            _check_values(key, [low, high], whole, option, faults)
            ranges.append(ParameterRange(key, float(low), float(high)))
    faults.raise_if_any()
    return tuple(ranges)


def sweep_points(sweeps: Iterable[Sweep]) -> tuple[dict[str, float], ...]:
    """
    List every combination of the values of sweeps, the last parameter changing fastest.

    Parameters
    ----------
    sweeps
        From `parse_sweeps`.
    """
    listed = list(sweeps)
    keys = [sweep.key for sweep in listed]
    return tuple(
        dict(zip(keys, values, strict=True)) for values in itertools.product(*(sweep.values for sweep in listed))
    )


def price_case_override(texts: Sequence[str]) -> str:
    """
    Write the override that applies price cases in place of those of the scenario.

    Parameters
    ----------
    texts
        Names or files; `a+b` is first a, then b.

    Examples
    --------
    >>> price_case_override(["valley_to_night+carbon_50"])
    'price_cases=["valley_to_night", "carbon_50"]'
    """
    names = [name for text in texts for name in price_case_names(text)]
    return f"price_cases={json.dumps(names, ensure_ascii=False)}"


def _override(key: str, value: float) -> str:
    name, _, selector = key.partition(".")
    number: float | int = json.loads(format_value(value))
    if name == CARBON and not selector:
        return _price_change(key, {"what": "carbon_price", "replace": number})
    if name in _FACTORS:
        return _price_change(key, {"what": _FACTORS[name], "scale": number} | _selector(name, selector))
    if name in {CELL, CELL_FACTOR}:
        return _cell_change(key, number)
    return f"{key}={format_value(value)}"


def _selector(name: str, selector: str) -> dict[str, Any]:
    if not selector:
        return {}
    if name == "token_price":
        return {"workload_classes": [selector]}
    kind, dot, rest = selector.partition(".")
    if dot and kind in _KINDS and rest:
        return {_KINDS[kind]: [rest]}
    return {"select": selector}


def _price_change(key: str, change: dict[str, Any]) -> str:
    return f"price_changes.{_change_id(key)}={json.dumps(change, ensure_ascii=False)}"


def _cell_change(key: str, number: float) -> str:
    name, table, row, column = key.split(".")
    rows = {} if row == ALL_ROWS else {"rows": [row]}
    change = {"table": table, **rows, "column": column, "replace" if name == CELL else "scale": number}
    return f"network_changes.{_change_id(key)}={json.dumps(change, ensure_ascii=False)}"


def _change_id(key: str) -> str:
    name = "sweep_" + key.replace(".", "_")
    if not ID_PATTERN.fullmatch(name) or len(name) > MAX_ID_LENGTH:
        name = f"sweep_{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    return name


def _split(texts: Sequence[str], option: str, form: str, faults: FaultList) -> Iterator[tuple[str, str, str]]:
    """Key, values and whole text of each; records texts without either, and keys that are wrong or there twice."""
    seen: set[str] = set()
    for text in texts:
        key, equals, values = (part.strip() for part in text.partition("="))
        if not (key and equals and values):
            faults.add(
                option, f"is not of the form {form}", "Write the name of a parameter, = and its values.", value=text
            )
            continue
        if key in seen:
            faults.add(option, "the parameter is there twice", "Give all its values at once.", value=text)
        seen.add(key)
        check_key(key, text, option, faults)
        yield key, values, text


def check_key(key: str, text: str, option: str, faults: FaultList) -> None:
    """
    Record what is wrong with the name of a parameter, as far as the name alone shows it.

    Parameters
    ----------
    key
        Name of the parameter.
    text
        What was given, for the faults.
    option
        Name of the option or file, for the faults.
    faults
        Receives what is wrong.
    """
    name, dot, selector = key.partition(".")
    if name in {CELL, CELL_FACTOR} and key.count(".") != _CELL_PARTS - 1:
        remedy = f"Write {name}.TABLE.ROW.COLUMN, {ALL_ROWS} for all rows, such as {name}.data_centers.*.pue."
        faults.add(option, "is no cell of the network", remedy, value=text)
    elif name == CARBON and dot:
        faults.add(option, "a carbon price has no selector", f"Write {CARBON}=VALUES.", value=text)
    elif not all(part.strip() for part in key.split(".")):
        faults.add(option, "a part of the key is blank", "Write parts with dots between them.", value=text)
    elif not dot and name not in _NAMES:
        remedy = f"Name one of {', '.join(_NAMES)}, or a key with its section, such as demand.tokens_per_day_trillion."
        faults.add(option, "there is no such parameter", remedy + suggest(name, _NAMES), value=text)
    elif name in _FACTORS and selector.split(".")[0] in _KINDS and "." in selector and name == "token_price":
        faults.add(option, "a token price has no place", "Write token_price or token_price.CLASS.", value=text)


def _range(text: str, whole: str, option: str, faults: FaultList) -> list[Decimal]:
    """Count from START to STOP in decimal steps, so that 0.1 + 0.2 is 0.3."""
    parts = [_number(part, whole, option, faults) for part in text.split(":")]
    if len(parts) != 3:  # noqa: PLR2004
        faults.add(option, "is not a range", "Write KEY=START:STOP:STEP.", value=whole)
        return []
    start, stop, step = parts
    if start is None or stop is None or step is None:
        return []
    if step <= 0 or stop < start:
        problem = "the step is not above 0" if step <= 0 else "the range is empty: it stops before it starts"
        faults.add(option, problem, "Write START:STOP:STEP upwards.", value=whole)
        return []
    if (stop - start) / step >= MAX_VALUES:
        faults.add(option, f"has more than {MAX_VALUES:,} values", "Take a larger step.", value=whole)
        return []
    count = int((stop - start) / step)
    if start + count * step != stop:
        last = start + count * step
        remedy = f"Choose a step that divides it, or stop at {last} or {last + step}."
        faults.add(option, "the step does not divide the range", remedy, value=whole)
        return []
    return [start + number * step for number in range(count + 1)]


def _list(text: str, whole: str, option: str, faults: FaultList) -> list[Decimal]:
    values = [_number(part, whole, option, faults) for part in text.split(",")]
    known = [value for value in values if value is not None]
    if len(set(known)) < len(known):
        faults.add(option, "a value is there twice", "Give each value once.", value=whole)
    if len(known) > MAX_VALUES:
        faults.add(option, f"has more than {MAX_VALUES:,} values", "Give fewer.", value=whole)
    return known


def _number(text: str, whole: str, option: str, faults: FaultList) -> Decimal | None:
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        value = Decimal("NaN")
    if value.is_finite() and math.isfinite(float(value)) and "_" not in text:
        return value
    problem = "a value is missing" if not text.strip() else f"{text.strip()} is not a finite number"
    faults.add(option, problem, "Write decimal numbers.", value=whole)
    return None


def _check_values(key: str, values: Sequence[Decimal], whole: str, option: str, faults: FaultList) -> None:
    if key.partition(".")[0] in (*_NAMES, CELL_FACTOR) and any(value < 0 for value in values):
        what = "a carbon price" if key == CARBON else "a factor"
        faults.add(option, f"{what} is negative", "Give 0 or more.", value=whole)
