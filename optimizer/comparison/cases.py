"""
Cases of a comparison: what each changes, what came of it, and the key of the inputs that it was solved from.

A comparison solves a case again only where its key is another than that of its run folder.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Self

from network_data.faults import FaultList, InputError, suggest
from network_data.load import Network, load_network
from optimizer.runs.metadata import describe_network, describe_scenario, library_versions
from optimizer.runs.run import RANGES_TABLE, Run, open_run
from optimizer.solvers.control import CUTS_TABLE
from scenarios.load import load_scenario
from scenarios.price_case import load_price_case
from scenarios.price_parameters import ParameterRange, Sweep, label_of, overrides_of, price_case_override, sweep_points
from scenarios.schema import Scenario
from scenarios.sources import price_case_names


@dataclass(frozen=True)
class Case:
    """One case: a scenario is solved with these overrides after its own."""

    id: str  # name of its run folder, `^[a-z0-9_]+$`
    label: str  # what a reader calls it, such as `price.west=0.5`; hostile text until escaped
    overrides: tuple[str, ...] = ()  # texts such as `costs.carbon_price_cny_per_t=100`
    point: Mapping[str, float] = field(default_factory=dict)  # value of each parameter that a sweep varies


REFERENCE = Case("reference", "reference")


class CaseStatus(StrEnum):
    """How a case ended."""

    SOLVED = "solved"  # within the requested gap
    STOPPED = "stopped"  # by a limit, with a plan
    INFEASIBLE = "infeasible"
    NO_PLAN = "no_plan"  # stopped before there was a plan
    FAILED = "failed"  # bad input, a failed solver, a dead worker


@dataclass(frozen=True, eq=False)
class CaseResult:
    """The result of a case."""

    case: Case
    status: CaseStatus
    reason: str = ""  # why there is no plan, or why it is not proved within the gap; empty if all is well
    folder: Path | None = None  # run folder; None without a plan
    info: Mapping[str, Any] = field(default_factory=dict)  # content of `run.json`; empty without a plan

    @classmethod
    def of_run(cls, case: Case, folder: Path, info: Mapping[str, Any]) -> Self:
        """Describe a case with a plan by its run folder and the content of `run.json`."""
        if info["termination"] == "optimal":
            return cls(case, CaseStatus.SOLVED, "", folder, info)
        why = f"stopped at a gap of {_number(info['mip_rel_gap'], math.inf):.2%} ({info['termination']})"
        return cls(case, CaseStatus.STOPPED, why, folder, info)

    def open_run(self) -> Run:
        """
        Open the run of the case.

        Raises
        ------
        ValueError
            If it has no plan.
        InputError
            If its folder is not a run that can be read.
        """
        if self.folder is None:
            raise ValueError(f"case {self.case.id} has no plan")
        return open_run(self.folder, case=(self.case.id, self.case.label))

    @property
    def is_final(self) -> bool:
        """Whether solving again brings nothing new: solved, proved to have no plan, or stopped by its own limit."""
        was_interrupted = self.info.get("termination") == "interrupted"
        return self.status in {CaseStatus.SOLVED, CaseStatus.INFEASIBLE, CaseStatus.STOPPED} and not was_interrupted

    @property
    def has_plan(self) -> bool:
        """Whether there is a plan to compare."""
        return self.folder is not None

    @property
    def summary(self) -> Mapping[str, Any]:
        """Numbers of the plan (`results.summarize`); empty without one."""
        found = self.info.get("summary", {})
        return found if isinstance(found, Mapping) else {}

    @property
    def objective_cny(self) -> float:
        """Cost of the plan, CNY per year; infinite without one."""
        return _number(self.info.get("objective_cny_per_year"), math.inf)

    @property
    def bound_cny(self) -> float:
        """Proven lower bound, CNY per year; -inf where there is none."""
        return _number(self.info.get("bound_cny_per_year"), -math.inf)

    @property
    def mip_rel_gap(self) -> float:
        """Proven gap; infinite without a plan."""
        return _number(self.info.get("mip_rel_gap"), math.inf)


def _number(value: Any, otherwise: float) -> float:
    return otherwise if value is None else float(value)


_MAX_ID_LENGTH = 48
_MAX_CASES = 10_000
_NOT_IN_ID = re.compile("[^a-z0-9]+")

# What an id loses of a label: letters of other alphabets, the sign of a value or of its exponent.
_LOST_IN_ID = re.compile(r"[^\x00-\x7f]|=[^,]*[-+]")


def split_price_cases(texts: Iterable[str]) -> list[str]:
    """
    Split `a,b,c+d` at its commas; the name of a file that holds one stays as it is.

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
    count = max(1, len(price_cases)) * math.prod(len(sweep.values) for sweep in sweeps)
    if count > _MAX_CASES:
        faults.add("sweeps", f"makes {count:,} cases", f"Give no more than {_MAX_CASES:,}.")
    faults.raise_if_any()
    points = sweep_points(sweeps) if sweeps else ()
    labelled: dict[str, tuple[tuple[str, ...], dict[str, float]]] = {}
    for name in price_cases or ([""] if points else []):
        applied = (price_case_override([name]),) if name else ()
        for point in points or ({},):
            label = ", ".join(part for part in (name, label_of(point)) if part)
            labelled.setdefault(label, ((*applied, *overrides_of(point)), dict(point)))
    for key, *ends in ranges:
        for value in ends:
            point = {key: float(value)}
            labelled.setdefault(label_of(point), (overrides_of(point), point))
    taken = {REFERENCE.id}
    return [Case(id_of(label, taken), label, *of_case) for label, of_case in labelled.items()]


