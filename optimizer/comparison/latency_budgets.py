"""
Budgets on the round trip of classes, and what a millisecond of them saves, class by class.

A budget is overrides of the scenario; its candidates say which plans of other budgets it allows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd

from network_data.currency import in_currency
from network_data.faults import FaultList, InputError, suggest
from network_data.load import Network, load_network
from optimizer.comparison.cases import Case, CaseResult
from optimizer.comparison.frontier_points import (
    SAVINGS,
    SAVINGS_PER_MS,
    PlanReader,
    Point,
    SolvedPoints,
    check_sizes,
    difference_table,
    point_table,
    size_id,
    solve_points,
)
from optimizer.comparison.runner import CaseRunner
from optimizer.comparison.searches import SearchResult
from optimizer.problem.assemble import assemble_problem
from optimizer.problem.problem import BoolArray, IntArray, PlacementProblem
from optimizer.problem.routing import residency_mask
from scenarios.load import load_scenario
from scenarios.schema import Scenario

_STEPS_PER_MS = 1000  # budgets found here are rounded up to a thousandth of a millisecond


@dataclass(frozen=True, eq=False)
class Budget:
    """A budget on the round trip of some classes."""

    rtt_ms: float  # inf stands for the limits as stated
    overrides: tuple[str, ...]  # rtt_limit_ms of each class that it changes
    # sorted keys of the candidates: workload and route, numbered the same under every budget; empty if there are none
    ways: IntArray
    reason: str = ""  # why there are none

    @property
    def is_possible(self) -> bool:
        """Whether every workload reaches a data center."""
        return len(self.ways) > 0


class BudgetSpace:
    """The budgets of a scenario, each assembled once; raises InputError with every fault of the inputs."""

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
        """Longest round trip that a class may have, rounded up to a thousandth: as a budget it changes nothing."""
        candidates, classes = self.problem.candidates, self.problem.workloads["workload_class"].to_numpy(str)
        is_mine = classes[candidates["workload_index"].to_numpy(np.int64)] == class_id
        return _round_up(float(candidates["rtt_ms"].to_numpy(float)[is_mine].max()))

    def check_classes(self, classes: Sequence[str] | None) -> tuple[str, ...]:
        """
        Check that classes exist and have demand; raises InputError.

        None = those with a limit on the round trip or the first token; all if none has.
        """
        known, items = self.problem.classes["id"].tolist(), self.scenario.workload_classes
        if classes is None:
            limited = [k for k in known if items[k].rtt_limit_ms is not None or items[k].ttft_limit_ms is not None]
            return tuple(limited or known)
        faults, file = FaultList("the classes of a frontier"), self.scenario.source_path.name
        for name in classes:
            if name not in known:
                remedy = f"Name classes of the scenario: {', '.join(known)}.{suggest(name, known)}"
                faults.add(file, "no such class has demand", remedy, column="class", value=name)
        faults.raise_if_any()
        return tuple(dict.fromkeys(classes))

    def budget(self, rtt_ms: float, classes: Sequence[str], *, clip: bool = True) -> Budget:
        """Put classes under a budget; `clip` keeps a class's own limit where it is tighter, else it is replaced."""
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
            return Budget(rtt_ms, overrides, np.zeros(0, np.int64), self._describe(error, rtt_ms, classes))

    def _describe(self, error: InputError, rtt_ms: float, classes: Sequence[str]) -> str:
        """Name the workload that misses a budget by most; the first fault where no route is too long."""
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

        Rounded up to a thousandth of a millisecond. Whether the capacity is enough only a solve shows.
        """
        mine = self.nearest[self.nearest["workload_class"].isin(classes)]
        least = _round_up(float(mine["rtt_ms"].max()))
        if self.budget(least, classes, clip=False).is_possible:
            return least
        # Second routes and failover need more than the nearest data center.
        stated = [self.stated_ms(k) for k in classes if math.isfinite(self.stated_ms(k))]
        longest = max([*stated, float(self.problem.routes["rtt_ms"].max())])
        low, high = int(least * _STEPS_PER_MS), math.ceil(longest * _STEPS_PER_MS)
        while high - low > 1:
            middle = (low + high) // 2
            if self.budget(middle / _STEPS_PER_MS, classes, clip=False).is_possible:
                high = middle
            else:
                low = middle
        return high / _STEPS_PER_MS

    def keeps(
        self, budgets: Sequence[Budget], read_allocation: Callable[[CaseResult], pd.DataFrame]
    ) -> Callable[[CaseResult, int], bool]:
        """
        Say of the plan of a result whether it keeps the budget at a position: all ways it uses are candidates there.

        What is deployed without being used would be left out, at no cost; where failures are to be survived, ways that
        only an outage uses count too, and the answer is no.
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


