"""What two problems have in common: their parts, prices aside, as hashes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import fields
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd

from optimizer.problem.problem import PlacementProblem

# What differs, in words, by part of the problem; in the order in which a reader wants to know.
PART_NAMES: Mapping[str, str] = {
    "slices": "time slices",
    "demand_mtok_per_h": "demand",
    "shed_limit_mtok_per_h": "permission to leave work unserved",
    "backlog_limit_mtok": "windows of deferrable work",
    "candidates": "routes within limits",
    "classes": "limits of classes",
    "data_centers": "data centers",
    "pools": "pods",
    "accelerators": "accelerators",
    "accel_h_per_mtok": "accelerator hours per token",
    "utilization_limit_share": "share of an accelerator's time that may be busy",
    "compute_ms": "time to compute the first token",
    "links": "links",
    "policy": "policy",
    "outage_demand_mtok_per_h": "failures to survive",
}

# What only the objective reads, and limits on money: by table, its columns.
PRICE_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "classes": ("latency_cny_per_ms_per_mtok", "deploy_cny_per_year"),
    "data_centers": ("opening_cny_per_year", "opening_cny_per_mw_year", "demand_charge_cny_per_kw_month"),
    "pools": ("pod_cny_per_year", "site_cny_per_year", "pod_cny", "site_cny", "energy_surcharge_cny_per_mwh"),
    "candidates": ("network_cny_per_mtok", "data_transfer_cny_per_mtok"),
    "routes": ("network_cny_per_gbps_h", "is_transfer"),
}
PRICE_FIELDS = (
    "energy_price_cny_per_mwh",
    "carbon_price_cny_per_t",
    "shed_penalty_cny_per_mtok",
    "data_transfer_cny_per_gb",
)

# What no cost and no limit reads: names, how sure a number is, routes that are no candidates.
NO_MATTER_FIELDS = ("name", "left_out", "unprotected_candidates")
NO_MATTER_COLUMNS = (
    "name", "name_local", "confidence", "price_confidence", "demand_charge_confidence", "token_price_confidence",
)  # fmt: skip
_NAMED_TABLES = ("classes", "data_centers", "accelerators")


def differs_in_prices_alone(first: PlacementProblem, second: PlacementProblem) -> bool:
    """
    Say whether each plan of one problem is a plan of the other, row by row, at another cost.

    False also where a limit on money may make them differ.
    """
    limits = limits_of(first)
    return first is second or (limits is not None and limits == limits_of(second))


def limits_of(problem: PlacementProblem) -> dict[str, bytes] | None:
    """Hash what decides which plans a problem has, as `parts_of`; None where prices do, through limits on money."""
    policy = problem.policy
    if policy.spending_limit_cny_per_year is not None or policy.investment_limit_cny is not None:
        return None
    return parts_of(problem)


def is_same_problem(first: PlacementProblem, second: PlacementProblem) -> bool:
    """Say whether two problems are the same to every cost and limit, prices too."""
    if parts_of(first) != parts_of(second):
        return False
    prices = all(np.array_equal(getattr(first, name), getattr(second, name)) for name in PRICE_FIELDS)
    return prices and all(
        getattr(first, table).filter(columns).equals(getattr(second, table).filter(columns))
        for table, columns in PRICE_COLUMNS.items()
    )


def parts_of(problem: PlacementProblem) -> dict[str, bytes]:
    """Hash each part of a problem, prices aside; worked out once, since every pair of cases is compared."""
    if problem not in _PARTS:
        ignored = {*PRICE_FIELDS, *NO_MATTER_FIELDS}
        values = {m.name: getattr(problem, m.name) for m in fields(PlacementProblem) if m.name not in ignored}
        values["price_shape"] = problem.energy_price_cny_per_mwh.shape
        _PARTS[problem] = {name: _digest(name, value) for name, value in values.items()}
    return _PARTS[problem]


_PARTS: WeakKeyDictionary[PlacementProblem, dict[str, bytes]] = WeakKeyDictionary()


def _digest(name: str, value: object) -> bytes:
    """Hash what a part of a problem says, prices and names aside."""
    content = hashlib.sha256()
    if isinstance(value, pd.DataFrame):
        ignored = [*PRICE_COLUMNS.get(name, ()), *(NO_MATTER_COLUMNS if name in _NAMED_TABLES else ())]
        table = value.drop(columns=ignored, errors="ignore")
        content.update(repr(list(table.columns)).encode())
        content.update(pd.util.hash_pandas_object(table, index=False).to_numpy().tobytes())
    elif isinstance(value, np.ndarray):
        content.update(repr(value.shape).encode())
        content.update(np.ascontiguousarray(value).tobytes())
    else:
        content.update(repr(value).encode())
    return content.digest()
