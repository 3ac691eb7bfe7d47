"""
Conditions that any plan must meet, from the coarsest to the finest, with numbers in MW, tokens and milliseconds.

Capacity and places come first, then the requirements of the policy: each alone, and all of them together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import scipy.sparse as sp
from scipy.optimize import Bounds, LinearConstraint, milp

from optimizer.infeasibility.relaxations import (
    SHORT_SHARE,
    Condition,
    Row,
    Shortage,
    YearRelaxation,
    class_capacity,
    find_shortage,
    make_groups,
    pod_sizes,
    pool_pods,
    without_each,
)
from optimizer.infeasibility.relaxed_problem import sum_by_group
from optimizer.numbers import format_clock, list_some
from optimizer.problem.problem import BoolArray, FloatArray, IntArray, PlacementProblem
from optimizer.solvers.greedy_fill import mw_per_busy_accelerator
from optimizer.units import CNY_PER_MCNY

# A requirement missed by less than this share of its size is rounding of the linear program.
_ROUNDING_SHARE = 1e-6
_DINKELBACH_ROUNDS = 30


@dataclass(frozen=True, eq=False)
class _Requirement:
    """One requirement of the policy over the columns of a relaxation."""

    key: str  # As in the scenario, with its value: "min_green_share = 0.5"
    rows: tuple[Row, ...]  # Kept by the mean of every plan that meets it
    best: Callable[[tuple[Row, ...]], str | None]  # Says what is possible while other rows are kept; None if they fail


def check_policies(problem: PlacementProblem) -> Iterator[Condition]:
    """
    Check each requirement of the policy alone, then all of them together; nothing without a policy.

    Means over the year are compared: capacity is that of all pods that could be bought, within reach of each workload.
    Where not even that is enough for all tokens, the policy is not the cause and is not checked.

    Yields
    ------
    Condition
        Each computed only when it is needed.
    """
    if not problem.policy.is_active:
        return
    year = _mean_year(problem)
    if year.least(year.vector()) is None:
        return
    requirements = _Requirements(problem, year).every()
    if problem.policy.min_utilization_share > 0:
        condition, closed = _utilization(problem, year)
        yield condition
        if not condition.holds:
            return
        year = _mean_year(problem, closed)
        requirements = _Requirements(problem, year).every()
    busiest = _investment_of_busiest_slice(problem)
    if busiest is not None:
        yield busiest
    each_holds = busiest is None or busiest.holds
    for required in requirements:
        holds = _can_keep(year, required.rows)
        each_holds &= holds
        message = f"{required.key} {'can be met taken alone' if holds else f'cannot be met: {required.best(())}'}"
        yield Condition(f"policy: {required.key}", holds=holds, message=message)
    if each_holds and len(requirements) > 1:
        yield _together(year, requirements)


def least_carbon_t_per_year(problem: PlacementProblem) -> float | None:
    """
    Find emissions that no plan is below, t CO2 per year; None if no plan serves all that it must.

    Means over the year are compared, with every pod that could be bought and without the policy.
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
    return _ROUNDING_SHARE * max(abs(row.limit), float(flows.max(initial=0.0)))


def _together(year: YearRelaxation, requirements: tuple[_Requirement, ...]) -> Condition:
    """Check that all requirements can be met at once; if not, say what is possible for each with the others kept."""
    name = "policy: all demands together"
    if _can_keep(year, tuple(row for required in requirements for row in required.rows)):
        return Condition(name, holds=True, message="no two demands of the policy contradict each other")
    found = []
    for required in requirements:
        others = tuple(row for other in requirements if other is not required for row in other.rows)
        best = required.best(others)
        if best is not None:
            found.append(f"{required.key}: with the others kept, {best}")
    keys = ", ".join(required.key for required in requirements)
    listed = "; ".join(found) or f"not even all but one of {keys} can be met"
    return Condition(name, holds=False, message=f"the demands of the policy contradict each other: {listed}")


