"""Links whose limits a solve leaves out until a plan breaks them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from optimizer.problem import FloatArray, PlacementProblem

TOLERANCE_SHARE = 1e-7


def find_overloaded(
    problem: PlacementProblem, flow_mtok_per_h: FloatArray, watched: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """
    Find the links that a plan's traffic overloads.

    Parameters
    ----------
    problem
        Frozen arrays.
    flow_mtok_per_h
        (n, R) tokens routed by candidate, in slices and in outages.
    watched
        (L,) links to look at.

    Returns
    -------
    ndarray
        (L,) True where a watched link carries more than its capacity at some time.
    """
    if not watched.any():
        return np.zeros_like(watched)
    routes = problem.route_links
    links_of_route = sp.csr_array(
        (np.ones(len(routes)), (routes["route_index"], routes["link_index"])),
        shape=(len(problem.routes), len(problem.links)),
    )
    links_of_candidate = sp.csr_array(links_of_route[problem.candidates["route_index"].to_numpy()])
    gbps = problem.classes["gbps_per_mtok_per_h"].to_numpy(float)[problem.candidate_class]
    peak = (flow_mtok_per_h @ (sp.diags_array(gbps) @ links_of_candidate)).max(axis=0, initial=0.0)
    capacity = problem.links["capacity_gbps"].to_numpy(float)
    return np.asarray(watched & (peak > capacity * (1 + TOLERANCE_SHARE)))
