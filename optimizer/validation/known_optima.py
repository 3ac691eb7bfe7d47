"""
Problems whose optimum is known: worked out by hand, and published in the literature.

The hand-worked ones are facility-location instances with prices: docs/facility_location.md says how one is written in
native tables. Those of the literature are the capacitated warehouse problems of the OR-Library (Beasley 1988, European
Journal of Operational Research 33, 314-325) with 16 warehouses and 50 customers: `warehouses.csv` holds demand and cost
of a unit, `warehouse_cases.csv` capacity, fixed cost (none at the free warehouse) and published optimum of each case.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd

from network_data.load import Network, load_network
from optimizer.runs.run import Run
from optimizer.runs.solve import solve_scenario
from optimizer.units import HOURS_PER_YEAR
from optimizer.validation.facility_files import FacilityInstance, write_facility_files

_HERE = Path(__file__).parent
OPTIMUM_TOLERANCE_SHARE = 1e-6
_GAP = 1e-7
_SHOWN = "hand-worked"


@dataclass(frozen=True)
class KnownOptimum:
    """
    A problem whose optimum is known.

    Attributes
    ----------
    name : str
        Of the problem.
    optimum_cny : float
        Known cost, CNY per year.
    why : str
        How it is known.
    write : callable
        Writes the problem into a folder and returns its scenario file.
    """

    name: str
    optimum_cny: float
    why: str
    write: Callable[[Path], Path]

    def solve(self, folder: Path) -> Run:
        """Write and solve the problem."""
        options = [f"solver.mip_rel_gap={_GAP}", "solver.time_limit_s=600", "solver.threads=1"]
        return solve_scenario(self.write(folder), options)


def known_optima(*, full: bool = False) -> Iterator[KnownOptimum]:
    """
    List the problems whose optimum is known.

    Parameters
    ----------
    full
        Whether to list all cases of the literature, not only some.
    """
    yield from _hand_worked()
    with (_HERE / "warehouse_cases.csv").open(encoding="utf-8", newline="") as text:
        cases = list(csv.DictReader(text))
    customers = pd.read_csv(_HERE / "warehouses.csv", index_col="customer")
    demand = customers.pop("demand_units")
    for case in cases:
        if not full and case["always"] != "yes":
            continue
        opening = [float(case["fixed_cost"])] * customers.shape[1]
        opening[int(case["free_warehouse"]) - 1] = 0.0
        instance = FacilityInstance(
            opening_cost=opening,
            capacity=[float(case["capacity_units"])] * customers.shape[1],
            demand=demand.tolist(),
            assignment_cost=customers.mul(demand, axis=0).T.to_numpy().tolist(),
            is_single_sourced=False,
        )
        yield KnownOptimum(
            f"OR-Library {case['case']}",
            float(case["optimum"]),
            "published optimum of 16 warehouses and 50 customers, shared sourcing",
            partial(write_facility_files, instance=instance),
        )


def _hand_worked() -> Iterator[KnownOptimum]:
    split = "two customers of 6 in a facility of 10 for nothing"
    for is_single, cost, why in (
        (False, 2.0, f"{split}, and 2 units in the other at 1 each"),
        (True, 6.0, f"{split} or undivided in the other, at 6: one has to go there"),
    ):
        instance = FacilityInstance([0.0, 0.0], [10.0, 10.0], [6.0, 6.0], [[0.0, 0.0], [6.0, 6.0]], is_single)
        name = f"{_SHOWN}: {'undivided' if is_single else 'divided'} customers"
        yield KnownOptimum(name, cost, why, partial(write_facility_files, instance=instance))
    instance = FacilityInstance([7.0, 8.0], [10.0, 10.0], [6.0, 5.0, 4.0], [[6.0, 20.0, 0.0], [30.0, 5.0, 8.0]], False)  # noqa: FBT003 - the last of five
    why = "opening 7 + 8, and each customer where it costs least, for 6 + 5 + 0: 6 + 4 units just fit in the first"
    yield KnownOptimum(f"{_SHOWN}: opening and capacity", 26.0, why, partial(write_facility_files, instance=instance))
    # One customer of 10 MW; 4 MW fit where energy is cheap. MW x PUE x CNY per MWh x hours.
    free = FacilityInstance([0.0, 0.0], [4.0, 20.0], [10.0], [[0.0], [0.0]], False)  # noqa: FBT003 - the last of five
    energy = (4.0 * 1.2 * 300.0 + 6.0 * 1.5 * 500.0) * HOURS_PER_YEAR
    why = "4 of 10 MW fit at PUE 1.2 and 300 CNY/MWh, 6 go to PUE 1.5 and 500 CNY/MWh"
    priced = partial(_write_priced, free, pue=(1.2, 1.5), price_cny_per_mwh=(300.0, 500.0), charge=(0.0, 0.0))
    yield KnownOptimum(f"{_SHOWN}: energy and PUE", energy, why, priced)
    # A charge of 40 CNY per kW and month is 55 CNY per MWh of an even load: 300 + 55 is more than 350.
    roomy = FacilityInstance([0.0, 0.0], [20.0, 20.0], [10.0], [[0.0], [0.0]], False)  # noqa: FBT003 - the last of five
    why = (
        "10 MW at 350 CNY/MWh: cheaper than 300 with a demand charge of 40 CNY per kW and month, which is 54.8 per MWh"
    )
    charged = partial(_write_priced, roomy, pue=(1.0, 1.0), price_cny_per_mwh=(300.0, 350.0), charge=(40.0, 0.0))
    yield KnownOptimum(f"{_SHOWN}: demand charge", 10.0 * 350.0 * HOURS_PER_YEAR, why, charged)


def _write_priced(
    instance: FacilityInstance,
    folder: Path,
    *,
    pue: tuple[float, ...],
    price_cny_per_mwh: tuple[float, ...],
    charge: tuple[float, ...],
) -> Path:
    """Write an instance whose facilities pay for energy."""
    scenario = write_facility_files(folder, instance)
    network: Network = load_network(folder / "plane")
    tariffs = pd.concat([network.tariffs] * len(pue), ignore_index=True)
    tariffs["tariff"] = [f"tariff_{number}" for number in range(len(pue))]
    tariffs["price_cny_per_mwh"] = price_cny_per_mwh
    centers = network.data_centers.assign(
        pue=pue, tariff=tariffs["tariff"].tolist(), demand_charge_cny_per_kw_month=charge
    )
    other = network.with_tables(tariffs=tariffs, data_centers=centers).folder
    text = scenario.read_text(encoding="utf-8").replace("network: plane\n", f'network: "{other}"\n')
    scenario.write_text(text, encoding="utf-8")
    return scenario
