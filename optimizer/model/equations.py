"""
The placement model as Pyomo rules: one function per equation and per cost component, one line of mathematics in each.

`CONSTRAINTS` is the model's table of contents, `COSTS` the objective's; an entry holds all facts that are known of its
equation. `TIGHTENING` holds equations that say nothing new of plans, for solvers. The rules are read twice:
`pyomo_model.to_pyomo` builds an ordinary Pyomo model from them, `compile.compile_model` turns them into the solver's
matrix. Sets, parameters, variables and units are declared in `vocabulary`; docs/formulation.md holds the same
mathematics.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from optimizer.model.vocabulary import CostComponent, Equation, Expression, Model, Obstacle
from optimizer.units import CNY_PER_MCNY


def _facility_sum(m: Model, weight: Callable[[Any, Any, Any], Expression]) -> Expression:
    """Sum up facility power over data centers, accelerators and slices, each times a weight."""
    idle = sum(
        weight(d, a, t) * m.pue[d] * m.idle_mw_per_pod[a] * m.Active[d, a, t] for d, a in m.POOLS for t in m.SLICES
    )
    dynamic = sum(
        weight(d, a, t) * m.pue[d] * m.dynamic_mw_per_accelerator[a] * m.accel_h_per_mtok[k, a] * m.Work[k, d, a, t]
        for k, d, a in m.PROCESSES
        for t in m.SLICES
    )
    return idle + dynamic


def energy_cost(m: Model) -> Expression:
    r"""Energy bill, CNY/year: :math:`\sum_{d,a,t} \omega_t (c_{dt} + s_{da}) PUE_d\, P^{IT}_{dat}`."""
    return _facility_sum(
        m, lambda d, a, t: m.weight_h[t] * (m.energy_price_cny_per_mwh[d, t] + m.energy_surcharge_cny_per_mwh[d, a])
    )


def carbon_cost(m: Model) -> Expression:
    r"""Carbon price on location-based emissions, CNY/year: :math:`\sum_{d,t} \omega_t e_d PUE_d\, P^{IT}_{dt}`."""
    return _facility_sum(m, lambda d, _, t: m.weight_h[t] * m.carbon_cny_per_mwh[d])


def demand_charge_cost(m: Model) -> Expression:
    r"""
    Demand charge, CNY/year, on the peak of each billing period or on the contracted power.

    .. math:: \sum_{d,b} c^{peak}_d M_b\, \hat p_{db} + \sum_{d \in D^{contract}} c^{peak}_d M\, \bar p_d
    """
    by_peak = sum(
        m.demand_charge_cny_per_mw_month[d] * m.billed_months[b] * m.Peak[d, b]
        for d in m.PEAK_BILLED
        for b in m.BILLING
    )
    by_contract = sum(
        m.demand_charge_cny_per_mw_month[d] * m.contract_months * m.Contract[d] for d in m.CONTRACT_BILLED
    )
    return by_peak + by_contract


def latency_cost(m: Model) -> Expression:
    r"""Value of the milliseconds spent on the way, CNY/year: :math:`\sum_{r,t} \omega_t \lambda_r f_{rt}`."""
    return sum(m.weight_h[t] * m.latency_cny_per_mtok[r] * m.Flow[r, t] for r in m.CANDIDATES for t in m.SLICES)


def network_cost(m: Model) -> Expression:
    r"""Transport over the links, CNY/year: :math:`\sum_{r,t} \omega_t \nu_r f_{rt}`."""
    return sum(m.weight_h[t] * m.network_cny_per_mtok[r] * m.Flow[r, t] for r in m.CANDIDATES for t in m.SLICES)


def data_transfer_cost(m: Model) -> Expression:
    r"""Price of data that leaves home, CNY/year: :math:`\sum_{r,t} \omega_t \delta_r f_{rt}`."""
    return sum(m.weight_h[t] * m.data_transfer_cny_per_mtok[r] * m.Flow[r, t] for r in m.CANDIDATES for t in m.SLICES)


def accelerator_capital_cost(m: Model) -> Expression:
    r"""Annualized price of new pods, CNY/year: :math:`\sum_{d,a} C_{da} n^{new}_{da}`."""
    return sum(m.pod_cny_per_year[d, a] * m.NewPods[d, a] for d, a in m.POOLS)


def site_capital_cost(m: Model) -> Expression:
    r"""Annualized building and power for new pods, CNY/year: :math:`\sum_{d,a} B_{da} n^{new}_{da}`."""
    return sum(m.site_cny_per_year[d, a] * m.NewPods[d, a] for d, a in m.POOLS)


def opening_cost(m: Model) -> Expression:
    r"""Standing cost of open data centers, CNY/year: :math:`\sum_d O_d y_d + \sum_{d \in D^{open}} o_d\, \bar p_d`."""
    by_site = sum(m.opening_cny_per_year[d] * m.Open[d] for d in m.DATA_CENTERS)
    return by_site + sum(m.opening_cny_per_mw_year[d] * m.Contract[d] for d in m.POWER_OPENED)


def deployment_cost(m: Model) -> Expression:
    r"""Standing cost of deployed classes, CNY/year: :math:`\sum_{k,d} X_k x_{kd}`."""
    return sum(m.deploy_cny_per_year[k] * m.Deploy[k, d] for k, d in m.DEPLOYMENTS)


def shedding_cost(m: Model) -> Expression:
    r"""Penalty of unserved tokens, CNY/year: :math:`\sum_{w,t} \omega_t \pi u_{wt}`."""
    return sum(m.weight_h[t] * m.shed_penalty_cny_per_mtok * m.Shed[w, t] for w in m.WORKLOADS for t in m.SLICES)


COSTS = (
    CostComponent(energy_cost, "energy", is_spent=True),
    CostComponent(demand_charge_cost, "demand charge", is_spent=True),
    CostComponent(latency_cost, "latency"),
    CostComponent(network_cost, "network"),
    CostComponent(data_transfer_cost, "data transfer"),
    CostComponent(accelerator_capital_cost, "accelerators", is_spent=True),
    CostComponent(site_capital_cost, "buildings and power", is_spent=True),
    CostComponent(opening_cost, "opening", is_spent=True),
    CostComponent(deployment_cost, "deployment", is_spent=True),
    CostComponent(carbon_cost, "carbon", is_spent=True),
    CostComponent(shedding_cost, "unserved tokens"),
)


def require_region_share(m: Model, g: Any) -> Expression:
    r"""
    Process at least a share of all tokens served in the data centers of a region.

    .. math:: \sum_{d \in D_g} \sum_{k,a,t} \phi_t z_{kdat} \ge \rho_g \sum_{k,d,a,t} \phi_t z_{kdat}
              \qquad \forall g \tag{10a}
    """
    inside = sum(m.year_share[t] * m.Work[k, d, a, t] for k, d, a in m.PROCESSES_OF_REGION[g] for t in m.SLICES)
    everywhere = sum(m.year_share[t] * m.Work[k, d, a, t] for k, d, a in m.PROCESSES for t in m.SLICES)
    return inside >= m.min_region_share[g] * everywhere


def require_green_share(m: Model, n: Any) -> Expression:
    r"""
    Have contracts for green power cover at least a share of all facility energy.

    .. math:: \sum_{d,t} \phi_t (\gamma_d - \Gamma)\, PUE_d P^{IT}_{dt} \ge 0 \tag{10b}
    """
    return _facility_sum(m, lambda d, _, t: m.year_share[t] * (m.green_power_share[d] - m.min_green_share[n])) >= 0.0


def keep_carbon_cap(m: Model, n: Any) -> Expression:
    r"""
    Keep location-based emissions within their cap.

    .. math:: \sum_{d,t} \phi_t \epsilon_d PUE_d P^{IT}_{dt} \le \bar \epsilon \tag{10c}

    Notes
    -----
    Average grid factors. Contracts for green power are no part of it.
    """
    return _facility_sum(m, lambda d, _, t: m.year_share[t] * m.carbon_t_per_mwh[d]) <= m.carbon_cap_t_per_h[n]


def require_utilization(m: Model, d: Any) -> Expression:
    r"""
    Keep the accelerators of an open data center busy for at least a share of the year.

    .. math:: \sum_{k,a,t} \phi_t \tau_{ka} z_{kdat} \ge \upsilon \sum_a n_a (E_{da} y_d + n^{new}_{da})
              \qquad \forall d \tag{10d}
    """
    busy = sum(
        m.year_share[t] * m.accel_h_per_mtok[k, a] * m.Work[k, d, a, t] for k, a in m.PROCESSES_OF[d] for t in m.SLICES
    )
    installed = sum(
        m.accelerators_per_pod[a] * (m.existing_pods[d, a] * m.Open[d] + m.NewPods[d, a]) for a in m.ACCELERATORS_OF[d]
    )
    return busy >= m.min_utilization_share * installed


def keep_investment_limit(m: Model, n: Any) -> Expression:
    r"""
    Spend no more up front than allowed on new pods, their building and power.

    .. math:: \sum_{d,a} I_{da} n^{new}_{da} \le \bar I \tag{10e}
    """
    return sum(m.investment_mcny[d, a] * m.NewPods[d, a] for d, a in m.POOLS) <= m.investment_limit_mcny[n]


def keep_spending_limit(m: Model, n: Any) -> Expression:
    r"""
    Keep what data centers cost in a year within the budget.

    .. math:: \sum_{d,a,t} \omega_t (c_{dt} + s_{da} + e_d) PUE_d P^{IT}_{dat} + \sum_{d,b} c^{peak}_d M_b \hat p_{db}
              + \sum_{d \in D^{contract}} c^{peak}_d M\, \bar p_d + \sum_{d,a} (C_{da} + B_{da}) n^{new}_{da}
              + \sum_d O_d y_d + \sum_{d \in D^{open}} o_d\, \bar p_d + \sum_{k,d} X_k x_{kd} \le \bar S \tag{10f}

    Notes
    -----
    In million CNY. Latency and shedding are no payments; network and data transfer are paid by routing, which is not
    among the decisions that this limit is stated on.
    """
    spent = sum(component.rule(m) for component in COSTS if component.is_spent)
    return spent / CNY_PER_MCNY <= m.spending_limit_mcny[n]


def idle_no_pod_to_look_green(m: Model, d: Any, t: Any) -> Expression:
    r"""
    Switch on no more pods than the work and the models loaded take, where a green share is demanded.

    .. math:: \eta \sum_a n_a\, b_{dat} \le \sum_{k,a} \tau_{ka} z_{kdat} + \eta \sum_k \underline a_k\, x_{kd}
              \qquad \forall d, t \tag{10g}

    Notes
    -----
    Otherwise idling pods at a green data center would raise the green share, by wasting energy.
    """
    is_on = sum(m.accelerators_per_pod[a] * m.Active[d, a, t] for a in m.ACCELERATORS_OF[d])
    busy = sum(m.accel_h_per_mtok[k, a] * m.Work[k, d, a, t] for k, a in m.PROCESSES_OF[d])
    loaded = sum(m.min_accelerators[k] * m.Deploy[k, d] for k in m.CLASSES_AT[d])
    return m.utilization_limit_share * is_on <= busy + m.utilization_limit_share * loaded


def require_new_compute_share(m: Model, g: Any) -> Expression:
    r"""
    Have at least a share of the compute that is bought stand in a group of data centers.

    .. math:: \sum_{d \in D_g, a} F_a\, n^{new}_{da} \ge \kappa_g \sum_{d,a} F_a\, n^{new}_{da}
              \qquad \forall g \tag{10h}
    """
    inside = sum(m.pflops_per_pod[a] * m.NewPods[d, a] for d, a in m.POOLS_OF_GROUP[g])
    everywhere = sum(m.pflops_per_pod[a] * m.NewPods[d, a] for d, a in m.POOLS)
    return inside >= m.min_new_compute_share[g] * everywhere


def serve_in_outage(m: Model, o: Any, w: Any) -> Expression:
    r"""
    Serve in an outage, all of it, what must not wait.

    .. math:: \sum_{r \in R_{ow}} v_{or} = 1 \qquad \forall (o, w) \tag{11a}
    """
    return sum(m.Reroute[o, r] for r in m.REROUTES_OF_CALL[o, w]) == 1


def take_over_where_deployed(m: Model, o: Any, r: Any) -> Expression:
    r"""
    Take over only where the class is deployed.

    .. math:: v_{or} \le x_{k(r)d(r)} \qquad \forall (o, r) \tag{11b}
    """
    return m.Reroute[o, r] <= m.Deploy[m.class_of_candidate[r], m.center_of_candidate[r]]


def process_what_is_taken_over(m: Model, o: Any, k: Any, d: Any) -> Expression:
    r"""
    Process what is taken over.

    .. math:: \sum_{r \in R_{okd}} D_{ow(r)}\, v_{or} = \sum_a z_{okda} \qquad \forall (o, k, d) \tag{11c}
    """
    taken = sum(m.call_mtok_per_h[o, m.workload_of_candidate[r]] * m.Reroute[o, r] for r in m.REROUTES_TO[o, k, d])
    return taken == sum(m.OutageWork[o, k, d, a] for a in m.ACCELERATORS_OF[d])


def limit_accelerators_in_outage(m: Model, o: Any, d: Any, a: Any) -> Expression:
    r"""
    Keep busy accelerator time within what all installed pods offer.

    .. math:: \sum_k \tau_{ka}\, z_{okda} \le \eta\, n_a \left(E_{da} y_d + n^{new}_{da}\right)
              \qquad \forall (o, d, a) \tag{11d}
    """
    busy = sum(m.accel_h_per_mtok[k, a] * m.OutageWork[o, k, d, a] for k in m.OUTAGE_CLASSES_OF[o, d, a])
    installed = m.existing_pods[d, a] * m.Open[d] + m.NewPods[d, a]
    return busy <= m.utilization_limit_share * m.accelerators_per_pod[a] * installed


def limit_it_power_in_outage(m: Model, o: Any, d: Any) -> Expression:
    r"""
    Keep IT power within capacity, with as many pods on as the work needs.

    .. math:: \sum_{k,a} \left(\frac{p^{idle}_a}{\eta\, n_a} + p^{dyn}_a\right) \tau_{ka}\, z_{okda} \le \bar P_d\, y_d
              \qquad \forall (o, d) \tag{11e}
    """
    idle_mw = sum(
        m.idle_mw_per_pod[a] / (m.utilization_limit_share * m.accelerators_per_pod[a])
        * m.accel_h_per_mtok[k, a] * m.OutageWork[o, k, d, a]
        for k, a in m.OUTAGE_PROCESSES_OF[o, d]
    )  # fmt: skip
    dynamic_mw = sum(
        m.dynamic_mw_per_accelerator[a] * m.accel_h_per_mtok[k, a] * m.OutageWork[o, k, d, a]
        for k, a in m.OUTAGE_PROCESSES_OF[o, d]
    )
    return idle_mw + dynamic_mw <= m.it_capacity_mw[d] * m.Open[d]


def limit_link_traffic_in_outage(m: Model, o: Any, link: Any) -> Expression:
    r"""
    Keep the traffic on a link within the capacity open to inference.

    .. math:: \sum_{r \in R_{ol}} g_{k(r)} D_{ow(r)}\, v_{or} \le \bar G_l \qquad \forall (o, l) \tag{11f}
    """
    traffic_gbps = sum(
        m.gbps_per_mtok_per_h[m.class_of_candidate[r]]
        * m.call_mtok_per_h[o, m.workload_of_candidate[r]] * m.Reroute[o, r]
        for r in m.REROUTES_OVER[o, link]
    )  # fmt: skip
    return traffic_gbps <= m.link_capacity_gbps[link]


def stand_in_two_places(m: Model, w: Any) -> Expression:
    r"""
    Deploy a class in two data centers in reach of each workload that must not wait.

    .. math:: \sum_{d \in D_w} x_{k(w)d} \ge 2 \qquad \forall w \in W^{reach} \tag{11g}

    Notes
    -----
    For whole :math:`x` this follows from (11a) and (11b). It is here because it is much stronger where a solver lets
    :math:`x` be a fraction, and because one row says what those of all failures say together.
    """
    return sum(m.Deploy[m.class_of[w], d] for d in m.SITES_IN_REACH[w]) >= 2  # noqa: PLR2004 - the equation's own number


RESILIENCE_CONSTRAINTS = (
    Equation(serve_in_outage, ("CALLS",), "11a", "limit", "-", "serving in an outage", lever="survive"),
    Equation(take_over_where_deployed, ("REROUTES",), "11b", "coupling", "-", "taking over where deployed"),
    Equation(
        process_what_is_taken_over, ("OUTAGE_DEPLOYMENTS",), "11c", "balance", "mtok/h", "processing in an outage",
    ),
    Equation(
        limit_accelerators_in_outage, ("OUTAGE_POOLS",), "11d", "coupling", "accelerators",
        "accelerator time in an outage",
    ),
    Equation(
        limit_it_power_in_outage, ("OUTAGE_CENTERS",), "11e", "limit", "MW", "IT power in an outage", lever="it_power",
    ),
    Equation(
        limit_link_traffic_in_outage, ("OUTAGE_LINKS",), "11f", "limit", "Gbps", "link capacity in an outage",
        lever="link_capacity",
    ),
    Equation(
        stand_in_two_places, ("REACHES",), "11g", "limit", "data centers", "a second place in reach", lever="survive",
    ),
)  # fmt: skip


def serve_demand(m: Model, w: Any, t: Any) -> Expression:
    r"""
    Serve or shed every urgent workload in the slice it arises.

    .. math:: \sum_{r \in R_w} f_{rt} + u_{wt} = D_{wt} \qquad \forall w \in W^{urgent}, t \tag{1a}
    """
    return sum(m.Flow[r, t] for r in m.CANDIDATES_OF_WORKLOAD[w]) + m.Shed[w, t] == m.demand_mtok_per_h[w, t]


def defer_demand(m: Model, w: Any, t: Any) -> Expression:
    r"""
    Carry what a deferrable workload has not yet served into the next slice, cyclic over the day.

    .. math:: q_{wt} = q_{w,t-1} + h_t\,(D_{wt} - u_{wt} - \sum_{r \in R_w} f_{rt}), \quad
              0 \le q_{wt} \le \bar Q_{wt} \qquad \forall w \in W^{defer}, t \tag{1b}

    Notes
    -----
    :math:`\bar Q_{wt}` is what arrived in the last `deferrable_h` hours: with first-in-first-out service nothing
    waits longer, and since the backlog cannot be negative nothing is served before it arrives.
    """
    served = sum(m.Flow[r, t] for r in m.CANDIDATES_OF_WORKLOAD[w])
    arrived = m.demand_mtok_per_h[w, t] - m.Shed[w, t]
    return m.Backlog[w, t] == m.Backlog[w, m.previous[t]] + m.slice_h[t] * (arrived - served)


def process_what_is_routed(m: Model, k: Any, d: Any, t: Any) -> Expression:
    r"""
    Process in a data center exactly what is routed to it, class by class.

    .. math:: \sum_{r \in R_{kd}} f_{rt} = \sum_{a} z_{kdat} \qquad \forall (k, d), t \tag{2}
    """
    routed = sum(m.Flow[r, t] for r in m.CANDIDATES_OF_DEPLOYMENT[k, d])
    return routed == sum(m.Work[k, d, a, t] for a in m.ACCELERATORS_OF_DEPLOYMENT[k, d])


def limit_accelerators(m: Model, d: Any, a: Any, t: Any) -> Expression:
    r"""
    Keep busy accelerator time within what the active pods offer.

    .. math:: \sum_{k} \tau_{ka}\, z_{kdat} \le \eta\, n_a\, b_{dat} \qquad \forall (d, a), t \tag{3}
    """
    busy = sum(m.accel_h_per_mtok[k, a] * m.Work[k, d, a, t] for k in m.CLASSES_OF_POOL[d, a])
    return busy <= m.utilization_limit_share * m.accelerators_per_pod[a] * m.Active[d, a, t]


def switch_on_installed_pods(m: Model, d: Any, a: Any, t: Any) -> Expression:
    r"""
    Switch on only pods that are there: the existing ones of an open data center, and the new ones.

    .. math:: b_{dat} \le E_{da}\, y_d + n^{new}_{da} \qquad \forall (d, a), t \tag{4a}
    """
    return m.Active[d, a, t] <= m.existing_pods[d, a] * m.Open[d] + m.NewPods[d, a]


def buy_pods_where_open(m: Model, d: Any, a: Any) -> Expression:
    r"""
    Buy pods only for an open data center, and no more than fit.

    .. math:: n^{new}_{da} \le \bar N_{da}\, y_d \qquad \forall (d, a) \tag{4b}
    """
    return m.NewPods[d, a] <= m.max_new_pods[d, a] * m.Open[d]


def keep_min_pods(m: Model, d: Any, a: Any) -> Expression:
    r"""
    Keep at least the agreed number of pods in an open data center.

    .. math:: E_{da}\, y_d + n^{new}_{da} \ge \underline N_{da}\, y_d \qquad \forall (d, a) \tag{4c}
    """
    return m.existing_pods[d, a] * m.Open[d] + m.NewPods[d, a] >= m.min_pods[d, a] * m.Open[d]


def it_power_mw(m: Model, d: Any, t: Any) -> Expression:
    """Sum up a data center's IT power: idle power of its active pods and dynamic power of its busy accelerators, MW."""
    idle_mw = sum(m.idle_mw_per_pod[a] * m.Active[d, a, t] for a in m.ACCELERATORS_OF[d])
    dynamic_mw = sum(
        m.dynamic_mw_per_accelerator[a] * m.accel_h_per_mtok[k, a] * m.Work[k, d, a, t] for k, a in m.PROCESSES_OF[d]
    )
    return idle_mw + dynamic_mw


