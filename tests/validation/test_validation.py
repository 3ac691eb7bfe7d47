"""The model beside published results and known optima: figures that a reader can check, misses that stay."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from network_data import load_network
from optimizer.api.validation import validate as validate_to_file
from optimizer.cli.main import main
from optimizer.text.validation import describe_validation, validation_markdown
from optimizer.validation import validation
from optimizer.validation.known_optima import KnownOptimum, known_optima
from optimizer.validation.published import _WORKED_OUT, OurFigures, PublishedFigure, published_figures
from optimizer.validation.validation import OPTIMA_COLUMNS, PUBLISHED_COLUMNS, Validation

PAGE = Path(__file__).parents[2] / "docs" / "validation.md"
FIGURES = {item.figure: item for item in published_figures()}
OPTIMA = {known.name: known for known in known_optima(full=True)}
# What needs no solve of the base scenario.
OF_TABLES = (
    "carbon_grid_first", "carbon_first", "carbon_grid_second", "carbon_second", "accelerator_hour",
    "between_clusters_ms", "cities_in_reach", "prompt_chip_wh", "flexible_eur_per_mwh", "benefit_over_capital",
)  # fmt: skip


@pytest.fixture(scope="module")
def ours() -> OurFigures:
    return OurFigures()


# ---------------------------------------------------------------- known optima


@pytest.mark.parametrize("name", ["OR-Library cap41", "OR-Library cap64", "hand-worked: energy and PUE"])
def test_known_optimum_is_found_and_proved(tmp_path: Path, name: str) -> None:
    known = OPTIMA[name]
    run = known.solve(tmp_path)
    assert run.cost_cny_per_year == pytest.approx(known.optimum_cny, rel=1e-7)
    assert run.bound_cny_per_year == pytest.approx(known.optimum_cny, rel=1e-6)
    assert run.verify().is_verified


def test_typed_tables_are_those_of_the_literature() -> None:
    """Sums and single cells of the instance, read off its file rather than off ours."""
    table = pd.read_csv(validation.__file__.replace("validation.py", "warehouses.csv"), index_col="customer")
    demand = table.pop("demand_units")
    assert (len(table), table.shape[1], demand.sum(), demand.max()) == (50, 16, 58268, 12912)
    cost = table.mul(demand, axis=0)
    assert cost.loc[1, "warehouse_1"] == pytest.approx(6739.725)
    assert cost.loc[50, "warehouse_16"] == pytest.approx(7448.1)
    assert cost.loc[34, "warehouse_13"] == pytest.approx(1361570.4)
    assert cost.loc[23, "warehouse_11"] == 0.0
    # Without capacity and fixed costs each customer takes its cheapest warehouse: no published optimum is below.
    assert cost.min(axis=1).sum() < min(known.optimum_cny for name, known in OPTIMA.items() if "Library" in name)
    assert sum(name.startswith("OR-Library") for name in OPTIMA) == 13


def test_a_wrong_optimum_is_a_miss_and_ends_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    known = OPTIMA["hand-worked: divided customers"]
    wrong: list[KnownOptimum] = [known, replace(known, optimum_cny=2.001)]
    monkeypatch.setattr(validation, "known_optima", lambda **_: wrong)
    monkeypatch.setattr(validation, "published_figures", lambda: [FIGURES["curtailment_absorbed"]])
    assert main(["validate", "--json", "--quiet"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert [row["passed"] for row in found["optima"]] == [True, False]
    assert found["is_sound"] is False
    assert (found["published"][0]["ours"], found["published"][0]["passed"]) == (None, False)
    monkeypatch.setattr(validation, "known_optima", lambda **_: wrong[:1])
    assert main(["validate", "--quiet"]) == 0  # a published figure that misses is no fault of the program
    out = capsys.readouterr().out
    assert "miss" in out
    assert "1 of 1 known optima were found, 1 of 1 plans verified." in out


# ---------------------------------------------------------------- published figures


@pytest.mark.parametrize(
    ("figure", "value"),
    [
        # Official factors of 2022: Sichuan over Shanghai, Inner Mongolia over Beijing.
        ("carbon_grid_first", 0.1404 / 0.5849 - 1),
        ("carbon_grid_second", 0.6849 / 0.558 - 1),
        # As a separate search of the shortest ways found them: 14.3 ms at most, and 33 of the 42 metros (79 %).
        ("between_clusters_ms", 14.3),
        ("cities_in_reach", 33 / 42),
    ],
)
def test_figures_of_tables_are_those_worked_out_by_hand(ours: OurFigures, figure: str, value: float) -> None:
    assert ours.work_out(FIGURES[figure]) == pytest.approx(value, rel=5e-3)


def test_the_published_day_is_solved_and_its_mean_is_circular(ours: OurFigures) -> None:
    # (608 - 342) billion over 4,025.9 and 168 billion over 1,850 tokens a second, over 8 cards and 86,400 seconds.
    nodes = (266e9 / 4025.9 + 168e9 / 1850) / 86_400 / 8
    assert ours.work_out(FIGURES["nodes_mean"]) == pytest.approx(nodes, rel=1e-4)
    assert FIGURES["nodes_mean"].role == "circular"
    peak = ours.work_out(FIGURES["nodes_peak"])
    assert peak == pytest.approx(nodes * 1.3261 * 24 / 24.0002, rel=1e-4)  # highest hour of the curve over its mean
    assert ours.work_out(FIGURES["nodes_peak_headroom"]) == pytest.approx(peak / 0.8, rel=1e-4)
    assert not FIGURES["nodes_peak_headroom"].holds(peak / 0.8)


def test_figures_follow_the_tables() -> None:
    ours = OurFigures()
    item = FIGURES["carbon_first"]
    before = ours.work_out(item)
    network = load_network("china_2026")
    centers = network.data_centers.copy()
    centers.loc[item.inputs["to"], "pue"] *= 1.5
    ours.network = network.with_tables(data_centers=centers)
    assert ours.work_out(item) + 1 == pytest.approx(1.5 * (before + 1))


def test_every_published_figure_has_a_source_a_reason_and_a_way_to_work_it_out() -> None:
    assert set(FIGURES) == set(_WORKED_OUT)
    assert len(FIGURES) == len(published_figures())
    assert {item.result for item in FIGURES.values()} == set(range(1, 9))
    for item in FIGURES.values():
        assert item.why.endswith(".")
        assert item.source
        assert item.read_as in {"abstract", "press", "evaluation"}
        assert item.role in {"test", "circular", "context"}
        assert item.low <= item.high


@pytest.mark.parametrize(
    ("low", "high", "tolerance", "value", "holds"),
    [
        (10.0, 20.0, 0.1, 22.0, True),
        (10.0, 20.0, 0.1, 22.1, False),
        (10.0, 20.0, 0.1, 8.9, False),
        (-math.inf, 20.0, 0.0, -5.0, True),
        (0.6, math.inf, 0.0, 0.59, False),
        (-1.36, -1.22, 0.1, -1.4, True),
        (-1.36, -1.22, 0.1, 1.3, False),
        (0.0, 1.0, 0.5, math.nan, False),
    ],
)
def test_tolerance_is_a_share_of_the_nearer_end(
    low: float, high: float, tolerance: float, value: float, *, holds: bool
) -> None:
    item = replace(FIGURES["carbon_first"], low=low, high=high, tolerance_share=tolerance)
    assert item.holds(value) is holds


# ---------------------------------------------------------------- the page


def cells_of_page() -> dict[str, list[str]]:
    rows = [line.strip("| ").split(" | ") for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:1] == "|"]
    return {row[1]: row for row in rows if len(row) == 8}


def test_page_lists_every_figure_with_its_miss_and_is_up_to_date(ours: OurFigures) -> None:
    rows = cells_of_page()
    for item in FIGURES.values():
        row = rows[f"{item.quantity}, {item.unit}"]
        assert row[6] == item.why
        assert row[5].startswith(("pass", "miss"))
        assert item.role == "test" or item.role in row[5]
    for figure in OF_TABLES:
        item = FIGURES[figure]
        value = ours.work_out(item)
        row = rows[f"{item.quantity}, {item.unit}"]
        assert float(row[3]) == pytest.approx(value, rel=5e-3), figure
        assert row[5].startswith("pass" if item.holds(value) else "miss"), figure


def found_with(item: PublishedFigure, value: float) -> Validation:
    row = (
        item.result, item.figure, item.quantity, item.unit, item.low, item.high, value, item.tolerance_share,
        item.holds(value), item.role, item.why, item.source, item.read_as,
    )  # fmt: skip
    return Validation(
        pd.DataFrame([row], columns=PUBLISHED_COLUMNS),
        pd.DataFrame([("a|b", 1.0, 1.0, 1.0, True, True, "c")], columns=OPTIMA_COLUMNS),
        is_full=True,
        overrides=(),
    )


def test_a_miss_is_told_with_its_reason_and_cells_stay_cells() -> None:
    item = replace(FIGURES["carbon_first"], why="Because | so.")
    text, page = describe_validation(found_with(item, 0.5)), validation_markdown(found_with(item, 0.5))
    assert "Because | so." in text
    assert "0 of 1 figures that test the model agree" in text
    assert "Because \\| so." in page
    assert "| a\\|b |" in page


def test_a_place_that_no_file_can_be_written_to_is_refused_before_the_work(tmp_path: Path) -> None:
    from network_data import InputError

    for place in (tmp_path, tmp_path / "no" / "page.md"):
        with pytest.raises(InputError, match="is no file to write"):
            validate_to_file(out=place)
