"""`optimizer.compare`: a scenario and stored runs from Python, the tables it keeps, and what it refuses."""

from __future__ import annotations

import contextlib
import copy
import io
import re
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from documents import read_page
from reduced import reduced_overrides
from sweeps import write_toy

from edwc import compare, solve
from network_data import InputError
from optimizer.cli.main import main
from optimizer.comparison.comparison import Comparison, open_comparison
from optimizer.runs.run import Run, open_run
from optimizer.runs.verify import verify_run
from scenarios.load import load_scenario

IDS = [
    "reference", "western_green_direct", "carbon_100", "price_west_0_8", "price_west_1_2", "carbon_price_0",
    "carbon_price_100",
]  # fmt: skip


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compare") / "out"


@pytest.fixture(scope="module")
def example(out: Path) -> tuple[Comparison, str]:
    """Run the example of the page as it stands, on the reduced scenario: what it finds, and what it prints."""
    (code,) = re.findall(
        r"^## The tables\n+```python\n(.*?)^```$", read_page("docs/comparing.md"), re.MULTILINE | re.DOTALL
    )
    overrides = [*reduced_overrides("base", out.parent), "time.slices_per_day=1"]
    shown = {
        'overrides=["time.slices_per_day=4", "solver.mip_rel_gap=0.01"]': f"overrides={overrides!r}, engine='serial'",
        '"runs/compare"': repr(str(out)),
    }
    for words, instead in shown.items():
        assert words in code
        code = code.replace(words, instead)
    names: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(code, names)  # noqa: S102 - the page's own example
    return names["found"], printed.getvalue()


@pytest.fixture(scope="module")
def comparison(example: tuple[Comparison, str]) -> Comparison:
    return example[0]


def test_example_of_the_page_runs_and_prints_its_findings(example: tuple[Comparison, str]) -> None:
    text = example[1]
    assert "Comparison of base: 7 cases; savings against reference" in text
    assert "Tornado: one parameter at a time" in text
    assert "region_share.west" in text


def test_cases_are_compared_and_kept(comparison: Comparison, out: Path) -> None:
    assert comparison.cases["case"].tolist() == IDS
    assert comparison.cases["status"].tolist() == ["solved"] * len(IDS)
    assert sorted(comparison.tornado["parameter"]) == ["carbon_price", "price.west"]
    assert comparison.tornado.set_index("parameter").loc["price.west", ["low_value", "high_value"]].tolist() == [
        0.8,
        1.2,
    ]
    assert comparison.waterfall_pairs["second"].tolist() == IDS[1:]
    assert comparison.regret_matrix.columns.tolist() == ["plan", *IDS]
    # All of them differ in prices alone, so each plan is a plan under each case.
    assert comparison.regret["reason"].eq("").all()
    # The carbon price of the price case and that of the sweep are the same case by two ways.
    totals = comparison.cases.set_index("case")["total_cny_per_year"]
    assert totals["carbon_100"] == totals["carbon_price_100"]
    assert verify_run(open_run(out / "cases" / "carbon_price_100")).is_verified


def test_every_table_is_a_file_that_reads_back_the_same(comparison: Comparison, out: Path) -> None:
    for name, table in comparison.tables().items():
        again = pd.read_csv(out / f"{name}.csv", dtype=str, keep_default_na=False)
        assert again.columns.tolist() == table.columns.tolist(), name
        assert len(again) == len(table), name
        for column in table.select_dtypes("number"):
            values = [float(text or "nan") for text in again[column]]
            assert values == pytest.approx(table[column].to_numpy(float).tolist(), nan_ok=True, rel=0)
    assert not list(out.glob("*.draft"))
    charts = {path.stem for path in out.glob("*.png")}
    assert {"regret", "tornado"} < charts
    assert len([name for name in charts if name.startswith("waterfall_reference_")]) == 2  # cheapest and dearest case


