"""
The objective as Pyomo rules: one function per cost component, CNY per year each.

`COSTS` is the objective's table of contents; the equations stand in `formulation`.
"""

from __future__ import annotations

from collections.abc import Callable

from optimizer.equation import Expression, Model


def energy_cost(m: Model) -> Expression:
    r"""Energy bill, CNY/year: :math:`\sum_{d,t} \omega_t c_{dt} PUE_d\, P^{IT}_{dt}`."""
    idle = sum(
        m.weight_h[t] * m.energy_price_cny_per_mwh[d, t] * m.pue[d] * m.idle_mw_per_pod[a] * m.Active[d, a, t]
        for d, a in m.POOLS
        for t in m.SLICES
    )
    dynamic = sum(
        m.weight_h[t] * m.energy_price_cny_per_mwh[d, t] * m.pue[d]
        * m.dynamic_mw_per_accelerator[a] * m.accel_h_per_mtok[k, a] * m.Work[k, d, a, t]
        for k, d, a in m.PROCESSES
        for t in m.SLICES
    )  # fmt: skip
    return idle + dynamic


def carbon_cost(m: Model) -> Expression:
    r"""Carbon price on location-based emissions, CNY/year: :math:`\sum_{d,t} \omega_t e_d PUE_d\, P^{IT}_{dt}`."""
    idle = sum(
        m.weight_h[t] * m.carbon_cny_per_mwh[d] * m.pue[d] * m.idle_mw_per_pod[a] * m.Active[d, a, t]
        for d, a in m.POOLS
        for t in m.SLICES
    )
    dynamic = sum(
        m.weight_h[t] * m.carbon_cny_per_mwh[d] * m.pue[d]
        * m.dynamic_mw_per_accelerator[a] * m.accel_h_per_mtok[k, a] * m.Work[k, d, a, t]
        for k, d, a in m.PROCESSES
        for t in m.SLICES
    )  # fmt: skip
    return idle + dynamic


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
    r"""Standing cost of open data centers, CNY/year: :math:`\sum_d O_d y_d`."""
    return sum(m.opening_cny_per_year[d] * m.Open[d] for d in m.DATA_CENTERS)


def deployment_cost(m: Model) -> Expression:
    r"""Standing cost of deployed classes, CNY/year: :math:`\sum_{k,d} X_k x_{kd}`."""
    return sum(m.deploy_cny_per_year[k] * m.Deploy[k, d] for k, d in m.DEPLOYMENTS)


def shedding_cost(m: Model) -> Expression:
    r"""Penalty of unserved tokens, CNY/year: :math:`\sum_{w,t} \omega_t \pi u_{wt}`."""
    return sum(m.weight_h[t] * m.shed_penalty_cny_per_mtok * m.Shed[w, t] for w in m.WORKLOADS for t in m.SLICES)


COSTS: dict[str, Callable[[Model], Expression]] = {
    "energy": energy_cost,
    "demand_charge": demand_charge_cost,
    "latency": latency_cost,
    "network": network_cost,
    "data_transfer": data_transfer_cost,
    "accelerator_capital": accelerator_capital_cost,
    "site_capital": site_capital_cost,
    "opening": opening_cost,
    "deployment": deployment_cost,
    "carbon": carbon_cost,
    "shedding": shedding_cost,
}
