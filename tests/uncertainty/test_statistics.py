"""Indices against functions whose indices are known in closed form, and noise against noise that was put in."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from optimizer.problem.problem import FloatArray
from optimizer.uncertainty.samples import draw_quantiles
from optimizer.uncertainty.statistics import first_order_index, noise_sd, rank_indices

A, B = 7.0, 0.1


def ishigami(quantiles: FloatArray) -> FloatArray:
    x = np.pi * (2 * quantiles - 1)
    return np.asarray(np.sin(x[:, 0]) + A * np.sin(x[:, 1]) ** 2 + B * x[:, 2] ** 4 * np.sin(x[:, 0]))


def test_first_order_indices_of_the_ishigami_function() -> None:
    # Ishigami and Homma (1990): V1 = (1 + B pi^4 / 5)^2 / 2, V2 = A^2 / 8, V13 = B^2 pi^8 (1/18 - 1/50), V3 = 0.
    first, second, both = (1 + B * np.pi**4 / 5) ** 2 / 2, A**2 / 8, B**2 * np.pi**8 * (1 / 18 - 1 / 50)
    known = np.array([first, second, 0.0, 0.0]) / (first + second + both)
    assert known == pytest.approx([0.3139, 0.4424, 0, 0], abs=1e-4)
    quantiles = draw_quantiles(4096, 4, design="sobol", seed=3)
    output = ishigami(quantiles)
    found = [first_order_index(column, output) for column in quantiles.T]
    assert found == pytest.approx(known, abs=0.02)
    # A regression of ranks sees the first input alone, and says by its R2 that this is not the whole story.
    ranks = rank_indices(quantiles, output)
    assert ranks.r2 < 0.3
    assert abs(ranks.coefficient[1]) < 0.05


def test_a_first_order_index_of_nothing_is_zero_on_average_at_the_number_of_samples_of_a_study() -> None:
    rng = np.random.default_rng(5)
    found = [first_order_index(rng.random(200), rng.random(200)) for _ in range(400)]
    assert np.mean(found) == pytest.approx(0.0, abs=4 * np.std(found) / 20)
    assert np.quantile(found, 0.95) < 0.06


def test_rank_coefficients_of_a_linear_function_of_uniform_inputs() -> None:
    # Y = 4 X1 - 2 X2 + X3 + 0 X4 of independent uniform inputs: shares of variance 16, 4, 1 and 0 of 21.
    quantiles = draw_quantiles(2048, 4, design="latin", seed=1)
    weights = np.array([4.0, -2.0, 1.0, 0.0])
    ranks = rank_indices(quantiles, quantiles @ weights)
    assert ranks.r2 > 0.97
    assert ranks.coefficient == pytest.approx(weights / np.sqrt(21), abs=0.03)
    found = [first_order_index(column, quantiles @ weights) for column in quantiles.T]
    assert found == pytest.approx(weights**2 / 21, abs=0.02)


def test_ranks_do_not_care_for_the_scale_of_what_only_rises() -> None:
    quantiles = draw_quantiles(256, 3, design="latin", seed=2)
    linear = quantiles @ np.array([3.0, 1.0, 0.3])
    first, second = rank_indices(quantiles, linear), rank_indices(quantiles, np.exp(5 * linear))
    assert second.coefficient == pytest.approx(first.coefficient)
    assert second.r2 == pytest.approx(first.r2)


def test_partial_correlation_is_that_of_the_residuals() -> None:
    rng = np.random.default_rng(9)
    inputs = rng.random((60, 3))
    output = inputs @ np.array([2.0, -1.0, 0.1]) + 0.3 * rng.normal(size=60)
    found = rank_indices(inputs, output)
    ranks = np.column_stack([stats.rankdata(column) for column in (*inputs.T, output)])
    for at in range(3):
        others = np.column_stack([np.ones(60), np.delete(ranks[:, :3], at, axis=1)])
        residuals = [v - others @ np.linalg.lstsq(others, v, rcond=None)[0] for v in (ranks[:, at], ranks[:, 3])]
        assert found.partial[at] == pytest.approx(np.corrcoef(*residuals)[0, 1])


def test_the_threshold_lets_pass_five_percent_of_what_has_no_effect() -> None:
    rng = np.random.default_rng(4)
    found = [rank_indices(rng.random((40, 4)), rng.random(40)) for _ in range(400)]
    beyond = np.mean([np.abs(one.partial) > one.threshold for one in found])
    assert beyond == pytest.approx(0.05, abs=0.02)


def test_what_cannot_be_told_is_nan() -> None:
    quantiles = draw_quantiles(10, 12, design="latin", seed=1)
    few = rank_indices(quantiles, quantiles[:, 0])
    assert np.isnan(few.coefficient).all()
    assert np.isnan(few.r2)
    constant = rank_indices(draw_quantiles(20, 2, design="latin", seed=1), np.ones(20))
    assert np.isnan(constant.partial).all()
    assert np.isnan(first_order_index(np.arange(7.0), np.arange(7.0)))
    assert np.isnan(first_order_index(np.arange(70.0), np.ones(70)))
    assert np.isnan(noise_sd(np.zeros(0), np.zeros(0)))


def test_an_output_that_follows_one_input_wholly_has_no_infinite_correlation() -> None:
    quantiles = draw_quantiles(30, 2, design="latin", seed=1)
    found = rank_indices(quantiles, -quantiles[:, 1])
    assert found.coefficient == pytest.approx([0.0, -1.0])
    assert found.partial.tolist() == [0.0, -1.0]
    assert found.r2 == pytest.approx(1.0)


def test_noise_is_that_of_one_result() -> None:
    rng = np.random.default_rng(2)
    truth = rng.random(5000)
    first, again = (truth + 0.01 * rng.normal(size=5000) for _ in range(2))
    assert noise_sd(first, again) == pytest.approx(0.01, rel=0.05)
