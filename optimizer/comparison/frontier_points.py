"""
The points of a frontier: a case for each size of a limit, the interval its least cost is proved to be in, its plan.

Where every plan of one case is a plan of another, plans are carried to the looser case and bounds to the tighter one.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

from network_data.faults import FaultList
from network_data.load import Network
from network_data.place_names import plain_name
from optimizer.comparison.cases import Case, CaseResult, CaseStatus
from optimizer.comparison.runner import CaseRunner
from optimizer.comparison.tables import finite_or_nan
from optimizer.problem.problem import BoolArray, FloatArray, IntArray
from optimizer.runs.run import open_run

# A bound above a plan by more than this share of its cost is not rounding: one of the two is wrong.
ROUNDING_SHARE = 1e-5
NOT_DISTINGUISHABLE = "not distinguishable"


class ContradictionError(RuntimeError):
    """A plan costs less than what is proved to be the least; names the two cases."""


@dataclass(frozen=True, eq=False)
class _CertifiedCosts:
    """Intervals that hold the optimal cost of each of n cases, CNY per year."""

    low_cny: FloatArray  # (n,) bound
    high_cny: FloatArray  # (n,) cost of the best known plan; inf where none is known, low too where none exists
    plan_of: IntArray  # (n,) case that the best known plan was found for; -1 where none is known
    bound_of: IntArray  # (n,) case that the bound was proved for
    within: BoolArray  # (n, n) whether every plan of the first case is one of the second

    @property
    def gap_share(self) -> FloatArray:
        """(n,) width of each interval as a share of its upper end; NaN without a plan."""
        with np.errstate(invalid="ignore", divide="ignore"):
            share = (self.high_cny - self.low_cny) / np.abs(self.high_cny)
        return np.where(np.isfinite(self.high_cny), np.where(self.high_cny == self.low_cny, 0.0, share), np.nan)

    def saving(self, tighter: int, looser: int) -> _Saving:
        """Compare the optima of two cases by position; a plan of the first is usually one of the second."""
        low = float(self.low_cny[tighter] - self.high_cny[looser])
        high = float(self.high_cny[tighter] - self.low_cny[looser])
        if self.within[tighter, looser]:
            low = max(low, 0.0)
        if self.within[looser, tighter]:
            high = min(high, 0.0)
        best = float(self.high_cny[tighter] - self.high_cny[looser])
        if self.within[tighter, looser] and self.within[looser, tighter]:
            return _Saving(0.0, 0.0, 0.0, is_certain=True)
        room = ROUNDING_SHARE * ROUNDING_SHARE * max(abs(float(self.high_cny[looser])), 1.0)
        return _Saving(best, low, high, is_certain=bool(low > room or high < -room))


@dataclass(frozen=True)
class _Saving:
    """Difference of two optimal costs, CNY per year."""

    best_cny: float  # between the best known plans; no better than a guess unless it is certain
    low_cny: float  # proved
    high_cny: float  # proved
    is_certain: bool  # whether its sign is proved, or that there is no difference at all


def certify_costs(
    objective_cny: FloatArray, bound_cny: FloatArray, within: BoolArray, keeps: BoolArray | None = None
) -> _CertifiedCosts:
    """
    Carry plans to looser cases and bounds to tighter ones.

    Parameters
    ----------
    objective_cny
        (n,) cost of the plan found for each case; inf where there is none.
    bound_cny
        (n,) proven lower bound; -inf where there is none, inf where there is proved to be no plan.
    within
        (n, n) whether every plan of the first case is one of the second. Costs of a plan do not depend on the case.
    keeps
        (n, n) whether the plan found for the first case is one of the second; where `within` says so it need not.
    """
    every = np.arange(len(objective_cny))
    within = within | np.eye(len(every), dtype=bool)
    allowed = within if keeps is None else within | keeps
    # The case's own plan and bound come first: a tie is no reason to name another case.
    plans = np.where(allowed, objective_cny[:, None], np.inf)
    bounds = np.where(within, bound_cny[None, :], -np.inf)
    plan_of = np.where(objective_cny <= plans.min(axis=0), every, plans.argmin(axis=0))
    bound_of = np.where(bound_cny >= bounds.max(axis=1), every, bounds.argmax(axis=1))
    high, low = objective_cny[plan_of], bound_cny[bound_of]
    over = low > high + ROUNDING_SHARE * np.abs(np.where(np.isfinite(high), high, 0.0))
    if over.any():
        i = int(np.flatnonzero(over)[0])
        raise ContradictionError(
            f"case {i}: the plan found for case {plan_of[i]} costs {high[i]:,.0f} CNY a year, less than the bound of "
            f"{low[i]:,.0f} proved for case {bound_of[i]}"
        )
    plan_of = np.where(np.isfinite(high), plan_of, -1)
    return _CertifiedCosts(np.minimum(low, high), high, plan_of, bound_of, within)


ALL_CLASSES = "all classes"  # no id of a class: it has a blank
_SCOPES = ("region", "province")


def _relocated_shares(allocation: pd.DataFrame, network: Network) -> pd.DataFrame:
    """
    Find the share of the tokens served that leaves the demand hub's own region, and province.

    By workload_class, `ALL_CLASSES` first, then by id: mtok_per_year, leaves_region_share, leaves_province_share.
    """
    mtok = allocation["mtok_per_h"] * allocation["weight_h"]
    table = pd.DataFrame({"workload_class": allocation["workload_class"], "mtok_per_year": mtok})
    for scope in _SCOPES:
        home = network.nodes[scope].map(plain_name).reindex(allocation["demand_hub"]).to_numpy(str)
        place = network.data_centers[scope].map(plain_name).reindex(allocation["data_center"]).to_numpy(str)
        table[f"leaves_{scope}_share"] = mtok * (home != place)
    numbers = table.columns[1:]
    by_class = table.groupby("workload_class", sort=True)[list(numbers)].sum().reset_index()
    total = by_class[list(numbers)].sum().to_frame().T.assign(workload_class=ALL_CLASSES)
    out = pd.concat([total, by_class], ignore_index=True)[list(table.columns)]
    for scope in _SCOPES:
        out[f"leaves_{scope}_share"] /= out["mtok_per_year"]
    return out


SAVINGS = ("saving_cny_per_year", "least_saving_cny_per_year", "most_saving_cny_per_year")
SAVINGS_PER_MS = tuple(f"{name}_per_ms" for name in SAVINGS)
ABATEMENT = ("abatement_cny_per_t", "least_abatement_cny_per_t", "most_abatement_cny_per_t")


@dataclass(frozen=True)
class Point:
    """One size of a limit; points stand in order, tightest first."""

    size: float
    case: Case | None  # to solve; None where it is known beforehand that there is no plan
    reason: str = ""  # why there is none


@dataclass(frozen=True, eq=False)
class SolvedPoints:
    """Points, tightest first, with their results and intervals of the optimal costs."""

    points: tuple[Point, ...]
    results: tuple[CaseResult | None, ...]  # None where no case was needed
    costs: _CertifiedCosts

    @property
    def sizes(self) -> FloatArray:
        """(n,) the limits."""
        return np.array([point.size for point in self.points])

    def best(self, i: int) -> CaseResult | None:
        """Find the case whose plan is the best known one of a point."""
        source = int(self.costs.plan_of[i])
        return None if source < 0 else self.results[source]

    def is_dominated(self, i: int) -> bool:
        """Whether a tighter point has a plan that costs no more."""
        high = self.costs.high_cny
        return bool(np.isfinite(high[i])) and bool((high[:i] <= high[i]).any())


def solve_points(
    runner: CaseRunner,
    points: Sequence[Point],
    within: BoolArray,
    keeps: Callable[[CaseResult, int], bool],
) -> SolvedPoints:
    """
    Solve points as one batch and carry plans and bounds between them; the reference is one of them.

    Parameters
    ----------
    within
        (n, n) whether every plan of the first point is one of the second.
    keeps
        Whether the plan of a result is one of the point at a position.
    """
    solved = runner.run([point.case for point in points if point.case is not None])
    results = tuple(None if point.case is None else solved[point.case.id] for point in points)
    kept = np.zeros((len(points), len(points)), dtype=bool)
    for i, result in enumerate(results):
        if result is not None and result.has_plan:
            kept[i] = [keeps(result, j) for j in range(len(points))]
    objective = np.array([np.inf if result is None else result.objective_cny for result in results])
    costs = certify_costs(objective, np.array([_bound(result) for result in results]), within, kept)
    return SolvedPoints(tuple(points), results, costs)


def _bound(result: CaseResult | None) -> float:
    return np.inf if result is None or result.status == CaseStatus.INFEASIBLE else result.bound_cny


class PlanReader:
    """Reads what the points show of plans, each plan once; round trips of some classes apart."""

    def __init__(self, network: Network, classes: Sequence[str] = ()) -> None:
        self._network, self._classes = network, tuple(classes)
        self.allocation = cache(self._read)

    def _read(self, result: CaseResult) -> pd.DataFrame:
        if result.folder is None:
            raise ValueError(f"case {result.case.id} has no plan")
        return open_run(result.folder).tables["allocation"]

    def numbers(self, result: CaseResult) -> dict[str, float]:
        """Read cost by part, round trips, shares of regions and carbon of a plan."""
        summary, allocation = result.summary, self.allocation(result)
        parts = summary["component_cny_per_year"]
        out = {
            "latency_cny_per_year": parts["latency"],
            "cost_without_latency_cny_per_year": result.objective_cny - parts["latency"],
            "energy_cny_per_year": parts["energy"],
            "capital_cny_per_year": summary["capital_cny_per_year"],
            "mean_rtt_ms": summary["mean_rtt_ms"],
            "worst_rtt_ms": allocation["rtt_ms"].max(),
        }
        if self._classes:
            mine = allocation[allocation["workload_class"].isin(self._classes)]
            mtok = (mine["mtok_per_h"] * mine["weight_h"]).to_numpy(float)
            out["mean_rtt_of_limited_ms"] = float(mtok @ mine["rtt_ms"].to_numpy(float) / max(mtok.sum(), 1e-12))
            out["worst_rtt_of_limited_ms"] = mine["rtt_ms"].max()
        out |= {f"region_share.{name}": share for name, share in sorted(summary["region_share"].items())}
        out["carbon_t_per_year"] = summary["carbon_t_per_year"]
        total = self.relocated(result).iloc[0]
        out |= {f"leaves_{scope}_share": total[f"leaves_{scope}_share"] for scope in _SCOPES}
        return {name: float(value) for name, value in out.items()}

    def relocated(self, result: CaseResult) -> pd.DataFrame:
        """Find the shares of a plan's tokens that leave their own region and province, by class."""
        return _relocated_shares(self.allocation(result), self._network)


