"""Small placement problems with numbers a reader can work out, built from tables without any loader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from random_policy import random_policy
from toy_assembly import ACCESS_RTT_MS, Parts, assemble_toy, most_traffic

from optimizer.problem.problem import PlacementProblem, PolicyLimits


def toy_problem(**options: Any) -> PlacementProblem:
    """
    Build the two-metro toy: metros alpha and beta, classes chat and batch, data centers east and west.

    Fibre: alpha-coast 1 ms, beta-coast 2 ms, coast-inland 10 ms (one way); east is at coast, west at inland.
    RTT with 1 ms access: alpha-east 3, beta-east 5, alpha-west 23, beta-west 25 ms.
    Each workload asks for 100 mtok/h. One accelerator works 10 mtok/h (accel_h_per_mtok 0.1); a pod has 10
    accelerators of which half may be busy: 50 mtok/h per pod, 2 pods per workload. A pod takes 1 MW idle, a
    busy accelerator 0.2 MW more: 100 mtok/h on 2 full pods take 2 + 10 x 0.2 = 4 MW of IT power.

    Parameters
    ----------
    **options
        Any key of ``DEFAULTS``; per-class values are (chat, batch), per-data-center values (east, west).
    """
    unknown = set(options) - set(DEFAULTS)
    if unknown:
        raise TypeError(f"toy_problem has no option {sorted(unknown)}; it has {sorted(DEFAULTS)}")
    o: dict[str, Any] = DEFAULTS | options
    classes = pd.DataFrame(
        {
            "id": ["chat", "batch"],
            "name": ["Chat", "Batch"],
            "latency_cny_per_ms_per_mtok": np.array(o["latency_cny_per_ms_per_mtok"], dtype=float),
            "gbps_per_mtok_per_h": np.array(o["gbps_per_mtok_per_h"], dtype=float),
            "rtt_limit_ms": np.array(o["rtt_limit_ms"], dtype=float),
            "max_sites": np.array(o["max_sites"], dtype=np.int64),
            "min_share": np.array(o["min_share"], dtype=float),
            "min_accelerators": np.array(o["min_accelerators"], dtype=np.int64),
            "deploy_cny_per_year": np.array(o["deploy_cny_per_year"], dtype=float),
            "is_indivisible": list(o["indivisible"]),
        }
    )
    routes = [(0, 0, (0,)), (1, 0, (1,)), (0, 1, (0, 2)), (1, 1, (1, 2))]
    if o["second_route"]:
        routes += [(0, 1, (3,)), (1, 1, (1, 0, 3))]
    slice_count = o["slices_per_day"] * len(o["day_months"])
    profile = np.array(o["profile"] or [1.0] * slice_count, dtype=float)
    prices = np.array(o["energy_price_cny_per_mwh"], dtype=float)
    return assemble_toy(
        Parts(
            hubs=["alpha", "beta"],
            classes=classes,
            data_centers=_toy_data_centers(o),
            accelerators=_toy_accelerators(o["accelerators"]),
            pools=_toy_pools(o),
            links=_toy_links(o),
            routes=routes,
            demand_mtok_per_h=profile[:, None] * np.array(o["demand_mtok_per_h"], dtype=float).reshape(1, 4),
            energy_price_cny_per_mwh=np.broadcast_to(prices, (slice_count, 2)).copy(),
            # The second accelerator is twice as fast for chat and no faster for batch.
            accel_h_per_mtok=np.array([[0.1, 0.05], [0.1, 0.1]])[:, : o["accelerators"]],
            deferrable_h=(0, o["deferrable_h"]),
            slices_per_day=o["slices_per_day"],
            day_months=o["day_months"],
            carbon_price_cny_per_t=float(o["carbon_price_cny_per_t"]),
            shed_penalty_cny_per_mtok=o["shed_penalty_cny_per_mtok"],
            data_transfer_cny_per_gb=float(o["data_transfer_cny_per_gb"]),
            home_centers=((0,), (0, 1)),
            policy=PolicyLimits(**o["policy"]),
            survives=o["survives"],
        )
    )


DEFAULTS: dict[str, Any] = {
    "slices_per_day": 2,
    "day_months": (12.0,),
    "profile": None,  # one factor per slice
    "demand_mtok_per_h": (100.0, 100.0, 100.0, 100.0),  # alpha chat, alpha batch, beta chat, beta batch
    "deferrable_h": 0,  # of batch
    "latency_cny_per_ms_per_mtok": (0.1, 0.0),
    "gbps_per_mtok_per_h": (0.01, 0.02),
    "rtt_limit_ms": (np.inf, np.inf),
    "max_sites": (2, 2),
    "min_share": (0.0, 0.0),
    "min_accelerators": (0, 0),
    "deploy_cny_per_year": (1000.0, 2000.0),
    "indivisible": (False, False),
    "accelerators": 1,  # or 2
    "it_capacity_mw": (100.0, 100.0),
    "pue": (1.5, 1.2),
    "opening_cny_per_year": (0.0, 0.0),
    "opening_cny_per_mw_year": (0.0, 0.0),
    "demand_charge_cny_per_kw_month": (0.0, 0.0),
    "demand_charge_basis": ("monthly_peak", "monthly_peak"),  # or contracted
    "carbon_kg_per_kwh": (0.5, 0.6),
    "energy_price_cny_per_mwh": ((500.0, 300.0),),  # one row per slice, or one row for all
    "existing_pods": (10, 10),
    "max_new_pods": (10, 10),
    "min_pods": (0, 0),
    "energy_surcharge_cny_per_mwh": (0.0, 0.0),  # by accelerator, at both data centers
    "pod_cny_per_year": 1.0e6,
    "site_cny_per_year": (2.0e5, 1.0e5),
    "link_capacity_gbps": (1000.0, 1000.0, 1000.0, 1000.0),
    "link_cny_per_gbps_h": (1.0, 1.0, 10.0, 5.0),
    "second_route": False,  # adds link alpha-inland, 15 ms
    "carbon_price_cny_per_t": 0.0,
    "shed_penalty_cny_per_mtok": None,
    "data_transfer_cny_per_gb": 0.0,  # of alpha's data that goes west; beta is at home in both
    "pod_cny": 4.0e6,
    "site_cny": (1.0e6, 5.0e5),
    "green_power_share": (0.3, 0.8),
    "policy": {},  # arguments of PolicyLimits
    "survives": (),  # classes (0 chat, 1 batch) that must be served at once while a data center is lost
}


def _toy_data_centers(o: Mapping[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "id": ["east", "west"],
            "name": ["East", "West"],
            "node": ["coast", "inland"],
            "category": ["metro", "cluster"],
            "region": ["east", "west"],
            "it_capacity_mw": np.array(o["it_capacity_mw"], dtype=float),
            "pue": np.array(o["pue"], dtype=float),
            "opening_cny_per_year": np.array(o["opening_cny_per_year"], dtype=float),
            "opening_cny_per_mw_year": np.array(o["opening_cny_per_mw_year"], dtype=float),
            "demand_charge_cny_per_kw_month": np.array(o["demand_charge_cny_per_kw_month"], dtype=float),
            "demand_charge_basis": list(o["demand_charge_basis"]),
            "carbon_kg_per_kwh": np.array(o["carbon_kg_per_kwh"], dtype=float),
            "green_power_share": np.array(o["green_power_share"], dtype=float),
            "latitude_deg": [31.0, 26.0],
            "longitude_deg": [121.0, 106.0],
        }
    )


def _toy_accelerators(count: int) -> pd.DataFrame:
    table = {
        "id": ["standard", "fast"],
        "name": ["Standard", "Fast"],
        "accelerators_per_pod": np.array([10, 10], dtype=np.int64),
        "pflops_per_pod": [10.0, 20.0],
        "idle_mw_per_pod": [1.0, 2.0],
        "dynamic_mw_per_accelerator": [0.2, 0.3],
    }
    return pd.DataFrame(table).head(count)


def _toy_pools(o: Mapping[str, Any]) -> pd.DataFrame:
    """Every accelerator at both data centers; per-data-center numbers hold for each of its accelerators."""
    count = o["accelerators"]
    surcharge = np.array(o["energy_surcharge_cny_per_mwh"], dtype=float)[:count]
    return pd.DataFrame(
        {
            "data_center_index": np.repeat(np.arange(2, dtype=np.int64), count),
            "accelerator_index": np.tile(np.arange(count, dtype=np.int64), 2),
            "existing_pods": np.repeat(np.array(o["existing_pods"], dtype=np.int64), count),
            "max_new_pods": np.repeat(np.array(o["max_new_pods"], dtype=np.int64), count),
            "min_pods": np.repeat(np.array(o["min_pods"], dtype=np.int64), count),
            "energy_surcharge_cny_per_mwh": np.tile(surcharge, 2),
            "pod_cny_per_year": np.full(2 * count, float(o["pod_cny_per_year"])),
            "site_cny_per_year": np.repeat(np.array(o["site_cny_per_year"], dtype=float), count),
            "pod_cny": np.full(2 * count, float(o["pod_cny"])),
            "site_cny": np.repeat(np.array(o["site_cny"], dtype=float), count),
        }
    )


def _toy_links(o: Mapping[str, Any]) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "id": ["alpha_coast", "beta_coast", "coast_inland", "alpha_inland"],
            "from_node": ["alpha", "beta", "coast", "alpha"],
            "to_node": ["coast", "coast", "inland", "inland"],
            "length_km": [200.0, 400.0, 2000.0, 3000.0],
            "one_way_ms": [1.0, 2.0, 10.0, 15.0],
            "capacity_gbps": np.array(o["link_capacity_gbps"], dtype=float),
            "cny_per_gbps_h": np.array(o["link_cny_per_gbps_h"], dtype=float),
        }
    )
    return table if o["second_route"] else table.head(3).copy()


def random_problem(rng: np.random.Generator, size: int = 3, *, survives: bool = False) -> PlacementProblem:
    """
    Draw a small random problem, two in five with limits on the year; most are feasible.

    Parameters
    ----------
    rng
        Source of randomness; the same state gives the same problem.
    size
        1, 2 or 3: at most ``size`` hubs, ``size`` classes, ``size + 1`` data centers, 2 accelerators and
        3 slices a day; at size 3 sometimes two days of two slices.
    """
    # A stream of its own, so that what is drawn from `rng` does not depend on what is drawn for the policy.
    aside = rng.spawn(1)[0]
    hub_count, class_count = (int(n) for n in rng.integers(1, size + 1, 2))
    center_count = int(rng.integers(min(2, size), size + 2))
    accelerator_count = int(rng.integers(1, min(2, size) + 1))
    day_months = (5.0, 7.0) if size >= 3 and rng.random() < 0.3 else (12.0,)
    slices_per_day = 2 if len(day_months) == 2 else int(rng.integers(1, 4))
    slice_count = slices_per_day * len(day_months)
    classes, deferrable_h = _random_classes(rng, class_count, center_count)
    hubs = [f"hub_{h}" for h in range(hub_count)]
    links, routes = _random_fibre(rng, hubs, center_count)
    _reach_a_data_center(classes, links, routes)
    demand = rng.integers(2, 11, hub_count * class_count) * 10.0
    profile = rng.choice([0.5, 1.0, 1.5], (slice_count, 1))
    accel_h = rng.choice([0.05, 0.1, 0.15], (class_count, accelerator_count))
    busy = (profile * demand).sum(axis=1).max() * 0.15
    parts = Parts(
        hubs=hubs,
        classes=classes,
        data_centers=_random_data_centers(rng, center_count, busy),
        accelerators=_toy_accelerators(accelerator_count),
        pools=_random_pools(rng, center_count, accelerator_count, int(np.ceil(busy / 5.0))),
        links=links,
        routes=routes,
        demand_mtok_per_h=profile * demand,
        energy_price_cny_per_mwh=50.0 * rng.integers(4, 17, (slice_count, center_count)).astype(float),
        accel_h_per_mtok=accel_h,
        deferrable_h=deferrable_h,
        slices_per_day=slices_per_day,
        day_months=day_months,
        carbon_price_cny_per_t=float(rng.choice([0.0, 50.0, 200.0])),
        shed_penalty_cny_per_mtok=float(rng.choice([20.0, 100.0])) if rng.random() < 0.4 else None,
        data_transfer_cny_per_gb=float(aside.choice([0.0, 0.0, 0.02, 0.5])),
        home_centers=[np.flatnonzero(aside.random(center_count) < 0.5).tolist() for _ in hubs],
        name="random",
    )
    if survives:
        _make_survivable(parts)
    problem = _tighten_links(rng, parts)
    return replace(problem, policy=random_policy(aside, problem))


def _make_survivable(parts: Parts) -> None:
    """
    Ask urgent classes to survive any failure, with twice the pods and power, and reach for it.

    Nothing is drawn: the same state of the generator gives the same problem, to be survived or not.
    """
    parts.pools = parts.pools.assign(**{c: 2 * parts.pools[c] for c in ("existing_pods", "max_new_pods")})
    parts.data_centers = parts.data_centers.assign(it_capacity_mw=2.0 * parts.data_centers["it_capacity_mw"])
    parts.classes = parts.classes.assign(
        rtt_limit_ms=parts.classes["rtt_limit_ms"].clip(lower=40.0),
        max_sites=np.maximum(2, parts.classes["max_sites"].to_numpy()),
    )
    parts.survives = [k for k, late in enumerate(parts.deferrable_h) if late < 12]


def _random_classes(rng: np.random.Generator, count: int, center_count: int) -> tuple[pd.DataFrame, list[int]]:
    is_deferrable = rng.random(count) < 0.35
    min_share = np.where(is_deferrable | (rng.random(count) < 0.6), 0.0, rng.choice([0.1, 0.25], count))
    table = pd.DataFrame(
        {
            "id": [f"class_{k}" for k in range(count)],
            "name": [f"Class {k}" for k in range(count)],
            "latency_cny_per_ms_per_mtok": np.where(is_deferrable, 0.0, rng.choice([0.0, 0.1, 0.5], count)),
            "gbps_per_mtok_per_h": rng.choice([0.01, 0.05, 0.1], count),
            "rtt_limit_ms": np.where(is_deferrable, np.inf, rng.choice([np.inf, 40.0, 25.0, 15.0], count)),
            "max_sites": np.where(rng.random(count) < 0.6, center_count, rng.integers(1, center_count + 1, count)),
            "min_share": min_share,
            "min_accelerators": np.where(np.arange(count) % 2 == 1, 12, 0),  # of a second class, a pod and a fifth
            "deploy_cny_per_year": rng.choice([0.0, 1.0e5, 1.0e6], count),
            "is_indivisible": rng.random(count) < 0.3,
        }
    )
    return table, [int(rng.choice([8, 12, 24])) if late else 0 for late in is_deferrable]


def _random_fibre(
    rng: np.random.Generator, hubs: list[str], center_count: int
) -> tuple[pd.DataFrame, list[tuple[int, int, tuple[int, ...]]]]:
    """Hubs and data centers around one junction; some pairs have a direct link besides."""
    ends = [(hub, "core") for hub in hubs] + [("core", f"place_{d}") for d in range(center_count)]
    routes: list[tuple[int, int, tuple[int, ...]]] = []
    for h, hub in enumerate(hubs):
        for d in range(center_count):
            routes.append((h, d, (h, len(hubs) + d)))
            if rng.random() < 0.35:
                routes.append((h, d, (len(ends),)))
                ends.append((hub, f"place_{d}"))
    one_way = rng.integers(1, 12, len(ends)).astype(float)
    table = pd.DataFrame(
        {
            "id": [f"link_{number}" for number in range(len(ends))],
            "from_node": [a for a, _ in ends],
            "to_node": [b for _, b in ends],
            "length_km": one_way * 200.0,
            "one_way_ms": one_way,
            "capacity_gbps": np.full(len(ends), 1.0e4),
            "cny_per_gbps_h": rng.choice([0.0, 1.0, 10.0], len(ends)),
        }
    )
    return table, routes


def _reach_a_data_center(
    classes: pd.DataFrame, links: pd.DataFrame, routes: list[tuple[int, int, tuple[int, ...]]]
) -> None:
    """Loosen each RTT limit until every hub reaches at least its nearest data center, as assembly demands."""
    one_way = links["one_way_ms"].to_numpy()
    nearest: dict[int, float] = {}
    for hub, _, chain in routes:
        nearest[hub] = min(nearest.get(hub, np.inf), 2 * one_way[list(chain)].sum() + ACCESS_RTT_MS)
    classes["rtt_limit_ms"] = classes["rtt_limit_ms"].clip(lower=max(nearest.values()))


def _random_data_centers(rng: np.random.Generator, count: int, busy: float) -> pd.DataFrame:
    """Give data centers a few times the power that the busiest slice can need on the slowest accelerator."""
    need_mw = busy * (0.2 + 1.0 / 5.0)
    return pd.DataFrame(
        {
            "id": [f"center_{d}" for d in range(count)],
            "name": [f"Center {d}" for d in range(count)],
            "node": [f"place_{d}" for d in range(count)],
            "category": ["cluster" if d % 3 else "metro" for d in range(count)],
            "region": ["east" if d % 2 else "west" for d in range(count)],
            "it_capacity_mw": np.ceil(need_mw * rng.uniform(0.6, 2.5, count) * 3.0 / count),
            "pue": rng.choice([1.1, 1.2, 1.5], count),
            "opening_cny_per_year": rng.choice([0.0, 1.0e6, 5.0e6], count),
            "opening_cny_per_mw_year": np.zeros(count),
            "demand_charge_cny_per_kw_month": rng.choice([0.0, 30.0], count),
            "demand_charge_basis": ["contracted" if d % 2 else "monthly_peak" for d in range(count)],
            "carbon_kg_per_kwh": rng.choice([0.2, 0.5, 0.8], count),
            "green_power_share": rng.choice([0.2, 0.5], count),
            "latitude_deg": 30.0 + np.arange(count),
            "longitude_deg": 110.0 + np.arange(count),
        }
    )


def _random_pools(rng: np.random.Generator, centers: int, accelerators: int, pods: int) -> pd.DataFrame:
    """Pools with about twice the pods needed; a data center may miss an accelerator, never all of them."""
    keys = [(d, a) for d in range(centers) for a in range(accelerators) if a == d % accelerators or rng.random() < 0.6]
    share = max(1, round(2.5 * pods / len(keys)))
    existing = rng.integers(0, share + 1, len(keys))
    new = np.where(rng.random(len(keys)) < 0.3, 0, rng.integers(1, share + 2, len(keys)))
    kept = np.where(rng.random(len(keys)) < 0.2, np.minimum(1, existing + new), 0)
    return pd.DataFrame(
        {
            "data_center_index": np.array([d for d, _ in keys], dtype=np.int64),
            "accelerator_index": np.array([a for _, a in keys], dtype=np.int64),
            "existing_pods": existing,
            "max_new_pods": new,
            "min_pods": kept,
            "pod_cny_per_year": rng.choice([5.0e5, 2.0e6], len(keys)),
            "site_cny_per_year": rng.choice([0.0, 2.0e5], len(keys)),
            # The second accelerator pays more, in one place in two.
            "energy_surcharge_cny_per_mwh": [60.0 * a * (d % 2) for d, a in keys],
        }
    ).assign(pod_cny=lambda t: 4 * t["pod_cny_per_year"], site_cny=lambda t: 10 * t["site_cny_per_year"])


def _tighten_links(rng: np.random.Generator, parts: Parts) -> PlacementProblem:
    """Give about a third of the links a capacity below the most that any plan could send over them."""
    p = assemble_toy(parts)
    most = most_traffic(parts, p.workloads, p.candidates, p.route_links, p.servable_mtok_per_h)
    is_tight = rng.random(len(most)) < 0.35
    parts.links["capacity_gbps"] = np.where(is_tight, most * rng.uniform(0.4, 0.95, len(most)), most + 1.0)
    return assemble_toy(parts)
