"""The tornado: bars by hand, their order, ties, ends without a plan, and effects beside the cost."""

from __future__ import annotations

import math

import pytest
from compared import failed, result, results
from two_cases import CHEAP_WEST, DEAR_WEST, EAST_CNY, one_workload, solved_case, west_cny

from optimizer.comparison.cases import CaseResult, CaseStatus
from optimizer.comparison.effects import TornadoEnds, build_tornado


def test_price_and_latency_of_two_data_centers_by_hand() -> None:
    # The western price 300 to 900 (reference 300): at 900 all goes east. Round trips valued at a tenth or ten times.
    def solve(name: str, west_price: float, latency: float) -> CaseResult:
        problem = one_workload(west_price, latency_cny_per_ms_per_mtok=(latency, 0.0))
        plan = solved_case(name, problem)
        west = plan.facts.candidate_mtok_per_year[1] / plan.facts.candidate_mtok_per_year.sum()
        energy = float(plan.facts.energy_mwh_per_year.sum())
        shares = {"east": 1 - west, "west": west}
        return result(name, plan.checked_cost_cny, energy_mwh_per_year=energy, region_share=shares)

    reference = solve("reference", CHEAP_WEST, 0.1)
    table = build_tornado(
        reference,
        [
            TornadoEnds("latency", 0.01, 0.4, solve("a", CHEAP_WEST, 0.01), solve("b", CHEAP_WEST, 0.4)),
            TornadoEnds("price", 200.0, 900.0, solve("c", 200.0, 0.1), solve("d", DEAR_WEST, 0.1)),
        ],
    ).set_index("parameter")
    assert table.index.tolist() == ["price", "latency"]
    price, latency = table.loc["price"], table.loc["latency"]
    cost = west_cny(CHEAP_WEST)
    assert price["low_effect_cny_per_year"] == pytest.approx(west_cny(200.0) - cost)
    assert price["high_effect_cny_per_year"] == pytest.approx(EAST_CNY - cost)
    assert price["span_cny_per_year"] == pytest.approx(EAST_CNY - west_cny(200.0))
    assert price["high_effect_region_share.west"] == pytest.approx(-1.0)
    assert price["high_effect_energy_mwh_per_year"] == pytest.approx((6.0 - 4.8) * 8760)
    assert latency["high_effect_cny_per_year"] == pytest.approx(0.3 * 100 * 8760 * 23)  # dearer, but still west
    assert latency["low_effect_cny_per_year"] == pytest.approx(-0.09 * 100 * 8760 * 23)
    assert latency["high_effect_region_share.west"] == 0.0


def test_both_ends_on_one_side_reach_back_to_the_reference() -> None:
    table = build_tornado(result("r", 100.0), [TornadoEnds("x", 0.0, 1.0, result("a", 103.0), result("b", 110.0))])
    assert table["span_cny_per_year"].tolist() == [10.0]


def test_equal_spans_stand_by_name_and_the_order_given_does_not_matter() -> None:
    bars = [
        TornadoEnds(name, 0.0, 1.0, result(f"{name}0", 100.0 - low), result(f"{name}1", 100.0 + high))
        for name, low, high in (("b", 1.0, 4.0), ("a", 4.0, 1.0), ("c", 9.0, 0.0))
    ]
    for order in (bars, bars[::-1]):
        assert build_tornado(result("r", 100.0), order)["parameter"].tolist() == ["c", "a", "b"]


def test_ends_without_a_plan_are_rows_with_a_reason() -> None:
    table = build_tornado(
        result("r", 100.0),
        [
            TornadoEnds("neither", 0.0, 1.0, failed("a"), failed("b", CaseStatus.FAILED)),
            TornadoEnds("low_only", 0.0, 1.0, result("c", 95.0), failed("d")),
            TornadoEnds("both", 0.0, 1.0, result("e", 99.0), result("f", 101.0)),
        ],
    ).set_index("parameter")
    assert table.index.tolist() == ["low_only", "both", "neither"]
    assert table["span_cny_per_year"].tolist()[:2] == [5.0, 2.0]
    assert table.loc["low_only", ["high_status", "high_reason"]].tolist() == ["infeasible", "too few pods"]
    assert math.isnan(table.loc["low_only", "high_effect_cny_per_year"])
    assert math.isnan(table.loc["neither", "span_cny_per_year"])
    assert table.loc["neither", "high_status"] == "failed"
    assert (
        build_tornado(failed("r"), [TornadoEnds("x", 0.0, 1.0, result("a", 1.0), failed("b"))])["span_cny_per_year"]
        .isna()
        .all()
    )
    assert build_tornado(result("r", 1.0), []).empty


def test_effect_stands_between_what_is_proved() -> None:
    reference, dear = result("r", 100.0, bound_cny=98.0), result("d", 104.0, bound_cny=101.0)
    row = build_tornado(reference, [TornadoEnds("x", 0.0, 1.0, reference, dear)]).iloc[0]
    assert row["high_least_effect_cny_per_year"] == 101.0 - 100.0
    assert row["high_most_effect_cny_per_year"] == 104.0 - 98.0
    # The reference itself is no case of its own: nothing is uncertain.
    assert (row["low_least_effect_cny_per_year"], row["low_most_effect_cny_per_year"]) == (0.0, 0.0)


def test_carbon_price_of_the_reduced_scenario() -> None:
    found = results()
    bar = TornadoEnds("carbon_price", 50.0, 100.0, found["carbon_50"], found["carbon_100"])
    row = build_tornado(found["reference"], [bar]).iloc[0]
    reference, high = (found[name].summary for name in ("reference", "carbon_100"))
    for key in ("energy_mwh_per_year", "carbon_t_per_year"):
        assert row[f"high_effect_{key}"] == high[key] - reference[key]
    assert row["high_effect_cny_per_year"] > row["low_effect_cny_per_year"] > 0
    assert row["span_cny_per_year"] == row["high_effect_cny_per_year"]
    effects = [value for name, value in row.items() if str(name).startswith("high_effect_region_share.")]
    assert len(effects) > 1
    assert sum(effects) == pytest.approx(0.0, abs=1e-9)
