"""The objective again, component by component and data center by data center, from what a plan amounts to."""

from __future__ import annotations

import numpy as np
import pandas as pd

from optimizer.check_facts import PlanFacts, sum_once
from optimizer.problem import FloatArray, IntArray
from optimizer.units import KW_PER_MW


def list_costs(f: PlanFacts) -> pd.DataFrame:
    """
    List every cost component of a plan.

    Parameters
    ----------
    f
        The plan and what follows from it.

    Returns
    -------
    pd.DataFrame
        component, data_center ("" for shedding: an unserved token belongs to none), cny_per_year.
    """
    by_data_center = _costs_by_data_center(f)
    ids = f.data_center_labels
    shedding = f.problem.shed_penalty_cny_per_mtok * f.classes["shed_mtok_per_year"].sum()
    return pd.DataFrame(
        {
            "component": [*np.repeat(list(by_data_center), len(ids)), "shedding"],
            "data_center": [*np.tile(ids, len(by_data_center)), ""],
            "cny_per_year": np.append(np.concatenate(list(by_data_center.values())), shedding),
        }
    )


def _costs_by_data_center(f: PlanFacts) -> dict[str, FloatArray]:
    """(D,) CNY per year of each component that a data center causes, in the order of the objective."""
    problem, plan = f.problem, f.plan
    mtok = f.candidate_mtok_per_year
    price_cny_h_per_mwh = problem.weight_h[:, None] * problem.energy_price_cny_per_mwh
    charge_cny_per_mw_month = KW_PER_MW * f.data_center_column("demand_charge_cny_per_kw_month")
    months = problem.billing["months"].to_numpy(np.float64)
    by_peak = months @ plan.peak_mw
    latency_cny_per_ms = f.class_column("latency_cny_per_ms_per_mtok")[f.candidate_class] * mtok
    network_cny = f.candidate_column("network_cny_per_mtok") * mtok
    data_transfer_cny = f.candidate_column("data_transfer_cny_per_mtok") * mtok
    deployment_cny = f.class_column("deploy_cny_per_year")[f.deployment_class] * plan.is_deployed

    def add_up(values: FloatArray, data_center: IntArray) -> FloatArray:
        return sum_once(values, data_center, len(f.data_center_labels))

    return {
        "energy": (price_cny_h_per_mwh * f.facility_power_mw).sum(axis=0),
        "demand_charge": charge_cny_per_mw_month * np.where(f.is_contracted, months.sum() * plan.contract_mw, by_peak),
        "latency": add_up(latency_cny_per_ms * f.candidate_column("rtt_ms"), f.candidate_data_center),
        "network": add_up(network_cny, f.candidate_data_center),
        "data_transfer": add_up(data_transfer_cny, f.candidate_data_center),
        "accelerator_capital": add_up(f.pool_column("pod_cny_per_year") * plan.new_pods, f.pool_data_center),
        "site_capital": add_up(f.pool_column("site_cny_per_year") * plan.new_pods, f.pool_data_center),
        "opening": f.data_center_column("opening_cny_per_year") * plan.is_open,
        "deployment": add_up(deployment_cny, f.deployment_data_center),
        "carbon": problem.carbon_price_cny_per_t * f.carbon_t_per_year,
    }
