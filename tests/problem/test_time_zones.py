"""Clocks of places: curves and tariffs are local, time slices follow the clock of the network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from network_files import Row, changed
from toy_scenario import ToyScenario

import edwc
from network_data import InputError, load_network
from network_data.clock import move_clock, standard_offset_h

# All requests come between 07:00 and 08:00 of the clock of their metro.
MORNING = "hour,day,flat\n" + "".join(f"{hour},{int(hour == 7)},1\n" for hour in range(24))
EXACT = {"solver.mip_rel_gap": 0.0, "solver.threads": 1}


def nodes_in(zone: str) -> dict[str, object]:
    def nodes(rows: list[Row]) -> list[Row]:
        rows = changed(rows, 0, demand_weight=1.0, time_zone=zone)
        return changed(rows, 1, demand_weight=0.0, time_zone="")

    return {"nodes": nodes}


def centers_in(zone: str) -> dict[str, object]:
    def centers(rows: list[Row]) -> list[Row]:
        alike = {"pue": 1.3, "demand_charge_cny_per_kw_month": 0.0, "time_zone": zone}
        return [{**row, **alike} for row in rows]

    return {"data_centers": centers, "tariffs": lambda rows: changed(rows, 2, price_cny_per_mwh=450.0)}


@pytest.mark.parametrize(
    ("hub", "center", "place", "price"),
    [
        # East costs 300 until 08:00 and 600 from then on, west always 450.
        ("", "", "dc_east", 300.0),
        ("UTC+9", "", "dc_east", 300.0),  # an hour ahead: its 07:00 is 06:00 on the clock of the network
        ("UTC+7", "", "dc_west", 450.0),  # an hour behind: its 07:00 is 08:00
        ("UTC+7", "UTC+7", "dc_east", 300.0),  # where it is 07:00, too
        ("", "UTC+9", "dc_west", 450.0),  # the tariff is at 08:00 already
    ],
)
def test_hour_of_a_metro_meets_the_hour_of_a_tariff(
    tmp_path: Path, hub: str, center: str, place: str, price: float
) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "network.yaml").write_text("time_zone: Asia/Shanghai\n", encoding="utf-8")
    toy = ToyScenario(tmp_path)
    chat = {"share_of_tokens": 1.0, "revenue_loss_share_per_100ms": 0.0}
    toy(chat=chat, batch={"share_of_tokens": 0.0}, tables=nodes_in(hub) | centers_in(center))  # type: ignore[arg-type]
    (tmp_path / "profiles.csv").write_text(MORNING, encoding="utf-8")
    run = edwc.solve(tmp_path / "toy.yaml", EXACT | {"time.slices_per_day": 24})
    served = run.data_centers["mtok_per_year"]
    assert served[place] == pytest.approx(2_400 * 365)
    assert served.sum() == pytest.approx(served[place])
    energy_mwh = run.summary["energy_mwh_per_year"]
    assert run.component_cny["energy"] == pytest.approx(price * energy_mwh)


def test_half_an_hour_is_shared_by_two_hours() -> None:
    hourly = np.zeros(24)
    hourly[7] = 24.0
    moved = move_clock(hourly, standard_offset_h("+07:30") - standard_offset_h("Asia/Shanghai"))
    assert np.flatnonzero(moved).tolist() == [7, 8]
    assert moved[[7, 8]].tolist() == [12.0, 12.0]
    assert move_clock(hourly, 5.75)[[1, 2]].tolist() == [18.0, 6.0]


def test_standard_time_counts_all_year() -> None:
    zones = {"Europe/Dublin": 0.0, "Australia/Sydney": 10.0, "Asia/Kathmandu": 5.75, "America/St_Johns": -3.5}
    assert {zone: standard_offset_h(zone) for zone in zones} == zones


@pytest.mark.parametrize(
    ("settings", "zone", "told"),
    [
        ("", "UTC+7", "network.yaml states none"),
        ("time_zone: UTC+8\n", "Europe/Pari", "Did you mean 'Europe/Paris'"),
        ("time_zone: UTC+8:10\n", "", "is no offset of any clock"),
        ("currency: euro\n", "", "is not a currency code"),
        ("curency: EUR\n", "", "Did you mean 'currency'"),
        ("regions: west\n", "", "is not a list of regions"),
        ("currency: [\n", "", "is not well-formed YAML"),
    ],
)
def test_faults_of_settings_say_where_and_what(tmp_path: Path, settings: str, zone: str, told: str) -> None:
    ToyScenario(tmp_path)(tables=nodes_in(""))  # type: ignore[arg-type]
    folder = tmp_path / "net"
    text = (folder / "nodes.csv").read_text(encoding="utf-8")
    (folder / "nodes.csv").write_text(text.replace("0.0,\n", f"0.0,{zone}\n", 1), encoding="utf-8")
    (folder / "network.yaml").write_text(settings, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_network(folder)
    (fault,) = caught.value.faults
    assert told in str(fault)
    assert fault.row is not None
