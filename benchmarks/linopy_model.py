"""
The placement model written a second time, in linopy: for the benchmark only.

Written as linopy is fastest with a ragged model: one flat dimension for each index table, grouped sums that stay
sparse, constraints frozen to compressed rows. `tests/test_benchmarks.py` compares it with the formulation.
"""

from __future__ import annotations

from typing import Any

import linopy
import numpy as np
import pandas as pd
import xarray as xr

from optimizer.model.data import ModelData, model_data
from optimizer.problem.problem import FloatArray, PlacementProblem

TIME = "slice"


class _Builder:
    """A linopy model, its variables, and the tables that say which column belongs to which row."""

    def __init__(self, problem: PlacementProblem) -> None:
        linopy.options["semantics"] = "v1"
        self.problem = problem
        self.data: ModelData = model_data(problem)
        self.model = linopy.Model(sparse=True)
        self.slices = pd.RangeIndex(len(problem.slices), name=TIME)
        self.deployment_of = _positions(problem.deployments)
        pairs = problem.workloads["is_indivisible"].to_numpy(bool)[problem.pairs["workload_index"]]
        self.single = np.flatnonzero(pairs)
        self.pool_of = _positions(problem.pools[["data_center_index", "accelerator_index"]])

    def parameter(self, name: str) -> FloatArray:
        return self.data.parameters[name]

    def over(self, values: FloatArray, dim: str, rows: Any = None) -> xr.DataArray:
        """Label an array (T, n) or (n,) with the time and one flat dimension, whose labels are `rows`."""
        rows = np.arange(values.shape[-1]) if rows is None else rows
        if values.ndim == 1:
            return xr.DataArray(values, coords={dim: rows}, dims=[dim])
        return xr.DataArray(values, coords={TIME: self.slices, dim: rows}, dims=[TIME, dim])

    def add(self, name: str, dim: str, rows: Any, *, timed: bool = True, upper: Any = np.inf, **kind: Any) -> Any:
        """Add a variable over the labels `rows` of a flat dimension, and over the slices if `timed`."""
        labels = pd.Index(rows, name=dim)
        coords = [self.slices, labels] if timed else [labels]
        bounds = {} if kind.get("binary") else {"lower": 0, "upper": upper}
        return self.model.add_variables(coords=coords, name=name, **bounds, **kind)


def build_linopy(problem: PlacementProblem) -> linopy.Model:
    """Build the model of `formulation` in linopy."""
    b = _Builder(problem)
    _add_variables(b)
    _serve(b)
    _process(b)
    _deploy(b)
    _limit_links(b)
    _add_objective(b)
    return b.model


def _add_variables(b: _Builder) -> None:
    p = b.problem
    b.add("Flow", "candidate", range(len(p.candidates)))
    b.add("Shed", "workload", range(len(p.workloads)), upper=b.over(p.shed_limit_mtok_per_h, "workload"))
    b.add("Work", "process", range(len(p.processes)))
    pools = range(len(p.pools))
    b.add("Active", "pool", pools)
    b.add("NewPods", "pool", pools, timed=False, upper=b.over(_floats(p.pools, "max_new_pods"), "pool"), integer=True)
    b.add("Open", "data_center", range(len(p.data_centers)), timed=False, binary=True)
    b.add("Deploy", "deployment", range(len(p.deployments)), timed=False, binary=True)
    if len(b.single):
        b.add("Assign", "pair", b.single, timed=False, binary=True)
    if len(waiting := b.data.sets["DEFERRABLE"][:, 0]):
        b.add("Backlog", "workload", waiting, upper=b.over(p.backlog_limit_mtok[:, waiting], "workload", waiting))
    if len(billed := b.data.sets["PEAK_BILLED"][:, 0]):
        coords = [pd.RangeIndex(len(p.billing), name="billing"), pd.Index(billed, name="data_center")]
        b.model.add_variables(lower=0, coords=coords, name="Peak")
    if len(paid := b.data.sets["YEAR_PEAKED"][:, 0]):
        b.add("Contract", "data_center", paid, timed=False)


