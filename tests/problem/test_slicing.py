"""How a day is cut into slices: peaks that size capacity stay, sums stay, and what is lost is said."""

from __future__ import annotations

import json
from dataclasses import fields
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from toy_scenario import ToyScenario

import edwc
from network_data import load_network
from optimizer.checker.facts import PlanFacts
from optimizer.comparison.comparison import open_comparison
from optimizer.problem.assemble import assemble_problem
from optimizer.problem.problem import FloatArray, PlacementProblem
from optimizer.problem.slicing import KEPT_LOSS_SHARE, Slicing, equal_blocks, keep_peaks, lost_peaks
from optimizer.report.comparison import build_comparison_report
from optimizer.report.run import build_report
from optimizer.runs.run import open_run
from optimizer.runs.verify import verify_run
from optimizer.solvers.greedy import evaluate_baselines
from optimizer.solvers.solve import solve_problem
from optimizer.text.run import describe_check, describe_run
from scenarios import load_scenario

FLAT = np.full((1, 24), 400.0)
FEWER = (1, 2, 3, 4, 6, 8, 12)


def need(**at: float) -> FloatArray:
    """Return a need of 1 in all hours but those named, such as h14=3."""
    hourly = np.ones((1, 24))
    for hour, value in at.items():
        hourly[0, int(hour[1:])] = value
    return hourly


def profile_table(**factors: list[float]) -> str:
    rows = [f"{hour},{','.join(repr(values[hour]) for values in factors.values())}" for hour in range(24)]
    return "\n".join([f"hour,{','.join(factors)}", *rows]) + "\n"


@pytest.fixture
def toy(tmp_path: Path) -> ToyScenario:
    return ToyScenario(tmp_path)


def peaked(toy: ToyScenario, **time: object) -> PlacementProblem:
    """Assemble the toy with even demand, but chat times 13 at 14:00, and batch times three at 20:00."""
    chat, batch = [1.0] * 24, [1.0] * 24
    chat[14], batch[20] = 13.0, 3.0
    toy(time={"slices_per_day": 24})
    text = profile_table(day=chat, flat=batch)
    path = toy.folder / "toy.yaml"
    (toy.folder / "profiles.csv").write_text(text, encoding="utf-8")
    scenario = json.loads(path.read_text(encoding="utf-8")) | {"time": time}
    path.write_text(json.dumps(scenario), encoding="utf-8")
    return assemble_problem(load_network(toy.folder / "net"), load_scenario(path))


# Where a day is cut


def test_a_peak_hour_is_a_slice_of_its_own() -> None:
    slicing = keep_peaks(2, need(h14=3), FLAT)
    assert slicing.starts == (14, 15)
    assert slicing.lengths_h == (1, 23)
    assert slicing.mean(need(h14=3)).tolist() == [[3, 1]]


def test_the_slice_after_the_last_beginning_runs_past_midnight() -> None:
    slicing = keep_peaks(2, need(**{f"h{hour}": 0 for hour in (22, 23, 0, 1, 2, 3)}), FLAT)
    assert slicing.starts == (4, 22)
    assert [hours.tolist() for hours in slicing.hours] == [list(range(4, 22)), [22, 23, 0, 1, 2, 3]]


def test_a_peak_that_lasts_is_one_slice_and_costs_no_more() -> None:
    slicing = keep_peaks(3, need(h12=3, h13=3, h14=3, h20=2), FLAT)
    # From 12 to 15 h is one slice, not three.
    assert {12, 15} <= set(slicing.starts)
    assert slicing.mean(need(h12=3, h13=3, h14=3)).max() == 3


def test_of_two_peaks_the_one_that_loses_most_comes_first() -> None:
    small_and_large = np.vstack([need(h5=1.2), 10 * need(h17=1.2)])
    assert {17, 18} <= set(keep_peaks(3, small_and_large, FLAT).starts)
    kept = keep_peaks(4, small_and_large, FLAT)
    assert kept.starts == (5, 6, 17, 18)
    assert kept.mean(small_and_large).max(axis=1) == pytest.approx([1.2, 12])


def test_a_small_need_keeps_its_peak_beside_a_large_one_that_peaks_elsewhere() -> None:
    # Within a class of a hundredth of the work the peak is as sharp: it may be all that some data center serves.
    both = np.vstack([100 * need(h14=1.5), need(h22=1.5)])
    for count in (4, 6, 8, 12):
        assert keep_peaks(count, both, FLAT).mean(both).max(axis=1) == pytest.approx([150, 1.5])


def test_where_needs_are_even_prices_decide() -> None:
    dear = np.full((1, 24), 300.0)
    dear[0, 8:20] = 700.0
    assert keep_peaks(2, np.ones((3, 24)), dear).starts == (8, 20)


