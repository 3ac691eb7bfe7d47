"""Ways to change a placement problem whose effect on the optimum is known beforehand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from optimizer.problem.problem import FloatArray, IntArray, PlacementProblem


def with_columns_scaled(table: pd.DataFrame, factor: float, *columns: str) -> pd.DataFrame:
    return table.assign(**{column: table[column] * factor for column in columns})


def with_costs_scaled(p: PlacementProblem, factor: float) -> PlacementProblem:
    """Every price times `factor`, and what may be spent in a year with them."""
    centers = ["opening_cny_per_year", "opening_cny_per_mw_year", "demand_charge_cny_per_kw_month"]
    limit = p.policy.spending_limit_cny_per_year
    policy = replace(p.policy, spending_limit_cny_per_year=None if limit is None else limit * factor)
    return replace(
        p,
        classes=with_columns_scaled(p.classes, factor, "latency_cny_per_ms_per_mtok", "deploy_cny_per_year"),
        data_centers=with_columns_scaled(p.data_centers, factor, *centers),
        pools=with_columns_scaled(
            p.pools, factor, "pod_cny_per_year", "site_cny_per_year", "energy_surcharge_cny_per_mwh"
        ),
        routes=with_columns_scaled(p.routes, factor, "network_cny_per_gbps_h"),
        candidates=with_columns_scaled(p.candidates, factor, "network_cny_per_mtok", "data_transfer_cny_per_mtok"),
        energy_price_cny_per_mwh=p.energy_price_cny_per_mwh * factor,
        carbon_price_cny_per_t=p.carbon_price_cny_per_t * factor,
        shed_penalty_cny_per_mtok=p.shed_penalty_cny_per_mtok * factor,
        data_transfer_cny_per_gb=p.data_transfer_cny_per_gb * factor,
        policy=policy,
    )


def with_candidates(p: PlacementProblem, kept: Any) -> PlacementProblem:
    """Only some of the candidates; each workload keeps the one of its shortest round trip."""
    rtt = p.candidates["rtt_ms"]
    nearest = rtt.groupby(p.candidates["workload_index"]).idxmin()
    keep = np.asarray(kept).copy()
    keep[nearest.to_numpy()] = True
    return replace(p, candidates=p.candidates[keep].reset_index(drop=True))


def with_more_of_everything(p: PlacementProblem, rng: np.random.Generator) -> PlacementProblem:
    """More power, links, existing pods and room for new ones, each at some places."""
    d, q, n = len(p.data_centers), len(p.pools), len(p.links)
    return replace(
        p,
        data_centers=p.data_centers.assign(it_capacity_mw=p.data_centers["it_capacity_mw"] + rng.integers(0, 20, d)),
        pools=p.pools.assign(
            existing_pods=p.pools["existing_pods"] + rng.integers(0, 3, q),
            max_new_pods=p.pools["max_new_pods"] + rng.integers(0, 3, q),
        ),
        links=p.links.assign(capacity_gbps=p.links["capacity_gbps"] * rng.choice([1.0, 1.5], n)),
    )


def with_a_copy_of_the_last_data_center(p: PlacementProblem) -> PlacementProblem:
    """One more data center at the same node: same power, pods, prices and routes."""
    last = len(p.data_centers) - 1
    new = last + 1

    def of_the_last(table: pd.DataFrame, **changes: Any) -> pd.DataFrame:
        copy = table[table["data_center_index"] == last].assign(data_center_index=new, **changes)
        return pd.concat([table, copy], ignore_index=True)

    routes = of_the_last(p.routes)
    twin = dict(
        zip(np.flatnonzero(p.routes["data_center_index"] == last), range(len(p.routes), len(routes)), strict=True)
    )
    on_links = p.route_links[p.route_links["route_index"].isin(twin)]
    mine = p.candidates[p.candidates["data_center_index"] == last]
    copies = mine.assign(data_center_index=new, route_index=mine["route_index"].map(twin))
    candidates = pd.concat([p.candidates, copies]).sort_values(
        ["workload_index", "data_center_index", "route_index"], ignore_index=True
    )
    center = p.data_centers.iloc[[last]].assign(id="copy", name="Copy")
    unlimited = (p.classes["max_sites"] == len(p.data_centers)).to_numpy()
    return replace(
        p,
        data_centers=pd.concat([p.data_centers, center], ignore_index=True),
        classes=p.classes.assign(max_sites=p.classes["max_sites"] + unlimited),
        pools=of_the_last(p.pools),
        routes=routes,
        route_links=pd.concat(
            [p.route_links, on_links.assign(route_index=on_links["route_index"].map(twin))], ignore_index=True
        ),
        candidates=candidates,
        energy_price_cny_per_mwh=np.column_stack([p.energy_price_cny_per_mwh, p.energy_price_cny_per_mwh[:, last]]),
    )


def shuffled_and_renamed(p: PlacementProblem, rng: np.random.Generator) -> PlacementProblem:
    """Give the same problem with other row orders and ids."""
    w, k, d, link = (_order(rng, t) for t in (p.workloads, p.classes, p.data_centers, p.links))
    route, pool = _order(rng, p.routes), _order(rng, p.pools)

    def moved(table: pd.DataFrame, order: IntArray | None, **places: IntArray) -> pd.DataFrame:
        """Rows in another order, indices following the rows they point at."""
        out = table if order is None else table.iloc[order].reset_index(drop=True)
        return out.assign(**{f"{name}_index": np.argsort(to)[out[f"{name}_index"]] for name, to in places.items()})

    candidates = moved(p.candidates, _order(rng, p.candidates), workload=w, data_center=d, route=route)
    return replace(
        p,
        classes=moved(p.classes, k).assign(id=[f"renamed_class_{n}" for n in range(len(k))]),
        workloads=moved(p.workloads, w, **{"class": k}),
        data_centers=moved(p.data_centers, d).assign(id=[f"renamed_center_{n}" for n in range(len(d))]),
        pools=moved(p.pools, pool, data_center=d),
        links=moved(p.links, link).assign(id=[f"renamed_link_{n}" for n in range(len(link))]),
        routes=moved(p.routes, route, data_center=d),
        route_links=moved(p.route_links, None, route=route, link=link),
        candidates=candidates.sort_values("workload_index", kind="stable", ignore_index=True),
        demand_mtok_per_h=p.demand_mtok_per_h[:, w],
        backlog_limit_mtok=p.backlog_limit_mtok[:, w],
        servable_mtok_per_h=p.servable_mtok_per_h[:, w],
        shed_limit_mtok_per_h=p.shed_limit_mtok_per_h[:, w],
        energy_price_cny_per_mwh=p.energy_price_cny_per_mwh[:, d],
        accel_h_per_mtok=p.accel_h_per_mtok[k],
    )


def with_each_slice_halved(p: PlacementProblem) -> PlacementProblem:
    """
    Two slices of half the length for each, with the same arrivals and prices per hour.

    What may wait at the middle of a slice is what arrived in the window before it: the mean of what may wait at the
    slice's two ends. In half the time work that waited can load a link twice as much, so every link may bind now.
    """
    slices = p.slices
    length = 24.0 / slices.groupby("day")["hour"].transform("size").to_numpy()
    twice = slices.loc[slices.index.repeat(2)].reset_index(drop=True)
    first, second = np.arange(0, len(twice), 2), np.arange(1, len(twice), 2)
    before = slices["previous_index"].to_numpy()
    hour, previous = twice["hour"].to_numpy(float).copy(), np.empty(len(twice), np.int64)
    hour[second] += length / 2
    previous[first], previous[second] = 2 * before + 1, first

    def doubled(values: FloatArray) -> FloatArray:
        return np.repeat(values, 2, axis=0)

    limit = doubled(p.backlog_limit_mtok)
    limit[first] = (p.backlog_limit_mtok + p.backlog_limit_mtok[before]) / 2
    demand = doubled(p.demand_mtok_per_h)
    return replace(
        p,
        slices=twice.assign(hour=hour, weight_h=twice["weight_h"] / 2, previous_index=previous),
        links=p.links.assign(is_limiting=True),
        demand_mtok_per_h=demand,
        backlog_limit_mtok=limit,
        servable_mtok_per_h=demand + limit[previous] / doubled(length[:, None] / 2),
        shed_limit_mtok_per_h=doubled(p.shed_limit_mtok_per_h),
        energy_price_cny_per_mwh=doubled(p.energy_price_cny_per_mwh),
    )


def _order(rng: np.random.Generator, table: pd.DataFrame) -> IntArray:
    return rng.permutation(len(table))
