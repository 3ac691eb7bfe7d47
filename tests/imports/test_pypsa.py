"""Networks of PyPSA, in and out: what PyPSA itself writes is imported, and what we write, PyPSA reads and uses."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyproj
import pytest
from commands import edwc
from run_files import CENTERS, write_run

import edwc as front_door
from network_data.faults import InputError
from network_data.plausibility import great_circle_km
from optimizer.imports import pypsa_network

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of its dependencies
    import pypsa

pytestmark = pytest.mark.filterwarnings("ignore")  # PyPSA warns of versions to come


def grid() -> Any:
    """Three places, a heat bus beside one, two circuits and a cable, loads that vary and one that feeds in."""
    network = pypsa.Network(name="toy grid")
    network.set_snapshots(pd.date_range("2013-01-01", periods=2, freq="h"))
    network.snapshot_weightings["objective"] = [1.0, 3.0]
    network.add("Bus", ["north", "south", "isle"], x=[10.0, 11.0, 9.0], y=[54.0, 48.0, 55.0], carrier="AC")
    network.add("Bus", "nowhere", carrier="AC")  # at 0, 0, as PyPSA has it
    network.add("Bus", "heat", x=10.0, y=54.0, carrier="urban central heat")
    network.add("Line", ["c1", "c2"], bus0=["north", "south"], bus1=["south", "north"], length=[800.0, 820.0], x=0.1)
    network.add("Line", "short", bus0="south", bus1="nowhere", length=0.0, x=0.1)
    network.add("Link", "cable", bus0="isle", bus1="north", length=5.0)
    network.add("Link", "pump", bus0="north", bus1="heat")
    network.add("Load", "l1", bus="north", p_set=pd.Series([100.0, 20.0], index=network.snapshots))
    network.add("Load", ["l2", "l3", "l4"], bus=["south", "isle", "heat"], p_set=[60.0, -5.0, 1000.0])
    return network


@pytest.mark.parametrize("kind", ["netcdf", "csv"])
def test_grid_becomes_a_network_weighted_by_its_loads(tmp_path: Path, kind: str) -> None:
    source = tmp_path / ("grid.nc" if kind == "netcdf" else "grid")
    (grid().export_to_netcdf if kind == "netcdf" else grid().export_to_csv_folder)(str(source))
    found = front_door.import_network(source, tmp_path / "net")
    network = found.network
    assert network.nodes.index.tolist() == ["north", "south", "isle", "nowhere"]
    # North: (100 + 3 x 20) / 4 = 40 MW; what isle feeds in is no demand; the load on heat is that of another bus.
    assert network.nodes["demand_weight"].tolist() == [0.4, 0.6, 0.0, 0.0]
    assert network.nodes.loc["nowhere", ["latitude_deg", "longitude_deg"]].tolist() == [48.0, 11.0]
    assert network.links["length_km"].to_dict() == pytest.approx(
        {
            "north_south": 800.0,  # the shorter circuit
            "nowhere_south": 1.0,
            "isle_north": 1.3 * great_circle_km((55, 9), (54, 10)),  # 5 km is below the great circle
        },
        abs=0.05,
    )
    texts = " ".join(f"{note.text} {note.items}" for note in found.notes)
    for word in ("urban central heat", "isle to north, 5 km", "mean load", "nowhere"):
        assert word in texts


def test_coordinates_of_another_system_become_degrees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = pypsa.Network()
    network.add("Bus", ["a", "b"], x=[500000.0, 600000.0], y=[5500000.0, 5500000.0])
    network.add("Line", "l", bus0="a", bus1="b", x=0.1)
    # PyPSA 1.4 neither sets nor reads another system where geopandas is of 1.2.
    network._crs = pyproj.CRS.from_epsg(32632)
    monkeypatch.setattr(pypsa_network, "_open", lambda _: network)
    (tmp_path / "utm.nc").touch()
    nodes = front_door.import_network(tmp_path / "utm.nc", tmp_path / "net").network.nodes
    # 500,000 east is the middle of zone 32, 9 degrees.
    assert nodes.loc["a", ["latitude_deg", "longitude_deg"]].tolist() == pytest.approx([49.65, 9.0], abs=0.01)


def test_file_that_is_no_network_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.nc").write_bytes(b"\x89HDF\r\n\x1a\nrubbish")
    with pytest.raises(InputError, match="cannot be read by PyPSA"):
        front_door.import_network(tmp_path / "a.nc", tmp_path / "net")


def test_loads_of_a_run_can_be_put_on_a_grid(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    slices = pd.read_parquet(folder / "data_centers_by_slice.parquet")
    slices["facility_power_mw"] = slices["mtok_per_h"].fillna(0.0) / 10 + slices["hour"]
    slices.to_parquet(folder / "data_centers_by_slice.parquet")
    out, _ = edwc("export", folder, "--to", folder / "loads.nc")
    assert out == f"wrote {folder / 'loads.nc'}\n"

    loads = pypsa.Network(str(folder / "loads.nc"))
    assert loads.buses.index.tolist() == list(CENTERS)
    assert loads.buses.loc["dc_delta", ["x", "y"]].tolist() == [106.0, 26.4]
    # dc_delta serves 375 million tokens an hour all day.
    assert loads.loads_t.p_set["dc_delta"].tolist() == pytest.approx([37.5 + hour for hour in range(24)])
    assert (loads.snapshot_weightings["objective"] == 365.0).all()
    assert loads.snapshots[5] == pd.Timestamp("2000-01-01 05:00")
    assert json.loads(json.dumps(loads.meta["edwc"]))["run"] == "run"

    # As the page says: each load to the nearest bus of a grid, hour by hour of the day.
    network = grid()
    at = network.buses[network.buses["carrier"] == "AC"]
    by_hour = loads.loads_t.p_set.groupby(loads.snapshots.hour).mean()
    power = by_hour.loc[network.snapshots.hour].set_index(network.snapshots)
    nearest = [at.index[np.hypot(at["x"] - x, at["y"] - y).argmin()] for x, y in loads.buses[["x", "y"]].to_numpy()]
    network.add("Load", loads.loads.index, bus=nearest, p_set=power)
    assert network.loads_t.p_set["dc_delta"].tolist() == pytest.approx([37.5, 38.5])
    assert set(network.loads.loc[list(CENTERS), "bus"]) <= set(at.index)


def test_run_without_power_by_hour_says_so(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    assert "does not store the power" in edwc("export", folder, "--to", tmp_path / "a.nc", code=1)[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]