@pytest.mark.parametrize("count", FEWER)
def test_where_nothing_differs_slices_are_equal_blocks(count: int) -> None:
    assert keep_peaks(count, np.ones((2, 24)), FLAT).starts == equal_blocks(count).starts


day_of_needs = hnp.arrays(float, (3, 24), elements=st.integers(0, 1000).map(float))


@given(day_of_needs, st.sampled_from(FEWER[1:]))
def test_the_peak_of_the_largest_need_stays_and_so_do_sums(needs: FloatArray, count: int) -> None:
    needs[0] = needs.sum(axis=0)  # as all work is the sum of its classes
    slicing = keep_peaks(count, needs, FLAT)
    assert len(slicing.starts) == count
    assert sorted(np.concatenate(slicing.hours).tolist()) == list(range(24))
    assert slicing.mean(needs) @ np.array(slicing.lengths_h) == pytest.approx(needs.sum(axis=1))
    lost = needs.max(axis=1) - slicing.mean(needs).max(axis=1)
    if count >= 2 * len(needs):
        # As many peaks as there are, none next to the other, take two slices each.
        assert (lost <= KEPT_LOSS_SHARE * needs.max(axis=1) + 1e-9).all()
    alone = keep_peaks(count, needs[:1], FLAT).mean(needs[:1]).max()
    assert alone >= (1 - KEPT_LOSS_SHARE) * needs[0].max() - 1e-9


@given(hnp.arrays(float, (2, 24), elements=st.integers(200, 900).map(float)), st.integers(2, 3))
def test_no_other_cut_has_less_squared_differences(prices: FloatArray, count: int) -> None:
    def apart(starts: tuple[int, ...]) -> float:
        return sum(
            float(((prices[:, hours] - prices[:, hours].mean(axis=1, keepdims=True)) ** 2).sum())
            for hours in Slicing(starts).hours
        )

    found = apart(keep_peaks(count, np.ones((1, 24)), prices).starts)
    least = min(map(apart, combinations(range(24), count)))
    # Ties are broken by length, at a millionth of all differences there are per squared hour.
    assert found <= least + 2e-6 * 24**2 * apart((0,)) + 1e-6


# What it makes of a scenario


