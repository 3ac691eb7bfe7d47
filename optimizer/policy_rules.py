"""
The policy limits as Pyomo rules: what is demanded of the plan as a whole, over the year.

They stand on what is processed, switched on, opened and bought, never on routes. Rows are means over the year (each
slice weighs with its share of the year's hours) and million CNY, so that their numbers are of ordinary size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from optimizer.cost_rules import (
    accelerator_capital_cost,
    carbon_cost,
    demand_charge_cost,
    deployment_cost,
    energy_cost,
    opening_cost,
    site_capital_cost,
)
from optimizer.equation import Expression, Model
from optimizer.units import CNY_PER_MCNY


def require_region_share(m: Model, g: Any) -> Expression:
    r"""
    Process at least a share of all tokens served in the data centers of a region.

    .. math:: \sum_{d \in D_g} \sum_{k,a,t} \phi_t z_{kdat} \ge \rho_g \sum_{k,d,a,t} \phi_t z_{kdat}
              \qquad \forall g \tag{10a}
    """
    inside = sum(m.year_share[t] * m.Work[k, d, a, t] for k, d, a in m.PROCESSES_OF_REGION[g] for t in m.SLICES)
    everywhere = sum(m.year_share[t] * m.Work[k, d, a, t] for k, d, a in m.PROCESSES for t in m.SLICES)
    return inside >= m.min_region_share[g] * everywhere


def weighted_power(m: Model, weight: Callable[[Any], Expression]) -> Expression:
    """Sum up the mean facility power of the data centers, MW, each times a weight of its own."""
    idle = sum(
        m.year_share[t] * weight(d) * m.pue[d] * m.idle_mw_per_pod[a] * m.Active[d, a, t]
        for d, a in m.POOLS
        for t in m.SLICES
    )
    dynamic = sum(
        m.year_share[t] * weight(d) * m.pue[d]
        * m.dynamic_mw_per_accelerator[a] * m.accel_h_per_mtok[k, a] * m.Work[k, d, a, t]
        for k, d, a in m.PROCESSES
        for t in m.SLICES
    )  # fmt: skip
    return idle + dynamic


def require_green_share(m: Model, n: Any) -> Expression:
    r"""
    Have contracts for green power cover at least a share of all facility energy.

    .. math:: \sum_{d,t} \phi_t (\gamma_d - \Gamma)\, PUE_d P^{IT}_{dt} \ge 0 \tag{10b}
    """
    return weighted_power(m, lambda d: m.green_power_share[d] - m.min_green_share[n]) >= 0.0


def keep_carbon_cap(m: Model, n: Any) -> Expression:
    r"""
    Keep location-based emissions within their cap.

    .. math:: \sum_{d,t} \phi_t \epsilon_d PUE_d P^{IT}_{dt} \le \bar \epsilon \tag{10c}

    Notes
    -----
    Average grid factors. Contracts for green power are no part of it.
    """
    return weighted_power(m, lambda d: m.carbon_t_per_mwh[d]) <= m.carbon_cap_t_per_h[n]


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

    .. math:: \sum_{d,t} \omega_t (c_{dt} + e_d) PUE_d P^{IT}_{dt} + \sum_{d,b} c^{peak}_d M_b \hat p_{db}
              + \sum_{d \in D^{contract}} c^{peak}_d M\, \bar p_d + \sum_{d,a} (C_{da} + B_{da}) n^{new}_{da}
              + \sum_d O_d y_d + \sum_{k,d} X_k x_{kd} \le \bar S \tag{10f}

    Notes
    -----
    In million CNY. Latency and shedding are no payments; network and data transfer are paid by routing, which is not
    among the decisions that this limit is stated on.
    """
    energy = energy_cost(m) + demand_charge_cost(m) + carbon_cost(m)
    standing = accelerator_capital_cost(m) + site_capital_cost(m) + opening_cost(m) + deployment_cost(m)
    return (energy + standing) / CNY_PER_MCNY <= m.spending_limit_mcny[n]


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