@dataclass(frozen=True, eq=False)
class _Requirements:
    """The policy over the columns of one relaxation."""

    problem: PlacementProblem
    year: YearRelaxation

    def every(self) -> tuple[_Requirement, ...]:
        """List what the policy requires."""
        policy, year = self.problem.policy, self.year
        out = [self._region(name, policy.min_region_share[name]) for name in policy.regions]
        out += [self._new_compute(name, policy.min_new_compute_share[name]) for name in policy.new_compute_groups]
        if policy.min_green_share > 0:
            out.append(self._green(policy.min_green_share))
        if (cap_t := policy.carbon_cap_t_per_year) is not None:
            key, best = f"carbon_cap_t_per_year = {cap_t:,.0f}", "serving all tokens emits at least {:,.0f} t a year"
            out.append(self._at_most(key, _carbon_vector(self.problem, year), cap_t, best))
        if policy.min_utilization_share > 0:
            out.append(self.utilization(policy.min_utilization_share))
        if (limit := policy.investment_limit_cny) is not None:
            best = "serving all tokens takes new pods for at least {:,.0f} CNY up front"
            out.append(self._at_most(_investment_key(limit), _investment_vector(self.problem, year), limit, best))
        if (limit := policy.spending_limit_cny_per_year) is not None and (vector := year.spending()) is not None:
            key = f"spending_limit_cny_per_year = {limit:,.0f}"
            best = "serving all tokens costs data centers at least {:,.0f} CNY a year"
            out.append(self._at_most(key, vector, limit, best))
        return tuple(out)

    def _region(self, name: str, share: float) -> _Requirement:
        year, centers = self.year, self.problem.data_centers
        inside = year.of_flows((centers["region"].to_numpy(str) == name).astype(float))
        can_go = np.bincount(year.group, inside, len(year.demand)) > 0
        within = float(year.demand[can_go].sum() / year.demand.sum())

        def best(rows: tuple[Row, ...]) -> str | None:
            most = self._best_share(year.vector(inside), year.vector(np.ones(len(inside))), rows)
            if most is None:
                return None
            return (
                f"the data centers of {name} can serve at most {most:.2%} of all tokens "
                f"(RTT limits and residency let {within:.2%} of the tokens go there)"
            )

        row = Row(year.vector(share - inside), 0.0)
        return _Requirement(f"min_region_share.{name} = {share:g}", (row,), best)

    def _new_compute(self, name: str, share: float) -> _Requirement:
        year, problem = self.year, self.problem
        centers = problem.data_centers.loc[problem.pools["data_center_index"], ["region", "category"]].to_numpy(str)
        pflops = problem.accelerators["pflops_per_pod"].to_numpy(float)[problem.pools["accelerator_index"]]
        inside = year.vector(pods=pflops * (centers == name).any(axis=1))
        everywhere = year.vector(pods=pflops)

        def best(rows: tuple[Row, ...]) -> str | None:
            most = self._best_share(inside, everywhere, rows)
            return (
                None if most is None else f"at most {most:.2%} of the compute that must be bought can stand in {name}"
            )

        return _Requirement(f"min_new_compute_share.{name} = {share:g}", (Row(share * everywhere - inside, 0.0),), best)

    def _green(self, share: float) -> _Requirement:
        year, centers = self.year, self.problem.data_centers
        of_center, pue = (centers[name].to_numpy(float) for name in ("green_power_share", "pue"))
        energy = year.vector(year.facility_mwh_per_mtok, idle=pue)
        green = year.vector(year.of_flows(of_center) * year.facility_mwh_per_mtok, idle=of_center * pue)

        def best(rows: tuple[Row, ...]) -> str | None:
            most = self._best_share(green, energy, rows)
            return None if most is None else f"green power contracts can cover at most {most:.2%} of the energy"

        return _Requirement(f"min_green_share = {share:g}", (Row(share * energy - green, 0.0),), best)

    def utilization(self, share: float) -> _Requirement:
        """Keep each data center busy, as far as it is open."""
        year, pools = self.year, self.problem.pools
        rows = []
        for d in np.unique(pools["data_center_index"]):
            busy = year.vector(year.busy * (year.flow_center == d))
            installed = year.installed[np.flatnonzero(year.place == d)].sum(axis=0)
            rows.append(Row(share * np.asarray(installed).reshape(-1) - busy, 0.0))

        def best(_: tuple[Row, ...]) -> None:
            """Give no text: there is one number for each data center."""

        return _Requirement(f"min_utilization_share = {share:g}", tuple(rows), best)

    def _at_most(self, key: str, vector: FloatArray, limit: float, words: str) -> _Requirement:
        def best(rows: tuple[Row, ...]) -> str | None:
            point = self.year.least(vector, rows)
            return None if point is None else words.format(float(vector @ point))

        return _Requirement(key, (Row(vector, limit),), best)

    def _best_share(self, part: FloatArray, total: FloatArray, rows: tuple[Row, ...]) -> float | None:
        """Find the greatest quotient of two sums, by Dinkelbach's iteration."""
        share = 0.0
        for _ in range(_DINKELBACH_ROUNDS):
            point = self.year.least(share * total - part, rows)
            if point is None:
                return None
            found = float(part @ point) / max(float(total @ point), 1e-12)
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
    if point is None or vector @ point <= limit + _ROUNDING_SHARE * max(limit, CNY_PER_MCNY):
        return Condition(name, holds=True, message="the pods that the busiest slice takes can be paid")
    row = problem.slices.iloc[t]
    message = (
        f"{_investment_key(limit)} cannot be met: the urgent work of the busiest slice ({row['day']}, hour "
        f"{row['hour']:g}) takes new pods for at least {float(vector @ point):,.0f} CNY up front"
    )
    return Condition(name, holds=False, message=message)