def limit_it_power(m: Model, d: Any, t: Any) -> Expression:
    r"""
    Keep a data center's IT power within its capacity if open, at zero if closed.

    .. math:: \sum_a p^{idle}_a b_{dat} + \sum_{k,a} p^{dyn}_a \tau_{ka} z_{kdat} \le \bar P_d\, y_d
              \qquad \forall d, t \tag{5}

    Notes
    -----
    IT power, not facility power: PUE enters the cost and the billed peak only.
    """
    return it_power_mw(m, d, t) <= m.it_capacity_mw[d] * m.Open[d]


def serve_where_deployed(m: Model, w: Any, d: Any, t: Any) -> Expression:
    r"""
    Route a workload only to where its class is deployed.

    .. math:: \sum_{r \in R_{wd}} f_{rt} \le \bar D_{wt}\, x_{k(w)d} \qquad \forall (w, d), t \tag{6a}

    Notes
    -----
    One row per workload, not one big-M row per class: with :math:`\bar D_{wt}` the most that can be served the
    linear relaxation is the strongest of the natural ones.
    """
    routed = sum(m.Flow[r, t] for r in m.CANDIDATES_OF_PAIR[w, d])
    return routed <= m.servable_mtok_per_h[w, t] * m.Deploy[m.class_of[w], d]


