"""
Samples of a scenario whose best plans are known: every figure of every sample against a formula.

Two places (`frontier_case`): each metro goes where energy, at the sampled price and PUE, and latency cost less.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from browser_page import LOOKS, accessibility_faults, fits, launched, opened
from frontier_case import KWH_PER_MTOK, LATENCY_CNY_PER_MS, MTOK_A, MTOK_B, RTT_MS, write_two_places
from numpy.typing import NDArray
from pandas.testing import assert_frame_equal

import edwc
from network_data import InputError
from optimizer.cli.main import main
from optimizer.comparison.runner import EngineName
from optimizer.comparison.sweep_clock import SweepProgress
from optimizer.comparison.workers import case_solve
from optimizer.comparison.workers.case_task import CaseTask
from optimizer.drawing.uncertainty import fan_bands, fan_figure
from optimizer.exports.office import browser
from optimizer.maps.options import MapOptions
from optimizer.report.uncertainty import build_uncertainty_report
from optimizer.runs.run import open_run
from optimizer.runs.solve import solve_scenario
from optimizer.uncertainty.result import QUANTILES, Uncertainty, require_same_problem
from optimizer.uncertainty.run import sample_scenario
from optimizer.words.amounts import counting

Array = NDArray[np.float64]
# The western price, the PUE of both places as one input, and the price of a chip that is not bought.
RANGES = (
    "input,key,basis,low,high,shape,reason\n"
    "west,price.west,factor,0.5,3,uniform,contracts\n"
    "pue,network.data_centers.dc_east.pue,value,1.2,1.4,uniform,weather\n"
    "pue,network.data_centers.dc_west.pue,value,1.0,1.8,uniform,weather\n"
    "chip,network_factor.accelerators.chip_b.price_cny,factor,0.5,2,loguniform,nobody buys it\n"
)
EXACT = ("solver.mip_rel_gap=1e-7",)
SAMPLES = 12


def write_study(folder: Path, ranges: str = RANGES) -> Path:
    path = write_two_places(folder)
    (folder / "net" / "ranges.csv").write_text(ranges, encoding="utf-8")
    return path


def west_factor(found: Uncertainty) -> Array:
    return 0.5 + 2.5 * found.samples["quantile.west"].to_numpy(float)


def costs_of(found: Uncertainty) -> dict[tuple[str, str], Array]:
    """CNY per million tokens by metro and place, for each sample."""
    at = found.samples["quantile.pue"].to_numpy(float)
    energy = {
        "east": KWH_PER_MTOK * (1.2 + 0.2 * at) * 0.6,
        "west": KWH_PER_MTOK * (1.0 + 0.8 * at) * 0.3 * west_factor(found),
    }
    return {(metro, place): energy[place] + LATENCY_CNY_PER_MS * rtt for (metro, place), rtt in RTT_MS.items()}


def expected(found: Uncertainty) -> tuple[Array, Array]:
    """Cost of a year and share of the west, for each sample."""
    costs = costs_of(found)
    mtok = {"a": MTOK_A, "b": MTOK_B}
    cost = sum(mtok[metro] * np.minimum(costs[metro, "east"], costs[metro, "west"]) for metro in mtok)
    west = sum(mtok[metro] * (costs[metro, "west"] < costs[metro, "east"]) for metro in mtok) / (MTOK_A + MTOK_B)
    return np.asarray(cost), np.asarray(west)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("uncertainty")


@pytest.fixture(scope="module")
def study(folder: Path) -> Uncertainty:
    path = write_study(folder)
    return sample_scenario(path, EXACT, samples=SAMPLES, out=folder / "out", engine="serial", seed=3)


def test_every_sample_is_the_best_plan_of_its_inputs(study: Uncertainty) -> None:
    cost, west = expected(study)
    assert 0.2 < west.mean() < 0.8  # both places are used, or the test would see little
    assert study.samples["total_cny_per_year"].to_numpy(float) == pytest.approx(cost)
    assert study.samples["region_share.west"].to_numpy(float) == pytest.approx(west)
    assert study.samples["status"].eq("solved").all()
    assert study.facts["idle"] == ("chip",)


def test_distributions_are_those_of_the_samples_beside_the_scenario_as_stated(study: Uncertainty) -> None:
    cost, west = expected(study)
    rows = study.distributions.set_index("figure")
    for name, values in (("total_cny_per_year", cost), ("region_share.west", west)):
        assert rows.loc[name, list(QUANTILES)].tolist() == pytest.approx(np.quantile(values, list(QUANTILES.values())))
        assert rows.loc[name, "sd"] == pytest.approx(np.std(values, ddof=1))
        assert rows.loc[name, "noise_share"] == pytest.approx(0.0, abs=1e-9)
    stated = MTOK_A * (KWH_PER_MTOK * 1.2 * 0.3 + LATENCY_CNY_PER_MS * 11.2)
    stated += MTOK_B * (KWH_PER_MTOK * 1.2 * 0.3 + LATENCY_CNY_PER_MS * 7.08)
    assert rows.loc["total_cny_per_year", "as_stated"] == pytest.approx(stated)
    bound = rows.loc["bound_cny_per_year", list(QUANTILES)].to_numpy(float)
    assert (bound <= rows.loc["total_cny_per_year", list(QUANTILES)].to_numpy(float) * (1 + 1e-9)).all()


def test_the_western_price_decides_and_each_place_is_used_as_often_as_it_is_best(study: Uncertainty) -> None:
    _, west = expected(study)
    first = study.drivers.groupby("figure", sort=False).first()
    for name in ("total_cny_per_year", "region_share.west"):
        assert first.loc[name, "input"] == "west"
        assert first.loc[name, "is_significant"]
    assert first.loc["total_cny_per_year", "rank_coefficient"] > 0.6
    assert first.loc["region_share.west", "rank_coefficient"] < -0.6
    assert first.loc["region_share.west", "first_order_index"] > 0.4
    used = study.data_centers.set_index("data_center")
    assert used.loc["dc_west", "used_share"] == pytest.approx((west > 0).mean())
    assert used.loc["dc_east", "used_share"] == pytest.approx((west < 1).mean())
    assert used.loc["dc_west", "mean"] == pytest.approx(west.mean())


def test_a_sample_is_a_run_folder_that_can_be_verified_and_solved_again(study: Uncertainty, folder: Path) -> None:
    run = open_run(folder / "out" / "cases" / "sample_0002")
    assert run.verify().is_verified
    assert any(text.startswith("network_changes.") for text in run.scenario.overrides)
    again = solve_scenario(folder / "toy.yaml", run.scenario.overrides)
    assert again.cost_cny_per_year == pytest.approx(study.samples["total_cny_per_year"].iloc[1])


def test_a_sample_does_not_start_from_the_plan_of_the_reference(study: Uncertainty, folder: Path) -> None:
    reference = folder / "out" / "cases" / "reference"
    case = study.results["sample_0001"].case
    task = CaseTask(folder / "toy.yaml", EXACT, case, folder / "unused", learned=reference)
    problem = open_run(reference).problem
    alone = case_solve._warm_start(task, problem)
    assert alone is not None
    assert alone.plan is None
    assert alone.deployed is None
    with_plan = case_solve._warm_start(replace(task, plans=(reference,)), problem)
    assert with_plan is not None
    assert with_plan.plan is not None


def test_text_says_what_was_done_and_what_is_not_known(study: Uncertainty) -> None:
    lines = study.to_text().splitlines()
    assert lines[0] == "Uncertainty of toy: 12 samples of 2 inputs (Latin hypercube, seed 3)"
    assert "samples: 12 solved" in lines
    assert any(line.startswith("solved with 1 time slice a day to a gap of 0.00001%") for line in lines)
    assert "noise of the solver: below 10% of the variance of every figure" in study.to_text()
    assert "change nothing in this scenario, and were left out: chip" in study.to_text()
    assert any(line.startswith("  cost (R2 ") and ": west +" in line for line in lines)
    left_out = replace(study, facts=study.facts | {"left_out": {"green": "policy.min_green_share"}})
    assert "contradicts the policy of the scenario: green (policy.min_green_share)" in left_out.to_text()
    assert max(map(len, lines)) <= 110


def test_tables_and_chart_are_written(study: Uncertainty, folder: Path) -> None:
    out = study.to_folder(folder / "tables")
    assert {path.stem for path in out.glob("*.csv")} == {
        "inputs", "figures", "samples", "distributions", "drivers", "data_centers",
    }  # fmt: skip
    assert study.plot(out / "fans.png").read_bytes().startswith(b"\x89PNG")
    figure = fan_figure(study)
    labels = [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()]
    assert labels == ["Cost,\nk CNY a year", "Tokens in east,\n%"]


def test_what_was_kept_opens_as_it_was_returned(study: Uncertainty, folder: Path, tmp_path: Path) -> None:
    study.to_folder(folder / "out")
    again = edwc.open_uncertainty(folder / "out")
    assert (again.name, again.facts) == (study.name, study.facts)
    for name, table in study.tables.items():
        assert_frame_equal(again.tables[name], table, check_dtype=False)
    assert again.to_text() == study.to_text()
    assert again.results.keys() == study.results.keys()
    # Tables alone, without the run folders of the samples.
    assert edwc.open_uncertainty(study.to_folder(tmp_path)).to_text() == study.to_text()
    (tmp_path / "drivers.csv").unlink()
    (tmp_path / "inputs.csv").write_text("input\nwest\n", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        edwc.open_uncertainty(tmp_path)
    assert [Path(fault.file).name for fault in caught.value.faults] == ["inputs.csv", "drivers.csv"]
    with pytest.raises(InputError, match=r"uncertainty\.json"):
        edwc.open_uncertainty(folder / "out" / "cases" / "reference")


def test_the_report_of_a_run_shows_the_study_of_its_scenario(
    study: Uncertainty, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study.to_folder(folder / "out")
    cases, page = folder / "out" / "cases", tmp_path / "report.html"
    asked = ["--to", str(page), "--uncertainty", str(folder / "out")]
    assert main(["export", str(cases / "reference"), *asked]) == 0
    text = page.read_text(encoding="utf-8").replace("<wbr>", "")
    cost = study.distribution("total_cny_per_year")
    low, high = (f"{cost[level] / 1e3:,.1f}" for level in ("p05", "p95"))
    assert text.count(f"The cost lies between {low} and {high} k CNY a year in nine of ten samples") == 2
    assert "若估计值有出入" in text
    assert text.count('<img class="picture" src="data:image/png') == 2
    assert 'id="driver-1"' in text
    assert ">dc_west</th>" in text
    assert "was not studied" not in text
    # What a sample was solved with is another problem.
    assert main(["export", str(cases / "sample_0002"), *asked]) == 1
    assert "is of another problem than the study: network_changes." in capsys.readouterr().err
    assert main(["export", str(folder / "out"), *asked]) == 1
    assert main(["export", str(cases / "reference"), "--to", str(tmp_path / "map.png"), *asked[2:]]) == 1
    assert main(["export", str(cases / "reference"), "--to", str(page)]) == 0
    text = page.read_text(encoding="utf-8").replace("<wbr>", "")
    assert "was not studied for this page" in text
    assert "edwc uncertainty toy.yaml --set time.slices_per_day=1 --out STUDY" in text


def test_the_page_of_a_study_is_printed(
    study: Uncertainty, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study.to_folder(folder / "out")
    printed = []
    monkeypatch.setattr(browser, "find_browser", lambda: "browser")
    monkeypatch.setattr(browser, "print_page", lambda page, path: (printed.append(page), path.write_text("printed")))
    assert main(["export", str(folder / "out"), "--to", str(tmp_path / "report.pdf")]) == 0
    assert printed == [build_uncertainty_report(folder / "out")]


def test_a_study_may_have_other_time_slices_than_the_run(study: Uncertainty, folder: Path) -> None:
    require_same_problem(study, solve_scenario(folder / "toy.yaml", ["time.slices_per_day=2", *EXACT]))
    other = solve_scenario(folder / "toy.yaml", ["demand.tokens_per_day_trillion=0.0023"])
    with pytest.raises(InputError, match=r"demand\.tokens_per_day_trillion=0\.0023 in the run alone"):
        require_same_problem(study, other)
    with pytest.raises(InputError, match="has no plan"):
        require_same_problem(replace(study, results={}), other)


def test_the_page_holds_figures_drivers_places_and_reasons(study: Uncertainty, folder: Path, tmp_path: Path) -> None:
    study.to_folder(folder / "out")
    hostile = study.inputs["reason"].where(study.inputs["input"] != "west", "<script>alert(1)</script>")
    replace(study, inputs=study.inputs.assign(reason=hostile)).to_folder(tmp_path)
    page = build_uncertainty_report(tmp_path).replace("<wbr>", "")
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert main(["export", str(folder / "out"), "--to", str(tmp_path / "page.html")]) == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8").replace("<wbr>", "")
    cost = study.distribution("total_cny_per_year")
    figure = study.figure("total_cny_per_year")
    with counting([cost["p95"]]):
        assert f"Nine of ten plans cost {figure.write(cost['p05'])} to {figure.write(cost['p95'])} k CNY a year" in page
    for words in (
        "data:image/png;base64,",
        "contracts",
        "net/ranges.csv:2",
        "left out: chip",
        "dc_west",
        "network.data",
    ):
        assert words in page, words
    assert f"{study.drivers['rank_coefficient'].iloc[0]:.2f}" in page


@pytest.mark.parametrize("engine", ["local", "dask"])
def test_workers_find_what_one_process_finds(engine: EngineName, study: Uncertainty, folder: Path) -> None:
    found = sample_scenario(folder / "toy.yaml", EXACT, samples=SAMPLES, engine=engine, workers=2, seed=3)
    for name, table in study.tables.items():
        # Of a noise that is rounding alone, the last digits may differ.
        assert_frame_equal(found.tables[name], table, obj=name, atol=1e-3)


def test_bands_of_a_fan_are_quantiles_among_samples_of_like_inputs() -> None:
    rng = np.random.default_rng(1)
    at = rng.permutation((np.arange(2000) + 0.5) / 2000)
    values = 10 * at + rng.uniform(-1, 1, 2000)
    middles, bands = fan_bands(at, values)
    assert middles[[0, -1]] == pytest.approx([0.1, 0.9], abs=0.001)
    assert bands[2] == pytest.approx(10 * middles, abs=0.25)  # the median follows the line
    # Within a window of a fifth the line itself rises by 2, and the noise has a width of 2: a triangle over 4.
    assert bands[4] - bands[0] == pytest.approx(np.full(len(middles), 4 - 4 * np.sqrt(0.1)), abs=0.3)


KILLED = """\
import os, signal, sys
from optimizer.uncertainty.run import sample_scenario