def _utilization(problem: PlacementProblem, year: YearRelaxation) -> tuple[Condition, IntArray]:
    """Check that the data centers that can be kept busy enough can serve all tokens; the others must stay closed."""
    share, ids = problem.policy.min_utilization_share, problem.data_centers["id"].to_numpy(str)
    key = f"min_utilization_share = {share:g}"
    existing = np.bincount(year.place, problem.pools["existing_pods"].to_numpy(float) * pod_sizes(problem), len(ids))
    slowest = np.zeros((len(year.demand), len(ids)))
    np.maximum.at(slowest, (year.group, year.flow_center), year.busy)
    most = year.demand @ slowest
    closed = np.flatnonzero(most < share * existing * (1 - _ROUNDING_SHARE))
    without = _mean_year(problem, closed)
    if without.least(without.vector(), _Requirements(problem, without).utilization(share).rows) is not None:
        return Condition(f"policy: {key}", holds=True, message=f"{key} can be met taken alone"), closed
    reason = "no choice of open data centers keeps all of them busy enough and serves all tokens"
    if len(closed):
        worst = list_some([f"{ids[d]} at most {most[d] / existing[d]:.2%}" for d in closed])
        reason = (
            f"all work within reach would keep the accelerators of {worst} busy, so they must stay closed, and what is "
            "left cannot serve all tokens"
        )
    return Condition(f"policy: {key}", holds=False, message=f"{key} cannot be met: {reason}"), closed


_PLACES_TO_SURVIVE = 2


