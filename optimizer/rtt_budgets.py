"""Budgets on the round trip of classes: their overrides, what they leave in reach, the tightest that can be kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from network_data.faults import FaultList, InputError, suggest
from network_data.load import Network, load_network
from optimizer.assemble import assemble_problem
from optimizer.cases import Case, CaseResult
from optimizer.problem import BoolArray, IntArray, PlacementProblem
from optimizer.residency import residency_mask
from scenarios.load import load_scenario
from scenarios.schema import Scenario

STEPS_PER_MS = 1000  # budgets found here are rounded up to a thousandth of a millisecond


@dataclass(frozen=True, eq=False)
class Budget:
    """
    A budget on the round trip of some classes.

    Attributes
    ----------
    rtt_ms
        The budget; inf stands for the limits as stated.
    overrides
        rtt_limit_ms of each class that it tightens or loosens; empty where all limits are as stated.
    ways
        Keys of the candidates, sorted: a workload and a route, both numbered alike under every budget; empty if a
        workload reaches no data center.
    reason
        Why there are none.
    """

    rtt_ms: float
    overrides: tuple[str, ...]
    ways: IntArray
    reason: str = ""

    @property
    def is_possible(self) -> bool:
        """Whether every workload reaches a data center."""
        return len(self.ways) > 0


class BudgetSpace:
    """
    The budgets of a scenario; each is assembled once.

    Parameters
    ----------
    scenario
        Built-in name or YAML file.
    overrides
        Of the reference.

    Raises
    ------
    InputError
        With every fault of the inputs.
    """

    def __init__(self, scenario: str | Path, overrides: Sequence[str]) -> None:
        self._name, self._overrides = scenario, tuple(overrides)
        self.scenario: Scenario = load_scenario(self._name, self._overrides)
        self.network: Network = load_network(self.scenario.network)
        self.problem: PlacementProblem = assemble_problem(self.network, self.scenario)
        self.stated = Budget(math.inf, (), ways_of(self.problem))
        self._known: dict[tuple[str, ...], Budget] = {(): self.stated}

    def stated_ms(self, class_id: str) -> float:
        """Round trip that a class states as its limit; inf without one."""
        limit_ms = self.scenario.workload_classes[class_id].rtt_limit_ms
        return math.inf if limit_ms is None else limit_ms

    def longest_ms(self, class_id: str) -> float:
        """Longest round trip in reach of a class, rounded up to a thousandth: as a budget it changes nothing."""
        candidates, classes = self.problem.candidates, self.problem.workloads["workload_class"].to_numpy(str)
        is_mine = classes[candidates["workload_index"].to_numpy(np.int64)] == class_id
        return _round_up(float(candidates["rtt_ms"].to_numpy(float)[is_mine].max()))

    def limited_classes(self) -> tuple[str, ...]:
        """Name the classes that a budget is meant for: those with a limit on way or first token; all if none has."""
        used = self.problem.classes["id"].tolist()
        items = self.scenario.workload_classes
        limited = [k for k in used if items[k].rtt_limit_ms is not None or items[k].ttft_limit_ms is not None]
        return tuple(limited or used)

    def check_classes(self, classes: Sequence[str] | None) -> tuple[str, ...]:
        """
        See that classes exist and have demand.

        Parameters
        ----------
        classes
            Ids; None = those that a budget is meant for.

        Raises
        ------
        InputError
            With every id that does not.
        """
        if classes is None:
            return self.limited_classes()
        known = self.problem.classes["id"].tolist()
        faults = FaultList("the classes of a frontier")
        for name in classes:
            if name not in known:
                remedy = f"Name classes of the scenario: {', '.join(known)}.{suggest(name, known)}"
                faults.add(
                    self.scenario.source_path.name, "no such class has demand", remedy, column="class", value=name
                )
        faults.raise_if_any()
        return tuple(dict.fromkeys(classes))

    def budget(self, rtt_ms: float, classes: Sequence[str], *, clip: bool = True) -> Budget:
        """
        Put classes under a budget.

        Parameters
        ----------
        rtt_ms
            The budget.
        classes
            Ids.
        clip
            Keep a class's own limit where it is tighter; otherwise the budget takes its place.
        """
        changed = [k for k in classes if (rtt_ms < self.stated_ms(k) if clip else rtt_ms != self.stated_ms(k))]
        overrides = tuple(f"workload_classes.{k}.rtt_limit_ms={rtt_ms!r}" for k in changed)
        if overrides not in self._known:
            self._known[overrides] = self._assemble(rtt_ms, overrides, changed)
        return replace(self._known[overrides], rtt_ms=rtt_ms)

    def _assemble(self, rtt_ms: float, overrides: tuple[str, ...], classes: Sequence[str]) -> Budget:
        try:
            scenario = load_scenario(self._name, [*self._overrides, *overrides])
            return Budget(rtt_ms, overrides, ways_of(assemble_problem(self.network, scenario)))
        except InputError as error:
            return Budget(rtt_ms, overrides, np.zeros(0, np.int64), self._spell(error, rtt_ms, classes))

    def _spell(self, error: InputError, rtt_ms: float, classes: Sequence[str]) -> str:
        """Name the workload that misses a budget by most; the first fault where it is not the way that is too long."""
        mine = self.nearest[self.nearest["workload_class"].isin(classes)]
        beyond = mine[mine["rtt_ms"] > rtt_ms]
        if beyond.empty:
            fault = error.faults[0]
            return f"{fault.value}: {fault.problem}" if fault.value is not None else fault.problem
        worst = beyond.iloc[int(beyond["rtt_ms"].to_numpy(float).argmax())]
        return (
            f"{len(beyond)} of {len(mine)} workloads reach no data center within {rtt_ms:g} ms; the nearest to "
            f"{worst['workload_class']} of {worst['demand_hub']} is {worst['rtt_ms']:.2f} ms away, "
            f"{worst['rtt_ms'] - rtt_ms:.2f} ms too far"
        )

    @cached_property
    def nearest(self) -> pd.DataFrame:
        """
        Least round trip of each workload, under whatever budget.

        A preferring residency rule falls back to the same country where nothing nearer keeps the budget, so that it
        bars nothing from a budget that is tight enough. Columns demand_hub, workload_class, rtt_ms; (W,) rows.
        """
        problem = self.problem
        late = problem.left_out[(problem.left_out["late_ms"] == 0).to_numpy(bool)]
        columns = ["workload_index", "data_center_index", "rtt_ms"]
        rows = pd.concat([problem.candidates[columns], late[columns]], ignore_index=True)
        labels = problem.workloads[["demand_hub", "workload_class"]].iloc[rows["workload_index"]].reset_index(drop=True)
        rows = pd.concat([rows, labels], axis=1)
        items = {k: self.scenario.workload_classes[k] for k in problem.classes["id"]}
        centers = self.network.data_centers.reset_index()
        allowed = residency_mask(self.network.nodes, centers, items, rows, np.zeros(len(rows), np.bool_))
        allowed[: len(problem.candidates)] = True
        least = rows[allowed].groupby("workload_index")["rtt_ms"].min()
        return problem.workloads[["demand_hub", "workload_class"]].assign(rtt_ms=least.reindex(problem.workloads.index))

    def tightest_ms(self, classes: Sequence[str]) -> float:
        """
        Find the tightest common budget under which every workload of some classes reaches a data center.

        Parameters
        ----------
        classes
            Ids.

        Returns
        -------
        float
            Rounded up to a thousandth of a millisecond. Whether there is room for all of it there, a solve will say.
        """
        mine = self.nearest[self.nearest["workload_class"].isin(classes)]
        least = _round_up(float(mine["rtt_ms"].max()))
        if self.budget(least, classes, clip=False).is_possible:
            return least
        # Second routes and refuges from failures ask for more than the nearest data center.
        stated = [self.stated_ms(k) for k in classes if math.isfinite(self.stated_ms(k))]
        low, high = int(least * STEPS_PER_MS), math.ceil(max([*stated, self._longest_ms]) * STEPS_PER_MS)
        while high - low > 1:
            middle = (low + high) // 2
            if self.budget(middle / STEPS_PER_MS, classes, clip=False).is_possible:
                high = middle
            else:
                low = middle
        return high / STEPS_PER_MS

    def keeps(
        self, budgets: Sequence[Budget], read_allocation: Callable[[CaseResult], pd.DataFrame]
    ) -> Callable[[CaseResult, int], bool]:
        """
        Say of plans whether they keep budgets that they were not made for: all ways they use are in reach.

        What is deployed without being used would be left out, at no cost; where failures are to be survived, ways that
        only an outage uses count too, and nothing is said.

        Parameters
        ----------
        budgets
            The budgets.
        read_allocation
            Reads table `allocation` of a case.

        Returns
        -------
        Callable
            Of a result and the position of a budget.
        """
        labels = zip(self.problem.workloads["demand_hub"], self.problem.workloads["workload_class"], strict=True)
        number = {label: w for w, label in enumerate(labels)}

        @cache
        def used(result: CaseResult) -> IntArray:
            table = read_allocation(result)
            workload = [number[label] for label in zip(table["demand_hub"], table["workload_class"], strict=True)]
            keys = np.array(workload, np.int64) * len(self.problem.routes) + table["route"].to_numpy(np.int64)
            return np.asarray(np.unique(keys))

        def keeps(result: CaseResult, j: int) -> bool:
            if not self.problem.outages.empty or not budgets[j].is_possible:
                return False
            return not len(np.setdiff1d(used(result), budgets[j].ways, assume_unique=True))

        return keeps

    @property
    def _longest_ms(self) -> float:
        return float(self.problem.routes["rtt_ms"].max())


def ways_of(problem: PlacementProblem) -> IntArray:
    """Give the candidates of a problem numbers made of workload and route, sorted."""
    workload, route = (problem.candidates[name].to_numpy(np.int64) for name in ("workload_index", "route_index"))
    return np.unique(workload * len(problem.routes) + route)


def are_within(budgets: Sequence[Budget]) -> BoolArray:
    """
    Compare what budgets leave in reach.

    A preferring residency rule may bar under a looser budget what it admits under a tighter one, so that the sets of
    candidates decide and not the budgets.

    Parameters
    ----------
    budgets
        n budgets of one space.

    Returns
    -------
    ndarray
        (n, n) whether every candidate under the first is one under the second, so that every plan is one too; a budget
        that is not possible has no plan, and is within all.
    """
    return np.array(
        [[not len(np.setdiff1d(tight.ways, loose.ways, assume_unique=True)) for loose in budgets] for tight in budgets],
        dtype=bool,
    )


def budget_cases(reference: CaseResult, budgets: Sequence[Budget], prefix: str, what: str) -> list[Case | None]:
    """
    Make the cases of budgets, the reference among them.

    Parameters
    ----------
    reference
        What the others are changes of. A problem that is solved by time slice stays one under a budget, however few
        candidates that leaves: solved whole it would have no bound for long.
    budgets
        One that changes no limit is the reference.
    prefix
        Of the ids.
    what
        Whose budget it is, for the label.

    Returns
    -------
    list
        None for a budget that is not possible; one case for budgets with the same routes in reach, the reference if it
        is one of them, else the loosest.
    """
    stated = [budget for budget in budgets if not budget.overrides]
    known: dict[bytes, Case] = {budget.ways.tobytes(): reference.case for budget in stated}
    method = ("solver.method=decomposed",) if reference.info.get("method") == "decomposed" else ()
    cases: list[Case | None] = []
    for budget in reversed(budgets):
        if not budget.is_possible:
            cases.append(None)
            continue
        overrides = (*reference.case.overrides, *budget.overrides, *method)
        name, label = f"{prefix}_{label_ms(budget.rtt_ms)}_ms", f"RTT of {what} <= {budget.rtt_ms:g} ms"
        case = Case(name, label, overrides, {"budget_ms": budget.rtt_ms})
        cases.append(known.setdefault(budget.ways.tobytes(), case))
    return cases[::-1]


def label_ms(rtt_ms: float) -> str:
    """Spell a budget as part of an id: 12.525 becomes `12p525`."""
    return f"{rtt_ms:.6f}".rstrip("0").rstrip(".").replace(".", "p")


def _round_up(rtt_ms: float) -> float:
    return math.ceil(rtt_ms * STEPS_PER_MS) / STEPS_PER_MS
