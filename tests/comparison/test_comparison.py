"""The comparison as a whole: its tables fit together, and its text is readable whatever the names are."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from compared import CASES, FAILING, PLANS, results
from reduced import reduced_overrides

from optimizer.comparison.cases import Case, CaseResult
from optimizer.comparison.comparison import Comparison, build_comparison
from optimizer.comparison.effects import TornadoEnds
from optimizer.comparison.runner import CaseRunner
from optimizer.runs.difference import MOVES
from optimizer.text.comparison import WIDTH, chosen_pairs, describe_comparison

HOSTILE = "\x1b[31mred\x1b[0m\u202e <script>alert(1)</script>"


def ends(found: dict[str, CaseResult]) -> list[TornadoEnds]:
    return [
        TornadoEnds("carbon_price", 50.0, 100.0, found["carbon_50"], found["carbon_100"]),
        TornadoEnds("pods", 0.01, 0.7, found["no_power"], found["more_pods_busy"]),
    ]


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    found = results()
    return build_comparison("base", found, "reference", tornado=ends(found))


@pytest.fixture(scope="module")
def text(comparison: Comparison) -> str:
    return describe_comparison(comparison)


def test_bars_of_every_pair_sum_to_the_difference_in_the_table(comparison: Comparison) -> None:
    totals = comparison.cases.set_index("case")["total_cny_per_year"]
    others = [case for case in PLANS if case != "reference"]
    assert comparison.waterfall_pairs["second"].tolist() == others
    for row in comparison.waterfall_pairs.itertuples(index=False):
        bars = comparison.waterfalls[comparison.waterfalls["second"] == row.second]
        inner = bars[~bars["kind"].isin(["start", "end"])]["cny_per_year"]
        difference = totals[row.second] - totals["reference"]
        assert math.fsum(inner) == pytest.approx(difference, rel=1e-9, abs=1e-6)
        parts = row.price_cny_per_year + row.reoptimize_cny_per_year + row.change_cny_per_year
        assert parts == pytest.approx(difference, rel=1e-9, abs=1e-6)
        assert bool(row.reason) == (row.second in {"fast_chat", "more_pods_busy"})


def test_moved_share_of_the_table_is_that_of_the_moves(comparison: Comparison) -> None:
    told = comparison.moved_totals
    shares = told[told["kind"].isin(MOVES)].groupby("second")["share"].sum()
    table = comparison.cases.set_index("case")["moved_share"]
    assert shares.to_dict() == pytest.approx(table[shares.index].to_dict())


def test_every_table_has_its_cases_and_no_column_twice(comparison: Comparison) -> None:
    tables = comparison.tables()
    assert {"cases", "costs", "waterfalls", "moved", "regret", "regret_matrix", "tornado", "metrics"} <= tables.keys()
    ids = {"reference", *(case.id for case in CASES)}
    for name, table in tables.items():
        assert table.columns.is_unique, name
        for column in ("case", "first", "second", "plan", "under"):
            if column in table:
                assert set(table[column]) <= ids, name
    assert tables["regret_matrix"].columns.tolist() == ["plan", *PLANS]
    assert tables["regret_matrix"]["plan"].tolist() == list(PLANS)


def test_requested_pairs_and_unknown_ids() -> None:
    found = results()
    chosen = build_comparison("base", found, "reference", waterfalls=[("carbon_50", "carbon_100")], regret=False)
    assert chosen.waterfall_pairs[["first", "second"]].to_numpy().tolist()[-1] == ["carbon_50", "carbon_100"]
    assert chosen.regret.empty
    assert "From carbon_price=50 to carbon_price=100" in describe_comparison(chosen)
    with pytest.raises(ValueError, match="there is no case nowhere"):
        build_comparison("base", found, "reference", waterfalls=[("nowhere", "reference")])


def test_comparison_without_any_plan_is_told() -> None:
    found = {case: results()[case] for case in FAILING}
    comparison = build_comparison("base", found, "no_power")
    assert comparison.waterfalls.empty
    assert chosen_pairs(comparison) == []
    text = describe_comparison(comparison)
    assert "2 cases, 2 without a plan" in text
    assert "infeasible: " in text


def test_text_tells_what_the_tables_hold(comparison: Comparison, text: str) -> None:
    row = comparison.cases.set_index("case").loc["carbon_100"]
    line = next(line for line in text.splitlines() if line.startswith("carbon_price=100"))
    assert f"{row['total_cny_per_year'] / 1e6:,.1f}" in line
    assert f"{row['least_saving_cny_per_year'] / 1e6:,.1f} to {row['most_saving_cny_per_year'] / 1e6:,.1f}" in line
    assert f"{row['energy_mwh_per_year'] / 1e3:,.0f}" in line
    assert "failed: 1 fault in scenario 'base'" in text
    assert "From reference to chat within 12 ms, million CNY a year" in text
    assert "is none in chat within 12 ms, so prices and re-optimizing cannot be separated" in text
    assert "every plan breaks a limit of some case" in text
    assert "    low: no plan: " in text
    of_pair = comparison.moved_totals[comparison.moved_totals["second"] == "fast_chat"]
    share = of_pair[of_pair["kind"].isin(MOVES)]["share"].sum()
    assert "What moved from reference to chat within 12 ms" in text
    assert f"  {share:.1%} of the tokens of reference run elsewhere: " in text
    # What every case was changed in beside what tells it from the others.
    (changed,) = [line for line in text.splitlines() if line.startswith("changed in the scenario: ")]
    assert "demand.workloads_table=base.csv" in changed
    assert "costs.carbon_price_cny_per_t" not in changed


def test_planning_anew_is_told_where_it_changes_something(tmp_path: Path) -> None:
    # Dear enough that another plan pays: at 100 the reference's, which a case starts from, is within the gap.
    dear = Case("dear", "carbon_price=2000", ("costs.carbon_price_cny_per_t=2000",))
    with CaseRunner("base", reduced_overrides("base", tmp_path), out=tmp_path / "out") as runner:
        found = build_comparison("base", runner.run([dear]), "reference")
    text = describe_comparison(found)
    assert "prices of carbon_price=2000 on the unchanged plan of reference" in text
    assert "what re-optimizing changed" in text
    assert max(map(len, text.splitlines())) <= WIDTH


def test_price_effect_and_what_reoptimizing_changed_are_told_apart(comparison: Comparison) -> None:
    pairs = (("reference", "carbon_100"), ("reference", "same"), ("reference", "no_power"))
    text = describe_comparison(replace(comparison, pairs=pairs))
    assert "prices of carbon_price=100 on the unchanged plan of reference" in text
    assert "no component differs" in text
    assert "What moved from reference to the reference again: nothing" in text
    assert "no waterfall: one of the two has no plan" in text


def test_regret_names_the_plan_and_what_can_be_improved() -> None:
    priced = {case: results()[case] for case in ("reference", "carbon_50", "carbon_100")}
    comparison = build_comparison("base", priced, "reference")
    text = describe_comparison(comparison)
    best = comparison.regret_plans.iloc[0]
    label = priced[best["plan"]].case.label
    assert f"least regret at worst: {label}, {best['max_regret_cny_per_year'] / 1e6:.1f}"[:40] in text
    for case in comparison.improvable["case"]:
        assert f"{priced[case].case.label} can be improved" in text


def test_names_are_text_and_lines_fit(comparison: Comparison) -> None:
    renamed = {
        case: replace(
            result, case=replace(result.case, label=f"{HOSTILE} {case} {'x' * 200}"), reason=result.reason + HOSTILE
        )
        for case, result in results().items()
    }
    found = build_comparison(HOSTILE, renamed, "reference", tornado=ends(renamed))
    for shown in (describe_comparison(found), describe_comparison(comparison)):
        assert [line for line in shown.splitlines() if len(line) > WIDTH] == []
        assert all(line.isprintable() for line in shown.splitlines())
    assert "\x1b" not in describe_comparison(found)


def test_points_of_a_grid_are_told_apart() -> None:
    """Labels of a grid differ in their ends, where a narrow column would cut them."""
    found = results()
    point = {"price.northwestern": 0.5, "carbon_price": 100.0}
    grid = {}
    for case, west in (("carbon_50", 0.5), ("carbon_100", 1.5)):
        values = point | {"price.northwestern": west}
        name = f"price.northwestern={west}, carbon_price=100"
        grid[case] = replace(found[case], case=replace(found[case].case, label=name, point=values))
    text = describe_comparison(build_comparison("base", {"reference": found["reference"], **grid}, "reference"))
    table = text.split("\n\n")[0].splitlines()
    assert [line.split("  ")[0] for line in table[4:6]] == ["0.5, 100", "1.5, 100"]
    assert "named by values: price.northwestern, carbon_price" in table
    assert "(2) 0.5, 100 " in text


def test_many_cases_are_ranked_instead_of_a_matrix() -> None:
    found = results()
    many = {f"case_{n}": replace(found[case], case=replace(found[case].case, id=f"case_{n}", label=f"case {n}"))
            for n, case in enumerate(["reference", "carbon_50", "carbon_100"] * 3)}  # fmt: skip
    text = describe_comparison(build_comparison("base", many, "case_0"))
    assert "Regret at worst" in text
    assert "(1)" not in text


def test_order_of_cases_does_not_matter(comparison: Comparison) -> None:
    found = results()
    turned = build_comparison("base", dict(reversed(found.items())), "reference", tornado=ends(found)[::-1])
    pd.testing.assert_frame_equal(turned.tornado, comparison.tornado)
    keys = {
        "waterfall_pairs": ["second"],
        "moved": ["second", *comparison.moved.columns[2:9]],
        "regret": ["plan", "under"],
    }
    for name, by in keys.items():
        first, second = (one.tables()[name].sort_values(by, ignore_index=True) for one in (comparison, turned))
        pd.testing.assert_frame_equal(first, second)
