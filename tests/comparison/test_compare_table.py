"""The table of cases: what each row says again from the run folders, and the rows of cases that fail."""

from __future__ import annotations

import math
import re

import numpy as np
import pandas as pd
import pytest
from compared import CASES, FAILING, PLANS, plan_of, results

from optimizer.checker.check import check_plan
from optimizer.comparison.tables import METRICS, case_tables, metrics_table, saving_interval

Tables = dict[str, pd.DataFrame]


@pytest.fixture(scope="module")
def tables() -> Tables:
    return case_tables(list(results().values()), "reference")


@pytest.fixture(scope="module")
def rows(tables: Tables) -> pd.DataFrame:
    return tables["cases"].set_index("case")


def test_one_row_per_case_and_failed_ones_say_why(rows: pd.DataFrame) -> None:
    assert rows.index.tolist() == ["reference", *(case.id for case in CASES)]
    assert rows.loc[list(PLANS), "status"].eq("solved").all()
    assert rows.loc[list(PLANS), "reason"].eq("").all()
    assert rows["status"][["no_power", "misspelled"]].tolist() == ["infeasible", "failed"]
    assert "accelerator" in rows["reason"]["no_power"]
    assert "costs.carbon" in rows["reason"]["misspelled"]
    numbers = rows.select_dtypes("number").drop(columns=["parameter.carbon_price"])
    assert numbers.loc[list(FAILING)].isna().all(axis=None)
    assert rows["is_reference"].tolist() == [True, *(False for _ in CASES)]
    assert rows["parameter.carbon_price"].dropna().to_dict() == {"carbon_100": 100.0, "carbon_50": 50.0}


@pytest.mark.parametrize("case", PLANS)
def test_numbers_are_those_of_the_plan(rows: pd.DataFrame, case: str) -> None:
    row, plan = rows.loc[case], plan_of(case)
    report = check_plan(plan.problem, plan.plan)
    assert row["total_cny_per_year"] == pytest.approx(report.total_cny, rel=1e-12)
    components = {name: row[f"cost_cny_per_year.{name}"] for name in report.component_cny.index}
    assert components == pytest.approx(report.component_cny.to_dict(), rel=1e-9)
    assert math.fsum(components.values()) == pytest.approx(row["total_cny_per_year"], rel=1e-9)
    assert row["energy_mwh_per_year"] == pytest.approx(report.energy_mwh_per_year.sum())
    assert row["carbon_t_per_year"] == pytest.approx(report.carbon_t_per_year.sum())
    centers = plan.problem.data_centers
    mtok = plan.facts.candidate_mtok_per_year
    region = centers["region"].to_numpy(str)[plan.facts.candidate_data_center]
    for name in set(region):
        assert row[f"region_share.{name}"] == pytest.approx(mtok[region == name].sum() / mtok.sum())
    for d, name in enumerate(centers["id"]):
        peak = report.facility_power_mw[:, d].max()
        assert row[f"peak_facility_power_mw.{name}"] == pytest.approx(peak)
    used = mtok > 0
    rtt_ms = plan.problem.candidates["rtt_ms"].to_numpy()
    for k, name in enumerate(plan.problem.classes["id"]):
        of_class = used & (plan.facts.candidate_class == k)
        assert row[f"worst_rtt_ms.{name}"] == rtt_ms[of_class].max()
        assert row[f"mean_rtt_ms.{name}"] == pytest.approx(np.average(rtt_ms[of_class], weights=mtok[of_class]))


def test_saving_stands_between_what_is_proved(rows: pd.DataFrame) -> None:
    with_plan = rows.loc[list(PLANS)]
    total = with_plan["total_cny_per_year"]
    assert with_plan["saving_cny_per_year"].tolist() == pytest.approx((total["reference"] - total).tolist())
    assert (with_plan["least_saving_cny_per_year"] <= with_plan["saving_cny_per_year"]).all()
    assert (with_plan["saving_cny_per_year"] <= with_plan["most_saving_cny_per_year"]).all()
    # The best plans of the two could not differ by more than the plan of one and the bound of the other.
    most = with_plan["total_cny_per_year"]["reference"] - with_plan["bound_cny_per_year"]
    others = with_plan.index != "reference"
    assert with_plan["most_saving_cny_per_year"][others].tolist() == pytest.approx(most[others].tolist())
    assert with_plan["saving_share"]["carbon_100"] == pytest.approx(1 - total["carbon_100"] / total["reference"])


def test_case_like_the_reference_saves_and_moves_nothing(rows: pd.DataFrame) -> None:
    same = rows.loc["same"]
    assert same["saving_cny_per_year"] == 0.0
    assert same["moved_share"] == 0.0
    assert rows["moved_share"]["fast_chat"] > 0.05


def test_long_tables_hold_the_same_numbers(tables: Tables, rows: pd.DataFrame) -> None:
    for table, member, value, family in (
        (tables["costs"], "component", "cny_per_year", "cost_cny_per_year"),
        (tables["regions"], "region", "share", "region_share"),
        (tables["classes"], "workload_class", "worst_rtt_ms", "worst_rtt_ms"),
        (tables["data_centers"], "data_center", "peak_facility_power_mw", "peak_facility_power_mw"),
    ):
        assert set(table["case"]) == set(PLANS)
        for row in table.itertuples(index=False):
            assert rows[f"{family}.{getattr(row, member)}"][row.case] == getattr(row, value)
    differences = tables["costs"].groupby("case")["difference_cny_per_year"].sum()
    saving = rows["saving_cny_per_year"][list(PLANS)]
    assert differences[list(PLANS)].tolist() == pytest.approx((-saving).tolist(), abs=1e-3)


def test_order_of_cases_changes_the_order_of_rows_alone(tables: Tables) -> None:
    turned = case_tables(list(reversed(results().values())), "reference")["cases"]
    again = turned.iloc[::-1].reset_index(drop=True)
    pd.testing.assert_frame_equal(again[tables["cases"].columns.tolist()], tables["cases"])


def test_another_reference_turns_the_saving_round(rows: pd.DataFrame) -> None:
    other = case_tables(list(results().values()), "carbon_50")["cases"].set_index("case")
    assert other["saving_cny_per_year"]["reference"] == -rows["saving_cny_per_year"]["carbon_50"]
    failed = case_tables(list(results().values()), "misspelled")["cases"]
    assert failed["saving_cny_per_year"].isna().all()
    with pytest.raises(ValueError, match="the reference nowhere is none of the cases"):
        case_tables(list(results().values()), "nowhere")


def test_every_column_is_in_the_registry_and_named_with_its_unit(tables: Tables) -> None:
    known = {metric.name for metric in METRICS}
    others = {"case", "label", "is_reference", "status", "verdict", "share_range", "reason"}
    assert {name.split(".")[0] for name in tables["cases"]} - others == known
    units = r"(_cny|_cny_per_year|_cny_per_mwh|_mwh_per_year|_t_per_year|_mw|_ms|_mtok|_mtok_per_year|_share|_gap)$"
    counts = {"new_pods", "open_data_centers", "parameter", "mtok_per_year"}
    assert [name for name in known - counts if not re.search(units, name)] == []
    listed = metrics_table()
    assert listed["meaning"].str.len().min() > 5
    assert listed["column"].is_unique


def test_interval_of_the_saving_needs_both_plans() -> None:
    found = results()
    assert saving_interval(found["reference"], found["reference"]) == (0.0, 0.0, 0.0)
    assert all(math.isnan(value) for value in saving_interval(found["reference"], found["no_power"]))