def point_table(solved: SolvedPoints, size_name: str, reader: PlanReader) -> pd.DataFrame:
    """
    Build a row for each point.

    Size; case (id of the case solved for it, empty if none was), status and reason; as solved
    solved_cny_per_year, solved_bound_cny_per_year and solved_gap_share; proved by all points together
    least_cny_per_year (no plan costs less) and most_cny_per_year (the best known plan costs this) and gap_share;
    plan_of (the case whose plan that is) with the numbers of this plan (see `PlanReader.numbers`); is_dominated
    (a tighter point has a plan that costs no more). NaN where there is no plan.
    """
    rows: list[dict[str, object]] = []
    costs = solved.costs
    for i, (point, result) in enumerate(zip(solved.points, solved.results, strict=True)):
        best = solved.best(i)
        row: dict[str, object] = {
            size_name: point.size,
            "case": "" if result is None else result.case.id,
            "status": str(CaseStatus.INFEASIBLE if result is None else result.status),
            "reason": point.reason if result is None else result.reason,
            "solved_cny_per_year": np.nan if result is None else finite_or_nan(result.objective_cny),
            "solved_bound_cny_per_year": np.nan if result is None else finite_or_nan(result.bound_cny),
            "solved_gap_share": np.nan if result is None else finite_or_nan(result.mip_rel_gap),
            "least_cny_per_year": finite_or_nan(costs.low_cny[i]),
            "most_cny_per_year": finite_or_nan(costs.high_cny[i]),
            "gap_share": costs.gap_share[i],
            "plan_of": "" if best is None else best.case.id,
            "is_dominated": solved.is_dominated(i),
        }
        rows.append(row if best is None else row | reader.numbers(best))
    table = pd.DataFrame(rows)
    shares = [column for column in table if str(column).startswith("region_share.")]
    # A region that a plan does not use is missing from its summary.
    table = table[[*(column for column in table if column not in shares), *shares]]
    table.loc[table["plan_of"] != "", shares] = table.loc[table["plan_of"] != "", shares].fillna(0.0)
    return table


