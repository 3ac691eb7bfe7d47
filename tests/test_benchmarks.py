"""The benchmarks run: every case can be assembled, and the table compares what it says."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
from documents import ROOT

import edwc
from benchmarks.__main__ import main
from benchmarks.growth import read_results, summarize
from benchmarks.growth_run import METHODS as METHODS_OF_GROWTH
from benchmarks.handover import METHODS
from benchmarks.networks import write_case
from benchmarks.problems import CASES, benchmark_problem
from network_data import load_network


def test_every_case_can_be_assembled_from_the_shipped_tables() -> None:
    assert set(CASES) == {"routes", "days", "large", "small"}
    assert len(benchmark_problem("days").slices) == 4 * 24


def test_small_benchmark_prints_its_table(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--small", "--method", "bare_rows", "--method", "bare_columns", "--method", "ours"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].startswith("small: ")
    measured = {line[:34].strip(): line[34:].split() for line in lines[4:7]}
    assert measured.keys() == {METHODS[name] for name in ("bare_rows", "bare_columns", "ours")}
    # Each bare hand-over is once itself; ours is more than either.
    assert float(measured[METHODS["bare_rows"]][3]) == 1.0
    assert float(measured[METHODS["bare_columns"]][5]) == 1.0
    assert float(measured[METHODS["ours"]][3]) > 1.0


@pytest.mark.parametrize(("size", "days"), [(0.25, 1), (1.5, 3)])
def test_drawn_network_is_one_that_the_program_takes(tmp_path: Path, size: float, days: int) -> None:
    scenario = write_case(tmp_path / "one", size, 11, days=days, slices_per_day=2)
    found = edwc.check(scenario)
    base = load_network("china_2026")
    hubs, centers = (base.nodes["kind"] == "demand_hub").sum(), len(base.data_centers)
    assert found["demand_hubs"] == pytest.approx(size * hubs, abs=1)
    assert found["data_centers"] == pytest.approx(size * centers, abs=1)
    assert found["time_slices"] == 2 * days
    drawn = load_network(scenario.parent / "network")
    assert set(drawn.data_centers["region"]) == set(base.data_centers["region"])
    assert (drawn.links["length_km"] >= drawn.links["great_circle_km"]).all()
    # Prices and weights are drawn, not copied.
    assert not set(drawn.tariffs["price_cny_per_mwh"]) <= set(base.tariffs["price_cny_per_mwh"])

    write_case(tmp_path / "again", size, 11, days=days, slices_per_day=2)
    write_case(tmp_path / "other", size, 12, days=days, slices_per_day=2)
    files = [path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.*")]
    assert all((tmp_path / "one" / name).read_bytes() == (tmp_path / "again" / name).read_bytes() for name in files)
    nodes = Path("network") / "nodes.csv"
    assert (tmp_path / "one" / nodes).read_bytes() != (tmp_path / "other" / nodes).read_bytes()


def test_growth_is_measured_by_every_method_and_not_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results, page = tmp_path / "growth.csv", tmp_path / "performance.md"
    page.write_text((ROOT / "docs" / "performance.md").read_text(encoding="utf-8"), encoding="utf-8")
    call = ["growth", "--small", "--results", str(results), "--page", str(page)]
    main([*call, "--method", "highs"])
    main(call)  # goes on with those that are missing
    stored = read_results(results)
    methods = [name for name in METHODS_OF_GROWTH if name != "scip" or find_spec("pyscipopt")]
    assert sorted(row["method"] for row in stored) == sorted(methods)
    assert len({row["columns"] for row in stored}) == 1
    for row in stored:
        assert row["seconds_to_gap"] is not None, row
        assert row["gap"] <= 0.1
    # All bound the same optimum from below, and have a plan above it.
    assert max(row["bound_cny"] for row in stored) <= min(row["plan_cny"] for row in stored) * (1 + 1e-6)
    text = page.read_text(encoding="utf-8")
    assert "(performance.png)" in text
    assert all(f"| {METHODS_OF_GROWTH[name]} | 1 |" in text for name in methods)
    assert (tmp_path / "performance.png").read_bytes().startswith(b"\x89PNG")

    capsys.readouterr()
    main(call)
    assert "seconds" not in capsys.readouterr().out
    assert read_results(results) == stored


def test_solve_that_does_not_end_is_ended_and_keeps_what_it_told() -> None:
    key = {"time_limit_s": 10.0, "mip_rel_gap": 0.05}
    told = [
        {"kind": "ready", "seconds": 0.1, "left_out_s": 0.0},
        {"kind": "news", "seconds": 2.0, "plan_cny": 110.0, "bound_cny": None},
        {"kind": "news", "seconds": 6.0, "plan_cny": 110.0, "bound_cny": 99.0},
        {"kind": "news", "seconds": 16.0, "plan_cny": 100.0, "bound_cny": 100.0},  # too late
    ]
    found = summarize(told, key)
    assert found["status"] == "ended from outside"
    assert (found["plan_cny"], found["bound_cny"], found["seconds_to_gap"]) == (110.0, 99.0, None)
    assert found["gap"] == pytest.approx(0.1)
    assert json.loads(found["trace"]) == [[2.5, 110.0, None], [5.0, 110.0, None], [10.0, 110.0, 99.0]]