def deploy_where_open(m: Model, k: Any, d: Any) -> Expression:
    r"""
    Deploy a class only in an open data center.

    .. math:: x_{kd} \le y_d \qquad \forall (k, d) \tag{6b}
    """
    return m.Deploy[k, d] <= m.Open[d]


def limit_sites(m: Model, k: Any) -> Expression:
    r"""
    Deploy a class in at most `max_sites` data centers.

    .. math:: \sum_{d} x_{kd} \le \bar S_k \qquad \forall k \tag{6c}
    """
    return sum(m.Deploy[k, d] for d in m.SITES_OF_CLASS[k]) <= m.max_sites[k]


def require_min_share(m: Model, k: Any, d: Any, t: Any) -> Expression:
    r"""
    Give a deployment at least its minimum share of the class, in every slice.

    .. math:: \sum_{a} z_{kdat} \ge \sigma_k\, D_{kt}\, x_{kd} \qquad \forall (k, d), t \tag{6d}
    """
    done = sum(m.Work[k, d, a, t] for a in m.ACCELERATORS_OF_DEPLOYMENT[k, d])
    return done >= m.min_share[k] * m.class_demand_mtok_per_h[k, t] * m.Deploy[k, d]


def keep_models_loaded(m: Model, d: Any, t: Any) -> Expression:
    r"""
    Keep as many accelerators switched on as the models deployed in a data center take to stay loaded.

    .. math:: \sum_{k} \underline a_k\, x_{kd} \le \sum_a n_a\, b_{dat} \qquad \forall d, t \tag{6e}

    Notes
    -----
    Each class has a model of its own, so the numbers add up. The accelerators kept on may work for any class.
    """
    loaded = sum(m.min_accelerators[k] * m.Deploy[k, d] for k in m.LOADED_CLASSES_OF[d])
    return loaded <= sum(m.accelerators_per_pod[a] * m.Active[d, a, t] for a in m.ACCELERATORS_OF[d])