def difference_table(
    solved: SolvedPoints, names: tuple[str, str], *, per: tuple[str, ...] = (), only_neighbours: bool = False
) -> pd.DataFrame:
    """
    Compare points with plans, each with all looser ones or with the next alone.

    The two sizes under `names`; saving_cny_per_year (NaN unless its sign is proved), least_saving_cny_per_year and
    most_saving_cny_per_year (what it is proved to lie between), is_certain, verdict; and in the columns of `per` these
    three per unit that the second is looser.
    """
    usable = np.flatnonzero(np.isfinite(solved.costs.high_cny)).tolist()
    rows: list[tuple[object, ...]] = []
    for i, j in itertools.pairwise(usable) if only_neighbours else itertools.combinations(usable, 2):
        found, sizes = solved.costs.saving(i, j), (solved.points[i].size, solved.points[j].size)
        shown = (found.best_cny if found.is_certain else np.nan, found.low_cny, found.high_cny)
        released = finite_or_nan(sizes[1]) - sizes[0]  # NaN: a limit that is not stated is looser by no number
        per_unit = [value / released for value in shown] if per else []
        rows.append((*sizes, *shown, *per_unit, found.is_certain, _verdict(found)))
    columns = [*names, *SAVINGS, *per, "is_certain", "verdict"]
    return pd.DataFrame(rows, columns=columns)


