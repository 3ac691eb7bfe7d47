"""
The placement model as Pyomo rules: one function per equation, one line of mathematics in each.

`CONSTRAINTS` is the model's table of contents, `COSTS` (from `cost_rules`) the objective's. The rules are read twice:
`pyomo_model.to_pyomo` builds an ordinary Pyomo model from them, `compile.compile_model` turns them into the HiGHS
matrix. Sets, parameters, variables and units are declared in `declarations`; docs/formulation.md holds the whole
mathematics. The demands on the year as a whole are in `policy_rules`.
"""

from __future__ import annotations

from typing import Any

from optimizer.cost_rules import COSTS
from optimizer.equation import Equation, Expression, Model
from optimizer.policy_rules import (
    idle_no_pod_to_look_green,
    keep_carbon_cap,
    keep_investment_limit,
    keep_spending_limit,
    require_green_share,
    require_region_share,
    require_utilization,
)
from optimizer.resilience_rules import RESILIENCE_CONSTRAINTS

__all__ = ["CONSTRAINTS", "COSTS", "Equation"]


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
    Contract no less than the facility power of any slice of the year, where the demand charge is paid on the contract.

    .. math:: PUE_d \left(\sum_a p^{idle}_a b_{dat} + \sum_{k,a} p^{dyn}_a \tau_{ka} z_{kdat}\right)
              \le \bar p_d \qquad \forall d \in D^{contract}, t \tag{9b}

    Notes
    -----
    The contract is paid in all twelve months, so a data center pays for the highest power of the year even in months
    that draw less.
    """
    return m.pue[d] * it_power_mw(m, d, t) <= m.Contract[d]


CONSTRAINTS = (
    Equation(serve_demand, ("URGENT", "SLICES"), "1a"),
    Equation(defer_demand, ("DEFERRABLE", "SLICES"), "1b"),
    Equation(process_what_is_routed, ("DEPLOYMENTS", "SLICES"), "2"),
    Equation(limit_accelerators, ("POOLS", "SLICES"), "3"),
    Equation(switch_on_installed_pods, ("POOLS", "SLICES"), "4a"),
    Equation(buy_pods_where_open, ("POOLS",), "4b"),
    Equation(keep_min_pods, ("MIN_PODS_POOLS",), "4c"),
    Equation(limit_it_power, ("DATA_CENTERS", "SLICES"), "5"),
    Equation(serve_where_deployed, ("PAIRS", "SLICES"), "6a"),
    Equation(deploy_where_open, ("DEPLOYMENTS",), "6b"),
    Equation(limit_sites, ("LIMITED_CLASSES",), "6c"),
    Equation(require_min_share, ("MIN_SHARE_DEPLOYMENTS", "SLICES"), "6d"),
    Equation(keep_models_loaded, ("LOADED_DATA_CENTERS", "SLICES"), "6e"),
    Equation(assign_once, ("INDIVISIBLE",), "7a"),
    Equation(serve_where_assigned, ("INDIVISIBLE_PAIRS", "SLICES"), "7b"),
    Equation(assign_where_deployed, ("INDIVISIBLE_PAIRS",), "7c"),
    Equation(limit_link_traffic, ("LIMITING_LINKS", "SLICES"), "8"),
    Equation(pay_peak_power, ("PEAK_BILLED", "SLICES"), "9"),
    Equation(pay_contracted_power, ("CONTRACT_BILLED", "SLICES"), "9b"),
    Equation(require_region_share, ("REGIONS",), "10a"),
    Equation(require_green_share, ("GREEN_GOALS",), "10b"),
    Equation(keep_carbon_cap, ("CARBON_CAPS",), "10c"),
    Equation(require_utilization, ("BUSY_CENTERS",), "10d"),
    Equation(keep_investment_limit, ("INVESTMENT_LIMITS",), "10e"),
    Equation(keep_spending_limit, ("SPENDING_LIMITS",), "10f"),
    Equation(idle_no_pod_to_look_green, ("GREEN_CENTERS", "SLICES"), "10g"),
    *RESILIENCE_CONSTRAINTS,
)
