"""The problems that failures leave behind: one data center less, and nothing that waits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from optimizer.problem import PlacementProblem


def without_each(problem: PlacementProblem) -> Iterator[tuple[str, PlacementProblem]]:
    """
    Make the problem of serving, with each data center lost in turn, what must be served at once.

    Parameters
    ----------
    problem
        With outages to survive, or none.

    Yields
    ------
    tuple of str and PlacementProblem
        Id of the data center lost, and a problem of the slices that count, in which it has no pools and no candidates
        and nothing may wait.
    """
    outages = problem.outages
    hard = np.unique(outages["slice_index"].to_numpy(int))
    asked = problem.outage_demand_mtok_per_h
    slices = problem.slices.iloc[hard].reset_index(drop=True).assign(previous_index=np.arange(len(hard)))
    for failed in np.unique(outages["failed_index"].to_numpy(int)).tolist():
        kept = problem.candidates["data_center_index"].to_numpy(int) != failed
        stands = problem.pools["data_center_index"].to_numpy(int) != failed
        nothing = np.zeros((len(hard), len(problem.workloads)))
        yield (
            str(problem.data_centers["id"].iloc[failed]),
            replace(
                problem,
                slices=slices,
                candidates=problem.candidates[kept].reset_index(drop=True),
                pools=problem.pools[stands].reset_index(drop=True),
                workloads=problem.workloads.assign(is_deferrable=False),
                demand_mtok_per_h=asked[hard],
                servable_mtok_per_h=asked[hard],
                backlog_limit_mtok=nothing,
                shed_limit_mtok_per_h=nothing,
                energy_price_cny_per_mwh=problem.energy_price_cny_per_mwh[hard],
                outage_demand_mtok_per_h=np.zeros((0, 0)),
            ),
        )
