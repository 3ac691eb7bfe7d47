"""What the policy demands against what any plan could reach: each demand alone, then all of them together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from optimizer.condition import Condition
from optimizer.problem import FloatArray, IntArray, PlacementProblem
from optimizer.units import CNY_PER_MCNY
from optimizer.year_relaxation import Row, YearRelaxation

# A demand missed by less than this share of its size is rounding of the linear program.
ROUNDING_SHARE = 1e-6
DINKELBACH_ROUNDS = 30


@dataclass(frozen=True, eq=False)
class Demand:
    """
    One demand of the policy over the columns of a relaxation.

    Attributes
    ----------
    key
        As in the scenario, with its value: "min_green_share = 0.5".
    rows
        Kept by the mean of every plan that meets the demand.
    best
        Spells the best that can be had while other rows are kept; None if nothing keeps these.
    """

    key: str
    rows: tuple[Row, ...]
    best: Callable[[tuple[Row, ...]], str | None]


def check_policies(problem: PlacementProblem) -> Iterator[Condition]:
    """
    Check each demand of the policy alone, then all of them together; nothing without a policy.

    Means over the year are compared: capacity is that of all pods that could be bought, within reach of each workload.
    Where not even that is enough for all tokens, the policy is not to blame and nothing is said of it.

    Parameters
    ----------
    problem
        The problem.

    Yields
    ------
    Condition
        Each worked out only when it is asked for.
    """
    if not problem.policy.is_active:
        return
    year = _mean_year(problem)
    if year.least(year.vector()) is None:
        return
    demands = _Demands(problem, year).every()
    if problem.policy.min_utilization_share > 0:
        condition, closed = _utilization(problem, year)
        yield condition
        if not condition.holds:
            return
        year = _mean_year(problem, closed)
        demands = _Demands(problem, year).every()
    busiest = _investment_of_busiest_slice(problem)
    if busiest is not None:
        yield busiest
    each_holds = busiest is None or busiest.holds
    for demand in demands:
        holds = _can_keep(year, demand.rows)
        each_holds &= holds
        message = f"{demand.key} {'can be met taken alone' if holds else f'cannot be met: {demand.best(())}'}"
        yield Condition(f"policy: {demand.key}", holds=holds, message=message)
    if each_holds and len(demands) > 1:
        yield _together(year, demands)


def least_carbon_t_per_year(problem: PlacementProblem) -> float | None:
    """
    Find emissions that no plan is below, whatever it costs.

    Means over the year are compared, with every pod that could be bought; the policy's demands are not counted.

    Parameters
    ----------
    problem
        The problem.

    Returns
    -------
    float or None
        t CO2 per year; None if not all that must be served finds a place.
    """
    year = _mean_year(problem)
    vector = _carbon_vector(problem, year)
    point = year.least(vector)
    return None if point is None else float(vector @ point)


def _carbon_vector(problem: PlacementProblem, year: YearRelaxation) -> FloatArray:
    factor = year.of_flows(problem.data_centers["carbon_kg_per_kwh"].to_numpy(float))
    return year.vector(factor * year.facility_mwh_per_mtok * problem.weight_h.sum())


def _mean_year(problem: PlacementProblem, closed: IntArray | None = None) -> YearRelaxation:
    share = problem.weight_h / problem.weight_h.sum()
    demand = np.asarray(share @ problem.demand_mtok_per_h)
    return YearRelaxation(problem, demand, np.asarray(demand - share @ problem.shed_limit_mtok_per_h), closed)


def _can_keep(year: YearRelaxation, rows: tuple[Row, ...]) -> bool:
    """Whether some point keeps rows, each up to rounding."""
    loose = tuple(Row(row.vector, row.limit + _slack(year, row)) for row in rows)
    return year.least(year.vector(), loose) is not None


def _slack(year: YearRelaxation, row: Row) -> float:
    """Allow a row for rounding: a share of its limit, or of its largest term where the limit is 0."""
    flows = np.abs(row.vector[: len(year.group)]) * year.demand[year.group]
    return ROUNDING_SHARE * max(abs(row.limit), float(flows.max(initial=0.0)))


def _together(year: YearRelaxation, demands: tuple[Demand, ...]) -> Condition:
    """See that all demands can be met at once; if not, say what each could reach with the others kept."""
    name = "policy: all demands together"
    if _can_keep(year, tuple(row for demand in demands for row in demand.rows)):
        return Condition(name, holds=True, message="no two demands of the policy contradict each other")
    found = []
    for demand in demands:
        others = tuple(row for other in demands if other is not demand for row in other.rows)
        best = demand.best(others)
        if best is not None:
            found.append(f"{demand.key}: with the others kept, {best}")
    listed = "; ".join(found) or f"not even all but one of {', '.join(demand.key for demand in demands)} can be met"
    return Condition(name, holds=False, message=f"the demands of the policy contradict each other: {listed}")


@dataclass(frozen=True, eq=False)
class _Demands:
    """Spells the policy over the columns of one relaxation."""

    problem: PlacementProblem
    year: YearRelaxation

    def every(self) -> tuple[Demand, ...]:
        """List what the policy demands."""
        policy = self.problem.policy
        out = [self._region(name, policy.min_region_share[name]) for name in policy.regions]
        if policy.min_green_share > 0:
            out.append(self._green(policy.min_green_share))
        if policy.carbon_cap_t_per_year is not None:
            out.append(self._carbon(policy.carbon_cap_t_per_year))
        if policy.min_utilization_share > 0:
            out.append(self.utilization(policy.min_utilization_share))
        if policy.investment_limit_cny is not None:
            out.append(self._investment(policy.investment_limit_cny))
        if policy.spending_limit_cny_per_year is not None and self.year.spending() is not None:
            out.append(self._spending(policy.spending_limit_cny_per_year))
        return tuple(out)

    def _region(self, name: str, share: float) -> Demand:
        year, centers = self.year, self.problem.data_centers
        inside = year.of_flows((centers["region"].to_numpy(str) == name).astype(float))
        reaches = np.bincount(year.group, inside, len(year.demand)) > 0
        within = float(year.demand[reaches].sum() / year.demand.sum())

        def best(rows: tuple[Row, ...]) -> str | None:
            most = self._best_share(year.vector(inside), year.vector(np.ones(len(inside))), rows)
            if most is None:
                return None
            return (
                f"the data centers of {name} can serve at most {most:.2%} of all tokens "
                f"(RTT limits and residency let {within:.2%} of the tokens go there)"
            )

        row = Row(year.vector(share - inside), 0.0)
        return Demand(f"min_region_share.{name} = {share:g}", (row,), best)

    def _green(self, share: float) -> Demand:
        year, centers = self.year, self.problem.data_centers
        of_center, pue = (centers[name].to_numpy(float) for name in ("green_power_share", "pue"))
        whole = year.vector(year.facility_mwh_per_mtok, idle=pue)
        part = year.vector(year.of_flows(of_center) * year.facility_mwh_per_mtok, idle=of_center * pue)

        def best(rows: tuple[Row, ...]) -> str | None:
            most = self._best_share(part, whole, rows)
            return None if most is None else f"green power contracts can cover at most {most:.2%} of the energy"

        return Demand(f"min_green_share = {share:g}", (Row(share * whole - part, 0.0),), best)

    def _carbon(self, cap_t: float) -> Demand:
        vector = _carbon_vector(self.problem, self.year)
        return self._at_most(
            f"carbon_cap_t_per_year = {cap_t:,.0f}", vector, cap_t, "serving all tokens emits at least", "t a year"
        )

    def utilization(self, share: float) -> Demand:
        """Keep each data center busy, in as far as it is open."""
        year, pools = self.year, self.problem.pools
        rows = []
        for d in np.unique(pools["data_center_index"]):
            busy = year.vector(year.busy * (year.place[year.pool] == d))
            installed = year.installed[np.flatnonzero(year.place == d)].sum(axis=0)
            rows.append(Row(share * np.asarray(installed).reshape(-1) - busy, 0.0))

        def best(_: tuple[Row, ...]) -> None:
            """Say nothing: there is one number for each data center."""

        return Demand(f"min_utilization_share = {share:g}", tuple(rows), best)

    def _investment(self, limit_cny: float) -> Demand:
        vector = _investment_vector(self.problem, self.year)
        return self._at_most(
            _investment_key(limit_cny),
            vector,
            limit_cny,
            "serving all tokens takes new pods for at least",
            "CNY up front",
        )

    def _spending(self, limit_cny: float) -> Demand:
        vector = self.year.spending()
        if vector is None:
            raise AssertionError("asked for only where there is one")
        return self._at_most(
            f"spending_limit_cny_per_year = {limit_cny:,.0f}", vector, limit_cny,
            "serving all tokens costs data centers at least", "CNY a year",
        )  # fmt: skip

    def _at_most(self, key: str, vector: FloatArray, limit: float, words: str, unit: str) -> Demand:
        def best(rows: tuple[Row, ...]) -> str | None:
            point = self.year.least(vector, rows)
            return None if point is None else f"{words} {float(vector @ point):,.0f} {unit}"

        return Demand(key, (Row(vector, limit),), best)

    def _best_share(self, part: FloatArray, whole: FloatArray, rows: tuple[Row, ...]) -> float | None:
        """Find the greatest quotient of two sums, by Dinkelbach's iteration."""
        share = 0.0
        for _ in range(DINKELBACH_ROUNDS):
            point = self.year.least(share * whole - part, rows)
            if point is None:
                return None
            found = float(part @ point) / max(float(whole @ point), 1e-12)
            if found <= share + 1e-9:
                break
            share = found
        return share


