"""What two plans of like problems do differently: whole decisions first, then where and when tokens are processed."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from optimizer.case_plan import CasePlan

_Name = TypeVar("_Name", bound=Hashable)
_LISTED = 3
# Less than this share of all tokens is a rounding error.
_LEAST_SHARE = 1e-6
_LEAST_TOLD = 5e-4


@dataclass(frozen=True)
class PlanChange:
    """
    From one plan to another. Names are as in the input: escape them before they are printed.

    Attributes
    ----------
    opened, closed
        Data centers.
    deployed, withdrawn
        (class, data center).
    pods
        Pods bought more (or fewer, negative) by accelerator and place, "Chip at Place"; largest first.
    moved_share
        Share of the tokens that is processed in another data center, over the year.
    retimed_share
        Share of the tokens that is processed in another time slice.
    """

    opened: tuple[str, ...]
    closed: tuple[str, ...]
    deployed: tuple[tuple[str, str], ...]
    withdrawn: tuple[tuple[str, str], ...]
    pods: tuple[tuple[str, int], ...]
    moved_share: float
    retimed_share: float

    @property
    def is_of_decisions(self) -> bool:
        """Whether a whole decision changes, not only routing or hours."""
        return any((self.opened, self.closed, self.deployed, self.withdrawn, self.pods))

    @property
    def kind(self) -> str:
        """Decisions, or routing where only places or hours of tokens change."""
        return "decisions" if self.is_of_decisions else "routing"

    def reversed(self) -> PlanChange:
        """Turn it round."""
        pods = tuple((name, -count) for name, count in self.pods)
        return PlanChange(
            self.closed, self.opened, self.withdrawn, self.deployed, pods, self.moved_share, self.retimed_share
        )

    def words(self) -> str:
        """Say it in one line; deployments where a data center opens or closes go without saying."""
        deployed = tuple(f"{k} at {d}" for k, d in self.deployed if d not in self.opened)
        withdrawn = tuple(f"{k} at {d}" for k, d in self.withdrawn if d not in self.closed)
        more = [f"{count:,} pods of {name}" for name, count in self.pods if count > 0]
        fewer = [f"{-count:,} pods of {name}" for name, count in self.pods if count < 0]
        parts = [
            _spell(self.opened, "opens", "open"),
            _spell(self.closed, "closes", "close"),
            _spell(deployed, "is deployed", "are deployed"),
            _spell(withdrawn, "is withdrawn", "are withdrawn"),
            f"bought in addition: {_list(more)}" if more else "",
            f"not bought: {_list(fewer)}" if fewer else "",
            f"{self.moved_share:.1%} of the tokens move" if self.moved_share > _LEAST_TOLD else "",
            f"{self.retimed_share:.1%} of the tokens change hours" if self.retimed_share > _LEAST_TOLD else "",
        ]
        return "; ".join(part for part in parts if part) or "the same work on other routes or accelerators"


def plan_change(before: CasePlan, after: CasePlan) -> PlanChange:
    """
    Compare two plans.

    Parameters
    ----------
    before, after
        Plans of problems with the same workloads, data centers, pools and slices; candidates may differ.
    """
    opened, closed = _differ(_open_names(before), _open_names(after))
    deployed, withdrawn = _differ(_deployed_names(before), _deployed_names(after))
    total = before.facts.problem.annual_mtok or 1.0
    weight = before.problem.weight_h
    moved = np.maximum(_by_place(after) - _by_place(before), 0.0).sum() / total
    more = np.maximum(after.facts.served_mtok_per_h - before.facts.served_mtok_per_h, 0.0)
    return PlanChange(
        opened, closed, deployed, withdrawn, _pods(before, after), float(moved), float((weight @ more).sum() / total)
    )


def open_centers(case: CasePlan) -> list[int]:
    """
    Find the data centers that a plan uses or pays for.

    One that is open at no cost and does nothing counts only where others may fail.

    Parameters
    ----------
    case
        The plan.
    """
    problem = case.problem
    is_used = _by_place(case).sum(axis=0) > _LEAST_SHARE * problem.annual_mtok
    costs = problem.data_centers["opening_cny_per_year"].to_numpy(float) > 0
    counts = (case.plan.is_open > 0) & (is_used | costs | (len(problem.outages) > 0))
    return [int(d) for d in np.flatnonzero(counts)]


def region_shares(case: CasePlan) -> dict[str, float]:
    """
    Share of the tokens processed in each region of data centers.

    Parameters
    ----------
    case
        The plan.
    """
    by_center = _by_place(case).sum(axis=0)
    region = case.problem.data_centers["region"].to_numpy(str)
    total = float(by_center.sum()) or 1.0
    return {str(name): float(by_center[region == name].sum()) / total for name in sorted(set(region.tolist()))}


def _open_names(case: CasePlan) -> list[str]:
    names = case.problem.data_centers["name"].to_numpy()
    return [str(names[d]) for d in open_centers(case)]


def _by_place(case: CasePlan) -> np.ndarray:
    """(W, D) tokens of each workload processed in each data center, mtok a year."""
    problem = case.problem
    out = np.zeros((len(problem.workloads), len(problem.data_centers)))
    candidates = problem.candidates
    at = candidates["workload_index"].to_numpy(int), candidates["data_center_index"].to_numpy(int)
    np.add.at(out, at, problem.weight_h @ case.plan.flow_mtok_per_h)
    return out


def _deployed_names(case: CasePlan) -> list[tuple[str, str]]:
    problem, members = case.problem, case.problem.deployments
    k, d = members["class_index"].to_numpy(int), members["data_center_index"].to_numpy(int)
    is_used = problem.weight_h @ case.facts.routed_mtok_per_h > _LEAST_SHARE * problem.annual_mtok
    costs = problem.classes["deploy_cny_per_year"].to_numpy(float)[k] > 0
    counts = (case.plan.is_deployed > 0) & (is_used | costs | (len(problem.outages) > 0))
    classes, centers = problem.classes["name"].to_numpy(), problem.data_centers["name"].to_numpy()
    return [(str(classes[k[n]]), str(centers[d[n]])) for n in np.flatnonzero(counts).tolist()]


def _pods(before: CasePlan, after: CasePlan) -> tuple[tuple[str, int], ...]:
    problem = before.problem
    more = (np.asarray(after.plan.new_pods) - np.asarray(before.plan.new_pods)).astype(int)
    chips, centers = problem.accelerators["name"].to_numpy(), problem.data_centers["name"].to_numpy()
    a, d = problem.pools["accelerator_index"].to_numpy(int), problem.pools["data_center_index"].to_numpy(int)
    order = sorted(np.flatnonzero(more).tolist(), key=lambda p: (-abs(more[p]), p))
    return tuple((f"{chips[a[p]]} at {centers[d[p]]}", int(more[p])) for p in order)


def _differ(before: list[_Name], after: list[_Name]) -> tuple[tuple[_Name, ...], tuple[_Name, ...]]:
    """Names that are new, and names that are gone."""
    return (
        tuple(name for name in after if name not in set(before)),
        tuple(name for name in before if name not in set(after)),
    )


def _spell(names: tuple[str, ...], one: str, many: str) -> str:
    return f"{_list(names)} {one if len(names) == 1 else many}" if names else ""


def _list(names: list[str] | tuple[str, ...]) -> str:
    shown = list(names[:_LISTED])
    if len(names) > _LISTED:
        shown.append(f"{len(names) - _LISTED} more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