def _serve(b: _Builder) -> None:
    """Equations (1a) and (1b)."""
    p, v = b.problem, b.model.variables
    served = _grouped(v["Flow"], "candidate", "workload", p.candidates["workload_index"])
    leaving = served + v["Shed"]
    urgent, waiting = (b.data.sets[name][:, 0] for name in ("URGENT", "DEFERRABLE"))
    demand = b.over(p.demand_mtok_per_h, "workload")
    if len(urgent):
        b.model.add_constraints(leaving.sel(workload=urgent) == demand.sel(workload=urgent), name="serve_demand")
    if len(waiting):
        late = leaving.sel(workload=waiting)
        before = v["Backlog"].isel({TIME: b.parameter("previous").astype(int)}).assign_coords({TIME: b.slices})
        hours = xr.DataArray(p.slice_h, coords={TIME: b.slices}, dims=[TIME])
        arrived = demand.sel(workload=waiting)
        b.model.add_constraints(v["Backlog"] - before + hours * late == hours * arrived, name="defer_demand")


def _process(b: _Builder) -> None:
    """Equations (2), (3), (4), (5), (9) and (9b)."""
    p, v = b.problem, b.model.variables
    deployment = b.deployment_of[p.candidate_class, p.candidates["data_center_index"]]
    routed = _grouped(v["Flow"], "candidate", "deployment", deployment)
    d, a, k = (p.processes[f"{name}_index"].to_numpy() for name in ("data_center", "accelerator", "class"))
    processed = _grouped(v["Work"], "process", "deployment", b.deployment_of[k, d])
    b.model.add_constraints(routed - processed == 0, name="process_what_is_routed")
    busy_h = p.accel_h_per_mtok[k, a]
    busy = _grouped(b.over(busy_h, "process") * v["Work"], "process", "pool", p.processes["pool_index"])
    busy = _complete(busy, "pool", len(p.pools))
    place, kind = p.pools["data_center_index"].to_numpy(), p.pools["accelerator_index"].to_numpy()
    offered = p.utilization_limit_share * b.parameter("accelerators_per_pod")[kind]
    b.model.add_constraints(busy - b.over(offered, "pool") * v["Active"] <= 0, name="limit_accelerators")
    open_at_pool = _taken(v["Open"], "data_center", place, "pool")
    existing = b.over(_floats(p.pools, "existing_pods"), "pool") * open_at_pool
    b.model.add_constraints(v["Active"] - existing - v["NewPods"] <= 0, name="switch_on_installed_pods")
    most = b.over(_floats(p.pools, "max_new_pods"), "pool") * open_at_pool
    b.model.add_constraints(v["NewPods"] - most <= 0, name="buy_pods_where_open")
    if len(kept := np.flatnonzero(p.pools["min_pods"].to_numpy() > 0)):
        least = b.over(_floats(p.pools, "min_pods"), "pool") * open_at_pool
        b.model.add_constraints((existing + v["NewPods"] - least).sel(pool=kept) >= 0, name="keep_min_pods")
    dynamic_mw = b.parameter("dynamic_mw_per_accelerator")[a] * busy_h
    count = len(p.data_centers)
    dynamic = _grouped(b.over(dynamic_mw, "process") * v["Work"], "process", "data_center", d)
    idle = _grouped(b.over(b.parameter("idle_mw_per_pod")[kind], "pool") * v["Active"], "pool", "data_center", place)
    power = _complete(dynamic, "data_center", count) + _complete(idle, "data_center", count)
    capacity = b.over(_floats(p.data_centers, "it_capacity_mw"), "data_center")
    b.model.add_constraints(power - capacity * v["Open"] <= 0, name="limit_it_power")
    if len(billed := b.data.sets["PEAK_BILLED"][:, 0]):
        pue = b.over(b.parameter("pue")[billed], "data_center", billed)
        here = power.sel(data_center=billed)
        period = xr.DataArray(p.slices["billing_index"].to_numpy(), coords={TIME: b.slices}, dims=[TIME])
        peak = (1 * v["Peak"]).isel(billing=period).drop_vars("billing")
        b.model.add_constraints(pue * here - peak <= 0, name="pay_peak_power")
    if len(paid := b.data.sets["YEAR_PEAKED"][:, 0]):
        pue = b.over(b.parameter("pue")[paid], "data_center", paid)
        drawn = pue * power.sel(data_center=paid)
        b.model.add_constraints(drawn - v["Contract"] <= 0, name="pay_contracted_power")