def assign_once(m: Model, w: Any) -> Expression:
    r"""
    Assign an indivisible workload to one data center, for all slices.

    .. math:: \sum_{d} s_{wd} = 1 \qquad \forall w \in W^{single} \tag{7a}
    """
    return sum(m.Assign[w, d] for d in m.SITES_OF_WORKLOAD[w]) == 1


def serve_where_assigned(m: Model, w: Any, d: Any, t: Any) -> Expression:
    r"""
    Route an indivisible workload only to where it is assigned.

    .. math:: \sum_{r \in R_{wd}} f_{rt} \le \bar D_{wt}\, s_{wd} \qquad \forall (w, d), t \tag{7b}
    """
    routed = sum(m.Flow[r, t] for r in m.CANDIDATES_OF_PAIR[w, d])
    return routed <= m.servable_mtok_per_h[w, t] * m.Assign[w, d]


def assign_where_deployed(m: Model, w: Any, d: Any) -> Expression:
    r"""
    Assign an indivisible workload only to where its class is deployed.

    .. math:: s_{wd} \le x_{k(w)d} \qquad \forall (w, d) \tag{7c}
    """
    return m.Assign[w, d] <= m.Deploy[m.class_of[w], d]


def limit_link_traffic(m: Model, link: Any, t: Any) -> Expression:
    r"""
    Keep the traffic on a link within the capacity open to inference.

    .. math:: \sum_{r \in R_l} g_{k(r)}\, f_{rt} \le \bar G_l \qquad \forall l \in L^{limiting}, t \tag{8}

    Notes
    -----
    Only links that some plan could overload are in :math:`L^{limiting}`; leaving out the others is exact.
    """
    traffic_gbps = sum(
        m.gbps_per_mtok_per_h[m.class_of_candidate[r]] * m.Flow[r, t] for r in m.CANDIDATES_OF_LINK[link]
    )
    return traffic_gbps <= m.link_capacity_gbps[link]


