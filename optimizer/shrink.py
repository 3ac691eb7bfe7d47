"""A problem made smaller in every way that loses nothing, before it is taken apart: alike hubs, alike days."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from optimizer.coarse import coarsen
from optimizer.days import MergedDays, merge_days
from optimizer.decomposition import Split, cost_unit_cny, split_problem
from optimizer.merge import MergedProblem, merge_hubs
from optimizer.problem import PlacementProblem

MERGE_SHARE_OF_GAP = 0.02


def shrink_problem(problem: PlacementProblem, *, mip_rel_gap: float) -> tuple[MergedProblem, MergedDays]:
    """
    Merge the hubs, then the days, of a problem.

    Parameters
    ----------
    problem
        Frozen arrays.
    mip_rel_gap
        Merging may cost the bound a little of the gap that is asked for, not more.
    """
    merged = merge_hubs(problem, allowance_cny=MERGE_SHARE_OF_GAP * mip_rel_gap * 1e3 * cost_unit_cny(problem))
    return merged, merge_days(merged.problem)


def split_as_solved(
    problem: PlacementProblem, kept_links: npt.NDArray[np.bool_], *, mip_rel_gap: float
) -> tuple[Split, Split | None]:
    """
    Take a problem apart as a solve does, and its coarse problem if it has one.

    Parameters
    ----------
    problem
        Frozen arrays.
    kept_links
        (L,) link limits that stand.
    mip_rel_gap
        As in the solve.
    """
    stage = replace(problem, links=problem.links.assign(is_limiting=kept_links))
    days = shrink_problem(stage, mip_rel_gap=mip_rel_gap)[1].problem
    coarse = coarsen(days)
    return split_problem(days), None if coarse is None else split_problem(coarse)
