"""
A polynomial of the inputs, fitted to samples that were drawn for something else, and the total-order indices it has.

Sparse polynomial chaos: Legendre polynomials of the quantiles are orthonormal, so that the variance of a sum of them is
the sum of its squared coefficients, and the share of an input in all of them its total index (Sudret 2008, Reliability
Engineering & System Safety 93). Terms enter one by one (Blatman and Sudret 2011, Journal of Computational Physics 230).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import legendre

from optimizer.problem.problem import BoolArray, FloatArray, IntArray

LEAST_SAMPLES = 20
_MOST_DEGREE, _MOST_TERMS, _MOST_TOGETHER = 10, 4_000, 3  # of all terms, and inputs in one term
# How exponents make the degree of a term: their sum, or a norm in which two low ones count more than one high one. The
# second reaches high degrees of many inputs.
_NORMS = (1.0, 0.5)
_FOLDS, _ROUNDING = 5, 1e-9
# No more terms than a third of the samples, and none after so many in a row that predict no better.
_MOST_SHARE, _PATIENCE = 1 / 3, 10
_DEGREES_WITHOUT_GAIN = 4


@dataclass(frozen=True, eq=False)
class Surrogate:
    """
    What a fitted polynomial says of its inputs.

    Attributes
    ----------
    total : (I,)
        Total-order indices: share of the polynomial's variance in which each input has a part, alone or with others;
        NaN where nothing could be fitted.
    r2 : float
        Share of the variance of samples that were left out of the fit (a fifth at a time) that it predicts; NaN where
        nothing could be fitted. It may be below 0.
    """

    total: FloatArray
    r2: float


def fit_surrogate(inputs: FloatArray, output: FloatArray) -> Surrogate:
    """
    Fit a polynomial of the degree that best predicts samples left out.

    Parameters
    ----------
    inputs, output
        (N, I) quantiles of independent inputs and (N,).

    Returns
    -------
    Surrogate
        NaN with fewer than `LEAST_SAMPLES` samples, or of a constant output.
    """
    count, width = inputs.shape
    if count < LEAST_SAMPLES or np.ptp(output) == 0:
        return Surrogate(np.full(width, np.nan), math.nan)
    fold_of = np.arange(count) % _FOLDS  # samples of either design have no order
    best_r2, best = -math.inf, np.zeros((0, width), np.int64)
    for norm in _NORMS:
        without_gain, before = 0, 0
        for degree in range(1, _MOST_DEGREE + 1):
            terms = _terms(width, degree, norm)
            if len(terms) > _MOST_TERMS or without_gain == _DEGREES_WITHOUT_GAIN:
                break
            if len(terms) == before:
                continue
            r2, before = _predicted_share(_basis(inputs, terms), output, fold_of), len(terms)
            without_gain += 1
            if r2 > best_r2:
                best_r2, best, without_gain = r2, terms, 0
    chosen, coefficients = _fit(_basis(inputs, best), output)
    squares = coefficients[1:] ** 2
    uses = best[chosen] > 0
    variance = float(squares.sum())
    total = squares @ uses / variance if variance > 0 else np.full(width, np.nan)
    return Surrogate(np.asarray(total), best_r2)


def _terms(width: int, degree: int, norm: float) -> IntArray:
    """List the exponents of every term up to a degree, of a few inputs at most; cut off where they are too many."""
    rows, count = [], 0
    for together in range(1, min(_MOST_TOGETHER, width) + 1):
        exponents = [
            powers
            for powers in itertools.product(range(1, degree + 1), repeat=together)
            if sum(power**norm for power in powers) ** (1 / norm) <= degree * (1 + _ROUNDING)
        ]
        if not exponents:
            break
        for members in itertools.combinations(range(width), together):
            block = np.zeros((len(exponents), width), np.int64)
            block[:, members] = exponents
            rows.append(block)
            count += len(exponents)
            if count > _MOST_TERMS:
                return np.concatenate(rows)
    return np.concatenate(rows)


def _basis(inputs: FloatArray, terms: IntArray) -> FloatArray:
    """(N, M) values of terms: products of orthonormal Legendre polynomials on 0 to 1."""
    most = int(terms.max(initial=1))
    powers = legendre.legvander(2 * inputs - 1, most) * np.sqrt(2 * np.arange(most + 1) + 1)  # (N, I, most + 1)
    values = np.ones((len(inputs), len(terms)))
    for at in range(inputs.shape[1]):
        used = np.flatnonzero(terms[:, at])
        values[:, used] *= powers[:, at, terms[used, at]]
    return values


def _predicted_share(values: FloatArray, output: FloatArray, fold_of: IntArray) -> float:
    """Share of the variance of each fold that a fit to the others predicts."""
    missed = 0.0
    for fold in range(_FOLDS):
        out: BoolArray = fold_of == fold
        chosen, coefficients = _fit(values[~out], output[~out])
        missed += float(((output[out] - coefficients[0] - values[out][:, chosen] @ coefficients[1:]) ** 2).sum())
    return 1 - missed / float(((output - output.mean()) ** 2).sum())


def _fit(values: FloatArray, output: FloatArray) -> tuple[IntArray, FloatArray]:
    """
    Take up terms one by one, always the one that follows best what is left, as long as single samples are met better.

    Returns
    -------
    array, array
        (S,) chosen terms, and (S + 1,) coefficients, the constant first.
    """
    count = len(output)
    norms = np.linalg.norm(values, axis=0)
    norms[norms == 0] = np.inf
    base = np.full((count, 1), 1 / np.sqrt(count))  # orthonormal, of the constant and the terms chosen
    leverage = np.full(count, 1 / count)
    left = output - output.mean()
    chosen: list[int] = []
    best, best_error = 0, float(((left / (1 - leverage)) ** 2).sum())
    while len(chosen) < min(int(count * _MOST_SHARE), values.shape[1]) and len(chosen) < best + _PATIENCE:
        follows = np.abs(values.T @ left) / norms
        follows[chosen] = -1.0
        new = int(follows.argmax())
        direction = values[:, new] - base @ (base.T @ values[:, new])
        direction -= base @ (base.T @ direction)
        length = float(np.linalg.norm(direction))
        if follows[new] <= 0 or length < np.sqrt(np.finfo(float).eps) * norms[new]:
            break
        direction /= length
        base = np.column_stack([base, direction])
        left = left - direction * float(direction @ left)
        leverage = leverage + direction**2
        chosen.append(new)
        # What each sample would be missed by if it were left out of the fit.
        error = float(((left / np.maximum(1 - leverage, 1e-9)) ** 2).sum())
        if error < best_error:
            best, best_error = len(chosen), error
    kept = np.array(chosen[:best], dtype=np.int64)
    matrix = np.column_stack([np.ones(count), values[:, kept]])
    coefficients, *_ = np.linalg.lstsq(matrix, output, rcond=None)
    return kept, np.asarray(coefficients)
