"""
What is proved of some cases, as a bound of another that differs from them in prices alone.

Such cases have the same plans, at other costs. The least cost V(c) of any plan, where what a unit of each decision
costs is c, is the least of functions that are linear in c, so V is concave, and V(a c) = a V(c) for a >= 0. No decision
is negative, so V does not fall where a unit cost rises. Hence, for any weights of the cases that are known,

    w_i >= 0 and sum_i w_i c_i <= c   give   V(c) >= sum_i w_i V(c_i) >= sum_i w_i bound_i,

and the weights that say most are a linear program of one variable for each known case. Between the corners of a grid of
prices this comes close to what a solve would prove, without one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from optimizer.problem.problem import FloatArray

# Share by which weights are lowered, so that no rounding of the linear program lets them say too much.
_ROUNDING_SHARE = 1e-8


def bound_at(cost: FloatArray, costs: Sequence[FloatArray], bounds_cny: Sequence[float]) -> float:
    """
    Bound the least of `cost @ x` over some x >= 0 by bounds of the least of other costs over the same x.

    Parameters
    ----------
    cost
        (n,) cost of a unit of each decision.
    costs
        (n,) each, those for which a bound is known.
    bounds_cny
        The bounds.

    Returns
    -------
    float
        Largest sum of bounds, weighted so that the costs, with the same weights, are nowhere above `cost`; minus
        infinity where a decision earns money, since rounded weights would then prove nothing.

    Raises
    ------
    RuntimeError
        If the linear program of the weights ends without an optimum.
    """
    from scipy.optimize import linprog  # slow to import

    table = np.column_stack(costs)
    if cost.min(initial=0.0) < 0 or table.min(initial=0.0) < 0:
        return -np.inf
    # Decisions that cost the same in all cases ask for the same: that the weights sum to no more than one.
    is_same = (table == cost[:, None]).all(axis=1)
    differ, limit = table[~is_same], cost[~is_same]
    if (cost[is_same] > 0).any():
        differ, limit = np.vstack([np.ones(len(costs)), differ]), np.append(1.0, limit)
    size = np.maximum(differ.max(axis=1, initial=0.0), limit)
    is_row = size > 0
    rows = np.unique(np.column_stack([differ, limit])[is_row] / size[is_row, None], axis=0)
    scale = max(np.abs(bounds_cny).max(), 1.0)
    found = linprog(-np.array(bounds_cny) / scale, A_ub=rows[:, :-1], b_ub=rows[:, -1], method="highs")
    if found.x is None:
        raise RuntimeError(f"weights of known bounds: {found.message}")
    weights = np.maximum(found.x, 0.0) * (1.0 - _ROUNDING_SHARE)
    if (rows[:, :-1] @ weights > rows[:, -1]).any():
        return -np.inf
    return float(weights @ np.array(bounds_cny))