def report(progress):
    if progress.done >= 5:
        os.kill(os.getpid(), signal.SIGKILL)

scenario, out = sys.argv[1:]
exact = ("solver.mip_rel_gap=1e-7",)
sample_scenario(scenario, exact, samples=12, out=out, engine="serial", seed=3, report=report)
"""


def test_a_killed_study_goes_on_where_it_was(study: Uncertainty, folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(folder / "toy.yaml"), str(tmp_path / "out")]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == -signal.SIGKILL
    seen: list[SweepProgress] = []
    again = sample_scenario(
        folder / "toy.yaml", EXACT, samples=SAMPLES, out=tmp_path / "out", engine="serial", seed=3, report=seen.append
    )
    assert 4 <= seen[-1].reused < SAMPLES
    for name, table in study.tables.items():
        assert again.tables[name].equals(table), name


def test_samples_without_a_plan_are_counted_apart(tmp_path: Path) -> None:
    # 100 million tokens an hour keep 343.75 s x 100 / 3,600 = 9.55 accelerators busy; there are 1,600.
    path = write_study(tmp_path, "input,key,basis,low,high,shape,reason\n")
    (tmp_path / "own.csv").write_text(
        "input,key,basis,low,high,shape,reason\ndemand,demand.tokens_per_day_trillion,factor,1,400,uniform,who knows\n",
        encoding="utf-8",
    )
    overrides = (*EXACT, f"ranges_table={tmp_path / 'own.csv'}")
    found = sample_scenario(path, overrides, samples=10, engine="serial")
    too_many = 1 + 399 * found.samples["quantile.demand"].to_numpy(float) > 1600 * 3600 / 343.75 / 100
    assert found.samples["total_cny_per_year"].isna().tolist() == too_many.tolist()
    assert found.facts["statuses"] == {"solved": int((~too_many).sum()), "infeasible": int(too_many.sum())}
    assert found.distributions["plans"].eq((~too_many).sum()).all()
    assert f"{too_many.sum()} samples have no plan; what follows is of the others" in found.to_text()


def test_the_command_prints_what_the_function_finds(
    study: Uncertainty, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["uncertainty", str(folder / "toy.yaml"), "--samples", str(SAMPLES), "--seed", "3", "--engine", "serial"]
    words += ["--out", str(folder / "out"), "--mip-rel-gap", "1e-7", "--quiet"]
    assert main(words) == 0
    assert capsys.readouterr().out.startswith(study.to_text())
    assert (folder / "out" / "fans.png").is_file()
    assert "Uncertainty of scenario toy" in (folder / "out" / "report.html").read_text(encoding="utf-8")
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["input"] for row in found["inputs"]] == ["west", "pue", "pue"]
    assert len(found["samples"]) == SAMPLES
    assert found["warnings"] == []  # demand is flat: its one slice averages nothing away


def test_the_command_names_its_options(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_study(folder)
    words = ["uncertainty", str(folder / "toy.yaml"), "--inputs", "west,wst", "--samples", "7", "--design", "sobol"]
    assert main(words) == 1
    told = capsys.readouterr().err
    assert "--samples value '7': is no useful number of samples" in told
    assert "--inputs value 'wst': there is no such uncertain input" in told
    assert "Did you mean 'west'?" in told


def test_a_check_tells_faults_of_ranges_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_study(tmp_path, RANGES.replace("value,1.2,1.4", "value,1.4,1.2"))
    assert main(["check", str(path)]) == 1
    assert "ranges.csv:3 column" in capsys.readouterr().err
    write_study(tmp_path)
    assert main(["check", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["uncertain_inputs"] == ["west", "pue", "chip"]


def test_a_scenario_without_ranges_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no range is given"):
        sample_scenario(write_two_places(tmp_path), ())


def test_the_chinese_page_shuts_nobody_out(study: Uncertainty, folder: Path, tmp_path: Path) -> None:
    study.to_folder(folder / "out")
    report = edwc.export_comparison(folder / "out", tmp_path / "page.html", maps=MapOptions(lang="zh"))
    with launched() as browser:
        for look in LOOKS:
            with opened(browser, report, **look.values[0]) as (page, _):
                assert page.locator("html").get_attribute("lang") == "zh"
                assert accessibility_faults(page) == [], look.id
                # As wide as the range of a cost in billions.
                page.locator(".answers strong").first.evaluate(
                    "one => { one.textContent = '14.085\u4ebf\u81f332.541\u4ebf'; }"
                )
                assert fits(page), look.id


def test_the_page_in_a_browser_without_a_network(study: Uncertainty, folder: Path, tmp_path: Path) -> None:
    study.to_folder(folder / "out")
    report = edwc.export_comparison(folder / "out", tmp_path / "page.html")
    with launched() as browser, opened(browser, report, viewport={"width": 390, "height": 800}) as (page, _):
        assert page.locator(".picture").evaluate("image => image.complete && image.naturalWidth") > 500
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert accessibility_faults(page) == []
        # Sorted by a click, as the tables of other pages are.
        page.locator("#places th", has_text="Data center").first.click()
