"""
Write a capacitated facility-location instance as native tables and a scenario: docs/facility_location.md as code.

A facility is a data center, a customer a demand hub, and the only class has
a latency value that makes one millisecond one way cost one CNY per year and unit of demand.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from network_data.tariffs import HOURS_PER_DAY
from optimizer.units import HOURS_PER_YEAR

# Revenue share lost per 100 ms is 1, and a round trip is two ways: 1 / 100 x price x 2 x 8760 h = 1.
TOKEN_PRICE_CNY_PER_MTOK = 100.0 / (2.0 * HOURS_PER_YEAR)
# A pod takes 1 MW and does 1 mtok in an hour, so capacity in MW is capacity in units of demand. Its accelerators take
# 1 kW each: one of 1 MW, which no rack holds, would be warned of.
ACCELERATORS_PER_POD = 1_000
DECODE_TOK_PER_S = 1e6 / 3600.0 / ACCELERATORS_PER_POD
PLACE = {"country": "Plane", "province": "Plane", "region": "plane"}


@dataclass(frozen=True)
class FacilityInstance:
    """
    A capacitated facility-location problem.

    Attributes
    ----------
    opening_cost
        Fixed cost of each facility, f_i.
    capacity
        Units each facility can serve, u_i.
    demand
        Units each customer asks for, d_j > 0.
    assignment_cost
        Cost of serving all of customer j from facility i, c_ij, one row per facility.
    is_single_sourced
        Whether each customer must be served by one facility alone.
    """

    opening_cost: Sequence[float]
    capacity: Sequence[float]
    demand: Sequence[float]
    assignment_cost: Sequence[Sequence[float]]
    is_single_sourced: bool


def write_facility_files(folder: Path, instance: FacilityInstance) -> Path:
    """
    Write the network folder `plane` and the scenario beside it.

    Parameters
    ----------
    folder
        Where to write; made if need be.
    instance
        What to write.

    Returns
    -------
    Path
        The scenario file.
    """
    network = folder / "plane"
    network.mkdir(parents=True, exist_ok=True)
    for name, rows in _tables(instance).items():
        _write(network / f"{name}.csv", rows)
    _write(
        folder / "workloads.csv",
        (
            {"demand_hub": f"customer_{j}", "workload_class": "goods", "mtok_per_day": HOURS_PER_DAY * units}
            for j, units in enumerate(instance.demand)
        ),
    )
    _write(folder / "profiles.csv", ({"hour": hour, "flat": 1} for hour in range(24)))
    path = folder / "facility.yaml"
    path.write_text(_scenario(is_single_sourced=instance.is_single_sourced), encoding="utf-8")
    return path


def _tables(instance: FacilityInstance) -> dict[str, list[dict[str, Any]]]:
    facilities, customers = range(len(instance.capacity)), range(len(instance.demand))

    def node(kind: str, name: str, latitude_deg: float, number: int) -> dict[str, Any]:
        where = {"latitude_deg": latitude_deg, "longitude_deg": number % 180, **PLACE}
        return {"id": name, "name": name, "kind": kind, **where}

    return {
        "nodes": [
            *(node("demand_hub", f"customer_{j}", 0.0, j) for j in customers),
            *(node("data_center", f"facility_{i}", 1.0, i) for i in facilities),
        ],
        "data_centers": [
            {
                "id": f"facility_{i}",
                "name": f"Facility {i}",
                "node": f"facility_{i}",
                "category": "facility",
                **PLACE,
                "latitude_deg": 1.0,
                "longitude_deg": i % 180,
                "access_rtt_ms": 0,
                "it_capacity_mw": instance.capacity[i],
                "pue": 1,
                "tariff": "free",
                "grid": "clean",
                "opening_cny_per_year": instance.opening_cost[i],
            }
            for i in facilities
        ],
        "pools": [
            {"data_center": f"facility_{i}", "accelerator": "unit", "existing_pods": math.ceil(instance.capacity[i])}
            for i in facilities
        ],
        "links": [
            {
                "id": f"c{i}_{j}",
                "from_node": f"customer_{j}",
                "to_node": f"facility_{i}",
                "one_way_ms": instance.assignment_cost[i][j] / instance.demand[j],
                "capacity_gbps": 1,
            }
            for j in customers
            for i in facilities
        ],
        "tariffs": [{"tariff": "free", "months": "1-12", "period": "flat", "hours": "0-24", "price_cny_per_mwh": 0}],
        "grids": [{"id": "clean", "name": "Clean", "carbon_kg_per_kwh": 0}],
        "accelerators": [
            {
                "id": "unit",
                "name": "Unit",
                "accelerators_per_pod": ACCELERATORS_PER_POD,
                "idle_power_w": 0,
                "full_power_w": 1_000,
                "bf16_dense_tflops": 1,
                "prefill_tok_per_s": DECODE_TOK_PER_S,
                "decode_tok_per_s": DECODE_TOK_PER_S,
            }
        ],
    }


def _scenario(*, is_single_sourced: bool) -> str:
    return f"""\
name: facility
network: plane
demand: {{workloads_table: workloads.csv}}
demand_profiles_table: profiles.csv
workload_classes:
  goods:
    name: Goods
    input_tokens: 0
    output_tokens: 1
    bytes_per_output_token: 0
    demand_profile: flat
    token_price_cny_per_mtok: {TOKEN_PRICE_CNY_PER_MTOK!r}
    revenue_loss_share_per_100ms: 1
    indivisible: {str(is_single_sourced).lower()}
time: {{slices_per_day: 1}}
routing: {{max_links: 1}}
fleet: {{utilization_limit: 1, allow_purchase: false}}
"""


def _write(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    rows = list(rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