def _deploy(b: _Builder) -> None:
    """Equations (6) and (7)."""
    p, v = b.problem, b.model.variables
    pair_of = _positions(p.pairs[["workload_index", "data_center_index"]])
    pair = pair_of[p.candidates["workload_index"], p.candidates["data_center_index"]]
    routed = _grouped(v["Flow"], "candidate", "pair", pair)
    servable = b.over(p.servable_mtok_per_h[:, p.pairs["workload_index"]], "pair")
    own = b.deployment_of[p.pairs["class_index"], p.pairs["data_center_index"]]
    deployed = _taken(v["Deploy"], "deployment", own, "pair")
    b.model.add_constraints(routed - servable * deployed <= 0, name="serve_where_deployed")
    place, kind = p.deployments["data_center_index"].to_numpy(), p.deployments["class_index"].to_numpy()
    opened = _taken(v["Open"], "data_center", place, "deployment")
    b.model.add_constraints(v["Deploy"] - opened <= 0, name="deploy_where_open")
    if len(limited := b.data.sets["LIMITED_CLASSES"][:, 0]):
        sites = _grouped(v["Deploy"], "deployment", "class", kind).sel({"class": limited})
        most = b.over(b.parameter("max_sites")[limited], "class", limited)
        b.model.add_constraints(sites <= most, name="limit_sites")
    share = b.parameter("min_share")[kind]
    if len(shared := np.flatnonzero(share > 0)):
        d, k = (p.processes[f"{name}_index"].to_numpy() for name in ("data_center", "class"))
        done = _grouped(v["Work"], "process", "deployment", b.deployment_of[k, d])
        least = b.over(share * p.class_demand_mtok_per_h[:, kind], "deployment") * v["Deploy"]
        b.model.add_constraints((done - least).sel(deployment=shared) >= 0, name="require_min_share")
    if len(loaded := b.data.sets["LOADED_DATA_CENTERS"][:, 0]):
        held, size = p.pools["data_center_index"].to_numpy(), p.pools["accelerator_index"].to_numpy()
        per_pod = b.over(b.parameter("accelerators_per_pod")[size], "pool")
        is_on = _grouped(per_pod * v["Active"], "pool", "data_center", held).sel(data_center=loaded)
        least = b.over(p.min_accelerators[kind], "deployment") * v["Deploy"]
        needed = _grouped(least, "deployment", "data_center", place).sel(data_center=loaded)
        b.model.add_constraints(needed - is_on <= 0, name="keep_models_loaded")
    if len(b.single):
        some, single = p.indivisible_pairs, b.single
        chosen = _grouped(v["Assign"], "pair", "workload", some["workload_index"], single)
        b.model.add_constraints(chosen == 1, name="assign_once")
        servable = servable.sel(pair=single)
        b.model.add_constraints(routed.sel(pair=single) - servable * v["Assign"] <= 0, name="serve_where_assigned")
        deployed = _taken(v["Deploy"], "deployment", own[single], "pair", single)
        b.model.add_constraints(v["Assign"] - deployed <= 0, name="assign_where_deployed")


def _limit_links(b: _Builder) -> None:
    """Equation (8)."""
    p, v = b.problem, b.model.variables
    limiting = b.data.sets["LIMITING_LINKS"][:, 0]
    if not len(limiting):
        return
    family = b.data.families["CANDIDATES_OF_LINK"]
    on_link, link = family.members[:, 0], np.repeat(np.arange(len(limiting)), np.diff(family.starts))
    gbps = b.over(b.parameter("gbps_per_mtok_per_h")[p.candidate_class[on_link]], "crossing")
    traffic = _grouped(gbps * _taken(v["Flow"], "candidate", on_link, "crossing"), "crossing", "link", link)
    capacity = b.over(b.parameter("link_capacity_gbps")[limiting], "link")
    b.model.add_constraints(traffic <= capacity, name="limit_link_traffic")


