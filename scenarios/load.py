"""Load a scenario: read, merge, override, check everything, and only then raise or return."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from network_data.currency import name_in_currency
from network_data.faults import Fault, FaultList, InputError, InputWarning, quote_value, suggest
from network_data.load import list_networks, load_network
from network_data.plausibility import warn_once
from scenarios.document import Node, Place, merge, plain, without
from scenarios.money import currency_of, rename_keys
from scenarios.price_case import price_steps, read_price_cases
from scenarios.price_series import PriceSeries, read_price_series
from scenarios.schema import Scenario, ScenarioKeys, WorkloadDemand
from scenarios.sources import Sources, find_scenario, join_name, list_scenarios
from scenarios.tables import read_classes, read_profiles, read_workloads
from scenarios.validate import add_fault, validate_keys
from scenarios.yaml_reader import MAX_DEPTH, read_yaml

__all__ = ["list_scenarios", "load_scenario", "scenario_json_schema"]

OVERRIDE_OPTION = "--set"
SHARE_SUM_TOLERANCE = 1e-6


class ScenarioWarning(InputWarning):
    """Something in a scenario is allowed but hardly meant."""


def load_scenario(name_or_path: str | Path, overrides: Sequence[str] = ()) -> Scenario:
    """
    Load a scenario with all it extends and all its tables, and check it.

    Parameters
    ----------
    name_or_path
        Built-in name, or a YAML file.
    overrides
        Texts such as `solver.threads=1`: a key path and a YAML value, applied last. A table named here is
        relative to the working directory.

    Returns
    -------
    Scenario
        The checked scenario.

    Raises
    ------
    InputError
        With every fault found in the files, the tables and the overrides.

    Warns
    -----
    ScenarioWarning
        If something is allowed but hardly meant, such as a profile that nearly but not quite sums to 24; of each
        once in a process. `Scenario.warnings` holds all.
    """
    doubts: list[Fault] = []
    faults = FaultList(f"scenario {quote_value(name_or_path)}")
    sources = Sources(find_scenario(name_or_path, Path()), faults)
    root = sources.read_chain()
    changes = _read_overrides(overrides, faults)
    if root is None:
        raise faults.error()
    root = merge(root, changes)
    currency = currency_of(root)
    root = rename_keys(_add_classes(root, currency, sources, faults), currency, faults)
    root = _find_network(root, faults)
    profiles = _read_profiles(root, sources, faults, doubts)
    workloads, workloads_path = _read_workloads(root, sources, faults)
    price_series = _read_price_series(root, sources, faults)
    price_cases = read_price_cases(root, sources, faults)
    of_keys = FaultList()
    keys = validate_keys(root, plain(root), of_keys, ScenarioKeys)
    faults.extend(name_in_currency(fault, currency) for fault in of_keys)
    _check_shares(root, faults)
    if keys is None or profiles is None or len(faults):
        faults.extend(_faults_of_network(root))
        raise faults.error()
    warn_once(doubts, str(sources.path), ScenarioWarning, stacklevel=2)
    return Scenario(
        **{name: getattr(keys, name) for name in ScenarioKeys.model_fields},
        profiles=profiles,
        workloads=workloads,
        workloads_path=workloads_path,
        price_series=price_series,
        loaded_price_cases=price_cases,
        price_steps=price_steps(keys.price_changes, root.get("price_changes"), "price_changes", None),
        # Neither read nor hashed: a plan is the same whatever is said of its ranges.
        ranges_path=_path_of(root, "ranges_table"),
        source_path=sources.path,
        file_hashes=sources.file_hashes,
        file_paths=sources.file_paths,
        overrides=tuple(overrides),
        warnings=tuple(doubts),
    )


def scenario_json_schema() -> dict[str, Any]:
    """
    Describe a scenario file as JSON Schema, for editors and documentation.

    Returns
    -------
    dict
        The schema. No key but those of list items is marked as required: `extends` and tables may bring it.
    """
    schema = ScenarioKeys.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    for part in (schema, *(part for name, part in schema["$defs"].items() if name != "RepresentativeDay")):
        part.pop("required", None)
    schema["required"] = ["name"]
    return schema


def _read_overrides(overrides: Sequence[str], faults: FaultList) -> Node:
    """Merge the overrides into one tree; a later one wins over an earlier one."""
    place = Place(OVERRIDE_OPTION)
    changes = Node({}, place)
    for override in overrides:
        key, equals, text = override.partition("=")
        path = key.strip().split(".")
        if not equals or not all(path) or len(path) > MAX_DEPTH:
            remedy = "Write key.path=value, e.g. solver.threads=1."
            faults.add(OVERRIDE_OPTION, "is not of the form key.path=value", remedy, value=override)
            continue
        if path == ["extends"]:
            faults.add(OVERRIDE_OPTION, "extends cannot be overridden", "Name the other scenario.", value=key)
            continue
        found = FaultList()
        node = read_yaml(text, OVERRIDE_OPTION, found, first_line=None)
        for fault in found:
            faults.add(OVERRIDE_OPTION, fault.problem, fault.remedy, column=key, value=text)
        if node is not None:
            for part in reversed(path):
                node = Node({part: node}, place)
            changes = merge(changes, node)
    return changes


def _add_classes(root: Node, currency: str, sources: Sources, faults: FaultList) -> Node:
    """Lay the scenario's own classes over those of its table, and leave out the dropped ones."""
    path = sources.find_table(root, "workload_classes_table")
    below, table = read_classes(path, currency, faults) if path else (None, None)
    if path and table:
        sources.remember(path, table.sha256)
    own = root.get("workload_classes")
    classes = own if below is None else below if own is None else merge(below, own)
    if classes is None or not isinstance(classes.value, dict):
        return root
    dropped = root.get("drop_classes")
    for item in dropped.value if dropped is not None and isinstance(dropped.value, tuple) else ():
        if isinstance(item.value, str) and item.value not in classes.value:
            remedy = "Correct or remove the id." + suggest(item.value, classes.value)
            problem = "there is no such workload class"
            faults.add(item.place.file, problem, remedy, row=item.place.row, column="drop_classes", value=item.value)
        elif isinstance(item.value, str):
            classes = without(classes, item.value)
    return merge(without(root, "workload_classes"), Node({"workload_classes": classes}, root.place))


