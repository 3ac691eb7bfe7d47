"""
What a case was solved from, as one number: a comparison solves again only what has another key than its run folder.

A key is derived from the inputs before a solve, and from `run.json` after it: a run folder alone says whether it is
still what would be solved today.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from network_data.load import Network, load_network
from optimizer.run_info import describe_network, describe_scenario, library_versions
from scenarios.load import load_scenario
from scenarios.schema import Scenario

CASE_KEY = "case"  # of `run.json`
_PACKAGES = ("network_data", "scenarios", "optimizer")


class CaseKeys:
    """
    Keys of the cases of one scenario; each network is read once.

    Parameters
    ----------
    scenario
        Built-in name or YAML file.
    """

    def __init__(self, scenario: str | Path) -> None:
        self._scenario = scenario
        self._networks: dict[str, Network] = {}

    def key(self, overrides: Sequence[str], start: str | None) -> str:
        """
        Derive the key of a case from its inputs.

        Parameters
        ----------
        overrides
            All of them: those of the comparison, then those of the case.
        start
            `plan_hash` of the reference; None for the reference itself, or where it has no plan.

        Raises
        ------
        InputError
            With every fault of the inputs.
        """
        scenario, network = self._load(overrides)
        inputs = {
            "scenario": describe_scenario(scenario, None),
            "network": describe_network(network, None),
            "versions": library_versions(),
        }
        return _key(inputs, code_hash(), start)

    def check(self, overrides: Sequence[str]) -> None:
        """
        See that scenario and network can be read.

        Parameters
        ----------
        overrides
            Those of all cases.

        Raises
        ------
        InputError
            With every fault of the inputs.
        """
        self._load(overrides)

    def _load(self, overrides: Sequence[str]) -> tuple[Scenario, Network]:
        scenario = load_scenario(self._scenario, overrides)
        name = str(scenario.network)
        if name not in self._networks:
            self._networks[name] = load_network(scenario.network)
        return scenario, self._networks[name]


def key_of_run(info: Mapping[str, Any]) -> str | None:
    """
    Derive the key of a stored run from its `run.json`; None if it is not of a comparison.

    Parameters
    ----------
    info
        Content of `run.json`.
    """
    case = info.get(CASE_KEY)
    try:
        return _key(info, case["code"], case["start"]) if isinstance(case, Mapping) else None
    except (KeyError, TypeError, AttributeError):
        return None


def plan_hash(info: Mapping[str, Any]) -> str:
    """
    Reduce the plan of a run to one number: the hashes of its tables.

    Parameters
    ----------
    info
        Content of `run.json`.
    """
    return _digest(info["files"])


@cache
def code_hash() -> str:
    """Reduce the code of the three packages, and the tables it reads, to one number: a result may hang on any line."""
    root = Path(__file__).resolve().parent.parent
    paths = [path for package in _PACKAGES for pattern in ("*.py", "*.csv") for path in (root / package).glob(pattern)]
    hashes = {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    return _digest(hashes)


def _key(info: Mapping[str, Any], code: str, start: str | None) -> str:
    scenario, network = info["scenario"], info["network"]
    parts = {
        "scenario": scenario["file_hashes"],
        "overrides": list(scenario["overrides"]),
        "network": network["file_hashes"],
        "versions": info["versions"],
        "code": code,
        "start": start,
    }
    return _digest(parts)


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
