"""What a summary says of a plan in proportion: savings by component, clusters, spare pods as a scenario states them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from network_files import Row
from toy_scenario import ToyScenario

import edwc
from optimizer.checker.check import check_plan
from optimizer.runs.verify import verify_run
from optimizer.text.run import describe_run, describe_saving


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> edwc.Run:
    """Solve the toy with spare pods in standby, and a cluster of a programme in the west."""
    folder = tmp_path_factory.mktemp("toy")

    def centers(rows: list[Row]) -> list[Row]:
        return [{**row, "cluster": "West cluster" if row["id"] == "dc_west" else ""} for row in rows]

    fleet = {"spare_pods": "standby", "standby_power_share": 0.25}
    ToyScenario(folder)(tables={"data_centers": centers}, fleet=fleet)
    return edwc.solve(folder / "toy.yaml", ["solver.threads=1"], out=folder / "run")


def test_saving_against_each_rule_is_the_sum_of_its_parts(run: edwc.Run) -> None:
    compared = [item for item in run.baselines if item["is_feasible"]]
    assert "spreadsheet" in {item["id"] for item in compared}
    own = check_plan(run.problem, run.plan).component_cny
    for item in compared:
        parts = item["component_saving_cny_per_year"]
        assert sum(parts.values()) == pytest.approx(item["saving_cny_per_year"], abs=1e-3)
        for name, cny in parts.items():
            assert cny == pytest.approx(item["component_cny_per_year"][name] - own[name], abs=1e-3)
        assert item["full_cost_cny_per_year"] >= item["total_cny_per_year"]


def test_spare_pods_are_counted_as_the_scenario_says(run: edwc.Run) -> None:
    summary, spare = run.summary, run.summary["spare_pods"]
    assert spare["counted_share"] == pytest.approx(0.25)
    assert spare["counted_cny_per_year"] == pytest.approx(0.25 * spare["cny_per_year"])
    parts = (summary["total_cny_per_year"], summary["used_stock_capital_cny_per_year"], spare["counted_cny_per_year"])
    assert run.full_cost_cny_per_year == pytest.approx(sum(parts))


def test_clusters_stand_apart_from_other_sites_of_their_region(run: edwc.Run) -> None:
    clusters, regions = run.summary["cluster_region_share"], run.summary["region_share"]
    assert clusters.get("west", 0.0) == pytest.approx(regions.get("west", 0.0))
    assert clusters["east"] == 0.0


def test_both_costs_are_printed_and_verified(run: edwc.Run) -> None:
    said = describe_run(run)
    for words in ("decision cost", "full cost", "with the whole stock", "spare pods", "in programme clusters", "moves"):
        assert words in said
    assert verify_run(run).is_verified, verify_run(run).differences


def rule(name: str, total: float, **parts: float) -> dict[str, Any]:
    return {
        "id": name, "name": name, "is_feasible": True, "total_cny_per_year": total,
        "saving_cny_per_year": total - 100e6, "component_saving_cny_per_year": parts,
        "estimated_saving_cny_per_year": 15e6,
    }  # fmt: skip


def test_headline_is_against_the_best_rule_and_names_the_best_simple_one() -> None:
    rules = [rule("cheap", 150e6, energy=50e6), rule("spreadsheet", 110e6, opening=12e6, energy=-2e6, latency=0.0)]
    assert describe_saving(rules, 100e6) == (
        "The optimization saves 10.0 million CNY a year (9.1%) against the best of them, spreadsheet. "
        "By component: opening 12.0, energy -2.0. Prices that are estimates account for 15.0, all others for -5.0. "
        "Against the best of the others, cheap, it would be 50.0 million CNY a year (33.3%)."
    )


def test_run_of_an_older_version_says_what_it_knows() -> None:
    old = {"id": "cheap", "name": "cheap", "is_feasible": True, "total_cny_per_year": 150e6}
    assert describe_saving([old], 100e6).endswith("(33.3%) against the best of them, cheap.")


def test_folder_of_the_run_keeps_both_costs(run: edwc.Run) -> None:
    assert isinstance(run.folder, Path)
    assert edwc.open_run(run.folder).full_cost_cny_per_year == pytest.approx(run.full_cost_cny_per_year)