def _investment_key(limit_cny: float) -> str:
    return f"investment_limit_cny = {limit_cny:,.0f}"


def _investment_vector(problem: PlacementProblem, year: YearRelaxation) -> FloatArray:
    return year.vector(pods=(problem.pools["pod_cny"] + problem.pools["site_cny"]).to_numpy(float))


def _investment_of_busiest_slice(problem: PlacementProblem) -> Condition | None:
    """Compare the investment limit with the pods that the urgent work of the busiest slice takes."""
    limit = problem.policy.investment_limit_cny
    if limit is None:
        return None
    urgent = np.where(problem.workloads["is_deferrable"], 0.0, problem.demand_mtok_per_h)
    must = np.maximum(urgent - problem.shed_limit_mtok_per_h, 0.0)
    hardest = problem.accel_h_per_mtok.min(axis=1)[problem.workloads["class_index"]]
    t = int((must @ hardest).argmax())
    peak = YearRelaxation(problem, urgent[t], must[t])
    vector = _investment_vector(problem, peak)
    point = peak.least(vector)
    name = f"policy: {_investment_key(limit)} in the busiest slice"
    if point is None or vector @ point <= limit + ROUNDING_SHARE * max(limit, CNY_PER_MCNY):
        return Condition(name, holds=True, message="the pods that the busiest slice takes can be paid")
    row = problem.slices.iloc[t]
    message = (
        f"{_investment_key(limit)} cannot be met: the urgent work of the busiest slice ({row['day']}, hour "
        f"{row['hour']:g}) takes new pods for at least {float(vector @ point):,.0f} CNY up front"
    )
    return Condition(name, holds=False, message=message)


