"""Find and load price cases: named changes of prices that go with any scenario."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from network_data.faults import FaultList, quote_value
from scenarios.document import Node, Place, plain
from scenarios.price_changes import PriceCase, PriceCaseKeys, PriceChange, PriceStep
from scenarios.price_series import read_price_series
from scenarios.sources import PRICE_CASE_FOLDER, Sources, join_name, list_price_cases
from scenarios.validate import validate_keys

__all__ = ["list_price_cases", "load_price_case", "price_case_json_schema", "price_steps", "read_price_cases"]


def load_price_case(name_or_path: str | Path) -> PriceCase:
    """
    Load a price case and check what can be checked without a network.

    Parameters
    ----------
    name_or_path
        Built-in name, or a YAML file.

    Raises
    ------
    InputError
        With every fault found in the file and its hourly series.
    """
    faults = FaultList(f"price case {quote_value(name_or_path)}")
    path = find_price_case(name_or_path, Path())
    case = _read_price_case(path, Sources(path, faults), Place(str(path)), faults)
    if case is None:
        raise faults.error()
    return case


def price_case_json_schema() -> dict[str, Any]:
    """
    Describe a price-case file as JSON Schema, for editors and documentation.

    Returns
    -------
    dict
        The schema.
    """
    return PriceCaseKeys.model_json_schema() | {"$schema": "https://json-schema.org/draft/2020-12/schema"}


def find_price_case(name_or_path: str | Path, folder: Path) -> Path:
    """
    Find the file of a price case.

    Parameters
    ----------
    name_or_path
        Built-in name, or a file.
    folder
        Folder that a relative file name starts from.
    """
    if isinstance(name_or_path, str) and name_or_path in list_price_cases():
        return PRICE_CASE_FOLDER / f"{name_or_path}.yaml"
    return join_name(folder, name_or_path)


def read_price_cases(root: Node, sources: Sources, faults: FaultList) -> tuple[PriceCase, ...]:
    """
    Read the price cases that a scenario names.

    Parameters
    ----------
    root
        The merged scenario.
    sources
        Files of the scenario; receives the hashes of those read here.
    faults
        Receives what is wrong with them.
    """
    listed = root.get("price_cases")
    cases = []
    for item in listed.value if listed is not None and isinstance(listed.value, tuple) else ():
        if isinstance(item.value, str) and item.value:  # other types are the schema's to refuse
            path = find_price_case(item.value, Path(item.place.file).parent)
            case = _read_price_case(path, sources, item.place, faults)
            cases += [] if case is None else [case]
    return tuple(cases)


def price_steps(
    changes: Mapping[str, PriceChange], node: Node | None, key: str, confidence: str | None
) -> tuple[PriceStep, ...]:
    """
    Say of each change where it was written.

    Parameters
    ----------
    changes
        Checked changes by id, in order.
    node
        The mapping they were read from.
    key
        Name of the mapping.
    confidence
        Of the price case, for changes that do not state their own.
    """
    found = {} if node is None else node.entries
    return tuple(
        PriceStep(
            change,
            change.confidence or confidence,
            found[name].place.file,
            f"{key}.{name}",
            {"": found[name].place.row} | {part: child.place.row for part, child in found[name].entries.items()},
        )
        for name, change in changes.items()
    )


def _read_price_case(path: Path, sources: Sources, place: Place, faults: FaultList) -> PriceCase | None:
    before = len(faults)
    root = sources.read_price_case(path, place)
    if root is None:
        return None
    table, series = sources.find_table(root, "hourly_series_table", suffixes=(".csv", ".parquet")), None
    if table is not None:
        series, sha256 = read_price_series(table, faults)
        sources.remember(table, sha256)
    keys = validate_keys(root, plain(root), faults, PriceCaseKeys)
    if keys is None or len(faults) > before:
        return None
    return PriceCase(
        **{name: getattr(keys, name) for name in PriceCaseKeys.model_fields},
        series=series,
        steps=price_steps(keys.changes, root.get("changes"), "changes", keys.confidence),
        source_path=path,
    )