def ways_of(problem: PlacementProblem) -> IntArray:
    """Make keys of the candidates of a problem from workload and route, sorted."""
    workload, route = (problem.candidates[name].to_numpy(np.int64) for name in ("workload_index", "route_index"))
    return np.unique(workload * len(problem.routes) + route)


def are_within(budgets: Sequence[Budget]) -> BoolArray:
    """
    Compare the candidates of n budgets: (n, n) whether each under the first is one under the second, as its plans are.

    A preferring residency rule may bar under a looser budget what it admits under a tighter one, so that the sets of
    candidates decide and not the budgets. A budget that is not possible has no plan, and is within all.
    """
    return np.array(
        [[not len(np.setdiff1d(tight.ways, loose.ways, assume_unique=True)) for loose in budgets] for tight in budgets],
        dtype=bool,
    )


def budget_cases(reference: CaseResult, budgets: Sequence[Budget], prefix: str, what: str) -> list[Case | None]:
    """
    Make the cases of budgets; None for one that is not possible.

    Budgets with the same candidates are one case: the reference if it is one of them, else the loosest. A problem that
    is solved by time slice stays one under a budget, however few candidates that leaves: solved at once it would have
    no bound for long. `prefix` begins the ids, `what` says in the label whose budget it is.
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
        name, label = f"{prefix}_{size_id(budget.rtt_ms)}_ms", f"RTT of {what} <= {budget.rtt_ms:g} ms"
        case = Case(name, label, overrides, {"budget_ms": budget.rtt_ms})
        cases.append(known.setdefault(budget.ways.tobytes(), case))
    return cases[::-1]


def _round_up(rtt_ms: float) -> float:
    return math.ceil(rtt_ms * _STEPS_PER_MS) / _STEPS_PER_MS


# Where no budgets are given: the tightest, halfway to the longest possible way, and the limit half as large again.
_HALFWAY, _BEYOND = 0.5, 1.5
_SIZE = "budget_ms"
_NAMES = (f"tighter_{_SIZE}", f"looser_{_SIZE}")
ENERGY_PER_MS = "energy_saving_cny_per_year_per_ms"


@dataclass(frozen=True, eq=False)
class LatencyReturn(SearchResult):
    """
    What releasing the round trip of one class saves, all others as in the reference.

    Attributes
    ----------
    points
        One row per class and budget (`frontier_points.point_table` with workload_class and stated_limit_ms).
    steps
        Each budget of a class with the next that has a plan (`frontier_points.difference_table`), with the part of the
        saving that is energy, by the best known plans; NaN unless the saving's sign is proved.
    ranking
        One row per class: the same from its tightest budget with a plan to its own limit, largest proved saving per ms
        first; useful_limit_ms (no possible route is longer: a limit above it releases nothing, and the ms above it do
        not count); rank; is_above_next (the class certainly saves more per ms than each one after it). Classes
        whose saving is not distinguishable from 0 come last, by the most it could be.
    """

    points: pd.DataFrame
    steps: pd.DataFrame
    ranking: pd.DataFrame

    SUFFIX_OF: ClassVar = {"ranking": "", "points": "_points", "steps": "_steps"}
    PLANS_IN: ClassVar = "points"

    @property
    def stem(self) -> str:
        """Name that the files of all tables begin with."""
        return "latency_return"

    def to_text(self) -> str:
        """Describe the return for a reader, in lines of plain text."""
        from optimizer.text.searches import describe_latency_return

        return in_currency(describe_latency_return(self))

    def plot(self, target: Path | str, *, changes: Sequence[str] = ()) -> Path:
        """Draw the return into a file, `.png` or `.svg`, with what the scenario was changed in; returns the file."""
        from optimizer.drawing.searches import draw_latency_return

        return draw_latency_return(self, target, changes=changes)


def latency_return(
    runner: CaseRunner, classes: Sequence[str] | None = None, budgets_ms: Sequence[float] | None = None
) -> LatencyReturn:
    """
    Vary the round-trip budget of one class at a time, all others at the reference.

    Parameters
    ----------
    runner
        Solves the cases, all as one batch.
    classes
        Ids; None = those that state a limit on the round trip, all if none does.
    budgets_ms
        Budgets for each class, above its own limit too; None = the tightest that lets every workload of the class reach
        a data center, halfway from there to the longest round trip that its limit allows, and half as much
        again as the limit.

    Raises
    ------
    InputError
        With every fault of the scenario, the budgets or the classes.
    """
    given = None if budgets_ms is None else check_sizes(budgets_ms, "budgets_ms", "a round trip in ms")
    space = BudgetSpace(runner.scenario, (*runner.overrides, *runner.reference.overrides))
    named = space.check_classes(classes)
    if classes is None:
        named = tuple(k for k in named if math.isfinite(space.stated_ms(k))) or named
    budgets = {k: _budgets(space, k, given) for k in named}
    reference = runner.reference_result
    cases = {k: budget_cases(reference, found, f"budget_of_{k}", k) for k, found in budgets.items()}
    runner.run([case for found in cases.values() for case in found if case is not None])
    points, steps, ranks = [], [], []
    for k, found in budgets.items():
        stated_ms, reader = space.stated_ms(k), PlanReader(space.network, (k,))
        sizes = [budget.rtt_ms if budget.overrides else stated_ms for budget in found]
        solved = solve_points(
            runner,
            [Point(size, case, b.reason) for size, case, b in zip(sizes, cases[k], found, strict=True)],
            are_within(found),
            space.keeps(found, reader.allocation),
        )
        table = point_table(solved, _SIZE, reader)
        compared = difference_table(solved, _NAMES, per=SAVINGS_PER_MS, only_neighbours=True)
        points.append(_with_head(table, k, stated_ms))
        steps.append(_with_head(_with_energy(compared, table), k, stated_ms))
        range_table = _full_range(solved, sizes.index(stated_ms), space.longest_ms(k))
        ranks.append(_with_head(_with_energy(range_table, table), k, stated_ms))
    return LatencyReturn(pd.concat(points, ignore_index=True), pd.concat(steps, ignore_index=True), rank_classes(ranks))


def _with_head(table: pd.DataFrame, class_id: str, stated_ms: float) -> pd.DataFrame:
    table.insert(0, "stated_limit_ms", stated_ms)
    table.insert(0, "workload_class", class_id)
    return table


def _full_range(solved: SolvedPoints, stated: int, useful_ms: float) -> pd.DataFrame:
    """Compare the tightest budget that has a plan with the class's own limit; no row if there is none."""
    table = difference_table(solved, _NAMES)
    table = table[table[_NAMES[1]] == solved.points[stated].size].head(1).reset_index(drop=True)
    table["useful_limit_ms"] = useful_ms
    released_ms = _released_ms(table)
    for name, per_ms in zip(SAVINGS, SAVINGS_PER_MS, strict=True):
        table[per_ms] = table[name] / released_ms
    return table