def _verdict(found: _Saving) -> str:
    if not found.is_certain:
        return NOT_DISTINGUISHABLE
    if found.best_cny == 0:
        return "the same plans are in reach"
    return "the looser costs less" if found.best_cny > 0 else "the tighter costs less"


def relocation_table(solved: SolvedPoints, size_name: str, reader: PlanReader) -> pd.DataFrame:
    """Stack the relocated shares of the best known plan of each point: size, plan_of, then `_relocated_shares`."""
    parts = []
    for i, point in enumerate(solved.points):
        best = solved.best(i)
        if best is not None:
            found = reader.relocated(best)
            found.insert(0, "plan_of", best.case.id)
            found.insert(0, size_name, point.size)
            parts.append(found)
    columns = [size_name, "plan_of", "workload_class", "mtok_per_year", *(f"leaves_{scope}_share" for scope in _SCOPES)]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def size_id(size: float) -> str:
    """Write a size as part of an id: 12.525 becomes `12p525`."""
    return f"{size:.6f}".rstrip("0").rstrip(".").replace(".", "p")


def check_sizes(values: Sequence[float], name: str, what: str) -> tuple[float, ...]:
    """Check that limits are positive, finite numbers, which faults call `what`; returns each once."""
    faults = FaultList("the frontier")
    for value in values:
        if not (math.isfinite(value) and value > 0):
            faults.add(name, f"is not {what} above 0", "Give positive, finite numbers.", value=str(value))
    faults.raise_if_any()
    return tuple(dict.fromkeys(float(value) for value in values))