def test_stored_runs_are_compared_without_solving(comparison: Comparison, out: Path) -> None:
    names = ["carbon_price_0", "reference", "carbon_price_100"]
    # A case may have taken the plan of another, in a folder beside its own.
    stored = compare([comparison.results[name].folder for name in names], reference="reference")
    assert stored.reference == "reference"
    told, again = comparison.cases.set_index("case").loc[names], stored.cases
    assert again["case"].tolist()[:2] == names[:2]
    for column in ("total_cny_per_year", "saving_cny_per_year", "most_saving_cny_per_year", "moved_share"):
        assert again[column].tolist() == told[column].tolist()
    pd.testing.assert_frame_equal(compare([out]).waterfalls, comparison.waterfalls)


def test_runs_of_one_name_are_told_apart_by_where_they_lie(comparison: Comparison, out: Path, tmp_path: Path) -> None:
    runs = [tmp_path / name / "run" for name in "abc"]
    for run, case in zip(runs, ("reference", "carbon_price_0", "carbon_100"), strict=True):
        shutil.copytree(out / "cases" / case, run)
    stored = compare(runs)
    assert stored.cases["label"].tolist() == [str(run) for run in runs]
    assert stored.cases["case"].nunique() == len(runs)
    with pytest.raises(InputError, match="is given more than once"):
        compare([runs[0], runs[1] / ".." / "run", runs[1]])


def test_runs_in_memory_are_compared_like_folders(tmp_path: Path) -> None:
    toy = write_toy(tmp_path)
    cheap, costly = (solve(toy, {"time.slices_per_day": 1, "costs.carbon_price_cny_per_t": price}) for price in (0, 50))
    cheap.save(tmp_path / "cheap")
    stored = open_run(copy.copy(costly).save(tmp_path / "costly"))
    found = compare([cheap, costly, stored], out=tmp_path / "out")
    name = cheap.name
    assert found.cases["case"].tolist() == ["cheap", name, "costly"]
    assert costly.folder is None
    totals = [cheap.cost_cny_per_year, costly.cost_cny_per_year, costly.cost_cny_per_year]
    assert found.cases["total_cny_per_year"].tolist() == totals
    assert found.results[name].folder == tmp_path / "out" / "runs" / name
    assert verify_run(found.results[name].open_run()).is_verified
    assert open_comparison(tmp_path / "out").to_text() == found.to_text()
    unsaved = compare([costly, copy.copy(costly), tmp_path / "cheap"])
    assert unsaved.cases["case"].tolist() == [name, f"{name}_2", "cheap"]
    assert unsaved.results[name].open_run().cost_cny_per_year == costly.cost_cny_per_year
    assert compare(costly).cases["case"].tolist() == [name]


def test_runs_that_cannot_be_compared_are_refused(tmp_path: Path) -> None:
    run = solve(write_toy(tmp_path), {"time.slices_per_day": 1})
    with pytest.raises(InputError, match="is given more than once"):
        compare([run, run], out=tmp_path / "out")
    with pytest.raises(InputError, match="has no plan or no tables"):
        compare([run, Run.of_plan(run.problem, run.plan)])
    with pytest.raises(InputError, match="names no run"):
        compare([])
    assert not (tmp_path / "out").exists()


def test_comparison_has_the_name_of_its_scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toy = write_toy(tmp_path)
    monkeypatch.chdir(toy.parent)
    document = {"extends": str(toy), "name": "own_name"}
    for number, scenario in enumerate((document, yaml.safe_dump(document), load_scenario(toy))):
        out = tmp_path / f"out_{number}"
        found = compare(
            scenario, ["time.slices_per_day=1"], sweeps=["carbon_price=0"], regret=False, engine="serial", out=out
        )
        assert found.name == open_comparison(out).name == (load_scenario(toy).name if number == 2 else "own_name")