@pytest.mark.parametrize("name", ["base", "base_seasons"])
def test_24_slices_are_the_hours_to_the_last_bit(name: str) -> None:
    hourly, blocks = (
        assemble_problem(load_network("china_2026"), load_scenario(name, [f"time.slicing={how}"]))
        for how in ("peaks", "blocks")
    )
    for member in fields(PlacementProblem):
        one, other = getattr(hourly, member.name), getattr(blocks, member.name)
        if isinstance(one, pd.DataFrame):
            pd.testing.assert_frame_equal(one, other, check_exact=True)
        elif isinstance(one, np.ndarray):
            assert one.tobytes() == other.tobytes()
    assert hourly.slices["hour"].tolist() == list(range(24)) * (len(hourly.slices) // 24)
    scenario = load_scenario(name)
    profile = np.array(scenario.profiles["deepseek_tokens"])
    chat = hourly.demand_mtok_per_h[:24, 0]
    total = float(hourly.annual_mtok) / 365
    assert hourly.workloads["workload_class"].iloc[0] == "chat"
    assert chat / chat.sum() == pytest.approx(profile / 24, rel=1e-12)
    assert total == pytest.approx(140e6)


def test_peaks_are_the_default_and_keep_demand_and_hours(toy: ToyScenario) -> None:
    problem = peaked(toy, slices_per_day=4)
    assert problem.slices["hour"].tolist() == [14, 15, 20, 21]
    assert problem.slices["weight_h"].tolist() == [365 * hours for hours in (1, 5, 1, 17)]
    assert problem.slices["previous_index"].tolist() == [3, 0, 1, 2]
    assert problem.slice_h.tolist() == [1, 5, 1, 17]
    # 1440 mtok of chat a day in 36 parts, 13 of them at 14:00; 960 of batch in 26, three of them at 20:00.
    assert problem.demand_mtok_per_h[:, :2].sum(axis=1) == pytest.approx(np.array([13, 1, 1, 1]) * 40)
    assert problem.demand_mtok_per_h[:, 2:].sum(axis=1) == pytest.approx(np.array([1, 1, 3, 1]) * 960 / 26)
    assert problem.annual_mtok == pytest.approx(2400 * 365)


def test_a_price_counts_by_what_is_needed_while_it_holds(toy: ToyScenario) -> None:
    # East: 300 until 8:00, then 600. The one slice has the price that work of the day's shape pays.
    problem = peaked(toy, slices_per_day=1)
    hours = problem.accel_h_per_mtok.min(axis=1)  # of chat and batch
    chat, batch = np.full(24, 40.0), np.full(24, 960 / 26)
    chat[14] *= 13
    batch[20] *= 3
    busy = hours[0] * chat + hours[1] * batch
    price = np.where(np.arange(24) < 8, 300.0, 600.0)
    assert problem.energy_price_cny_per_mwh[0] == pytest.approx([float(busy @ price / busy.sum()), 300.0])
    assert peaked(toy, slices_per_day=1, slicing="blocks").energy_price_cny_per_mwh[0] == pytest.approx([500.0, 300.0])


def test_weekdays_and_weekends_are_cut_alike(toy: ToyScenario) -> None:
    problem = peaked(toy, slices_per_day=4, weekends=True, seasons=2)
    hours = problem.slices["hour"].to_numpy().reshape(-1, 4)
    assert (hours == hours[0]).all()
    assert problem.slices["weight_h"].sum() == pytest.approx(8760)


def test_changes_of_prices_leave_the_slices_where_they_are(toy: ToyScenario) -> None:
    dear = {"night": {"what": "energy_price", "hours": "1-5", "scale": 9}}
    time = {"slices_per_day": 6, "slicing": "peaks"}
    plain, changed = toy(time=time), toy(time=time, price_changes=dear)
    assert (plain.slices == changed.slices).all(axis=None)
    assert (plain.energy_price_cny_per_mwh != changed.energy_price_cny_per_mwh).any()


def test_a_window_holds_the_whole_slices_within_it(toy: ToyScenario) -> None:
    # Slices from 14, 15, 20 and 21 h, of 1, 5, 1 and 17 h; batch may wait 6 h.
    peaked(toy, slices_per_day=4)
    scenario = json.loads((toy.folder / "toy.yaml").read_text(encoding="utf-8"))
    classes = scenario["workload_classes"]
    classes["late"] = classes["chat"] | {"share_of_tokens": 0.2, "deferrable_h": 6}
    classes["chat"] |= {"share_of_tokens": 0.4}
    (toy.folder / "toy.yaml").write_text(json.dumps(scenario), encoding="utf-8")
    problem = assemble_problem(load_network(toy.folder / "net"), load_scenario(toy.folder / "toy.yaml"))
    assert problem.slices["hour"].tolist() == [14, 15, 20, 21]
    late = problem.workloads["workload_class"].to_numpy() == "late"
    part = 480 / 36  # mtok of both metros an hour, 13 times that at 14:00
    # At the end of 14: its own hour. Of 15: its five hours and the one before. Of 20: its hour and the five before.
    # Of the long one: nothing, since it is longer than the window.
    assert problem.backlog_limit_mtok[:, late].sum(axis=1) == pytest.approx(np.array([13, 18, 6, 0]) * part)
    assert problem.workloads["is_deferrable"].tolist() == late.tolist()
    # In each slice at most its arrivals and what may wait at its beginning.
    most = np.array([13, (5 + 13) / 5, 1 + 18, (17 + 6) / 17]) * part
    assert problem.servable_mtok_per_h[:, late].sum(axis=1) == pytest.approx(most)


def test_work_that_may_wait_all_day_has_no_peak(toy: ToyScenario) -> None:
    problem = toy(time={"slices_per_day": 2, "slicing": "peaks"}, chat={"deferrable_h": 24})
    lost = lost_peaks(problem, load_scenario(toy.folder / "toy.yaml"))
    assert lost["lost_share"].max() == pytest.approx(0, abs=1e-12)


def test_model_checker_and_both_methods_agree_on_slices_of_unequal_length(toy: ToyScenario) -> None:
    peaked(toy, slices_per_day=4)
    scenario = json.loads((toy.folder / "toy.yaml").read_text(encoding="utf-8"))
    scenario["workload_classes"]["batch"] |= {"deferrable_h": 24}
    (toy.folder / "toy.yaml").write_text(json.dumps(scenario), encoding="utf-8")
    run = edwc.solve(toy.folder / "toy.yaml", {"solver.mip_rel_gap": 1e-6}, out=toy.folder / "run")
    problem = run.problem
    assert PlanFacts(problem, run.plan).slice_h.tolist() == problem.slice_h.tolist()
    parts = solve_problem(problem, method="decomposed", mip_rel_gap=1e-6)
    assert parts.objective_cny == pytest.approx(run.solution.objective_cny, rel=1e-5)
    report = verify_run(open_run(toy.folder / "run"))
    assert report.is_verified, "\n".join(report.differences)
    page = build_report(run, None)
    first, *_, last = problem.slices["hour"]
    assert f"{last:02d}:00 to {first:02d}:00" in page
    assert all(baseline.is_feasible for baseline in evaluate_baselines(problem, "east"))


# What is lost, and who says so


def test_lost_peaks_are_counted_in_accelerators(toy: ToyScenario) -> None:
    problem = peaked(toy, slices_per_day=2, slicing="blocks")
    table = lost_peaks(problem, load_scenario(toy.folder / "toy.yaml")).set_index(["kind", "id"])
    chat, batch = table.loc[("workload_class", "chat")], table.loc[("workload_class", "batch")]
    # Blocks of 12 hours: the second has 13 + 11 = 24 parts of chat, 2 an hour, where the peak has 13; of batch 14.
    assert chat["lost_share"] == pytest.approx(1 - 2 / 13)
    assert chat["hour"] == 14
    hours = float(problem.accel_h_per_mtok.min(axis=1)[0])
    assert chat["peak_accelerators"] == pytest.approx(13 * 40 * hours / problem.utilization_limit_share)
    assert batch["lost_share"] == pytest.approx(1 - 14 / 12 / 3)
    assert batch["hour"] == 20
    total = table.loc[("all", "")]
    assert total["kept_accelerators"] == pytest.approx(chat["kept_accelerators"] + batch["kept_accelerators"])
    assert total["peak_accelerators"] == pytest.approx(chat["peak_accelerators"] + batch["peak_accelerators"] / 3)
    of_hubs = table.loc["demand_hub"]["peak_accelerators"]
    assert sorted(of_hubs.index) == ["metro_a", "metro_b"]
    assert of_hubs.sum() == pytest.approx(total["peak_accelerators"])


@pytest.mark.parametrize(
    "time", [{"slices_per_day": 24}, {"slices_per_day": 4}, {"slices_per_day": 24, "slicing": "blocks"}]
)
def test_no_warning_where_peaks_are_kept(toy: ToyScenario, time: dict[str, object]) -> None:
    peaked(toy, **time)
    found = edwc.check(toy.folder / "toy.yaml")
    assert found["slicing"]["lost_peaks"] == []
    assert "warning" not in describe_check(found)


def test_check_solve_and_report_warn_where_peaks_are_lost(toy: ToyScenario) -> None:
    peaked(toy, slices_per_day=2, slicing="blocks")
    told = describe_check(edwc.check(toy.folder / "toy.yaml"))
    assert "warning: 2 slices a day average away" in told
    assert "Set time.slicing to peaks." in told
    run = edwc.solve(toy.folder / "toy.yaml", {"solver.mip_rel_gap": 0.01}, out=toy.folder / "run")
    assert "warning: 2 slices a day average away" in describe_run(run)
    page = build_report(open_run(toy.folder / "run"), None)
    assert "Warning: 2 slices a day average away" in page
    kept = edwc.solve(toy.folder / "toy.yaml", {"time.slices_per_day": 4, "time.slicing": "peaks"})
    assert "warning" not in describe_run(kept)
    assert "Warning: " not in build_report(kept, None)
    # The remedy is of use: one slice cannot keep a peak, however it is cut.
    one = describe_check(edwc.check(toy.folder / "toy.yaml", {"time.slices_per_day": 1, "time.slicing": "peaks"}))
    assert "warning: one slice a day average" in one
    assert "Set time.slicing" not in one


def test_compare_its_page_and_uncertainty_warn_where_peaks_of_their_cases_are_lost(toy: ToyScenario) -> None:
    peaked(toy, slices_per_day=2, slicing="blocks")
    (toy.folder / "net" / "ranges.csv").write_text(
        "input,key,basis,low,high,shape,reason\nwest,price.west,factor,0.5,1.5,uniform,contracts\n", encoding="utf-8"
    )
    scenario, options = toy.folder / "toy.yaml", {"engine": "serial", "out": toy.folder / "found"}
    gap = {"solver.mip_rel_gap": 0.01}
    edwc.compare(scenario, gap, sweeps=["time.slices_per_day=2,24"], **options)
    # The reference, and the case of two slices again; 24 lose nothing.
    told = " ".join(open_comparison(toy.folder / "found").to_text().split())
    assert "warning: 2 of 3 with a plan lose peaks; of reference: 2 slices a day average away" in told
    assert "Warning: 2 of 3 with a plan lose peaks" in build_comparison_report(toy.folder / "found")
    sampled = edwc.uncertainty(scenario, {**gap, "time.slices_per_day": 2}, samples=10, engine="serial")
    assert "warning: 12 of 12 with a plan lose peaks; of" in " ".join(sampled.to_text().split())