def check_conditions(problem: PlacementProblem) -> Iterator[Condition]:
    """
    Check what every plan must meet, from the coarsest condition to the finest.

    Total capacity; capacity within reach; sites and shares of each class; a single place for indivisible work; two
    places, and capacity after the loss of any data center, where failures are to be survived; the policy. All count
    every pod that could be bought. A problem that meets them can still have no plan because of links, of pods that
    cannot be divided, or of several conditions together.

    Yields
    ------
    Condition
        Each computed only when it is needed.
    """
    must = np.asarray(problem.demand_mtok_per_h - problem.shed_limit_mtok_per_h)
    yield _capacity(problem, must, by_places=False)
    yield _capacity(problem, must, by_places=True)
    for k in range(len(problem.classes)):
        yield _sites(problem, must, k)
    yield _single_places(problem, must)
    if not problem.outages.empty:
        yield _two_places(problem)
        yield _capacity_after_loss(problem)
    yield from check_policies(problem)


def first_failure(problem: PlacementProblem) -> Condition | None:
    """Find the first condition that fails; None if all hold."""
    return next((condition for condition in check_conditions(problem) if not condition.holds), None)


def _capacity(problem: PlacementProblem, must: FloatArray, *, by_places: bool) -> Condition:
    """Compare demand with accelerators and power, slice by slice, then over each day for work that may wait."""
    name = "capacity within reach" if by_places else "total capacity"
    groups = make_groups(problem, by_places=by_places)
    demand, most = (sum_by_group(values, groups.workload) for values in (must, problem.servable_mtok_per_h))
    urgent = np.where(groups.is_deferrable, 0.0, demand)
    found: list[tuple[Shortage, str]] = []
    for t in range(len(must)):
        now = urgent[t : t + 1]
        if shortage := find_shortage(problem, groups, now, now, np.ones(1)):
            row = problem.slices.iloc[t]
            found.append((shortage, f"{row['day']} {format_clock(row['hour'])}"))
    if not found and groups.is_deferrable.any():
        for day, rows in problem.slices.groupby("day", sort=False).indices.items():
            if shortage := find_shortage(problem, groups, demand[rows], most[rows], problem.slice_h[rows]):
                found.append((shortage, f"mean of day {day}, work that may wait included"))
    if not found:
        return Condition(name, holds=True, message=f"{name} is enough in every slice")
    worst, when = max(found, key=lambda item: item[0].mtok_per_h)
    what = f"{worst.mtok_per_h:,.2f} mtok/h ({worst.mw:,.3f} MW of IT power) find no place ({when})"
    has = _describe_capacity(problem, worst.centers)
    if not by_places:
        message = f"all data centers together are too small: {what}; they have {has}"
        return Condition(name, holds=False, message=message, short_mtok_per_h=worst.mtok_per_h, short_mw=worst.mw)
    short = worst.is_short[groups.workload]
    places = _names(problem.data_centers["id"][worst.centers])
    message = f"{_workload_names(problem, short)} reach only {places}: {what}; there are {has}"
    beyond_ms = _next_in_reach(problem, short, worst.centers)
    if np.isfinite(beyond_ms):
        message += f"; the next data center is {beyond_ms:.2f} ms beyond the RTT limit"
    return Condition(name, False, message, worst.mtok_per_h, worst.mw, beyond_ms)  # noqa: FBT003 - in field order


def _describe_capacity(problem: PlacementProblem, centers: BoolArray) -> str:
    pools = problem.pools
    inside = centers[pools["data_center_index"]]
    per_pod = pod_sizes(problem)
    existing = float((pools["existing_pods"].to_numpy(float) * per_pod)[inside].sum())
    new = float((pools["max_new_pods"].to_numpy(float) * per_pod)[inside].sum())
    power = float(problem.data_centers["it_capacity_mw"].to_numpy(float)[centers].sum())
    return (
        f"{existing:,.0f} accelerators in place, {new:,.0f} more that may be bought, at most "
        f"{problem.utilization_limit_share:.0%} of them busy, and {power:,.1f} MW of IT power"
    )