def _utilization(problem: PlacementProblem, year: YearRelaxation) -> tuple[Condition, IntArray]:
    """See that the data centers that can be kept busy enough can serve all tokens; the others cannot be opened."""
    share, ids = problem.policy.min_utilization_share, problem.data_centers["id"].to_numpy(str)
    key = f"min_utilization_share = {share:g}"
    per_pod = problem.accelerators["accelerators_per_pod"].to_numpy(float)[year.chip]
    existing = np.bincount(year.place, problem.pools["existing_pods"].to_numpy(float) * per_pod, len(ids))
    slowest = np.zeros((len(year.demand), len(ids)))
    np.maximum.at(slowest, (year.group, year.place[year.pool]), year.busy)
    most = year.demand @ slowest
    closed = np.flatnonzero(most < share * existing * (1 - ROUNDING_SHARE))
    without = _mean_year(problem, closed)
    if without.least(without.vector(), _Demands(problem, without).utilization(share).rows) is not None:
        return Condition(f"policy: {key}", holds=True, message=f"{key} can be met taken alone"), closed
    reason = "no choice of open data centers keeps all of them busy enough and serves all tokens"
    if len(closed):
        worst = [f"{ids[d]} at most {most[d] / existing[d]:.2%}" for d in closed[:4]]
        more = f" and {len(closed) - len(worst)} more" if len(closed) > len(worst) else ""
        reason = (
            f"all work within reach would keep the accelerators of {', '.join(worst)}{more} busy, so they must stay "
            "closed, and what is left cannot serve all tokens"
        )
    return Condition(f"policy: {key}", holds=False, message=f"{key} cannot be met: {reason}"), closed
