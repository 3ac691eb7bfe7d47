"""Which time slices an outage must be planned for: those that ask for more than any other."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def hardest_slices(demand: npt.NDArray[np.float64]) -> list[int]:
    """
    Find the slices that no other one covers.

    Parameters
    ----------
    demand
        (T, n) demands.

    Returns
    -------
    list of int
        Slices in which something is asked for, without those in which nothing asks for more than in another one; of
        equal slices the first is kept.
    """
    kept: list[int] = []
    # A slice can only be covered by one that asks for no less in total.
    for t in np.argsort(-demand.sum(axis=1), kind="stable").tolist():
        if demand[t].any() and not any((demand[t] <= demand[u]).all() for u in kept):
            kept.append(t)
    return sorted(kept)
