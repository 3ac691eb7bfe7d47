"""
A frontier that can be worked out by hand: the toy network with one chip, a near dear data center and a far cheap one.

Round trips are 2 x (4.9 us per km + 0.1 ms per link) + 1 ms: metro_a to east 2.18 and to west 11.2 ms, metro_b to east
6.3 and to west 7.08 ms. Each token of chat takes 0.75 x 0.5 / 4,000 + 0.25 / 1,000 seconds of a chip, a million of them
343.75 s; at 1 kW that is 0.0954861 kWh, times PUE and price. A millisecond costs 0.01 / 100 x 2 CNY x 3 calls.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from network_files import Row
from toy_scenario import ToyScenario

RTT_MS = {("a", "east"): 2.18, ("a", "west"): 11.2, ("b", "east"): 6.3, ("b", "west"): 7.08}
MTOK_A, MTOK_B = 0.75 * 876_000.0, 0.25 * 876_000.0
KWH_PER_MTOK = 343.75 / 3600.0
ENERGY_CNY_PER_MTOK = {"east": KWH_PER_MTOK * 1.3 * 0.6, "west": KWH_PER_MTOK * 1.2 * 0.3}
LATENCY_CNY_PER_MS = 0.0006
# Every plan costs the same plus this or that: nothing is open, deployed, bought or switched on at a price.
EXACT = ("solver.mip_rel_gap=1e-9", "solver.threads=1")


def cost_cny(metro: str, place: str) -> float:
    """Cost of a million tokens."""
    return ENERGY_CNY_PER_MTOK[place] + LATENCY_CNY_PER_MS * RTT_MS[metro, place]


def energy_cny(of_a: str, of_b: str) -> float:
    """Energy bill where each metro uses one data center."""
    return MTOK_A * ENERGY_CNY_PER_MTOK[of_a] + MTOK_B * ENERGY_CNY_PER_MTOK[of_b]


def total_cny(of_a: str, of_b: str) -> float:
    """Cost of a year where each metro uses one data center."""
    return MTOK_A * cost_cny("a", of_a) + MTOK_B * cost_cny("b", of_b)


def write_two_places(folder: Path, *, chat: dict[str, Any] | None = None, **tables: Any) -> Path:
    """Write the scenario and its network; returns the scenario file. All tokens are chat, all hours are alike."""

    def one_price(rows: list[Row]) -> list[Row]:
        return [{**row, "price_cny_per_mwh": 600.0} if row["tariff"] == "tariff_east" else row for row in rows]

    def free(column: str) -> Any:
        return lambda rows: [{**row, column: 0.0} for row in rows]

    ToyScenario(folder)(
        chat={"share_of_tokens": 1.0, "demand_profile": "flat", "rtt_limit_ms": 50} | (chat or {}),
        batch={"share_of_tokens": 0.0},
        tables={
            "tariffs": one_price,
            "accelerators": free("idle_power_w"),
            "links": free("price_cny_per_gbps_month"),
            "data_centers": free("demand_charge_cny_per_kw_month"),
        }
        | tables,
        fleet={"allow_purchase": False, "inference_stock_share": 1.0, "utilization_limit": 1.0},
        time={"slices_per_day": 1},
    )
    return folder / "toy.yaml"
