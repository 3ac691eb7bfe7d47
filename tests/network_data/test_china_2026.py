"""The built-in network: its size, its sources, and figures worked out by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from network_data import Network, hourly_prices, list_networks, load_network

TABLES = ("nodes", "data_centers", "pools", "links", "tariffs", "grids", "accelerators")


@pytest.fixture(scope="module")
def china() -> Network:
    return load_network("china_2026")


def test_built_in_network_has_the_stated_size(china: Network) -> None:
    assert list_networks() == ["china_2026"]
    assert len(china.nodes) == 60
    assert china.nodes["kind"].value_counts().to_dict() == {
        "demand_hub": 42,
        "data_center": 11,
        "junction": 7,
    }
    assert len(china.links) == 124
    assert china.data_centers["category"].value_counts().to_dict() == {
        "alternative": 14,
        "national_cluster": 10,
    }
    assert len(china.grids) == 30
    assert china.tariffs["tariff"].nunique() == 42
    assert len(china.accelerators) == 12
    assert china.pools["data_center"].tolist() == china.data_centers.index.tolist()
    assert china.basemap is not None
    assert not {"huailai", "zhangbei"} & set(china.data_centers.index)


@pytest.mark.parametrize("table", TABLES)
def test_every_built_in_row_has_source_and_confidence(china: Network, table: str) -> None:
    frame = getattr(china, table)
    for column in ("source", "confidence", "field_confidence"):
        assert (frame[column] != "").all()


def test_built_in_weights_regions_and_stock(china: Network) -> None:
    assert china.nodes["demand_weight"].sum() == pytest.approx(1.0, abs=1e-4)
    assert china.nodes.loc["shanghai", "demand_weight"] == 0.08225
    regions = china.data_centers["region"].value_counts().to_dict()
    assert regions == {"east": 10, "west": 10, "central": 4}
    stock = china.pools.set_index("data_center")["stock_pflops"]
    assert stock["horinger"] == 122_000 * 0.96
    assert stock["zhangjiakou"] == 255_000
    # 600 MW times the mean of 255/2, 26/0.8, 135/1.1, 117.12/1.1, 66/0.5, 130/0.7 PFLOPS per MW, rounded.
    assert stock["yrd_demo"] == 70_700
    reported = china.pools["confidence"] == "reported"
    assert china.pools.loc[reported, "stock_pflops"].sum() == 746_120


def test_built_in_prices_by_hand(china: Network) -> None:
    prices = hourly_prices(china.tariffs)
    # Jiangsu in July: 3 h sharp, 5 h peak, 8 h flat, 8 h valley of 620 CNY/MWh, 95 % of it floating.
    july = (3 * 1232.6 + 5 * 1032.3 + 8 * 620.0 + 8 * 237.1) / 24
    assert prices["jiangsu"][6].mean() == pytest.approx(july)
    assert july == pytest.approx(654.8, abs=0.05)
    assert prices["jiangsu"][6, 19] == pytest.approx((1032.3 + 1232.6) / 2)
    assert prices["jiangsu"][3].mean() == pytest.approx(612.6, abs=0.05)
    assert (prices["dc_zhongwei"] == 360.0).all()
    assert (prices["dc_qingyang"] == 398.0).all()
    special = china.data_centers["tariff"].str.startswith("dc_")
    assert (china.data_centers.loc[special, "demand_charge_cny_per_kw_month"] == 0).all()
    assert (china.data_centers.loc[~special, "demand_charge_cny_per_kw_month"] == 40).all()
    assert special.sum() == 9


def test_built_in_links_are_longer_than_the_great_circle(china: Network) -> None:
    radius_km = 6371.0
    ends = [
        np.radians(china.nodes.loc[china.links[column], ["latitude_deg", "longitude_deg"]].to_numpy())
        for column in ("from_node", "to_node")
    ]
    (lat_a, lon_a), (lat_b, lon_b) = ends[0].T, ends[1].T
    cosine = np.sin(lat_a) * np.sin(lat_b) + np.cos(lat_a) * np.cos(lat_b) * np.cos(lon_a - lon_b)
    great_circle_km = radius_km * np.arccos(cosine)
    assert (china.links["length_km"].to_numpy() > 1.2 * great_circle_km).all()
    per_km = china.links["price_cny_per_gbps_month"] / china.links["length_km"]
    assert per_km.to_numpy() == pytest.approx(1.2, abs=2e-3)


def test_built_in_places_are_spelled_alike(china: Network) -> None:
    assert set(china.nodes["country"]) == set(china.data_centers["country"]) == {"China"}
    assert set(china.data_centers["province"]) <= set(china.nodes["province"])
    assert set(china.nodes["region"]) == set(china.data_centers["region"]) == {"east", "central", "west"}


def test_existing_stock_fits_into_the_power_of_its_data_center(china: Network) -> None:
    chip = china.accelerators.loc["ascend_910c"]
    stock = china.pools.set_index("data_center")["stock_pflops"]
    power_mw = stock * 1e3 / chip["bf16_dense_tflops"] * chip["full_power_w"] / 1e6
    assert (power_mw <= china.data_centers["it_capacity_mw"]).all()


def test_accelerator_rates_stand_on_one_basis(china: Network) -> None:
    chips = china.accelerators
    # DeepSeek's day, by node of 8: 32,206 input tokens per second without cache hits, 14,800 output tokens.
    h800 = chips.loc["h800"]
    assert h800["prefill_tok_per_s"] * h800["prefill_fleet_share"] * 8 == pytest.approx(32_206, rel=1e-3)
    assert h800["decode_tok_per_s"] * h800["decode_fleet_share"] * 8 == pytest.approx(14_800, rel=1e-3)
    # No other fleet average is published: its shares stand for all, but for a prefill measured on uneven experts.
    others = chips.drop("h20")
    assert set(others["prefill_fleet_share"]) == {h800["prefill_fleet_share"]}
    assert set(chips["decode_fleet_share"]) == {h800["decode_fleet_share"]}
    stated = chips["decode_tpot_ms"].notna()
    assert chips.index[~stated].tolist() == ["mlu590", "kunlun_p800", "hygon_k100ai", "thead_ppu"]
    assert chips.loc[stated, "decode_tpot_ms"].between(50, 55).all()


def test_built_in_tables_survive_parquet(china: Network, tmp_path: Path) -> None:
    for table in TABLES:
        frame = getattr(china, table)
        frame = frame.reset_index() if frame.index.name == "id" else frame
        frame.to_parquet(tmp_path / f"{table}.parquet", index=False)
    copy = load_network(tmp_path)
    for table in TABLES:
        pd.testing.assert_frame_equal(getattr(copy, table), getattr(china, table))