def pay_peak_power(m: Model, d: Any, t: Any) -> Expression:
    r"""
    Bill the demand charge on no less than the facility power of any slice of the billing period.

    .. math:: PUE_d \left(\sum_a p^{idle}_a b_{dat} + \sum_{k,a} p^{dyn}_a \tau_{ka} z_{kdat}\right)
              \le \hat p_{d,b(t)} \qquad \forall d, t \tag{9}
    """
    return m.pue[d] * it_power_mw(m, d, t) <= m.Peak[d, m.billing_of[t]]


def pay_contracted_power(m: Model, d: Any, t: Any) -> Expression:
    r"""
    Pay no less than the facility power of any slice of the year, where a contract or the opening is paid on it.

    .. math:: PUE_d \left(\sum_a p^{idle}_a b_{dat} + \sum_{k,a} p^{dyn}_a \tau_{ka} z_{kdat}\right)
              \le \bar p_d \qquad \forall d \in D^{contract} \cup D^{open}, t \tag{9b}

    Notes
    -----
    The contract is paid in all twelve months, so a data center pays for the highest power of the year even in months
    that draw less.
    """
    return m.pue[d] * it_power_mw(m, d, t) <= m.Contract[d]


def limit_deployed_accelerators(m: Model, k: Any, d: Any, a: Any, t: Any) -> Expression:
    r"""
    Give a class no more accelerator time than the pods of a data center where it is deployed.

    .. math:: \tau_{ka}\, z_{kdat} \le \eta\, n_a \left(E_{da}\, x_{kd} + n^{new}_{da}\right)
              \qquad \forall (k, d, a) \text{ that could fill the pods}, t \tag{13a}

    Notes
    -----
    Follows from (2), (3), (4a) and (6a) for whole :math:`x`; a fraction of a deployment gets that fraction of the pods
    in place.
    """
    busy = m.accel_h_per_mtok[k, a] * m.Work[k, d, a, t]
    pods = m.existing_pods[d, a] * m.Deploy[k, d] + m.NewPods[d, a]
    return busy <= m.utilization_limit_share * m.accelerators_per_pod[a] * pods


