"""Total-order indices of a fitted polynomial, against functions whose indices are known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from test_statistics import A, B, ishigami

from optimizer.uncertainty.samples import draw_quantiles
from optimizer.uncertainty.surrogate import fit_surrogate


def test_total_indices_of_the_ishigami_function() -> None:
    # Variances as in `test_statistics`: the third input acts with the first alone, so that both hold V13.
    first, second, both = (1 + B * np.pi**4 / 5) ** 2 / 2, A**2 / 8, B**2 * np.pi**8 * (1 / 18 - 1 / 50)
    known = np.array([first + both, second, both, 0.0]) / (first + second + both)
    assert known == pytest.approx([0.5576, 0.4424, 0.2437, 0], abs=1e-4)
    for design, count in (("sobol", 256), ("latin", 200)):
        quantiles = draw_quantiles(count, 4, design=design, seed=3)
        found = fit_surrogate(quantiles, ishigami(quantiles))
        assert found.total == pytest.approx(known, abs=0.02)
        assert 0.97 < found.r2 <= 1


def test_total_indices_of_a_product_among_many_inputs() -> None:
    # Y = 3 X1 + X2 X3 about their means: variances 9/12, and of the product 1/144, 1/48 and 1/48 with means of 1/2.
    quantiles = draw_quantiles(200, 20, design="latin", seed=1)
    x = quantiles[:, :3]
    found = fit_surrogate(quantiles, 3 * x[:, 0] + 4 * x[:, 1] * x[:, 2])
    parts = np.array([9 / 12, 16 / 48, 16 / 48, 16 / 144])
    known = np.array([parts[0], parts[1] + parts[3], parts[2] + parts[3]]) / parts.sum()
    assert found.total[:3] == pytest.approx(known, abs=0.01)
    assert found.total[3:] == pytest.approx(np.zeros(17), abs=0.005)
    assert found.r2 > 0.99


def test_what_no_polynomial_predicts_says_so_by_its_r2() -> None:
    rng = np.random.default_rng(1)
    noise = fit_surrogate(rng.random((200, 10)), rng.normal(size=200))
    assert noise.r2 < 0.1
    half = fit_surrogate(inputs := rng.random((300, 5)), inputs[:, 0] + np.sqrt(1 / 12) * rng.normal(size=300))
    assert half.r2 == pytest.approx(0.5, abs=0.12)


def test_what_cannot_be_told_is_nan() -> None:
    rng = np.random.default_rng(1)
    for count, output in ((19, rng.random(19)), (50, np.ones(50))):
        found = fit_surrogate(rng.random((count, 3)), output)
        assert np.isnan(found.total).all()
        assert np.isnan(found.r2)
