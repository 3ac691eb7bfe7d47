"""
Independent check of a plan: every cost and every limit again, from the problem arrays and the plan alone.

Written from docs/formulation.md, not from the model: it imports neither the equations, the compiler nor a solver, so
that a mistake there cannot hide itself. The limits are in `limits`, costs and everything else that follows in `facts`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from optimizer.checker.facts import PlanFacts, list_costs
from optimizer.checker.limits import LIMITS, POLICY_LIMITS, Limit, check_resilience, keep_domains
from optimizer.problem.plan import Plan
from optimizer.problem.problem import FloatArray, IntArray, PlacementProblem


class MalformedPlanError(ValueError):
    """A plan whose arrays do not fit the problem or are not finite: nothing can be derived from it."""


@dataclass(frozen=True, eq=False)
class CheckReport:
    """
    What a plan costs, what it breaks, and what it does.

    Attributes
    ----------
    costs_cny
        component, data_center ("" where the component belongs to none), cny_per_year; one row per component
        and data center, in the order of the objective.
    total_cny
        Sum of `costs_cny`, CNY per year.
    violations
        equation ("1a" to "10g"; "domain" for the range of a variable, "candidate" for a candidate that should
        not exist), name, where, amount, limit, excess (always positive), unit. No rows if all is well.
    it_power_mw
        (T, D) before PUE.
    facility_power_mw
        (T, D) after PUE.
    energy_mwh_per_year
        (D,) facility energy.
    carbon_t_per_year
        (D,) tonnes of CO2, location-based.
    link_gbps
        (T, L) traffic on every link, whether its limit is in the model or not.
    mtok_per_year
        Tokens served.
    mean_rtt_ms
        Mean round trip over the tokens served; NaN if none is.
    classes
        (K,) workload_class, mtok_per_year (served), shed_mtok_per_year, mean_rtt_ms (NaN if none is served).
    """

    costs_cny: pd.DataFrame
    total_cny: float
    violations: pd.DataFrame
    it_power_mw: FloatArray
    facility_power_mw: FloatArray
    energy_mwh_per_year: FloatArray
    carbon_t_per_year: FloatArray
    link_gbps: FloatArray
    mtok_per_year: float
    mean_rtt_ms: float
    classes: pd.DataFrame

    @property
    def is_feasible(self) -> bool:
        """True if the plan breaks no limit."""
        return self.violations.empty

    @property
    def component_cny(self) -> pd.Series:
        """CNY per year by component, in the order of the objective."""
        return self.costs_cny.groupby("component", sort=False)["cny_per_year"].sum()


def check_plan(problem: PlacementProblem, plan: Plan, *, tolerance: float = 1e-6) -> CheckReport:
    """
    Work out every cost and check every limit of a plan.

    Parameters
    ----------
    tolerance
        A limit is broken if it is exceeded by more than this share of its size, or of 1 in its unit if it
        is smaller.

    Raises
    ------
    MalformedPlanError
        An array of the plan has the wrong shape or a number that is not finite; all such arrays are named.
    ValueError
        The tolerance is negative or not finite.
    """
    if not 0.0 <= tolerance < np.inf:
        raise ValueError(f"tolerance must be finite and at least 0, not {tolerance}")
    _require_well_formed(problem, plan)
    facts = PlanFacts(problem, plan)
    limits = [
        *keep_domains(facts),
        *(check_limit(facts) for check_limit in (*LIMITS, *POLICY_LIMITS)),
        *check_resilience(facts),
    ]
    excesses = [_excess(limit, tolerance) for limit in limits]
    # Laying out a table takes far longer than seeing that it would have no rows, and few limits are broken.
    broken = [_violations(*pair) for pair in zip(limits, excesses, strict=True) if len(pair[1].broken[0])]
    costs = list_costs(facts)
    return CheckReport(
        costs_cny=costs,
        total_cny=float(costs["cny_per_year"].sum()),
        violations=pd.concat(broken, ignore_index=True) if broken else _violations(limits[0], excesses[0]),
        it_power_mw=facts.it_power_mw,
        facility_power_mw=facts.facility_power_mw,
        energy_mwh_per_year=facts.energy_mwh_per_year,
        carbon_t_per_year=facts.carbon_t_per_year,
        link_gbps=facts.link_gbps,
        mtok_per_year=float(facts.candidate_mtok_per_year.sum()),
        mean_rtt_ms=facts.mean_rtt_ms,
        classes=facts.classes,
    )


VIOLATION_COLUMNS = ["equation", "name", "where", "amount", "limit", "excess", "unit"]


class _Excess(NamedTuple):
    """Amounts of a limit, its bounds, how far they are apart the wrong way, and where that is too far."""

    amount: FloatArray
    bound: FloatArray
    over: FloatArray
    broken: tuple[IntArray, ...]


def _excess(limit: Limit, tolerance: float) -> _Excess:
    amount = np.asarray(limit.amount, dtype=np.float64)
    bound = np.broadcast_to(np.asarray(limit.limit, dtype=np.float64), amount.shape)
    over = {"<=": amount - bound, ">=": bound - amount, "=": np.abs(amount - bound)}[limit.sense]
    return _Excess(amount, bound, over, np.nonzero(over > tolerance * np.maximum(1.0, np.abs(bound))))


def _violations(limit: Limit, excess: _Excess) -> pd.DataFrame:
    """Rows of `CheckReport.violations` for one kind of limit."""
    amount, bound, over, broken = excess
    where = limit.labels[broken[-1]]
    if limit.times is not None:
        where = where + ", " + limit.times[broken[0]]
    columns = [limit.equation, limit.name, where, amount[broken], bound[broken], over[broken], limit.unit]
    return pd.DataFrame(dict(zip(VIOLATION_COLUMNS, columns, strict=True)), index=range(len(where)))


def _require_well_formed(problem: PlacementProblem, plan: Plan) -> None:
    """Refuse a plan of other shapes or with numbers that are not finite, naming all its arrays at once."""
    slices, pools, centers = len(problem.slices), len(problem.pools), len(problem.data_centers)
    shapes = {
        "flow_mtok_per_h": (slices, len(problem.candidates)),
        "shed_mtok_per_h": (slices, len(problem.workloads)),
        "backlog_mtok": (slices, len(problem.workloads)),
        "work_mtok_per_h": (slices, len(problem.processes)),
        "active_pods": (slices, pools),
        "new_pods": (pools,),
        "is_open": (centers,),
        "is_deployed": (len(problem.deployments),),
        "is_assigned": (len(problem.indivisible_pairs),),
        "peak_mw": (len(problem.billing), centers),
        "contract_mw": (centers,),
    }
    outages = len(problem.outages)
    shapes["failover_share"] = (outages, len(problem.candidates))
    shapes["failover_work_mtok_per_h"] = (outages, len(problem.processes))
    faults = []
    for name, shape in shapes.items():
        array = np.asarray(getattr(plan, name))
        # A plan without failover is not malformed: it takes nothing over, and the limits say so.
        if array.shape != shape and not (name.startswith("failover") and array.shape == (0, 0)):
            faults.append(f"{name}: shape {array.shape}, the problem has {shape}")
        elif not np.isfinite(array).all():
            first = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
            faults.append(f"{name}: {np.sum(~np.isfinite(array))} number(s) not finite, first at {first}")
    if faults:
        raise MalformedPlanError("the plan does not fit the problem:\n" + "\n".join(faults))
