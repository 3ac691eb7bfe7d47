"""What keeps a workload out of a data center, in words with numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.place_prices import PlacePrices
from optimizer.plan import Plan
from optimizer.price_table import spell_cny
from optimizer.problem import FloatArray, PlacementProblem

ROUNDING = 1e-9
# Rents below this many CNY per million tokens are rounding.
LEAST_RENT = 1e-7
# What a limit is when it has a rent: name of its equation -> (kind, words).
_RENT_WORDS = {
    "switch_on_installed_pods": ("pods", "its installed pods are all on"),
    "limit_it_power": ("it_power", "its IT power is used up"),
    "limit_link_traffic": ("link", "a link on the way is full"),
    "pay_peak_power": ("demand_charge", "the work would raise the billed peak"),
    "pay_contracted_power": ("demand_charge", "the work would raise the contracted power"),
    "require_min_share": ("min_share", "the minimum share of the class elsewhere holds it"),
    "require_region_share": ("policy", "a least share of another region holds it"),
    "require_green_share": ("policy", "the least share of green power holds it"),
    "keep_carbon_cap": ("policy", "the carbon cap is used up"),
    "require_utilization": ("policy", "the least utilization of another data center holds it"),
    "keep_spending_limit": ("policy", "the spending limit is used up"),
    "idle_no_pod_to_look_green": ("policy", "pods may not idle under the green share"),
}
# With these no rent is told: of a closed place the duals say only that it is closed.
_ALONE = {"closed"}
_SCARCE = {"pods", "it_power", "link"}
PLACE_RENTS = ("serve_where_deployed", "serve_where_assigned")


@dataclass(frozen=True)
class Reason:
    """
    One thing that keeps a workload out of a data center.

    Attributes
    ----------
    kind
        rtt_limit, residency, second_route, closed, not_deployed, max_sites, indivisible, pods, it_power, link,
        demand_charge, min_share, policy, another limit's equation, or none.
    text
        In words, with numbers.
    cny_per_mtok
        Rent of the limit; NaN where it has none.
    cny_per_year
        What it would take to remove it, where that has a price; NaN where not.
    amount, unit
        How far the limit is missed, or for how many hours a year it binds.
    """

    kind: str
    text: str
    cny_per_mtok: float = np.nan
    cny_per_year: float = np.nan
    amount: float = np.nan
    unit: str = ""


@dataclass(frozen=True, eq=False)
class Question:
    """
    What is asked: why a workload of a plan is where it is.

    Attributes
    ----------
    problem, plan
        The plan and its problem.
    workload, class_index
        Positions of the workload and of its class.
    prices
        Its ways and their prices.
    weight
        (T,) tokens of the workload by slice, mtok per year.
    admits
        What says where its data may go, in words (`residency.what_admits`).
    """

    problem: PlacementProblem
    plan: Plan
    workload: int
    class_index: int
    prices: PlacePrices
    weight: FloatArray
    admits: str

    def mean(self, values: FloatArray) -> float:
        """Mean over the slices, weighed with the tokens."""
        total = float(self.weight.sum())
        return float(self.weight @ values) / total if total > 0 else float(values.mean())

    def best_way(self, center: int, by: FloatArray) -> int:
        """Way to a data center of least mean price; a candidate before a route that is left out."""
        ways = np.flatnonzero(self.prices.ways["data_center_index"].to_numpy(int) == center)
        left_out = self.prices.ways["candidate"].to_numpy(int)[ways] < 0
        ways = ways[left_out == left_out.min()]
        return int(ways[np.argmin([self.mean(by[:, way]) for way in ways])])

    @property
    def total_if_placed(self) -> FloatArray:
        """(T, N) own cost and rents, were the class deployed and the workload assigned there."""
        closing = [self.prices.rents[name] for name in PLACE_RENTS if name in self.prices.rents]
        return self.prices.total - sum(closing, np.zeros_like(self.prices.own_total))


def block_reasons(question: Question, way: int, paid_elsewhere: list[str]) -> tuple[Reason, ...]:
    """
    Find what keeps a workload from a way to a data center.

    Parameters
    ----------
    question
        What is asked.
    way
        Position in the ways of the workload.
    paid_elsewhere
        Equations by which the plan is paid for having the workload where it is.
    """
    if question.prices.ways["candidate"].iloc[way] < 0:
        return _left_out(question, way)
    found = _whole_decisions(question, way)
    if not any(reason.kind in _ALONE for reason in found):
        found += _rents(question, way)
    if not found:
        names = [_RENT_WORDS.get(name, ("", name.replace("_", " ")))[1] for name in paid_elsewhere]
        text = f"where it is served, {names[0]}" if names else "nothing: the difference is made up by hours or rounding"
        found = [Reason("policy" if names else "none", text)]
    return tuple(found)


def _left_out(question: Question, way: int) -> tuple[Reason, ...]:
    problem, row, k = question.problem, question.prices.ways.iloc[way], question.class_index
    found = []
    if row["late_ms"] > 0:
        limit_ms, late_ms = float(problem.rtt_limit_ms[k, int(row["data_center_index"])]), float(row["late_ms"])
        which = (
            "" if limit_ms >= problem.classes["rtt_limit_ms"].iloc[k] else ", which its time to the first token leaves"
        )
        text = f"RTT of {row['rtt_ms']:.1f} ms is {late_ms:.1f} ms over the limit of {limit_ms:.1f} ms{which}"
        found.append(Reason("rtt_limit", text, amount=late_ms, unit="ms"))
    if row["is_barred"]:
        rule = question.admits.removesuffix(" allows").removesuffix(" allow").removesuffix(" hold")
        text = f"its {rule} does not admit it" if rule else "its data may not go there"
        found.append(Reason("residency", text))
    if row["is_unprotected"]:
        found.append(Reason("second_route", "its route has no second, link-disjoint one within the limit"))
    return tuple(found)


def _whole_decisions(question: Question, way: int) -> list[Reason]:
    """Tell what is closed, not deployed, or the single place of the workload elsewhere; with what changing it costs."""
    problem, plan, k = question.problem, question.plan, question.class_index
    d = int(question.prices.ways["data_center_index"].iloc[way])
    name, members = str(problem.classes["name"].iloc[k]), problem.deployments.to_numpy(int)
    deployed = np.asarray(plan.is_deployed) == 1
    saved = float(question.weight @ np.maximum(question.prices.marginal - question.total_if_placed[:, way], 0.0))
    would_save = f"all of this workload there would save at most {spell_cny(saved)} a year at the plan's prices"
    found = []
    if not plan.is_open[d]:
        cost = float(problem.data_centers["opening_cny_per_year"].iloc[d])
        found.append(Reason("closed", f"closed: opening it costs {spell_cny(cost)} a year", cny_per_year=cost))
    if not (deployed & (members == (k, d)).all(axis=1)).any():
        cost = float(problem.classes["deploy_cny_per_year"].iloc[k])
        saving = "" if found else f"; {would_save}"
        text = f"{name} is not deployed there: that costs {spell_cny(cost)} a year{saving}"
        found.append(Reason("not_deployed", text, cny_per_year=cost))
        most, there = int(problem.classes["max_sites"].iloc[k]), int((deployed & (members[:, 0] == k)).sum())
        if there >= most:
            text = f"{name} may stand in {most} place(s), and stands in {there}"
            found.append(Reason("max_sites", text, amount=float(most), unit="places"))
    if problem.workloads["is_indivisible"].iloc[question.workload] and not found:
        found.append(Reason("indivisible", f"it is indivisible, and its single place is another one; {would_save}"))
    return found


def _rents(question: Question, way: int) -> list[Reason]:
    """List the limits on the way that have a price, dearest first."""
    weight_h, is_served = question.problem.weight_h, question.weight > 0
    year_h, found = float(weight_h[is_served].sum()), []
    for name, values in question.prices.rents.items():
        mean = question.mean(values[:, way])
        if mean <= LEAST_RENT or name in PLACE_RENTS:
            continue
        hours = float(weight_h[is_served & (values[:, way] > LEAST_RENT)].sum())
        kind, words = _RENT_WORDS.get(name, (name, f"{name.replace('_', ' ')} holds it"))
        whole = hours >= year_h * (1 - ROUNDING)
        when = "in all its hours" if whole else f"in {hours:,.0f} of its {year_h:,.0f} hours a year"
        worth = (
            f": worth {mean:.4f} CNY per million tokens to others"
            if kind in _SCARCE
            else f", {mean:.4f} CNY per million tokens"
        )
        found.append(Reason(kind, f"{words} {when}{worth}", cny_per_mtok=mean, amount=hours, unit="h"))
    return sorted(found, key=lambda reason: -reason.cny_per_mtok)