def _next_in_reach(problem: PlacementProblem, short: BoolArray, centers: BoolArray) -> float:
    """Least excess over the RTT limit, ms, with which one of the workloads would reach another data center."""
    table = problem.workloads[short].merge(problem.routes, on="demand_hub")
    place = table["data_center_index"].to_numpy(int)
    limit_ms = problem.rtt_limit_ms[table["class_index"].to_numpy(int), place]
    beyond_ms = (table["rtt_ms"].to_numpy(float) - limit_ms)[~centers[place]]
    beyond_ms = beyond_ms[beyond_ms > 0]
    return float(beyond_ms.min()) if len(beyond_ms) else float("nan")


def _sites(problem: PlacementProblem, must: FloatArray, k: int) -> Condition:
    """Check that the allowed number of deployments of a class reaches all its workloads, each with the least share."""
    row, ids = problem.classes.iloc[k], problem.data_centers["id"]
    name = f"sites of {row['id']}"
    groups = make_groups(problem, by_places=True)
    wanted = sum_by_group(must, groups.workload).sum(axis=0)
    reach = groups.can_use[(groups.class_index == k) & (wanted > 0)]
    if not len(reach):
        return Condition(name, holds=True, message=f"{row['id']} has nothing that must be served")
    in_reach, most, share = reach.any(axis=0), int(row["max_sites"]), float(row["min_share"])
    allowed, large = f"max_sites allows {most}", np.ones(len(ids), bool)
    kept = float(problem.min_accelerators[k])
    if kept > 0:
        place = problem.pools["data_center_index"].to_numpy(int)
        room = np.bincount(place, pool_pods(problem) * pod_sizes(problem), len(ids))
        large = room >= kept
        if not large[in_reach].any():
            most_there = float(room[in_reach].max(initial=0.0))
            message = (
                f"a deployment of {row['id']} keeps {kept:,.0f} accelerators on; the largest data center in its reach "
                f"has {most_there:,.0f}, those that may be bought included: {_names(ids[in_reach])}"
            )
            return Condition(name, holds=False, message=message)
        allowed += f", and its model takes {kept:,.0f} accelerators in each"
    if share > 0:
        by_share = int(np.floor(1.0 / share + SHORT_SHARE))
        most, allowed = min((most, allowed), (by_share, f"min_share = {share:g} allows {by_share}"))
        large = large & _large_enough(problem, k, share)
        if not large.any():
            least = share * float(problem.class_demand_mtok_per_h[:, k].max())
            message = (
                f"a deployment of {row['id']} must take {share:g} of its tokens, {least:,.2f} mtok/h in the busiest "
                f"slice, and none of the data centers in its reach can: {_names(ids[in_reach])}"
            )
            return Condition(name, holds=False, message=message, short_mtok_per_h=least)
    needed = _cover(reach & large)
    if needed is not None and needed <= most:
        message = f"{row['id']} can reach its demand hubs from {needed} data center(s)"
        return Condition(name, holds=True, message=message)
    limit_ms = float(problem.rtt_limit_ms[k].max())
    within = f"within {limit_ms:g} ms" if np.isfinite(limit_ms) else "under its residency rule"
    how_many = "more data centers than it may use" if needed is None else f"at least {needed} data center(s)"
    message = f"{row['id']} needs {how_many} to reach all its demand hubs {within}; {allowed}"
    return Condition(name, holds=False, message=message)


def _two_places(problem: PlacementProblem) -> Condition:
    """Check that each class that must not wait may be deployed in two data centers, so that one may fail."""
    name = "two places for what must not wait"
    must = np.unique(problem.workloads["class_index"].to_numpy(int)[problem.cannot_wait])
    narrow = [k for k in must.tolist() if problem.classes["max_sites"].iloc[k] < _PLACES_TO_SURVIVE]
    if not narrow:
        return Condition(name, holds=True, message="each class that must not wait may be deployed in two data centers")
    ids = _names(problem.classes["id"].iloc[narrow])
    message = f"resilience.survive needs {ids} in two data centers; max_sites allows one"
    return Condition(name, holds=False, message=message)


