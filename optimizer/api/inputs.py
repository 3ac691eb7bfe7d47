"""
What is accepted where a scenario, overrides or a network are expected.

A scenario is a built-in name, a file, a loaded `Scenario`, a dictionary or YAML text; a network a built-in name, a
folder, a `Network` or its tables. What has no file yet gets one for as long as the process lives, and a copy in the
run folder when the run is saved.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from network_data.faults import Fault, FaultList, InputError
from network_data.load import BUILT_IN_FOLDER, Network, list_networks, load_network
from network_data.session import keep_files, network_content, session_folder_of, table_content
from scenarios.document import plain
from scenarios.load import OVERRIDE_OPTION, load_scenario
from scenarios.price_parameters import price_case_override
from scenarios.schema import Scenario, ScenarioKeys
from scenarios.sources import Sources, find_scenario, list_scenarios
from scenarios.yaml_reader import read_yaml

if TYPE_CHECKING:
    import pandas as pd

ScenarioLike = str | Path | Scenario | Mapping[str, Any]
NetworkLike = str | Path | Network | Mapping[str, "pd.DataFrame"]
Overrides = Mapping[str, Any] | Sequence[str]

_SCENARIO_FILE = "scenario.yaml"
_NETWORK_NAME = "network"


@dataclass(frozen=True)
class Inputs:
    """A scenario as the loaders take it."""

    scenario: str | Path  # Built-in name or file
    overrides: tuple[str, ...]  # Texts `key.path=value`.

    def load(self) -> tuple[Network, Scenario]:
        """Load the scenario and its network."""
        loaded = load_scenario(self.scenario, self.overrides)
        return load_network(loaded.network), loaded


def find_inputs(
    scenario: ScenarioLike,
    overrides: Overrides | None = None,
    *,
    network: NetworkLike | None = None,
    price_cases: str | Sequence[str] = (),
) -> Inputs:
    """
    Find the files of a scenario, and write those that do not exist yet.

    Parameters
    ----------
    scenario
        Built-in name, YAML file, loaded scenario, dictionary of keys, or YAML text (with a line break).
        Files named in a dictionary or a text start from the working directory.
    overrides
        Keys to change: `{"time.slices_per_day": 4}`, `{"time": {"slices_per_day": 4}}`, or texts such as
        `time.slices_per_day=4`. A DataFrame may stand wherever a table is named.
    network
        In place of the scenario's own: built-in name, folder, loaded (and edited) network, or its tables by name.
    price_cases
        Names or files, in place of the scenario's own; `a+b` is first a, then b.

    Raises
    ------
    InputError
        If an argument is of no such kind; it names the argument.
    """
    source, before = _find_scenario(scenario)
    texts = [*before, *([price_case_override(_as_list(price_cases, "price_cases"))] if price_cases else [])]
    later, tables = _split_overrides(overrides)
    if network is not None:
        folder = _find_network(network)
        if session_folder_of(folder) is None:
            name = folder.name if folder.parent == BUILT_IN_FOLDER else str(folder)
            texts.append(f"network={_yaml_text(name)}")
        else:
            tables.network = folder
    if tables.is_empty:
        return Inputs(source, (*texts, *later))
    return Inputs(_derive(source, tables), (*texts, *later))


@contextmanager
def naming_arguments() -> Iterator[None]:
    """Name the argument, not the file that was written for it, in whatever fault is found."""
    try:
        yield
    except InputError as error:
        faults = [_named_by_argument(fault) for fault in error.faults]
        if faults == list(error.faults):
            raise
        is_of_argument = any(fault.file == "the argument scenario" for fault in faults)
        raise InputError(faults, "the arguments" if is_of_argument else error.subject) from None


def _named_by_argument(fault: Fault) -> Fault:
    if fault.file == OVERRIDE_OPTION:
        return replace(fault, file="price_cases" if fault.column == "price_cases" else "overrides")
    is_own = session_folder_of(Path(fault.file)) is not None
    return replace(fault, file="the argument scenario", row=None) if is_own else fault


def override_texts(overrides: Overrides | None) -> list[str]:
    """
    Write overrides as the texts that `--set` takes.

    Raises
    ------
    InputError
        If a value cannot be written in a scenario.

    Examples
    --------
    >>> override_texts({"time": {"slices_per_day": 4}, "solver.mip_rel_gap": 1e-3, "policy.min_green_share": None})
    ['time.slices_per_day=4', 'solver.mip_rel_gap=0.001', 'policy.min_green_share=null']
    """
    texts, tables = _split_overrides(overrides)
    if not tables.is_empty:
        raise _refused("overrides", "holds a table", "Write the table to a file and name it.")
    return texts


@dataclass
class _Tables:
    """Tables given in memory: by key of the scenario, and a network written for this process."""

    by_key: dict[str, pd.DataFrame] = field(default_factory=dict)
    network: Path | None = None

    @property
    def is_empty(self) -> bool:
        return not self.by_key and self.network is None


def _split_overrides(overrides: Overrides | None) -> tuple[list[str], _Tables]:
    """Split overrides into texts and tables."""
    if overrides is None:
        return [], _Tables()
    if not isinstance(overrides, Mapping):
        return _as_list(overrides, "overrides"), _Tables()
    values, tables = _split_tables(overrides, "overrides")
    return [f"{key}={_yaml_text(value, key)}" for key, value in values.items()], tables


def _split_tables(keys: Mapping[Any, Any], argument: str) -> tuple[dict[str, Any], _Tables]:
    """Split nested keys into values by path and tables."""
    values: dict[str, Any] = {}
    tables = _Tables()
    for key, value in _flat(keys, argument):
        if _is_table(value):
            tables.by_key[key] = value
        elif key == "network" and isinstance(value, Network | Mapping):
            tables.network = _find_network(value)
        else:
            values[key] = value
    return values, tables


def _flat(values: Mapping[Any, Any], argument: str, above: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in values.items():
        if not isinstance(key, str) or not key:
            raise _refused(argument, f"has the key {key!r}, which is no text", "Give keys such as time.slices_per_day.")
        path = f"{above}{key}"
        is_section = isinstance(value, Mapping) and value and not _is_network_tables(path, value)
        found += _flat(value, argument, f"{path}.") if is_section else [(path, value)]
    return found


def _as_list(texts: object, argument: str) -> list[str]:
    listed = [texts] if isinstance(texts, str) else list(texts) if isinstance(texts, Sequence) else [None]
    if not all(isinstance(text, str) for text in listed):
        remedy = "Give a dictionary of keys, or texts key=value." if argument == "overrides" else "Give names."
        raise _refused(argument, f"is of type {type(texts).__name__}, or holds something else than texts", remedy)
    return [str(text) for text in listed]


def _find_scenario(scenario: ScenarioLike) -> tuple[str | Path, tuple[str, ...]]:
    """Find the file of a scenario, and the overrides that belong to it."""
    if isinstance(scenario, Scenario):
        _require_unchanged(scenario)
        return scenario.source_path, scenario.overrides
    if isinstance(scenario, Mapping):
        return _write_document(dict(scenario)), ()
    if isinstance(scenario, str) and _is_yaml(scenario):
        faults = FaultList("the argument scenario")
        node = read_yaml(scenario, "scenario", faults)
        faults.raise_if_any()
        document = None if node is None else plain(node)
        if not isinstance(document, dict):
            raise _refused("scenario", "is no mapping of keys to values", "Write lines of the form `key: value`.")
        return _write_document(document), ()
    if isinstance(scenario, str | Path):
        return scenario, ()
    kinds = "a built-in name, a file, a loaded scenario, a dictionary or YAML text"
    raise _refused("scenario", f"is of type {type(scenario).__name__}", f"Give {kinds}.")


def _is_yaml(text: str) -> bool:
    try:
        return "\n" in text and not Path(text).is_file()
    except OSError:  # too long for a name
        return True


def _require_unchanged(scenario: Scenario) -> None:
    """Refuse a scenario that was copied with changes: its file does not say them."""
    again = load_scenario(scenario.source_path, scenario.overrides)
    names = [*ScenarioKeys.model_fields, "profiles", "workloads"]
    if changed := [name for name in names if getattr(again, name) != getattr(scenario, name)]:
        raise _refused(
            "scenario",
            f"differs from its file {scenario.source_path.name} in {', '.join(changed)}",
            "Load it again, and give the changes as overrides.",
        )


def _write_document(document: dict[str, Any]) -> Path:
    """Write a scenario given as a dictionary, with its tables beside it."""
    keys: dict[str, Any] = {}
    values, tables = _split_tables(document, "scenario")
    for key, value in values.items():
        _put(keys, key, _from_working_directory(key, value))
    if "name" not in keys and isinstance(keys.get("extends"), str):
        keys["name"] = Path(keys["extends"]).stem
    return _write(keys, tables)


def _derive(source: str | Path, tables: _Tables) -> Path:
    """Write a scenario that extends another by tables given in memory."""
    chain = Sources(find_scenario(source, Path()), faults := FaultList("the argument scenario")).read_chain()
    if chain is None:
        raise faults.error()
    parent = str(source) if source in list_scenarios() else str(Path(source).absolute())
    own = {key: text for key in ("name", "description") if (text := chain.text(key)) is not None}
    return _write({**own, "extends": parent}, tables)


def _write(keys: dict[str, Any], tables: _Tables) -> Path:
    files: dict[str, bytes] = {}
    for key, table in tables.by_key.items():
        name = f"{key.rpartition('.')[2]}.csv"
        files[name] = table_content(table)
        _put(keys, key, name)
    if tables.network is not None:
        name = tables.network.name
        keys["network"] = name if name not in list_networks() else f"./{name}"
        files |= {f"{name}/{path.name}": path.read_bytes() for path in tables.network.iterdir()}
    lines = [f"{_yaml_text(key)}: {_yaml_text(value, key)}" for key, value in keys.items()]
    files[_SCENARIO_FILE] = ("\n".join(lines) + "\n").encode("utf-8", errors="surrogateescape")
    return keep_files(files) / _SCENARIO_FILE


def _put(keys: dict[str, Any], path: str, value: Any) -> None:
    *sections, last = path.split(".")
    for section in sections:
        inner = keys.get(section)
        keys[section] = inner = inner if isinstance(inner, dict) else {}
        keys = inner
    keys[last] = value


def _from_working_directory(key: str, value: Any) -> Any:
    """Name a file from the root that a dictionary names from the working directory."""
    if isinstance(value, Path):
        return str(value.absolute())
    if key == "price_cases" and isinstance(value, Sequence) and not isinstance(value, str):
        return [_from_working_directory("", item) for item in value]
    is_file_key = key.endswith("_table") or key in {"", "extends", "network"}
    if is_file_key and isinstance(value, str) and value and value not in (*list_networks(), *list_scenarios()):
        path = Path(value)
        return str(path.absolute()) if path.exists() else value
    return value


def _find_network(network: NetworkLike) -> Path:
    """Find the folder of a network, or write one."""
    if isinstance(network, Network):
        stored = load_network(network.folder).tables
        if all(table.equals(stored[name]) for name, table in network.tables.items()):
            return network.folder
        return network.with_tables().folder  # a table was edited in place
    if isinstance(network, Mapping):
        try:
            files = network_content(network)
        except (ValueError, TypeError) as error:
            raise _refused("network", str(error), "Give DataFrames by table name.") from error
        return keep_files({f"{_NETWORK_NAME}/{name}": content for name, content in files.items()}) / _NETWORK_NAME
    if isinstance(network, str | Path):
        if isinstance(network, str) and network in list_networks():
            return BUILT_IN_FOLDER / network
        return load_network(network).folder
    kinds = "a built-in name, a folder, a loaded network, or tables by name"
    raise _refused("network", f"is of type {type(network).__name__}", f"Give {kinds}.")


def _is_table(value: object) -> bool:
    return type(value).__name__ == "DataFrame" and hasattr(value, "to_csv")


def _is_network_tables(path: str, value: Mapping[Any, Any]) -> bool:
    return path == "network" and any(map(_is_table, value.values()))


def _yaml_text(value: Any, key: str = "") -> str:
    """Write a value in the YAML of scenarios: flow style, numbers and texts as JSON has them."""
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, bool) or value is None or isinstance(value, str | Path):
        return json.dumps(str(value) if isinstance(value, Path) else value, ensure_ascii=False)
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, Mapping):
        parts = (f"{_yaml_text(str(name))}: {_yaml_text(item, key)}" for name, item in value.items())
        return f"{{{', '.join(parts)}}}"
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value) if isinstance(value, set | frozenset) else value
        return f"[{', '.join(_yaml_text(item, key) for item in items)}]"
    remedy = "Give numbers, texts, yes or no as True or False, lists, dictionaries, or None."
    raise _refused(
        "overrides", f"holds for {key} a value of type {type(value).__name__}, which no scenario can have", remedy
    )


def _number(value: float) -> str:
    if math.isfinite(value):
        return json.dumps(value)
    return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"


def _refused(argument: str, problem: str, remedy: str) -> InputError:
    return InputError([Fault(f"the argument {argument}", None, None, None, problem, remedy)], "the arguments")
