"""`edwc price` and `run.price`: what a data center does and is worth, on a small run, held against its own tables."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from commands import edwc
from toy_scenario import ToyScenario

from network_data.faults import InputError
from optimizer.runs import data_center_price
from optimizer.runs.run import Run, open_run
from optimizer.text.data_center import describe_data_center, describe_data_centers
from optimizer.words.amounts import counting


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("price")
    ToyScenario(folder)(solver={"threads": 1, "mip_rel_gap": 1e-6})
    edwc("solve", folder / "toy.yaml", "--out", folder / "run")
    return open_run(folder / "run")


def test_numbers_are_those_of_the_tables(run: Run) -> None:
    found = run.prices()
    assert [one.mtok_per_year for one in found] == sorted((one.mtok_per_year for one in found), reverse=True)
    assert sum(one.token_share for one in found) == pytest.approx(1.0)
    total = sum(sum(one.cost_cny_per_year.values()) for one in found)
    assert total == pytest.approx(run.cost_cny_per_year)
    prices = run.shadow_prices.set_index(["kind", "id"])["value"]
    for one in found:
        assert sum(hour.mtok_per_h * hour.weight_h for hour in one.hours) == pytest.approx(one.mtok_per_year)
        drawn = sum(hour.facility_power_mw * hour.weight_h for hour in one.hours)
        paid = sum(hour.facility_power_mw * hour.weight_h * hour.price_cny_per_mwh for hour in one.hours)
        assert paid == pytest.approx(one.cost_cny_per_year.get("energy", 0.0))
        if drawn:
            assert one.price_cny_per_mwh == pytest.approx(paid / drawn)
        for limit in one.limits:
            names = {"pods": ("existing_pod", f"{one.data_center}/{limit.id}")}
            assert limit.value_cny_per_year == prices[names.get(limit.kind, (limit.kind, limit.id))]
            assert limit.most_used <= limit.available * (1 + 1e-6)
            assert limit.binds == (limit.most_used >= limit.available * (1 - 1e-6) > 0)
        differences = [other.difference_cny_per_mtok for other in one.others]
        assert differences == sorted(differences)


def test_tables_are_split_once_for_all_data_centers(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page prices them all: looking through every table for each of them took most of its time."""
    split, seen = data_center_price._split, list[str]()

    def count(table: pd.DataFrame, column: str) -> dict[str, pd.DataFrame]:
        seen.append(f"{column} of {len(table)} rows in {len(table.columns)} columns")
        return split(table, column)

    monkeypatch.setattr(data_center_price, "_split", count)
    together = run.prices()
    of_all = [text for text in seen if not text.startswith("other")]
    assert len(of_all) == len(set(of_all)) == 7
    # Whatever is split for one alone gives the same numbers; the texts hold all of them, NaN too.
    alone = [data_center_price.price_data_center(run, one.data_center, with_opening=False) for one in together]
    assert list(map(repr, alone)) == list(map(repr, together))
    for one in together:
        flows = run.allocation[run.allocation["data_center"] == one.data_center]
        assert one.mtok_per_year == pytest.approx(flows["mtok_per_year"].sum())
        asked = flows.groupby("demand_hub")["mtok_per_year"].sum()
        assert {hub: share * one.mtok_per_year for hub, share in one.hub_share.items()} == pytest.approx(
            asked[asked > 0].to_dict()
        )
        assert [hour.it_power_mw for hour in one.hours] == run.hourly(one.data_center)["it_power_mw"].tolist()


def test_a_used_data_center_in_words_and_in_json(run: Run) -> None:
    most = run.prices()[0]
    out, err = edwc("price", run.folder, most.name.upper())
    assert err == ""
    with counting([run.cost_cny_per_year]):
        assert out == describe_data_center(run.price(most.data_center)) + "\n"
    for words in ("pays for energy", "What binds", "1 MW more of IT power: ", "next dearer: ", "CNY/MWh"):
        assert words in out
    told = json.loads(edwc("price", run.folder, most.data_center, "--json")[0])
    assert told["mtok_per_year"] == pytest.approx(most.mtok_per_year)
    assert len(told["hours"]) == len(run.slices)


def test_an_unused_data_center_says_why(run: Run) -> None:
    idle = next(one for one in run.prices() if not one.is_open)
    out, _ = edwc("price", run.folder, idle.data_center)
    assert "closed, nothing is served there" in out
    assert "of all tokens have a way there" in out
    assert "opening it costs" in out
    assert "1 MW more of IT power: nothing; it is closed" in out
    one = run.price(idle.data_center)
    # The plan is optimal: no opening pays.
    assert one.most_saved_cny_per_year <= one.opening_cny_per_year + 1e-6 * run.cost_cny_per_year
    assert one.could_serve is not None
    assert sum(one.could_serve.kept_out_share.values()) == pytest.approx(1.0)


def test_all_are_listed_and_an_unknown_one_is_told(run: Run) -> None:
    out = edwc("price", run.folder)[0]
    with counting([run.cost_cny_per_year]):
        assert out == describe_data_centers(run.prices()) + "\n"
    assert [row["data_center"] for row in json.loads(edwc("price", run.folder, "--json")[0])] == [
        one.data_center for one in run.prices()
    ]
    known = run.prices()[0].data_center
    assert f"Did you mean '{known}'" in edwc("price", run.folder, f"{known}x", code=1)[1]
    with pytest.raises(InputError, match="has no such data center"):
        run.price("nowhere at all")


def test_a_run_without_prices_leaves_them_out(run: Run) -> None:
    tables = {name: table for name, table in run.tables.items() if name not in {"work_elsewhere", "shadow_prices"}}
    bare = Run(run.info, folder=run.folder, tables=tables, inputs=run.inputs)
    text = describe_data_center(bare.price(run.prices()[0].data_center))
    assert "1 MW more of IT power: not computed" in text
    assert "not computed: the solve was stopped" in text
