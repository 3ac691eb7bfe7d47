"""
Plans without optimization, to compare the optimum with.

Three simple rules fill data centers in an order, and plan nothing ahead; a fourth knows all costs (`spreadsheet`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from optimizer.checker.check import CheckReport, check_plan
from optimizer.problem.plan import Plan
from optimizer.problem.problem import FloatArray, IntArray, PlacementProblem
from optimizer.solvers.greedy_fill import GreedyFill, mw_per_busy_accelerator
from optimizer.solvers.spreadsheet import spreadsheet_plan

# What a greedy plan leaves unserved below this share of the demand is rounding.
SERVED_ALL_SHARE = 1e-9


@dataclass(frozen=True, eq=False)
class Baseline:
    """A plan without optimization, and what it costs."""

    id: str
    name: str  # what the plan does
    plan: Plan
    report: CheckReport  # its costs, of the served part only, and violations
    unserved_share: float  # of the demand: shed with a penalty or left out
    broken: tuple[str, ...]  # equations that it breaks, other than that every token must be served

    @property
    def is_feasible(self) -> bool:
        """True if the plan keeps every limit, so that its cost compares with the optimum's."""
        return self.report.is_feasible


def cheapest_energy(problem: PlacementProblem) -> Plan:
    """Fill the data centers with the cheapest energy first, hour by hour, within the limits."""
    return GreedyFill(problem).fill(_by_energy_cost(problem))


def nearest_data_center(problem: PlacementProblem) -> Plan:
    """Serve every workload in the nearest data center that has room."""
    order = np.lexsort((_limit_ms(problem), problem.candidates["rtt_ms"].to_numpy(float)))
    return GreedyFill(problem).fill(lambda _: order)


def cheapest_in_region(problem: PlacementProblem, region: str) -> Plan:
    """Fill the data centers of one region (`data_centers.region`) only, those with the cheapest energy first."""
    inside = problem.data_centers["region"].to_numpy(str) == region
    allowed = inside[problem.candidates["data_center_index"].to_numpy(int)]
    return GreedyFill(problem, allowed).fill(_by_energy_cost(problem))


def evaluate_baselines(problem: PlacementProblem, home_region: str) -> tuple[Baseline, ...]:
    """Make and check all baselines, the strong one last; the third stays in `home_region`."""
    plans = (
        ("cheapest_energy", "cheapest energy first", cheapest_energy(problem)),
        ("nearest", "nearest data center", nearest_data_center(problem)),
        ("home_region", f"everything in {home_region}", cheapest_in_region(problem, home_region)),
        ("spreadsheet", "engineer's spreadsheet", spreadsheet_plan(problem)),
    )
    if not problem.outages.empty:
        from optimizer.solvers.columns import plans_with_failover  # the compiler is slow to import

        return tuple(
            _evaluate(problem, *item[:2], plan)
            for item, plan in zip(plans, plans_with_failover(problem, [plan for _, _, plan in plans]), strict=True)
        )
    return tuple(_evaluate(problem, *item) for item in plans)


def _evaluate(problem: PlacementProblem, baseline_id: str, name: str, plan: Plan) -> Baseline:
    report = check_plan(problem, plan)
    unserved = 1.0 - report.mtok_per_year / problem.annual_mtok
    names = dict.fromkeys(report.violations["name"].astype(str))
    broken = tuple(name for name in names if name not in {"serve_demand", "defer_demand", "assign_once"})
    return Baseline(baseline_id, name, plan, report, unserved if unserved > SERVED_ALL_SHARE else 0.0, broken)


def _by_energy_cost(problem: PlacementProblem) -> Callable[[int | None], IntArray]:
    """
    Order candidates by the energy price behind the meter, PUE and the efficiency of the data center's accelerators.

    Where data centers tie, the class with the tightest RTT limit comes first, since it has the fewest other places.
    """
    place = problem.candidates["data_center_index"].to_numpy(int)
    tightness = (problem.candidates["rtt_ms"].to_numpy(float), _limit_ms(problem))
    price = problem.energy_price_cny_per_mwh * problem.data_centers["pue"].to_numpy(float)
    relative = _relative_energy(problem)[problem.candidate_class, place]
    mean_price = problem.weight_h @ price / problem.weight_h.sum()

    def order_of(t: int | None) -> IntArray:
        by_center = mean_price if t is None else price[t]
        return np.lexsort((*tightness, by_center[place] * relative))

    return order_of


def _relative_energy(problem: PlacementProblem) -> FloatArray:
    """(K, D) energy per token on the most efficient accelerator of a data center, relative to the best anywhere."""
    energy = problem.accel_h_per_mtok * mw_per_busy_accelerator(problem)
    out = np.full((len(problem.classes), len(problem.data_centers)), np.inf)
    pools = problem.pools
    np.minimum.at(out.T, pools["data_center_index"].to_numpy(int), energy[:, pools["accelerator_index"]].T)
    best = energy.min(axis=1, keepdims=True)
    relative: FloatArray = np.ones_like(out)
    np.divide(out, best, out=relative, where=(best > 0) & np.isfinite(out))
    return relative


def _limit_ms(problem: PlacementProblem) -> FloatArray:
    limit_ms = problem.rtt_limit_ms[problem.candidate_class, problem.candidates["data_center_index"].to_numpy(int)]
    return np.asarray(limit_ms)
