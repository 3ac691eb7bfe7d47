"""The reference of a comparison as a worker keeps it: read, assembled and taken apart once, for all of its cases."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from optimizer.case_keys import plan_hash
from optimizer.plan_tables import UnknownLabelError, plan_from_tables
from optimizer.problem import PlacementProblem
from optimizer.run_folder import read_intact_info
from optimizer.shrink import split_as_solved
from optimizer.stored_plan import StoredPlan, read_stored_plan
from optimizer.warm_start import WarmCuts, WarmStart, learned_from_tables


@dataclass(frozen=True, eq=False)
class ReferenceState:
    """
    A stored reference, ready to be started from.

    Attributes
    ----------
    stored
        The run with its problem and plan.
    warm
        What holds whatever the case; its plan is still to be fitted to the case's problem.
    """

    stored: StoredPlan
    warm: WarmStart

    def for_problem(self, problem: PlacementProblem) -> WarmStart:
        """
        Fit the plan to a case; without one where the case has other rows.

        Parameters
        ----------
        problem
            The case's problem.
        """
        try:
            plan = plan_from_tables(problem, self.stored.stored.tables)
        except UnknownLabelError:
            plan = None
        kept = self.warm.kept_links
        if kept is not None:
            kept = problem.links["id"].isin(self.stored.problem.links["id"][kept]).to_numpy(bool)
        return replace(self.warm, plan=plan, kept_links=kept)


def reference_state(folder: Path) -> ReferenceState | None:
    """
    Read a reference; one that was read before is not read again, unless its folder has changed.

    Parameters
    ----------
    folder
        Its run folder.

    Returns
    -------
    ReferenceState or None
        None where the folder holds no whole run.

    Raises
    ------
    InputError
        If its inputs are not what they were.
    """
    info = read_intact_info(folder)
    return None if info is None else _read(str(folder), plan_hash(info))


@lru_cache(maxsize=1)
def _read(folder: str, _plan_hash: str) -> ReferenceState:
    stored = read_stored_plan(folder)
    problem, classes = stored.problem, stored.problem.classes["id"].to_numpy(str)
    pairs, centers = problem.deployments, problem.data_centers["id"].to_numpy(str)
    deployed = pairs[stored.plan.is_deployed > 0]
    names = zip(classes[deployed["class_index"]], centers[deployed["data_center_index"]], strict=True)
    pairs_used = frozenset((str(class_id), str(center)) for class_id, center in names)
    learned = learned_from_tables(problem, stored.stored.tables)
    if learned is None:
        return ReferenceState(stored, WarmStart(pairs_used))
    own, coarse = split_as_solved(problem, learned.kept_links, mip_rel_gap=stored.scenario.solver.mip_rel_gap)
    cuts = WarmCuts(learned.cuts, own)
    coarse_cuts = None if coarse is None else WarmCuts(learned.coarse_cuts, coarse)
    return ReferenceState(stored, WarmStart(pairs_used, None, learned.kept_links, cuts, coarse_cuts))