def find_case(name: str, cases: Sequence[Case], option: str, faults: FaultList) -> Case:
    """Find a case by its id or its label; the first, and a fault of this option, where there is none."""
    for names in ({case.label: case for case in cases}, {case.id: case for case in cases}):
        if name in names:
            return names[name]
    ids = [case.id for case in cases]
    remedy = f"Give an id or a label, such as {ids[-1]}.{suggest(name, ids)}"
    faults.add(option, "is none of the cases", remedy, value=name)
    return cases[0]


def id_of(label: str, taken: set[str]) -> str:
    """
    Turn a label into the name of a folder, and add it to those that are taken.

    A hash distinguishes labels of the same letters; those that lose more than dots and spaces always have one.

    Examples
    --------
    >>> id_of("price.west=0.5", set()), id_of("price.west=-5", set())
    ('price_west_0_5', 'price_west_5_23e88611')
    """
    name = _NOT_IN_ID.sub("_", Path(label).stem.lower() if _is_file(label) else label.lower()).strip("_")
    if not name or name in taken or len(name) > _MAX_ID_LENGTH or _LOST_IN_ID.search(label):
        digest = hashlib.sha256(label.encode(errors="surrogateescape")).hexdigest()[:8]
        name = f"{name[: _MAX_ID_LENGTH - len(digest) - 1].strip('_') or 'case'}_{digest}"
    taken.add(name)
    return name


def _check_price_cases(texts: Sequence[str], faults: FaultList) -> None:
    text_of: dict[str, str] = {}
    for text in texts:
        for name in price_case_names(text):
            text_of.setdefault(name, text)
    for name, text in text_of.items():
        if not name:
            faults.add("price_cases", "a name is missing", "Write a,b,c+d.", value=text)
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


CASE_KEY = "case"  # of `run.json`
_PACKAGES = ("network_data", "scenarios", "optimizer")


class CaseKeys:
    """Keys of the cases of one scenario; each network is read once."""

    def __init__(self, scenario: str | Path) -> None:
        self._scenario = scenario
        self._networks: dict[str, Network] = {}

    @staticmethod
    def key(scenario: Scenario, network: Network, start: str | None) -> str:
        """
        Derive the key of a case from its inputs.

        Parameters
        ----------
        scenario, network
            As loaded with the overrides of the comparison, then those of the case.
        start
            `plan_hash` of the reference; None for the reference itself, or where it has no plan.
        """
        inputs = {
            "scenario": describe_scenario(scenario, None),
            "network": describe_network(network, None),
            "versions": library_versions(),
        }
        return _key(inputs, code_hash(), start)

    def load(self, overrides: Sequence[str]) -> tuple[Scenario, Network]:
        """Load the scenario with these overrides, and its network; raises InputError with their faults."""
        scenario = load_scenario(self._scenario, overrides)
        name = str(scenario.network)
        if name not in self._networks:
            self._networks[name] = load_network(scenario.network)
        return scenario, self._networks[name]


def key_of_run(info: Mapping[str, Any]) -> str | None:
    """Derive the key of a stored run from its `run.json`; None if it is not of a comparison."""
    case = info.get(CASE_KEY)
    try:
        return _key(info, case["code"], case["start"]) if isinstance(case, Mapping) else None
    except (KeyError, TypeError, AttributeError):
        return None


def plan_hash(info: Mapping[str, Any]) -> str:
    """Hash the plan of a run: its tables, by their hashes in `run.json`."""
    return _digest(_plan_files(info))


def _plan_files(info: Mapping[str, Any]) -> dict[str, Any]:
    """List the tables of a run by their hashes, without what `edwc range` has added since: it is no part of a plan."""
    return {name: value for name, value in (info.get("files") or {}).items() if name != f"{RANGES_TABLE}.parquet"}


def state_hash(infos: Sequence[Mapping[str, Any]]) -> str:
    """Hash what runs hand on to a step by which a case is improved: their tables, and the bound of the first."""
    return _digest([infos[0].get("bound_cny_per_year"), *map(_plan_files, infos)])


def has_learned(info: Mapping[str, Any]) -> bool:
    """Whether a run holds cuts that another solve may start from."""
    return f"{CUTS_TABLE}.parquet" in info.get("files", ())


@cache
def code_hash() -> str:
    """Hash the code of the three packages and the tables it reads: a result may depend on any line."""
    root = Path(__file__).resolve().parents[2]
    paths = [p for name in _PACKAGES for p in (*(root / name).rglob("*.py"), *(root / name).glob("*.csv"))]
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
