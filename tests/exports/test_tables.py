"""Tables of runs that are no layers: each can be exported, and each of their columns is described."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from report_runs import solve_hostile

from network_data.faults import InputError
from optimizer.exports.columns import describe_column, run_tables, sheet_column, texts_in_currency
from optimizer.exports.export import export_run
from optimizer.exports.layers import GisOptions
from optimizer.runs.folder import read_csv_table
from optimizer.runs.run import Run, open_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return open_run(solve_hostile(tmp_path_factory.mktemp("toy")))


def test_every_table_and_column_of_a_run_is_described_in_both_languages(run: Run) -> None:
    assert set(run.tables) <= set(run_tables())
    for name in run.tables:
        assert all(run_tables()[name].rows.values())
        for column in run.tables[name]:
            assert describe_column(column, name) is not None, f"{name}.{column}"
            assert all(sheet_column(name, column, lang).meaning for lang in ("en", "zh")), f"{name}.{column}"


@pytest.mark.parametrize("name", ["costs", "shadow_prices", "unserved"])
def test_table_without_places_is_exported_as_it_is_stored(run: Run, tmp_path: Path, name: str) -> None:
    stored = run.tables[name]
    run.export(tmp_path / "a.parquet", layer=name)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "a.parquet"), stored)
    run.export(tmp_path / "a.csv", layer=name)
    texts = [column for column in stored if not pd.api.types.is_numeric_dtype(stored[column])]
    again = read_csv_table(tmp_path / "a.csv", texts)
    filled = again.assign(**{column: again[column].fillna("").astype("str") for column in texts})
    pd.testing.assert_frame_equal(filled, stored, check_dtype=False)


@pytest.mark.parametrize(
    ("target", "layer", "words"),
    [
        ("a.gpkg", "costs", ["is a table without places", ".csv, .parquet, .xlsx"]),
        ("a.csv", "failover", ["is a table that this run does not have", "shadow_prices"]),
        ("a.csv", "shadow_price", ["is no layer of a run"]),
        ("a.csv", None, ["one layer", "shadow_prices"]),
    ],
)
def test_table_that_cannot_be_had_is_refused(
    run: Run, tmp_path: Path, target: str, layer: str | None, words: list[str]
) -> None:
    with pytest.raises(InputError) as caught:
        export_run(run, tmp_path / target, gis=GisOptions(layer))
    assert all(word in str(caught.value) for word in words), caught.value
    assert not list(tmp_path.iterdir())


def test_only_our_texts_name_another_currency_and_what_is_missing_stays_missing() -> None:
    table = pd.DataFrame({"unit": ["CNY per MW", None], "name": ["CNY", "b"], "sentence": ["worth 3 CNY", np.nan]})
    told = texts_in_currency(table, "EUR")
    assert told["name"].tolist() == ["CNY", "b"]  # the user's
    assert told["unit"].iloc[0] == "EUR per MW"
    assert told["sentence"].iloc[0] == "worth 3 EUR"
    assert told[["unit", "sentence"]].iloc[1].isna().all()