def _add_objective(b: _Builder) -> None:
    p, v = b.problem, b.model.variables
    weight = xr.DataArray(p.weight_h, coords={TIME: b.slices}, dims=[TIME])
    price = (p.energy_price_cny_per_mwh + b.parameter("carbon_cny_per_mwh")) * b.parameter("pue")
    d, a, k = (p.processes[f"{name}_index"].to_numpy() for name in ("data_center", "accelerator", "class"))
    place, kind = p.pools["data_center_index"].to_numpy(), p.pools["accelerator_index"].to_numpy()
    surcharge = b.parameter("energy_surcharge_cny_per_mwh") * b.parameter("pue")[:, None]
    dynamic = (price[:, d] + surcharge[d, a]) * b.parameter("dynamic_mw_per_accelerator")[a] * p.accel_h_per_mtok[k, a]
    idle = (price[:, place] + surcharge[place, kind]) * b.parameter("idle_mw_per_pod")[kind]
    capital = (b.parameter("pod_cny_per_year") + b.parameter("site_cny_per_year"))[place, kind]
    on_the_way = ("latency_cny_per_mtok", "network_cny_per_mtok", "data_transfer_cny_per_mtok")
    transit = np.sum([b.parameter(name) for name in on_the_way], axis=0)
    deploy = b.parameter("deploy_cny_per_year")[p.deployments["class_index"]]
    cost = (
        (v["Flow"] * (weight * b.over(transit, "candidate"))).sum()
        + (v["Work"] * (weight * b.over(dynamic, "process"))).sum()
        + (v["Active"] * (weight * b.over(idle, "pool"))).sum()
        + (v["Shed"] * (weight * p.shed_penalty_cny_per_mtok)).sum()
        + (v["NewPods"] * b.over(capital, "pool")).sum()
        + (v["Open"] * b.over(b.parameter("opening_cny_per_year"), "data_center")).sum()
        + (v["Deploy"] * b.over(deploy, "deployment")).sum()
    )
    if len(billed := b.data.sets["PEAK_BILLED"][:, 0]):
        charge = b.over(b.parameter("demand_charge_cny_per_mw_month")[billed], "data_center", billed)
        months = b.over(_floats(p.billing, "months"), "billing")
        cost = cost + (v["Peak"] * (months * charge)).sum()
    if len(contracted := b.data.sets["CONTRACT_BILLED"][:, 0]):
        charge = b.over(b.parameter("demand_charge_cny_per_mw_month")[contracted], "data_center", contracted)
        months_a_year = float(p.billing["months"].sum())
        cost = cost + (v["Contract"].sel(data_center=contracted) * (months_a_year * charge)).sum()
    if len(opened := b.data.sets["POWER_OPENED"][:, 0]):
        price = b.over(b.parameter("opening_cny_per_mw_year")[opened], "data_center", opened)
        cost = cost + (v["Contract"].sel(data_center=opened) * price).sum()
    b.model.add_objective(cost)


def _grouped(expression: Any, dim: str, into: str, labels: Any, rows: Any = None) -> Any:
    """Sum over the rows of `dim` that share a label; the new dimension is `into`."""
    index = pd.RangeIndex(len(labels), name=dim) if rows is None else pd.Index(rows, name=dim)
    return (1 * expression).groupby(pd.Series(np.asarray(labels), index=index, name=into)).sum()


def _complete(expression: Any, dim: str, count: int) -> Any:
    """Add the labels that no row of a grouped sum had."""
    return expression if expression.sizes[dim] == count else expression.reindex({dim: np.arange(count)}, fill_value=0)


def _taken(variable: Any, dim: str, places: Any, into: str, rows: Any = None) -> Any:
    """Take places of a variable's dimension, repeating as need be, under a new dimension."""
    picked = (1 * variable).isel({dim: xr.DataArray(np.asarray(places), dims=into)})
    return picked.drop_vars(dim).assign_coords({into: np.arange(len(places)) if rows is None else rows})


def _positions(table: pd.DataFrame) -> Any:
    """Row number by the two index columns, -1 where there is none."""
    first, second = (table.iloc[:, place].to_numpy() for place in (0, 1))
    out = np.full((first.max() + 1, second.max() + 1), -1)
    out[first, second] = np.arange(len(table))
    return out


def _floats(table: pd.DataFrame, column: str) -> FloatArray:
    return table[column].to_numpy(float)
