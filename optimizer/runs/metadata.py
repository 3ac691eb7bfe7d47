"""What `run.json` says of a run: versions, inputs, options, how the solve ended, and the numbers of the plan."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

from network_data.faults import FaultList
from network_data.load import BUILT_IN_FOLDER as NETWORK_FOLDER
from network_data.load import Network, list_networks
from network_data.session import session_folder_of
from optimizer.problem.problem import PlacementProblem
from optimizer.problem.slicing import WARNED_LOSS_SHARE, lost_peaks
from optimizer.runs.folder import BASEMAP_FILE, INFO_FILE, INPUTS_FOLDER, missing_file
from optimizer.runs.results import Results
from optimizer.sensitivity.price_table import top_prices
from optimizer.solvers.control import Solution
from optimizer.solvers.memory import peak_memory_mb
from scenarios.document import plain
from scenarios.schema import Scenario
from scenarios.sources import BUILT_IN_FOLDER as SCENARIO_FOLDER
from scenarios.sources import list_price_cases
from scenarios.yaml_reader import read_yaml

_LIBRARIES = ("edwc", "highspy", "pyomo", "numpy", "scipy", "pandas", "networkx", "geopandas", "pyarrow")

# Keys whose value is a file name; given with --set, it starts from the working directory.
PATH_KEYS = (
    "network", "workload_classes_table", "demand_profiles_table", "demand.workloads_table", "price_series_table",
    "ranges_table",
)  # fmt: skip


def run_info(scenario: Scenario, network: Network, solution: Solution, results: Results | None) -> dict[str, Any]:
    """
    Describe a run.

    Parameters
    ----------
    results
        Tables and numbers; None without a plan.
    """
    shadow_prices = None if results is None else results.tables.get("shadow_prices")
    return {
        "scenario": describe_scenario(scenario, None),
        "network": describe_network(network, None),
        "warnings": describe_warnings(scenario, network),
        "versions": library_versions(),
        "options": scenario.solver.model_dump(),
        "finished_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "termination": str(solution.termination),
        "method": solution.method,
        "objective_cny_per_year": solution.objective_cny,
        "bound_cny_per_year": solution.bound_cny,
        "mip_rel_gap": solution.mip_rel_gap,
        "seconds": solution.seconds,
        "peak_memory_mb": peak_memory_mb(),
        "summary": {} if results is None else results.summary,
        "market_value": None if results is None else value_beside_cost(scenario, results.summary["full_cny_per_mtok"]),
        "baselines": [] if results is None else results.baselines,
        "limit_values_cny_per_year": {} if results is None else results.limits,
        "top_shadow_prices": [] if shadow_prices is None else top_prices(shadow_prices).to_dict("records"),
        "progress": [asdict(line) | {"seconds": round(line.seconds, 3)} for line in solution.progress],
    }


def changed_keys(info: Mapping[str, Any]) -> tuple[str, ...]:
    """
    List what a run changes in its scenario, as KEY=VALUE; how the solver is steered is no change of it.

    Files are called by their names alone: a page may be read elsewhere.

    Parameters
    ----------
    info
        Content of `run.json`.

    Examples
    --------
    >>> changed_keys({"scenario": {"overrides": ["sites.max=3", "solver.threads=1", "sites.max=4", "network=/a/b"]}})
    ('sites.max=4', 'network=b')
    """
    scenario = info.get("scenario")
    texts = scenario.get("overrides") or () if isinstance(scenario, Mapping) else ()
    last = {key: value for key, _, value in (str(text).partition("=") for text in texts)}
    shown = {key: Path(value).name if key in PATH_KEYS else value for key, value in last.items()}
    return tuple(f"{key}={value}" for key, value in shown.items() if not key.startswith("solver."))


def describe_warnings(scenario: Scenario, network: Network) -> list[dict[str, Any]]:
    """List what is allowed but hardly meant in the inputs: file, row, column, value, problem and remedy of each."""
    return [asdict(doubt) for doubt in (*scenario.warnings, *network.warnings)]


def library_versions() -> dict[str, str | None]:
    """Versions of Python, of this program and of the libraries that results depend on."""
    return {"python": platform.python_version(), **{name: _version(name) for name in _LIBRARIES}}


def slicing_facts(scenario: Scenario, problem: PlacementProblem) -> dict[str, Any]:
    """
    Say how the days are cut, and which peaks the slices average away.

    Returns
    -------
    dict
        slices_per_day, slicing, and lost_peaks: the rows of `optimizer.problem.slicing.lost_peaks` that lose more than
        `WARNED_LOSS_SHARE` of their peak, the largest loss of accelerators first.
    """
    peaks = lost_peaks(problem, scenario)
    return {
        "slices_per_day": scenario.time.slices_per_day,
        "slicing": scenario.time.slicing,
        "lost_peaks": peaks[peaks["lost_share"] > WARNED_LOSS_SHARE].to_dict("records"),
    }


def value_beside_cost(scenario: Scenario, full_cny_per_mtok: float) -> dict[str, float] | None:
    """
    Compare the full cost of a plan with the market value of the tokens.

    Returns
    -------
    dict or None
        low and high value in USD and CNY per million tokens, and the full cost as a share of each; None where the
        scenario states no value.
    """
    value = scenario.market_value
    if value is None:
        return None
    return {
        "low_usd_per_mtok": value.low_usd_per_mtok,
        "high_usd_per_mtok": value.high_usd_per_mtok,
        "low_cny_per_mtok": value.low_cny_per_mtok,
        "high_cny_per_mtok": value.high_cny_per_mtok,
        "full_cost_share_of_low": full_cny_per_mtok / value.low_cny_per_mtok,
        "full_cost_share_of_high": full_cny_per_mtok / value.high_cny_per_mtok,
    }


def describe_scenario(scenario: Scenario, folder: Path | None) -> dict[str, Any]:
    """Name a scenario so that it can be loaded again, by paths relative to a run folder or the working directory."""
    source = scenario.source_path.absolute()  # not resolved: tables are found from where a link stands
    return {
        "name": scenario.name,
        "description": scenario.description,
        **_locate(source, source.stem if source.parent.resolve() == SCENARIO_FOLDER.resolve() else None, folder),
        "overrides": [absolute_override(text) for text in scenario.overrides],
        "price_cases": [
            case.model_dump(include={"name", "description", "source", "confidence"})
            for case in scenario.loaded_price_cases
        ],
        "file_hashes": scenario.file_hashes,
    }


def describe_network(network: Network, folder: Path | None) -> dict[str, Any]:
    """Name a network in the same way; its basemap is the copy in the run folder."""
    path = network.folder.resolve()
    return {
        "name": network.name,
        **_locate(path, path.name if path.parent == NETWORK_FOLDER.resolve() else None, folder),
        "basemap": None if network.basemap is None else BASEMAP_FILE,
        "currency": network.currency,
        "time_zone": network.time_zone,
        "regions": list(network.regions),
        "file_hashes": network.file_hashes,
    }


def find_scenario_again(info: dict[str, Any], folder: Path) -> str | Path:
    """
    Find the scenario of a stored run: by name, else relative to the run folder, else in its old place.

    Raises
    ------
    InputError
        If it is in none of these places.
    """
    if info.get("built_in"):
        return str(info["built_in"])
    beside = Path(os.path.normpath(folder.resolve() / str(info.get("path"))))
    for path in (beside, Path(str(info.get("absolute_path")))):
        if path.is_file():
            return path
    raise missing_file(beside)


def inputs_to_keep(scenario: Scenario) -> Path | None:
    """Find the folder of inputs that were made in memory, or that an opened run has kept."""
    return _kept_folder(scenario.source_path.absolute())


def changed_inputs(info: Mapping[str, Any], scenario: Scenario, network: Network) -> dict[tuple[str, str], str]:
    """
    Compare the files that a run was made from with those that are there now.

    Parameters
    ----------
    info
        Content of `run.json`.

    Returns
    -------
    dict
        By subject (scenario or network) and file: has changed, is new, is gone, or an empty text.
    """
    found = {}
    is_kept = inputs_to_keep(scenario) is not None
    for subject, now in (("scenario", scenario.file_hashes), ("network", network.file_hashes)):
        stored = info[subject].get("file_hashes")
        was, here = (_labels(hashes, is_kept=is_kept) for hashes in (stored if isinstance(stored, dict) else {}, now))
        for name in sorted({*was, *here}):
            differs = "is new" if name not in was else "is gone" if name not in here else "has changed"
            found[subject, name] = "" if was.get(name) == here.get(name) else differs
    return found


def _labels(hashes: Mapping[str, str], *, is_kept: bool) -> dict[str, str]:
    """Name files outside a folder of kept inputs without their folders, which are not where they were."""
    return {Path(name).name if is_kept and name.startswith("../") else name: value for name, value in hashes.items()}


def _kept_folder(path: Path) -> Path | None:
    stored = (part for part in path.parents if part.name == INPUTS_FOLDER and (part.parent / INFO_FILE).is_file())
    return session_folder_of(path) or next(stored, None)


def _locate(path: Path, built_in: str | None, folder: Path | None) -> dict[str, Any]:
    if built_in is not None:
        return {"built_in": built_in}
    if folder is not None and (kept := _kept_folder(path)) is not None:
        path = folder / INPUTS_FOLDER / path.relative_to(kept)
    start = Path.cwd() if folder is None else folder
    return {"built_in": None, "path": os.path.relpath(path, start), "absolute_path": str(path)}


def absolute_override(text: str) -> str:
    """Write a file named in an override from the root, so that it is found from any working directory."""
    key, equals, value = text.partition("=")
    if not equals or key.strip() not in (*PATH_KEYS, "price_cases"):
        return text
    name = yaml.safe_load(value)
    if key.strip() == "price_cases":
        built_in = list_price_cases()
        # As a scenario is read: a case called no is a name, which YAML 1.1 takes for false.
        listed = read_yaml(value, text, FaultList(), first_line=None)
        names = () if listed is None else plain(listed)
        cases = [name if name in built_in else str(Path(name).resolve()) for name in names]
        return f"{key}={json.dumps(cases)}"
    if not isinstance(name, str) or name in list_networks():
        return text
    return f"{key}={json.dumps(str(Path(name).resolve()))}"


@cache  # read from files, and each case of a comparison asks
def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None  # run from a source tree


def stored_info(info: Mapping[str, Any], scenario: Scenario, network: Network, folder: Path) -> dict[str, Any]:
    """Rewrite `run.json` with the inputs as named from the folder in which the run is stored."""
    return {**info, "scenario": describe_scenario(scenario, folder), "network": describe_network(network, folder)}
