"""Samples: strata, seeds, groups that move together, and requests that are refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import stats

from network_data.faults import FaultList
from network_data.ranges import RangeRow
from optimizer.uncertainty.inputs import InputRange, UncertainInput
from optimizer.uncertainty.samples import check_design, draw_quantiles, repeats_of, sample_cases


def one_range(key: str, low: float, value: float, high: float, shape: str = "triangular") -> InputRange:
    row = RangeRow("x", key, "value", low, high, shape, "why", "", "ranges.csv", 2)  # type: ignore[arg-type]
    return InputRange(key, value, low, high, is_whole=False, row=row)


def test_a_latin_hypercube_has_one_value_in_each_interval_of_each_input() -> None:
    quantiles = draw_quantiles(50, 7, design="latin", seed=1)
    assert (np.sort(np.floor(quantiles * 50), axis=0) == np.arange(50)[:, None]).all()


@pytest.mark.parametrize("design", ["latin", "sobol"])
def test_the_same_seed_draws_the_same_points(design: str) -> None:
    first, again, other = (draw_quantiles(64, 3, design=design, seed=seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).all()


def test_a_larger_sobol_sample_begins_with_the_smaller_one() -> None:
    small, large = (draw_quantiles(count, 5, design="sobol", seed=4) for count in (32, 128))
    assert (large[:32] == small).all()


def test_samples_have_the_quantiles_of_the_distribution() -> None:
    one = UncertainInput("a", (one_range("costs.a", 1.0, 2.0, 7.0),))
    cases = sample_cases([one], draw_quantiles(1000, 1, design="latin", seed=1))
    values = [float(case.overrides[0].partition("=")[2]) for case in cases]
    levels = [0.05, 0.25, 0.5, 0.75, 0.95]
    assert np.quantile(values, levels) == pytest.approx(stats.triang(1 / 6, 1, 6).ppf(levels), abs=0.01)


def test_rows_of_one_input_rise_together_and_inputs_are_independent() -> None:
    group = UncertainInput("g", (one_range("costs.a", 0, 1, 2), one_range("costs.b", 10, 20, 80, "uniform")))
    alone = UncertainInput("h", (one_range("costs.c", 0, 1, 2),))
    cases = sample_cases([group, alone], draw_quantiles(500, 2, design="latin", seed=1))
    table = np.array([[float(text.partition("=")[2]) for text in case.overrides] for case in cases])
    assert stats.spearmanr(table[:, 0], table[:, 1]).statistic == pytest.approx(1.0)
    assert abs(stats.spearmanr(table[:, 0], table[:, 2]).statistic) < 0.1
    assert list(cases[0].point) == ["g", "h"]
    assert cases[0].id == "sample_0001"


def test_a_network_number_of_a_sample_is_an_ordinary_override() -> None:
    one = UncertainInput("pue", (one_range("network_factor.data_centers.*.pue", 0.9, 1, 1.2),))
    (case,) = sample_cases([one], np.array([[1.0]]))
    key, _, change = case.overrides[0].partition("=")
    assert key.startswith("network_changes.")
    assert json.loads(change) == {"table": "data_centers", "column": "pue", "scale": 1.2}


def test_repeats_are_spread_and_differ_in_the_seed_alone() -> None:
    one = UncertainInput("a", (one_range("costs.a", 0, 1, 2),))
    cases = sample_cases([one], draw_quantiles(200, 1, design="latin", seed=1))
    again = repeats_of(cases, 7)
    assert [case.id for case in again[:2]] == ["sample_0001_again", "sample_0023_again"]
    assert len(again) == 10
    assert again[0].overrides == (*cases[0].overrides, "solver.seed=8")
    assert len(repeats_of(cases[:10], 1)) == 1


def test_requests_that_make_no_sense_are_refused_together() -> None:
    faults = FaultList()
    check_design(100, "sobol", faults)
    check_design(3, "random", faults)
    check_design(128, "sobol", faults)
    assert [(fault.file, fault.value) for fault in faults] == [
        ("samples", "100"), ("design", "random"), ("samples", "3"),
    ]  # fmt: skip
    assert "64 or 128" in next(iter(faults)).remedy