def limit_deployed_power(m: Model, k: Any, d: Any, t: Any) -> Expression:
    r"""
    Give a class no more IT power than that of a data center where it is deployed.

    .. math:: \sum_a \left(\frac{p^{idle}_a}{\eta\, n_a} + p^{dyn}_a\right) \tau_{ka}\, z_{kdat} \le \bar P_d\, x_{kd}
              \qquad \forall (k, d) \text{ that could use it up}, t \tag{13b}

    Notes
    -----
    Follows from (2), (3), (5) and (6a) for whole :math:`x`.
    """
    power_mw = sum(
        (
            m.idle_mw_per_pod[a] / (m.utilization_limit_share * m.accelerators_per_pod[a])
            + m.dynamic_mw_per_accelerator[a]
        )
        * m.accel_h_per_mtok[k, a]
        * m.Work[k, d, a, t]
        for a in m.ACCELERATORS_OF_DEPLOYMENT[k, d]
    )
    return power_mw <= m.it_capacity_mw[d] * m.Deploy[k, d]


CONSTRAINTS = (
    Equation(serve_demand, ("URGENT", "SLICES"), "1a", "balance", "mtok/h", "serving a workload", lever="unserved"),
    Equation(
        defer_demand, ("DEFERRABLE", "SLICES"), "1b", "balance", "mtok", "serving a workload that may wait",
        lever="unserved",
    ),
    Equation(
        process_what_is_routed, ("DEPLOYMENTS", "SLICES"), "2", "balance", "mtok/h",
        "processing a class in a data center",
    ),
    Equation(limit_accelerators, ("POOLS", "SLICES"), "3", "balance", "accelerators", "accelerator time"),
    Equation(
        switch_on_installed_pods, ("POOLS", "SLICES"), "4a", "limit", "pods", "installed pods",
        obstacle=Obstacle("pods", "its installed pods are all on"),
    ),
    Equation(buy_pods_where_open, ("POOLS",), "4b", "limit", "pods", "pods that may be bought", lever="pods"),
    Equation(keep_min_pods, ("MIN_PODS_POOLS",), "4c", "limit", "pods", "least number of pods", lever="min_pods"),
    Equation(
        limit_it_power, ("DATA_CENTERS", "SLICES"), "5", "limit", "MW", "IT power", lever="it_power",
        obstacle=Obstacle("it_power", "its IT power is used up"),
    ),
    Equation(
        serve_where_deployed, ("PAIRS", "SLICES"), "6a", "limit", "mtok/h", "places of deployment",
        obstacle=Obstacle("place", "its class is not deployed there"),
    ),
    Equation(deploy_where_open, ("DEPLOYMENTS",), "6b", "coupling", "0/1", "deploying in an open data center"),
    Equation(
        limit_sites, ("LIMITED_CLASSES",), "6c", "limit", "data centers", "number of data centers of a class",
        lever="max_sites",
    ),
    Equation(
        require_min_share, ("MIN_SHARE_DEPLOYMENTS", "SLICES"), "6d", "limit", "mtok/h", "minimum shares",
        lever="min_share", obstacle=Obstacle("min_share", "the minimum share of the class elsewhere holds it"),
    ),
    Equation(
        keep_models_loaded, ("LOADED_DATA_CENTERS", "SLICES"), "6e", "limit", "accelerators", "models kept loaded",
        lever="min_accelerators",
    ),
    Equation(assign_once, ("INDIVISIBLE",), "7a", "coupling", "data centers", "having a single place"),
    Equation(
        serve_where_assigned, ("INDIVISIBLE_PAIRS", "SLICES"), "7b", "limit", "mtok/h",
        "single places of indivisible work", lever="indivisible",
        obstacle=Obstacle("place", "its single place is another one"),
    ),
    Equation(
        assign_where_deployed, ("INDIVISIBLE_PAIRS",), "7c", "coupling", "0/1",
        "having the single place where deployed",
    ),
    Equation(
        limit_link_traffic, ("LIMITING_LINKS", "SLICES"), "8", "limit", "Gbps", "link capacity", lever="link_capacity",
        obstacle=Obstacle("link", "a link on the way is full"),
    ),
    Equation(
        pay_peak_power, ("PEAK_BILLED", "SLICES"), "9", "coupling", "MW", "billed peak",
        obstacle=Obstacle("demand_charge", "the work would raise the billed peak"),
    ),
    Equation(
        pay_contracted_power, ("YEAR_PEAKED", "SLICES"), "9b", "coupling", "MW", "power paid for the year",
        obstacle=Obstacle("demand_charge", "the work would raise the power that is paid for the year"),
    ),
    Equation(
        require_region_share, ("REGIONS",), "10a", "limit", "mtok/h", "regional shares", lever="region_share",
        obstacle=Obstacle("policy", "a least share of another region holds it"),
    ),
    Equation(
        require_green_share, ("GREEN_GOALS",), "10b", "limit", "MW", "green power", lever="green_share",
        obstacle=Obstacle("policy", "the least share of green power holds it"),
    ),
    Equation(
        keep_carbon_cap, ("CARBON_CAPS",), "10c", "limit", "t/h", "carbon cap", lever="carbon_cap",
        obstacle=Obstacle("policy", "the carbon cap is used up"),
    ),
    Equation(
        require_utilization, ("BUSY_CENTERS",), "10d", "limit", "accelerators", "least utilization",
        lever="utilization", obstacle=Obstacle("policy", "the least utilization of another data center holds it"),
    ),
    Equation(
        keep_investment_limit, ("INVESTMENT_LIMITS",), "10e", "limit", "million CNY", "investment limit",
        lever="investment",
    ),
    Equation(
        keep_spending_limit, ("SPENDING_LIMITS",), "10f", "limit", "million CNY/year", "spending limit",
        lever="spending", obstacle=Obstacle("policy", "the spending limit is used up"),
    ),
    Equation(
        idle_no_pod_to_look_green, ("GREEN_CENTERS", "SLICES"), "10g", "coupling", "accelerators",
        "idle pods under a green share", obstacle=Obstacle("policy", "pods may not idle under the green share"),
    ),
    Equation(
        require_new_compute_share, ("NEW_COMPUTE_GROUPS",), "10h", "limit", "PFLOPS", "shares of new compute",
        lever="new_compute",
    ),
    *RESILIENCE_CONSTRAINTS,
)  # fmt: skip
# Equations that every plan keeps which keeps the others. They cut off fractions that the linear relaxation allows, and
# stand in a solver's model alone: a limit of the inputs has one place in `CONSTRAINTS`, and so one price.
TIGHTENING = (
    Equation(
        limit_deployed_accelerators, ("FILLING_PROCESSES", "SLICES"), "13a", "tightening", "accelerators",
        "installed pods of a deployment",
    ),
    Equation(
        limit_deployed_power, ("FILLING_DEPLOYMENTS", "SLICES"), "13b", "tightening", "MW", "IT power of a deployment",
    ),
)  # fmt: skip
EQUATIONS = {equation.name: equation for equation in (*CONSTRAINTS, *TIGHTENING)}