def _find_network(root: Node, faults: FaultList) -> Node:
    """Replace the network's name by the folder it means, unless it is built in."""
    node, name = root.get("network"), root.text("network")
    if node is None or not name or name in list_networks():
        return root
    folder = join_name(Path(node.place.file).parent, name)
    try:
        found = folder.is_dir()
    except (OSError, ValueError):  # a name that no file system takes
        found = False
    if not found:
        remedy = f"Name a folder or a built-in network: {', '.join(list_networks())}."
        near = suggest(name, list_networks())
        add_fault(faults, root, ("network",), "there is no such network", remedy + near, name)
    return merge(root, Node({"network": Node(str(folder), node.place)}, root.place))


def _faults_of_network(root: Node) -> tuple[Fault, ...]:
    """Find what is wrong with the network of a scenario that is at fault itself, so that both are told at once."""
    name = root.text("network") or ""
    try:
        if name in list_networks() or (name and Path(name).is_dir()):
            load_network(name)
    except InputError as error:
        # Beside those of the scenario a bare file name would not say whose it is.
        return tuple(replace(fault, file=f"{Path(name).name}/{fault.file}") for fault in error.faults)
    except (OSError, ValueError):  # a name that no file system takes, which was told
        return ()
    return ()


def _read_profiles(
    root: Node, sources: Sources, faults: FaultList, doubts: list[Fault]
) -> dict[str, tuple[float, ...]] | None:
    """Read the profiles and check that every class names one of them."""
    path = sources.find_table(root, "demand_profiles_table")
    profiles, table = read_profiles(path, faults, doubts) if path else (None, None)
    if path is None or profiles is None or table is None:
        return None
    sources.remember(path, table.sha256)
    for class_id, node in _classes(root).items():
        name = node.text("demand_profile")
        if name is not None and name not in profiles:
            remedy = f"Add it as a column of {table.file} or correct the id.{suggest(name, profiles)}"
            where = ("workload_classes", class_id, "demand_profile")
            add_fault(faults, root, where, "there is no such demand profile", remedy, name)
    return profiles


def _read_workloads(
    root: Node, sources: Sources, faults: FaultList
) -> tuple[tuple[WorkloadDemand, ...] | None, Path | None]:
    path = sources.find_table(root, "demand", "workloads_table")
    if path is None:
        return None, None
    workloads, table = read_workloads(path, _classes(root), faults)
    if table is not None:
        sources.remember(path, table.sha256)
    return workloads, path


def _read_price_series(root: Node, sources: Sources, faults: FaultList) -> PriceSeries | None:
    path = sources.find_table(root, "price_series_table", suffixes=(".csv", ".parquet"))
    if path is None:
        return None
    series, sha256 = read_price_series(path, faults)
    sources.remember(path, sha256)
    return series


def _path_of(root: Node, key: str) -> Path | None:
    """Find where a file is that a key names, whether it is there or not."""
    node, name = root.get(key), root.text(key)
    return None if node is None or not name else join_name(Path(node.place.file).parent, name)


def _check_shares(root: Node, faults: FaultList) -> None:
    """Check that the classes share out all tokens, where a national total is given."""
    total = root.get("demand", "tokens_per_day_trillion")
    if total is None or total.value is None:
        return
    shares: list[float] = []
    for class_id, node in _classes(root).items():
        if not isinstance(node.value, dict):
            return  # refused by the schema
        share = node.get("share_of_tokens")
        if share is None or share.value is None:
            where = ("workload_classes", class_id, "share_of_tokens")
            remedy = "Give each class its share of tokens_per_day_trillion, 0 to 1."
            add_fault(faults, root, where, "the class has no share of the tokens", remedy)
            return
        if isinstance(share.value, bool) or not isinstance(share.value, int | float) or share.value < 0:
            return  # refused by the schema
        shares.append(float(share.value))
    found = math.fsum(shares)
    if shares and not abs(found - 1) <= SHARE_SUM_TOLERANCE:
        place = root.entries["workload_classes"].place
        problem = f"share_of_tokens of the {len(shares)} classes sum to {found:.9g}, not 1"
        remedy = f"Divide each share by {found:.9g}." if found > 0 else "Give shares that sum to 1."
        faults.add(place.file, problem, remedy, row=place.row, column="share_of_tokens")


def _classes(root: Node) -> dict[str, Node]:
    classes = root.get("workload_classes")
    return {} if classes is None else classes.entries