def test_stored_case_whose_run_is_gone_is_not_called_solved(
    comparison: Comparison, out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copied = tmp_path / "copy"
    shutil.copytree(out, copied)
    (copied / "cases" / "carbon_100" / "allocation.parquet").write_bytes(b"")
    assert main(["compare", str(copied), "--out", str(tmp_path / "new" / "tables")]) == 3
    assert "its run folder is gone or damaged (it was solved)" in " ".join(capsys.readouterr().out.split())
    assert (tmp_path / "new" / "tables" / "cases.csv").is_file()
    (copied / "comparison.json").write_text('{"format": 1, "cases": [{"id": "a"}]}', encoding="utf-8")
    assert main(["compare", str(copied)]) == 1
    assert "is damaged" in capsys.readouterr().err


def test_dictionaries_and_texts_are_the_same_request(tmp_path: Path) -> None:
    toy = write_toy(tmp_path)
    found = compare(
        toy,
        {"time": {"slices_per_day": 1}, "solver.mip_rel_gap": 1e-6},
        sweeps={"carbon_price": [0, 50.0]},
        tornado={"price.west": (0.5, 2)},
        break_even={"price.west": (0.5, 2)},
        frontier=["carbon", "rtt"],
        waterfalls=[("carbon_price_0", "carbon_price=50"), "reference,carbon_price=50"],
        out=tmp_path / "out",
        engine="serial",
    )
    texts = compare(
        toy,
        ["time.slices_per_day=1", "solver.mip_rel_gap=1e-6"],
        sweeps=["carbon_price=0,50"],
        tornado=["price.west=0.5:2"],
        engine="serial",
    )
    pd.testing.assert_frame_equal(found.cases, texts.cases)
    pd.testing.assert_frame_equal(found.tornado, texts.tornado)
    assert found.pairs == (("carbon_price_0", "carbon_price_50"), ("reference", "carbon_price_50"))
    assert list(found.break_even_maps) == ["price.west"]
    assert list(found.frontiers) == ["carbon"]
    assert found.latency_return is not None
    assert not found.unfinished
    again = open_comparison(tmp_path / "out")
    assert again.to_text() == found.to_text()
    assert again.tables().keys() == found.tables().keys()
    for name, table in found.tables().items():
        pd.testing.assert_frame_equal(again.tables()[name], table, check_dtype=False, check_exact=True, obj=name)


def test_tables_that_are_gone_are_worked_out_again_and_damaged_ones_refused(
    comparison: Comparison, out: Path, tmp_path: Path
) -> None:
    copied = tmp_path / "copy"
    shutil.copytree(out, copied)
    for name in ("waterfalls.csv", "costs.csv"):
        (copied / name).unlink()
    pd.testing.assert_frame_equal(open_comparison(copied).costs, comparison.costs)
    (copied / "regret.csv").write_bytes(b'"\xff')
    with pytest.raises(InputError, match=r"regret\.csv: cannot be read"):
        open_comparison(copied)


def test_every_fault_names_its_argument(tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        compare(
            "base",
            sweeps={"carbn_price": [0]},
            tornado={"price.west": [1.0]},
            break_even={"price.west": (float("nan"), 2)},
            frontier=["latencies"],
            price_cases=["carbon_51"],
            engine="locale",  # type: ignore[arg-type] - a slip of the pen
            workers=0,
            out=tmp_path / "out",
        )
    named = [fault.file for fault in raised.value.faults]
    for argument in ("engine", "workers", "sweeps", "tornado", "break_even", "frontier"):
        assert argument in named
    assert "Did you mean 'latency'" in str(raised.value)
    assert "carbon_51" in str(raised.value)
    assert not (tmp_path / "out").exists()


def test_what_is_asked_wrongly_is_refused_before_solving(out: Path, comparison: Comparison) -> None:
    with pytest.raises(InputError, match="is none of the cases"):
        compare("base", sweeps=["carbon_price=0"], reference="carbon_price_7")
    with pytest.raises(InputError, match="is none of the cases"):
        compare("base", sweeps=["carbon_price=0"], waterfalls=[("reference", "nowhere")])
    with pytest.raises(InputError, match="turns parameters of the scenario as it is"):
        compare("base", price_cases=["carbon_50"], tornado=["price.west=0.8:1.2"], reference="carbon_50")
    with pytest.raises(InputError, match="there is no such parameter"):
        compare("base", sweeps=["carbn_price=0"])
    with pytest.raises(InputError, match="stored runs are not solved again"):
        compare([out / "cases" / "reference"], {"time.slices_per_day": 1}, sweeps=["carbon_price=0"])
    with pytest.raises(InputError, match="is no run folder, or is damaged"):
        compare([out / "cases" / "reference", out / "nowhere"])