def _capacity_after_loss(problem: PlacementProblem) -> Condition:
    """Compare what must be served at once with what is left when a data center fails, each in turn."""
    name = "capacity after the loss of a data center"
    found: list[tuple[str, Condition]] = []
    for lost, left in without_each(problem):
        for by_places in (False, True):
            condition = _capacity(left, left.demand_mtok_per_h, by_places=by_places)
            if not condition.holds:
                found.append((lost, condition))
                break
    if not found:
        return Condition(name, holds=True, message="whichever data center fails, the others have capacity enough")
    lost, worst = max(found, key=lambda item: item[1].short_mtok_per_h)
    message = f"should {lost} fail, {worst.message}"
    if len(found) > 1:
        message += f"; {len(found) - 1} more data center(s) cannot be lost either"
    return replace(worst, name=name, message=message)


def _large_enough(problem: PlacementProblem, k: int, share: float) -> BoolArray:
    """(D,) data centers that can take the least share of a class in every slice, by demand in reach and capacity."""
    least = share * problem.class_demand_mtok_per_h[:, k] * (1 - SHORT_SHARE)
    groups = make_groups(problem, by_places=True)
    of_class = problem.workloads["class_index"].to_numpy(int) == k
    in_reach = problem.servable_mtok_per_h[:, of_class] @ groups.can_use[groups.workload[of_class]]
    return np.asarray((in_reach >= least[:, None]).all(axis=0) & (class_capacity(problem, k) >= least.max()))


def _cover(reach: BoolArray) -> int | None:
    """Fewest columns so that every row has one; None if a row has none at all."""
    if not reach.any(axis=1).all():
        return None
    rows = LinearConstraint(sp.csr_array(reach.astype(float)), lb=1.0)
    solved = milp(np.ones(reach.shape[1]), constraints=rows, integrality=1, bounds=Bounds(0, 1))
    return round(float(solved.fun))


def _single_places(problem: PlacementProblem, must: FloatArray) -> Condition:
    """Check that every indivisible workload fits into a single data center in its reach."""
    name = "single places"
    workloads, pairs = problem.workloads, problem.indivisible_pairs
    k = pairs["class_index"].to_numpy(int)
    room = np.stack([class_capacity(problem, each) for each in range(len(problem.classes))])
    best = np.zeros(len(workloads))
    np.maximum.at(best, pairs["workload_index"].to_numpy(int), room[k, pairs["data_center_index"].to_numpy(int)])
    # Work that may wait can be spread over the day.
    need = np.where(workloads["is_deferrable"].to_numpy(bool), must.mean(axis=0), must.max(axis=0))
    over = np.where(workloads["is_indivisible"].to_numpy(bool), need - best * (1 + SHORT_SHARE), -np.inf)
    w = int(over.argmax())
    if over[w] <= 0:
        return Condition(name, holds=True, message="every indivisible workload fits into one data center in its reach")
    row = workloads.iloc[w]
    message = (
        f"{row['workload_class']} of {row['demand_hub']} must stay in one data center and asks for {need[w]:,.2f} "
        f"mtok/h; the largest in its reach takes {best[w]:,.2f}"
    )
    per_mtok = problem.accel_h_per_mtok[row["class_index"]] * mw_per_busy_accelerator(problem)
    short = float(need[w] - best[w])
    return Condition(name, holds=False, message=message, short_mtok_per_h=short, short_mw=short * float(per_mtok.min()))


def _workload_names(problem: PlacementProblem, which: BoolArray) -> str:
    """Name workloads by class with their demand hubs: "chat of alpha, beta"."""
    table: pd.DataFrame = problem.workloads[which]
    by_class = table.groupby("workload_class", sort=False, observed=True)["demand_hub"]
    return list_some([f"{name} of {_names(hubs)}" for name, hubs in by_class], more=" classes", separator="; ")


def _names(ids: pd.Series) -> str:
    return list_some(list(ids.astype(str))) or "no data center"