def _with_energy(compared: pd.DataFrame, points: pd.DataFrame) -> pd.DataFrame:
    """Add the part of each certain saving that is energy, per ms, by the best known plans."""
    energy = points.set_index(_SIZE).get("energy_cny_per_year", pd.Series(dtype=float))
    tighter, looser = (compared[name] for name in _NAMES)
    saving = energy.reindex(tighter).to_numpy(float) - energy.reindex(looser).to_numpy(float)
    per_ms = saving / _released_ms(compared)
    return compared.assign(**{ENERGY_PER_MS: np.where(compared["is_certain"], per_ms, np.nan)})


def _released_ms(compared: pd.DataFrame) -> pd.Series:
    """Say how much looser the second budget is, up to the longest possible way where that is known; never 0."""
    looser = compared["useful_limit_ms"] if "useful_limit_ms" in compared else compared[_NAMES[1]]
    return (looser - compared[_NAMES[0]]).clip(lower=1.0 / _STEPS_PER_MS)


def rank_classes(rows: list[pd.DataFrame]) -> pd.DataFrame:
    """Order classes, a row or none of each, by what a millisecond certainly saves, then by the most it may save."""
    table = pd.concat(rows, ignore_index=True)
    _, least, most = SAVINGS_PER_MS
    table = table.sort_values([least, most, "workload_class"], ascending=[False, False, True], ignore_index=True)
    # The most that any class further down may save: what a class has to save at least to be above all of them.
    # The last one has none below it.
    beaten = table[most][::-1].cummax()[::-1].shift(-1, fill_value=np.inf)
    table["is_above_next"] = (table[least] > beaten) & table["is_certain"]
    table.insert(0, "rank", np.arange(1, len(table) + 1))
    return table


def _budgets(space: BudgetSpace, class_id: str, given: Sequence[float] | None) -> list[Budget]:
    """List the budgets of a class, tightest first, the reference among them."""
    stated_ms, tightest_ms = space.stated_ms(class_id), space.tightest_ms((class_id,))
    if given is None:
        between = round(tightest_ms + _HALFWAY * (space.longest_ms(class_id) - tightest_ms), 3)
        given = [between, round(_BEYOND * stated_ms, 3)] if math.isfinite(stated_ms) else [between]
    sizes = sorted({b for b in (tightest_ms, *given) if b != stated_ms})
    budgets = [space.budget(b, (class_id,), clip=False) for b in sizes]
    budgets.insert(sum(b < stated_ms for b in sizes), space.stated)
    return budgets
