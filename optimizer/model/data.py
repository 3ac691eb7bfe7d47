"""Fill the model's vocabulary (`declarations`) with one problem's index tables and arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from optimizer.model.outages import outage_tables
from optimizer.problem.problem import FloatArray, PlacementProblem
from optimizer.units import CNY_PER_MCNY

Int32Array = npt.NDArray[np.int32]
AXIS = "SLICES"


@dataclass(frozen=True)
class Family:
    """A set for each member of an owner set: members of owner row i are rows starts[i]:starts[i + 1]."""

    owner: str
    starts: Int32Array
    members: Int32Array


@dataclass(frozen=True)
class ModelData:
    """
    Sets as (n, dimen) index tables, families of sets, and parameters as arrays with the time axis first.

    Parameters indexed by SLICES alone are (T,), by others and SLICES (T, ...), else (...).
    """

    sets: dict[str, Int32Array]
    families: dict[str, Family]
    parameters: dict[str, FloatArray]


def model_data(problem: PlacementProblem) -> ModelData:
    """Collect the sets, families and parameters that `declarations` names from a problem."""
    sets = _sets(problem)
    return ModelData(sets, _families(problem, sets), _parameters(problem))


def _sets(problem: PlacementProblem) -> dict[str, Int32Array]:
    single = problem.workloads["is_indivisible"].to_numpy(bool)
    waits = problem.workloads["is_deferrable"].to_numpy(bool)
    charge = problem.data_centers["demand_charge_cny_per_kw_month"].to_numpy(float)
    deployments = problem.deployments
    shared = problem.classes["min_share"].to_numpy(float)[deployments["class_index"]] > 0
    loads = problem.min_accelerators[deployments["class_index"]] > 0
    reached = deployments.groupby("class_index").size().reindex(range(len(problem.classes)), fill_value=0)
    counted = {
        "SLICES": problem.slices,
        "BILLING": problem.billing,
        "CLASSES": problem.classes,
        "WORKLOADS": problem.workloads,
        "DATA_CENTERS": problem.data_centers,
        "ACCELERATORS": problem.accelerators,
        "LINKS": problem.links,
        "CANDIDATES": problem.candidates,
    }
    pair, deployment = ["workload_index", "data_center_index"], ["class_index", "data_center_index"]
    pools = problem.pools[["data_center_index", "accelerator_index"]]
    outages = outage_tables(problem)
    return {
        **{name: _column(np.arange(len(table))) for name, table in counted.items()},
        "URGENT": _column(np.flatnonzero(~waits)),
        "DEFERRABLE": _column(np.flatnonzero(waits)),
        "INDIVISIBLE": _column(np.flatnonzero(single)),
        "PAIRS": _table(problem.pairs[pair]),
        "INDIVISIBLE_PAIRS": _table(problem.indivisible_pairs[pair]),
        "DEPLOYMENTS": _table(deployments[deployment]),
        "MIN_SHARE_DEPLOYMENTS": _table(deployments.loc[shared, deployment]),
        "LOADED_DATA_CENTERS": _column(np.unique(deployments.loc[loads, "data_center_index"].to_numpy(np.int64))),
        "LIMITED_CLASSES": _column(np.flatnonzero(problem.classes["max_sites"].to_numpy() < reached.to_numpy())),
        "POOLS": _table(pools),
        "MIN_PODS_POOLS": _table(pools[problem.pools["min_pods"].to_numpy() > 0]),
        "PROCESSES": _table(problem.processes[[*deployment, "accelerator_index"]]),
        "LIMITING_LINKS": _column(np.flatnonzero(problem.links["is_limiting"].to_numpy(bool))),
        "PEAK_BILLED": _column(np.flatnonzero((charge > 0) & ~problem.is_contracted)),
        "CONTRACT_BILLED": _column(np.flatnonzero((charge > 0) & problem.is_contracted)),
        **_policy_sets(problem, _table(pools)),
        "OUTAGES": _column(np.arange(len(problem.outages))),
        "CALLS": _table(outages.calls),
        "REROUTES": _table(outages.reroutes[["outage_index", "candidate_index"]]),
        "OUTAGE_DEPLOYMENTS": _table(outages.deployments),
        "OUTAGE_PROCESSES": _table(outages.processes.drop(columns="process_index")),
        "OUTAGE_POOLS": _table(outages.pools),
        "OUTAGE_CENTERS": _table(outages.centers),
        "OUTAGE_LINKS": _table(outages.links),
        "REACHES": _column(np.unique(outages.reaches["workload_index"].to_numpy(np.int64))),
    }


def _policy_sets(problem: PlacementProblem, pools: Int32Array) -> dict[str, Int32Array]:
    """Members where the scenario demands something; all empty where it does not, so that no row is made."""
    policy, centers = problem.policy, np.unique(pools[:, :1], axis=0)

    def one_if(is_demanded: bool) -> Int32Array:  # noqa: FBT001 - reads as a sentence
        return _column(np.arange(int(is_demanded)))

    return {
        "REGIONS": _column(np.arange(len(policy.regions))),
        "GREEN_GOALS": one_if(policy.min_green_share > 0),
        "GREEN_CENTERS": centers[: len(pools) if policy.min_green_share > 0 else 0],
        "CARBON_CAPS": one_if(policy.carbon_cap_t_per_year is not None),
        "BUSY_CENTERS": centers[: len(pools) if policy.min_utilization_share > 0 else 0],
        "INVESTMENT_LIMITS": one_if(policy.investment_limit_cny is not None),
        "SPENDING_LIMITS": one_if(policy.spending_limit_cny_per_year is not None),
    }


def _families(problem: PlacementProblem, sets: dict[str, Int32Array]) -> dict[str, Family]:
    candidates = problem.candidates
    numbers = np.arange(len(candidates))
    workload, place = candidates["workload_index"].to_numpy(), candidates["data_center_index"].to_numpy()
    classes = problem.candidate_class
    on_route = problem.route_links.merge(
        candidates["route_index"].rename_axis("candidate").reset_index(), on="route_index", how="inner"
    )
    pools, processes = problem.pools, problem.processes
    d, a, k = (processes[f"{c}_index"].to_numpy() for c in ("data_center", "accelerator", "class"))
    region = np.full(len(problem.data_centers), len(problem.policy.regions))
    for number, name in enumerate(problem.policy.regions):
        region[problem.data_centers["region"].to_numpy(str) == name] = number
    deployed = sets["DEPLOYMENTS"].astype(np.int64)
    loaded = deployed[problem.min_accelerators[deployed[:, 0]] > 0]
    sites, single = sets["DEPLOYMENTS"].astype(np.int64), sets["INDIVISIBLE_PAIRS"].astype(np.int64)

    def family(owner: str, keys: tuple[npt.NDArray[np.int64], ...], *members: npt.NDArray[np.int64]) -> Family:
        return _family(owner, sets[owner], keys, np.column_stack(members))

    return {
        "CANDIDATES_OF_WORKLOAD": family("WORKLOADS", (workload,), numbers),
        "CANDIDATES_OF_PAIR": family("PAIRS", (workload, place), numbers),
        "CANDIDATES_OF_DEPLOYMENT": family("DEPLOYMENTS", (classes, place), numbers),
        "CANDIDATES_OF_LINK": family(
            "LIMITING_LINKS", (on_route["link_index"].to_numpy(),), on_route["candidate"].to_numpy()
        ),
        "ACCELERATORS_OF": family(
            "DATA_CENTERS", (pools["data_center_index"].to_numpy(),), pools["accelerator_index"].to_numpy()
        ),
        "ACCELERATORS_OF_DEPLOYMENT": family("DEPLOYMENTS", (k, d), a),
        "CLASSES_OF_POOL": family("POOLS", (d, a), k),
        "PROCESSES_OF": family("DATA_CENTERS", (d,), k, a),
        "CLASSES_AT": family("GREEN_CENTERS", (deployed[:, 1],), deployed[:, 0]),
        "PROCESSES_OF_REGION": family("REGIONS", (region[d],), k, d, a),
        "LOADED_CLASSES_OF": family("LOADED_DATA_CENTERS", (loaded[:, 1],), loaded[:, 0]),
        "SITES_OF_CLASS": family("LIMITED_CLASSES", (sites[:, 0],), sites[:, 1]),
        "SITES_OF_WORKLOAD": family("INDIVISIBLE", (single[:, 0],), single[:, 1]),
        **_outage_families(problem, sets),
    }


def _outage_families(problem: PlacementProblem, sets: dict[str, Int32Array]) -> dict[str, Family]:
    outages = outage_tables(problem)
    o, r = sets["REROUTES"].astype(np.int64).T
    workload = problem.candidates["workload_index"].to_numpy(np.int64)[r]
    k, d = (outages.reroutes[name].to_numpy(np.int64) for name in ("class_index", "data_center_index"))
    in_outage, done, at, on = sets["OUTAGE_PROCESSES"].astype(np.int64).T
    crossing, link = outages.reroute_links.to_numpy(np.int64).T

    def family(owner: str, keys: tuple[npt.NDArray[np.int64], ...], *members: npt.NDArray[np.int64]) -> Family:
        return _family(owner, sets[owner], keys, np.column_stack(members))

    return {
        "REROUTES_OF_CALL": family("CALLS", (o, workload), r),
        "REROUTES_TO": family("OUTAGE_DEPLOYMENTS", (o, k, d), r),
        "OUTAGE_CLASSES_OF": family("OUTAGE_POOLS", (in_outage, at, on), done),
        "OUTAGE_PROCESSES_OF": family("OUTAGE_CENTERS", (in_outage, at), done, on),
        "REROUTES_OVER": family("OUTAGE_LINKS", (o[crossing], link), r[crossing]),
        "SITES_IN_REACH": family(
            "REACHES",
            (outages.reaches["workload_index"].to_numpy(np.int64),),
            outages.reaches["data_center_index"].to_numpy(np.int64),
        ),
    }


def _family(
    owner: str, owner_rows: Int32Array, keys: tuple[npt.NDArray[np.int64], ...], members: npt.NDArray[np.int64]
) -> Family:
    """Group member rows by their owner; members whose owner is not in the set are left out."""
    if not len(members) or not len(owner_rows):
        return Family(owner, np.zeros(len(owner_rows) + 1, np.int32), np.zeros((0, members.shape[1]), np.int32))
    shape = tuple(int(max(key.max(), column.max())) + 1 for key, column in zip(keys, owner_rows.T, strict=True))
    position = np.full(shape, -1, np.int64)
    position[tuple(owner_rows.T)] = np.arange(len(owner_rows))
    rows = position[keys]
    order = np.argsort(rows, kind="stable")
    order = order[np.searchsorted(rows[order], 0) :]
    starts = np.searchsorted(rows[order], np.arange(len(owner_rows) + 1))
    return Family(owner, starts.astype(np.int32), members[order].astype(np.int32))


def _parameters(problem: PlacementProblem) -> dict[str, FloatArray]:
    classes, centers, slices = problem.classes, problem.data_centers, problem.slices
    accelerators, candidates, pools = problem.accelerators, problem.candidates, problem.pools
    candidate_class = problem.candidate_class

    def column(table: pd.DataFrame, name: str) -> FloatArray:
        return table[name].to_numpy(float)

    def by_pool(name: str) -> FloatArray:
        matrix = np.zeros((len(centers), len(accelerators)))
        matrix[pools["data_center_index"], pools["accelerator_index"]] = column(pools, name)
        return matrix

    return {
        "weight_h": problem.weight_h,
        "slice_h": problem.slice_h,
        "previous": column(slices, "previous_index"),
        "billing_of": column(slices, "billing_index"),
        "billed_months": column(problem.billing, "months"),
        "contract_months": np.array(float(problem.billing["months"].sum())),
        "class_of": column(problem.workloads, "class_index"),
        "class_of_candidate": candidate_class.astype(float),
        "demand_mtok_per_h": problem.demand_mtok_per_h,
        "class_demand_mtok_per_h": problem.class_demand_mtok_per_h,
        "servable_mtok_per_h": problem.servable_mtok_per_h,
        "shed_limit_mtok_per_h": problem.shed_limit_mtok_per_h,
        "backlog_limit_mtok": problem.backlog_limit_mtok,
        "accel_h_per_mtok": problem.accel_h_per_mtok,
        "utilization_limit_share": np.array(problem.utilization_limit_share),
        "accelerators_per_pod": column(accelerators, "accelerators_per_pod"),
        "idle_mw_per_pod": column(accelerators, "idle_mw_per_pod"),
        "dynamic_mw_per_accelerator": column(accelerators, "dynamic_mw_per_accelerator"),
        "existing_pods": by_pool("existing_pods"),
        "max_new_pods": by_pool("max_new_pods"),
        "min_pods": by_pool("min_pods"),
        "it_capacity_mw": column(centers, "it_capacity_mw"),
        "pue": column(centers, "pue"),
        "max_sites": column(classes, "max_sites"),
        "min_share": column(classes, "min_share"),
        "min_accelerators": problem.min_accelerators,
        "gbps_per_mtok_per_h": column(classes, "gbps_per_mtok_per_h"),
        "link_capacity_gbps": column(problem.links, "capacity_gbps"),
        "energy_price_cny_per_mwh": problem.energy_price_cny_per_mwh,
        "demand_charge_cny_per_mw_month": column(centers, "demand_charge_cny_per_kw_month") * 1e3,
        # one MWh at one kg/kWh emits one tonne
        "carbon_cny_per_mwh": column(centers, "carbon_kg_per_kwh") * problem.carbon_price_cny_per_t,
        "latency_cny_per_mtok": column(classes, "latency_cny_per_ms_per_mtok")[candidate_class]
        * column(candidates, "rtt_ms"),
        "network_cny_per_mtok": column(candidates, "network_cny_per_mtok"),
        "data_transfer_cny_per_mtok": column(candidates, "data_transfer_cny_per_mtok"),
        "pod_cny_per_year": by_pool("pod_cny_per_year"),
        "site_cny_per_year": by_pool("site_cny_per_year"),
        "opening_cny_per_year": column(centers, "opening_cny_per_year"),
        "deploy_cny_per_year": column(classes, "deploy_cny_per_year"),
        "shed_penalty_cny_per_mtok": np.array(problem.shed_penalty_cny_per_mtok),
        "workload_of_candidate": column(candidates, "workload_index"),
        "center_of_candidate": column(candidates, "data_center_index"),
        "call_mtok_per_h": outage_tables(problem).call_mtok_per_h,
        **_policy_parameters(problem, by_pool),
    }


def _policy_parameters(problem: PlacementProblem, by_pool: Callable[[str], FloatArray]) -> dict[str, FloatArray]:
    policy, centers = problem.policy, problem.data_centers
    year_h = float(problem.weight_h.sum())

    def given(limit: float | None, unit: float) -> FloatArray:
        return np.array([] if limit is None else [limit / unit], dtype=float)

    return {
        "year_share": problem.weight_h / year_h,
        "min_region_share": np.array([policy.min_region_share[name] for name in policy.regions], dtype=float),
        "green_power_share": centers["green_power_share"].to_numpy(float),
        "min_green_share": np.array([policy.min_green_share] if policy.min_green_share > 0 else [], dtype=float),
        # one MWh at one kg/kWh emits one tonne
        "carbon_t_per_mwh": centers["carbon_kg_per_kwh"].to_numpy(float),
        "carbon_cap_t_per_h": given(policy.carbon_cap_t_per_year, year_h),
        "min_utilization_share": np.array(policy.min_utilization_share),
        "investment_mcny": (by_pool("pod_cny") + by_pool("site_cny")) / CNY_PER_MCNY,
        "investment_limit_mcny": given(policy.investment_limit_cny, CNY_PER_MCNY),
        "spending_limit_mcny": given(policy.spending_limit_cny_per_year, CNY_PER_MCNY),
    }


def _column(values: npt.NDArray[np.int64]) -> Int32Array:
    return values.astype(np.int32).reshape(-1, 1)


def _table(frame: pd.DataFrame) -> Int32Array:
    return frame.to_numpy(np.int32)
