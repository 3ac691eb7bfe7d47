"""How much of a cost rests on estimates: each component by the input row that sets its price."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from network_data.load import Network
from optimizer.check import CheckReport
from optimizer.check_facts import PlanFacts
from optimizer.plan import Plan
from optimizer.problem import FloatArray, PlacementProblem
from optimizer.routes import HOURS_PER_MONTH

ESTIMATE = "estimate"
_OF_DATA_CENTER = ("site_capital", "opening")


def estimate_shares(problem: PlacementProblem, network: Network, plan: Plan, report: CheckReport) -> dict[str, float]:
    """
    Say what share of each cost component, and of all (`total`), rests on estimates.

    A cost rests on an estimate if the row of the input that sets its price has confidence `estimate`, or none:
    energy by its tariff (any row; an hourly price series counts as one), demand charge, opening and site capital by
    the data center, latency, deployment and data transfer (its bytes; its price is a choice) by the workload class,
    network by the link, accelerator capital by the accelerator, carbon by the grid. A price that a price case changed
    (of energy, demand or tokens) rests on that case too, and on it alone where it was replaced. The penalty of
    unserved tokens is a choice, not an estimate. Whatever the row, quantities (demand shares, token rates) are not
    judged here.

    Returns
    -------
    dict
        Component to share, 0 to 1; a component without cost is left out.
    """
    facts = PlanFacts(problem, plan)
    table = report.costs_cny
    by_center = {
        name: rows.set_index("data_center")["cny_per_year"].reindex(problem.data_centers["id"]).to_numpy(float)
        for name, rows in table.groupby("component", sort=False)
        if name != "shedding"
    }
    estimated = {
        "energy": by_center["energy"][_is_estimate(problem.data_centers["price_confidence"])],
        "carbon": by_center["carbon"][_grid_is_estimate(problem, network)],
        "demand_charge": by_center["demand_charge"][_is_estimate(problem.data_centers["demand_charge_confidence"])],
        **{name: by_center[name][_is_estimate(problem.data_centers["confidence"])] for name in _OF_DATA_CENTER},
        "accelerator_capital": _accelerator_capital(problem, network, plan),
        "latency": _latency(facts),
        "deployment": _deployment(facts),
        "network": _network(problem, network, report),
        "data_transfer": _data_transfer(facts),
    }
    totals = report.component_cny.to_dict()
    amounts = {name: float(np.sum(values)) for name, values in estimated.items()}
    shares = {name: _share(amount, totals[name]) for name, amount in amounts.items() if totals[name]}
    return {**shares, "total": _share(sum(amounts.values()), report.total_cny)}


def _share(part: float, whole: float) -> float:
    return float(np.clip(part / whole, 0.0, 1.0)) if whole else 0.0


def _is_estimate(confidence: Iterable[str]) -> np.ndarray:
    return np.array([value in {ESTIMATE, ""} for value in confidence], dtype=bool)


def _grid_is_estimate(problem: PlacementProblem, network: Network) -> np.ndarray:
    grid = network.data_centers["grid"].reindex(problem.data_centers["id"])
    return _is_estimate(network.grids["confidence"].reindex(grid))


def _accelerator_capital(problem: PlacementProblem, network: Network, plan: Plan) -> FloatArray:
    ids = problem.accelerators["id"].to_numpy()[problem.pools["accelerator_index"]]
    guessed = _is_estimate(network.accelerators["confidence"].reindex(ids))
    return np.asarray(problem.pools["pod_cny_per_year"].to_numpy(float) * plan.new_pods * guessed)


def _latency(facts: PlanFacts) -> FloatArray:
    problem = facts.problem
    cny = problem.classes["latency_cny_per_ms_per_mtok"].to_numpy(float)[facts.candidate_class]
    guessed = _is_estimate(problem.classes["token_price_confidence"])[facts.candidate_class]
    return np.asarray(cny * problem.candidates["rtt_ms"].to_numpy(float) * facts.candidate_mtok_per_year * guessed)


def _data_transfer(facts: PlanFacts) -> FloatArray:
    guessed = _is_estimate(facts.problem.classes["confidence"])[facts.candidate_class]
    cny_per_mtok = facts.candidate_column("data_transfer_cny_per_mtok")
    return np.asarray(cny_per_mtok * facts.candidate_mtok_per_year * guessed)


def _deployment(facts: PlanFacts) -> FloatArray:
    problem, k = facts.problem, facts.deployment_class
    guessed = _is_estimate(problem.classes["confidence"])[k]
    return np.asarray(problem.classes["deploy_cny_per_year"].to_numpy(float)[k] * facts.plan.is_deployed * guessed)


def _network(problem: PlacementProblem, network: Network, report: CheckReport) -> FloatArray:
    links = problem.links
    price = links["price_cny_per_gbps_month"].to_numpy(float) / HOURS_PER_MONTH
    guessed = _is_estimate(network.links["confidence"].reindex(links["id"]))
    return np.asarray(problem.weight_h @ report.link_gbps * price * guessed)
