"""
Statistics of samples: which inputs an output follows, and how much of its dispersion is noise of the solver.

Inputs are quantiles, (N, I), so that what counts is how a value ranks within its own range.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.problem.problem import FloatArray

_LEAST_BINS, _MOST_BINS = 4, 32
# About the square root of the number of samples, so that both the bins and the samples in each grow with it.
_BINS_PER_ROOT = 0.7
SIGNIFICANCE_SHARE = 0.05


@dataclass(frozen=True, eq=False)
class RankIndices:
    """
    How the ranks of an output follow those of the inputs; NaN where there are too few samples to tell.

    Attributes
    ----------
    coefficient : (I,)
        Standardized rank regression coefficient: ranks of the output that one input moves, the others unchanged.
    partial : (I,)
        Partial rank correlation: the same relation after what the other inputs explain is taken out of both.
    threshold : float
        A partial correlation beyond it, either way, is no accident of the sample at the 5 % level.
    r2 : float
        Share of the variance of the ranks that the regression explains; below about 0.7 it tells only part.
    """

    coefficient: FloatArray
    partial: FloatArray
    threshold: float
    r2: float


def rank_indices(inputs: FloatArray, output: FloatArray) -> RankIndices:
    """
    Regress the ranks of an output on those of the inputs.

    Parameters
    ----------
    inputs, output
        (N, I) and (N,).

    Notes
    -----
    Iman and Conover (1979), Technometrics 21; Saltelli et al. (2008), Global Sensitivity Analysis, section 1.2. The
    partial correlations are read off the inverse P of the matrix of rank correlations: -P_jy / sqrt(P_jj P_yy).
    """
    from scipy import stats  # a second that whoever reads a result need not wait

    count, width = inputs.shape
    nothing = np.full(width, np.nan)
    freedom = count - width - 1
    if freedom < 1 or np.ptp(output) == 0:
        return RankIndices(nothing, nothing, np.nan, np.nan)
    ranks = np.column_stack([stats.rankdata(column) for column in (*inputs.T, output)])
    ranks -= ranks.mean(axis=0)
    ranks /= ranks.std(axis=0)
    x, y = ranks[:, :-1], ranks[:, -1]
    coefficient, *_ = np.linalg.lstsq(x, y, rcond=None)
    r2 = 1 - float(np.mean((y - x @ coefficient) ** 2))
    # The pseudo-inverse also serves where the inputs explain the output wholly.
    inverse = np.linalg.pinv(ranks.T @ ranks / count, hermitian=True)
    if 1 - r2 < np.sqrt(np.finfo(float).eps):
        partial = np.where(np.abs(coefficient) > np.sqrt(np.finfo(float).eps), np.sign(coefficient), 0.0)
    else:
        partial = -inverse[:-1, -1] / np.sqrt(np.diag(inverse)[:-1] * inverse[-1, -1])
    t = float(stats.t.ppf(1 - SIGNIFICANCE_SHARE / 2, freedom))
    return RankIndices(coefficient, partial, float(t / np.sqrt(freedom + t**2)), r2)


def first_order_index(values: FloatArray, output: FloatArray) -> float:
    """
    Estimate the first-order index of one input from samples that were drawn for all: Var(E[Y|X]) / Var(Y).

    Parameters
    ----------
    values, output
        (N,) each.

    Returns
    -------
    float
        About 0 where the input alone decides nothing; an estimate may be slightly below. NaN with fewer than two
        samples in each bin, or a constant output.

    Notes
    -----
    Correlation ratio over bins of equally many samples (Plischke 2010, Reliability Engineering & System Safety 95),
    corrected for the number of bins as in Kelley's epsilon squared: without an effect its mean is 0.
    """
    count = len(values)
    bins = int(np.clip(round(_BINS_PER_ROOT * np.sqrt(count)), _LEAST_BINS, _MOST_BINS))
    if count < 2 * bins or np.ptp(output) == 0:
        return float("nan")
    order = np.argsort(values, kind="stable")
    parts = np.array_split(output[order], bins)
    within = sum(float(((part - part.mean()) ** 2).sum()) for part in parts)
    total = float(((output - output.mean()) ** 2).sum())
    return 1 - within / total * (count - 1) / (count - bins)


def noise_sd(first: FloatArray, again: FloatArray) -> float:
    """
    Estimate the standard deviation of what a solver adds by chance, from results for the same inputs.

    Parameters
    ----------
    first, again
        (R,) each: an output, and the output when it was solved again with another seed.

    Returns
    -------
    float
        Of one result; NaN without pairs.
    """
    # A difference of two has twice the variance of one.
    return float(np.sqrt(np.mean((first - again) ** 2) / 2)) if len(first) else float("nan")
