"""
Indicators of a plan by name: what it is worth in a plan, and how a price on it is written as prices of the problem.

An indicator is linear in the decisions. A price on it therefore changes nothing but prices that the problem has anyway,
so that every method of solving applies to it. `Indicator.priced` and the value, taken from the independent checker's
facts, are held against each other by tests: they must differ by the stated offset, whatever the plan.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from network_data.faults import FaultList, suggest
from optimizer.checker.facts import PlanFacts, list_costs
from optimizer.problem.problem import BoolArray, FloatArray, PlacementProblem
from optimizer.units import KW_PER_MW

MONTHS_PER_YEAR = 12.0
SHARE_SUFFIX = "_share"

Value = Callable[[PlanFacts], float]


@dataclass(frozen=True)
class Priced:
    """
    A problem with a price on an indicator.

    Attributes
    ----------
    problem
        What any plan costs here, less `offset_cny`, is what it costs in the original and the price times the indicator.
    offset_cny
        CNY per year.
    """

    problem: PlacementProblem
    offset_cny: float = 0.0


@dataclass(frozen=True, eq=False)
class Indicator:
    """
    A number that follows linearly from a plan.

    Attributes
    ----------
    name
        As it was asked for, e.g. west_share or tokens@PLACE.
    unit
        Of its values: share, mtok/year, MWh/year, t/year, ms, pods, MW, CNY/year, or empty for a count.
    what
        In words.
    of
        Its value in a plan.
    price
        Gives the problem with a price, CNY per year and unit, on it.
    most_rebate
        Most that a unit of it may be paid for, CNY per year, before a price of the problem falls below nothing.
    is_whole
        Whether it is a whole number in every plan.
    limits
        What it can be at all.
    """

    name: str
    unit: str
    what: str
    of: Value
    price: Callable[[PlacementProblem, float], Priced]
    most_rebate: Callable[[PlacementProblem], float] = lambda _: np.inf
    is_whole: bool = False
    limits: tuple[float, float] = (0.0, np.inf)


# What can be asked for, as it is told to who asks for something else. PLACE is a data center or a region.
KINDS = {
    "REGION_share": "share of the tokens served in the data centers of a region",
    "share@PLACE[/CLASS]": "share of all tokens that are of a class and served there",
    "tokens@PLACE[/CLASS]": "million tokens a year served there",
    "energy[@PLACE]": "facility energy, MWh a year",
    "carbon[@PLACE]": "location-based emissions, t a year",
    "mean_rtt[/CLASS]": "mean round trip of a token, ms",
    "new_pods[@PLACE]": "pods bought",
    "new_share@PLACE": "share of the pods bought that stand there",
    "peak_power@PLACE": "power that the demand charge is paid on, mean of the months, MW",
    "open[@PLACE]": "open data centers",
    "deployments": "classes deployed, counted in each data center",
    "COMPONENT_cost": "a component of the cost, CNY a year: energy, latency, opening, ...",
}


@dataclass(frozen=True, eq=False)
class Share:
    """A part of a whole, both indicators: bounded by what the part and the rest lie between."""

    name: str
    what: str
    part: Indicator
    rest: Indicator

    def of(self, facts: PlanFacts) -> float:
        """Value in a plan; NaN where the whole is nothing."""
        part, rest = self.part.of(facts), self.rest.of(facts)
        return part / (part + rest) if part + rest else np.nan


NEW_SHARE = "new_share@"


def find_share(name: str, problem: PlacementProblem) -> Share | None:
    """Find the share of the new pods that stands at a place; None if the name is of something else."""
    place = _place(name.removeprefix(NEW_SHARE), problem) if name.startswith(NEW_SHARE) and name != NEW_SHARE else None
    if place is None:
        return None
    where = name.removeprefix(NEW_SHARE)
    part = _new_pods(f"new_pods@{where}", f" at {where}", place, None)
    rest = _new_pods(f"new_pods not at {where}", f" outside {where}", ~place, None)
    return Share(name, f"share of the pods bought at {where}", part, rest)


def find_indicators(names: Sequence[str], problem: PlacementProblem) -> list[Indicator | Share]:
    """
    Find indicators by name.

    Raises
    ------
    InputError
        With every name that is none, what is near it, and what there is.
    """
    faults = FaultList("indicators")
    found: list[Indicator | Share] = []
    for name in dict.fromkeys(names):
        indicator = find_share(name, problem) or _find(name, problem)
        if indicator is None:
            known = _known_names(problem)
            kinds = ", ".join(KINDS)
            faults.add("--of", "is no indicator", f"Name one of {kinds}.{suggest(name, known)}", value=name)
        else:
            found.append(indicator)
    faults.raise_if_any()
    return found


def _known_names(problem: PlacementProblem) -> list[str]:
    centers = problem.data_centers
    places = [*centers["id"], *centers["region"].unique()]
    of_places = [f"{kind}@{place}" for kind in _OF_PLACE for place in places]
    shares = [f"{region}{SHARE_SUFFIX}" for region in centers["region"].unique()]
    costs = [f"{component}_cost" for component in _COST_SCALES]
    return [*shares, *costs, *_OF_PLACE, "mean_rtt", "deployments", *of_places]


def _find(name: str, problem: PlacementProblem) -> Indicator | None:
    for look in (_of_region, _of_whole, _of_place):
        if (found := look(name, problem)) is not None:
            return found
    return None


def _of_region(name: str, problem: PlacementProblem) -> Indicator | None:
    """Find the share of a region."""
    region = name.removesuffix(SHARE_SUFFIX)
    place = None if region in {name, ""} else _place(region, problem, regions_only=True)
    return None if place is None else _share(name, f"share served in {region}", place, None)


def _of_whole(name: str, problem: PlacementProblem) -> Indicator | None:
    """Find an indicator of the whole plan: a component of the cost, the mean round trip, deployments."""
    component = name.removesuffix("_cost")
    if component != name and component in _COST_SCALES:
        return _cost(name, component)
    if name.partition("/")[0] == "mean_rtt":
        return _mean_rtt(name, name.partition("/")[2], problem)
    return _deployments(name) if name == "deployments" else None


def _of_place(name: str, problem: PlacementProblem) -> Indicator | None:
    """Find an indicator of a place, and of a class there."""
    kind, _, rest = name.partition("@")
    place_name, _, class_id = rest.partition("/")
    place, classes = _place(place_name, problem), problem.classes["id"].to_numpy(str)
    is_known = kind in _OF_PLACE and place is not None and (bool(place_name) or kind not in _NEEDS_PLACE)
    if "/" in rest:
        is_known &= kind in _OF_CLASSES and class_id in classes
    if not is_known or place is None:
        return None
    where = (f" of {class_id}" if class_id else "") + (f" at {place_name}" if place_name else "")
    return _OF_PLACE[kind](name, where, place, classes == class_id if class_id else None)


def _place(name: str, problem: PlacementProblem, *, regions_only: bool = False) -> BoolArray | None:
    """(D,) data centers of a place: one, or those of a region; all of them without a name."""
    centers = problem.data_centers
    if not name:
        return np.ones(len(centers), np.bool_)
    is_it = np.asarray(centers["id"] == name, np.bool_)
    if regions_only or not is_it.any():
        is_it = np.asarray(centers["region"] == name, np.bool_)
    return is_it if is_it.any() else None


# Tokens and the ways that they take


def _candidates(problem: PlacementProblem, place: BoolArray, of_class: BoolArray | None) -> BoolArray:
    chosen = place[problem.candidates["data_center_index"].to_numpy(np.int64)]
    return np.asarray(chosen if of_class is None else chosen & of_class[problem.candidate_class], np.bool_)


def _charged(problem: PlacementProblem, cny_per_mtok: FloatArray) -> PlacementProblem:
    """Raise the price of transport of each candidate, (R,)."""
    paid = problem.candidates["network_cny_per_mtok"] + cny_per_mtok
    return replace(problem, candidates=problem.candidates.assign(network_cny_per_mtok=paid))


def priced_flows(amount: Callable[[PlacementProblem], FloatArray], problem: PlacementProblem, price: float) -> Priced:
    """
    Price what a token counts for, (R,) by candidate.

    A rebate is written as a charge on what counts for less than the most: all tokens are served, so that the two differ
    by a constant, and no way costs less than nothing. Where some may stay unserved it is a rebate indeed.
    """
    counts = amount(problem)
    if price >= 0 or problem.shed_limit_mtok_per_h.any():
        return Priced(_charged(problem, price * counts))
    most = float(counts.max(initial=0.0))
    return Priced(_charged(problem, -price * (most - counts)), -price * most * problem.annual_mtok)


def _share(name: str, what: str, place: BoolArray, of_class: BoolArray | None) -> Indicator:
    def amount(problem: PlacementProblem) -> FloatArray:
        return _candidates(problem, place, of_class) / problem.annual_mtok

    def of(facts: PlanFacts) -> float:
        return float(facts.candidate_mtok_per_year @ amount(facts.problem))

    return Indicator(name, "share", what, of, partial(priced_flows, amount), limits=(0.0, 1.0))


def _share_at(name: str, where: str, place: BoolArray, of_class: BoolArray | None) -> Indicator:
    return _share(name, f"share of the tokens{where}", place, of_class)


def _tokens(name: str, where: str, place: BoolArray, of_class: BoolArray | None) -> Indicator:
    def amount(problem: PlacementProblem) -> FloatArray:
        return _candidates(problem, place, of_class).astype(float)

    def of(facts: PlanFacts) -> float:
        return float(facts.candidate_mtok_per_year @ amount(facts.problem))

    return Indicator(name, "mtok/year", f"tokens served{where}", of, partial(priced_flows, amount))


def _mean_rtt(name: str, class_id: str, problem: PlacementProblem) -> Indicator | None:
    classes = problem.classes["id"].to_numpy(str)
    of_class = np.ones(len(classes), np.bool_) if not class_id else classes == class_id
    if not of_class.any():
        return None

    def amount(problem: PlacementProblem) -> FloatArray:
        mine = of_class[problem.candidate_class]
        in_class = of_class[problem.workloads["class_index"].to_numpy(np.int64)]
        annual_mtok = float(problem.weight_h @ problem.demand_mtok_per_h[:, in_class].sum(axis=1))
        return np.where(mine, problem.candidates["rtt_ms"].to_numpy(float), 0.0) / annual_mtok

    def of(facts: PlanFacts) -> float:
        return float(facts.candidate_mtok_per_year @ amount(facts.problem))

    what = "mean round trip" + (f" of {class_id}" if class_id else "")
    return Indicator(name, "ms", what, of, partial(priced_flows, amount))


# Energy


def _priced_energy(amount: Callable[[PlacementProblem], FloatArray], problem: PlacementProblem, price: float) -> Priced:
    """Change the price of energy of each data center by a multiple of (D,)."""
    paid = problem.energy_price_cny_per_mwh + price * amount(problem)
    return Priced(replace(problem, energy_price_cny_per_mwh=paid))


def _least_rebate(amount: Callable[[PlacementProblem], FloatArray], problem: PlacementProblem) -> float:
    """Most that may be paid for a unit before energy costs less than nothing somewhere."""
    carbon = problem.carbon_price_cny_per_t * problem.data_centers["carbon_kg_per_kwh"].to_numpy(float)
    counts, least = amount(problem), (problem.energy_price_cny_per_mwh + carbon).min(axis=0)
    return float((least[counts > 0] / counts[counts > 0]).min(initial=np.inf))


def _of_energy(
    name: str, unit: str, what: str, place: BoolArray, per_mwh: Callable[[PlacementProblem], FloatArray]
) -> Indicator:
    def amount(problem: PlacementProblem) -> FloatArray:
        return np.where(place, per_mwh(problem), 0.0)

    def of(facts: PlanFacts) -> float:
        return float(facts.energy_mwh_per_year @ amount(facts.problem))

    return Indicator(name, unit, what, of, partial(_priced_energy, amount), partial(_least_rebate, amount))


def _energy(name: str, where: str, place: BoolArray, _: BoolArray | None) -> Indicator:
    return _of_energy(name, "MWh/year", f"facility energy{where}", place, lambda p: np.ones(len(p.data_centers)))


def _carbon(name: str, where: str, place: BoolArray, _: BoolArray | None) -> Indicator:
    return _of_energy(
        name, "t/year", f"CO2{where}", place, lambda p: p.data_centers["carbon_kg_per_kwh"].to_numpy(float)
    )


def _peak_power(name: str, where: str, place: BoolArray, _: BoolArray | None) -> Indicator:
    def of(facts: PlanFacts) -> float:
        problem, plan = facts.problem, facts.plan
        monthly = problem.billing["months"].to_numpy(float) @ plan.peak_mw / MONTHS_PER_YEAR
        return float(np.where(problem.is_contracted, plan.contract_mw, monthly)[place].sum())

    def price(problem: PlacementProblem, cny: float) -> Priced:
        column = "demand_charge_cny_per_kw_month"
        paid = problem.data_centers[column] + place * cny / (MONTHS_PER_YEAR * KW_PER_MW)
        return Priced(replace(problem, data_centers=problem.data_centers.assign(**{column: paid})))

    def most_rebate(problem: PlacementProblem) -> float:
        charge = problem.data_centers["demand_charge_cny_per_kw_month"].to_numpy(float)[place]
        return float(charge.min(initial=np.inf)) * MONTHS_PER_YEAR * KW_PER_MW

    return Indicator(name, "MW", f"power that the demand charge is paid on{where}", of, price, most_rebate)


# What is open, deployed and bought


def _new_pods(name: str, where: str, place: BoolArray, _: BoolArray | None) -> Indicator:
    def pools(problem: PlacementProblem) -> BoolArray:
        return np.asarray(place[problem.pools["data_center_index"].to_numpy(np.int64)])

    def price(problem: PlacementProblem, cny: float) -> Priced:
        paid = problem.pools["pod_cny_per_year"] + pools(problem) * cny
        return Priced(replace(problem, pools=problem.pools.assign(pod_cny_per_year=paid)))

    def of(facts: PlanFacts) -> float:
        return float(facts.plan.new_pods[pools(facts.problem)].sum())

    def most_rebate(problem: PlacementProblem) -> float:
        return float(problem.pools["pod_cny_per_year"].to_numpy(float)[pools(problem)].min(initial=np.inf))

    return Indicator(name, "pods", f"pods bought{where}", of, price, most_rebate, is_whole=True)


def _open(name: str, where: str, place: BoolArray, _: BoolArray | None) -> Indicator:
    def price(problem: PlacementProblem, cny: float) -> Priced:
        paid = problem.data_centers["opening_cny_per_year"] + place * cny
        return Priced(replace(problem, data_centers=problem.data_centers.assign(opening_cny_per_year=paid)))

    def of(facts: PlanFacts) -> float:
        return float(facts.plan.is_open[place].sum())

    def most_rebate(problem: PlacementProblem) -> float:
        return float(problem.data_centers["opening_cny_per_year"].to_numpy(float)[place].min(initial=np.inf))

    limits = (0.0, float(place.sum()))
    return Indicator(name, "", f"open data centers{where}", of, price, most_rebate, is_whole=True, limits=limits)


def _deployments(name: str) -> Indicator:
    def price(problem: PlacementProblem, cny: float) -> Priced:
        paid = problem.classes["deploy_cny_per_year"] + cny
        return Priced(replace(problem, classes=problem.classes.assign(deploy_cny_per_year=paid)))

    def of(facts: PlanFacts) -> float:
        return float(facts.plan.is_deployed.sum())

    def most_rebate(problem: PlacementProblem) -> float:
        return float(problem.classes["deploy_cny_per_year"].to_numpy(float).min(initial=np.inf))

    return Indicator(name, "", "deployments of a class in a data center", of, price, most_rebate, is_whole=True)


# Components of the cost


def _scaled(table: str, *columns: str) -> Callable[[PlacementProblem, float], PlacementProblem]:
    def scale(problem: PlacementProblem, factor: float) -> PlacementProblem:
        rows = getattr(problem, table)
        changed = {table: rows.assign(**{column: rows[column] * factor for column in columns})}
        return replace(problem, **changed)

    return scale


def _scaled_field(name: str) -> Callable[[PlacementProblem, float], PlacementProblem]:
    def scale(problem: PlacementProblem, factor: float) -> PlacementProblem:
        changed = {name: getattr(problem, name) * factor}
        return replace(problem, **changed)

    return scale


def _scaled_energy(problem: PlacementProblem, factor: float) -> PlacementProblem:
    scaled = replace(problem, energy_price_cny_per_mwh=problem.energy_price_cny_per_mwh * factor)
    column = "energy_surcharge_cny_per_mwh"  # what some accelerators pay on top
    if column in problem.pools:
        scaled = replace(scaled, pools=problem.pools.assign(**{column: problem.pools[column] * factor}))
    return scaled


# Components by the checker's names, and the prices that each of them is proportional to.
_COST_SCALES: dict[str, Callable[[PlacementProblem, float], PlacementProblem]] = {
    "energy": _scaled_energy,
    "demand_charge": _scaled("data_centers", "demand_charge_cny_per_kw_month"),
    "latency": _scaled("classes", "latency_cny_per_ms_per_mtok"),
    "network": _scaled("candidates", "network_cny_per_mtok"),
    "data_transfer": _scaled("candidates", "data_transfer_cny_per_mtok"),
    "accelerator_capital": _scaled("pools", "pod_cny_per_year"),
    "site_capital": _scaled("pools", "site_cny_per_year"),
    "opening": _scaled("data_centers", "opening_cny_per_year", "opening_cny_per_mw_year"),
    "deployment": _scaled("classes", "deploy_cny_per_year"),
    "carbon": _scaled_field("carbon_price_cny_per_t"),
    "shedding": _scaled_field("shed_penalty_cny_per_mtok"),
}


def _cost(name: str, component: str) -> Indicator:
    def of(facts: PlanFacts) -> float:
        costs = list_costs(facts)
        return float(costs.loc[costs["component"] == component, "cny_per_year"].sum())

    def price(problem: PlacementProblem, cny: float) -> Priced:
        return Priced(_COST_SCALES[component](problem, 1.0 + cny))

    what = f"cost of {component.replace('_', ' ')}"
    return Indicator(name, "CNY/year", what, of, price, lambda _: 1.0, limits=(-np.inf, np.inf))


_OF_PLACE: dict[str, Callable[[str, str, BoolArray, BoolArray | None], Indicator]] = {
    "share": _share_at,
    "tokens": _tokens,
    "energy": _energy,
    "carbon": _carbon,
    "peak_power": _peak_power,
    "new_pods": _new_pods,
    "open": _open,
}
_NEEDS_PLACE, _OF_CLASSES = ("share", "peak_power"), ("share", "tokens")
