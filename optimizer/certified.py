"""What is proved of the optimal costs of cases of which one's plans are plans of another: intervals and differences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.problem import BoolArray, FloatArray, IntArray

# A bound above a plan by more than this share of its cost is not rounding: one of the two is wrong.
ROUNDING_SHARE = 1e-5
NOT_DISTINGUISHABLE = "not distinguishable"


class ContradictionError(RuntimeError):
    """A plan costs less than what is proved to be the least; names the two cases."""


@dataclass(frozen=True, eq=False)
class CertifiedCosts:
    """
    Intervals that hold the optimal cost of each of n cases, CNY per year.

    Attributes
    ----------
    low_cny, high_cny
        (n,) bound and cost of the best known plan; both inf where no plan exists, high inf where none is known.
    plan_of
        (n,) case that the best known plan was found for; -1 where none is known.
    bound_of
        (n,) case that the bound was proved for.
    within
        (n, n) whether every plan of the first case is one of the second.
    """

    low_cny: FloatArray
    high_cny: FloatArray
    plan_of: IntArray
    bound_of: IntArray
    within: BoolArray

    @property
    def gap_share(self) -> FloatArray:
        """(n,) width of each interval as a share of its upper end; NaN without a plan."""
        with np.errstate(invalid="ignore", divide="ignore"):
            share = (self.high_cny - self.low_cny) / np.abs(self.high_cny)
        return np.where(np.isfinite(self.high_cny), np.where(self.high_cny == self.low_cny, 0.0, share), np.nan)

    def saving(self, dearer: int, cheaper: int) -> Saving:
        """
        Compare the optima of two cases.

        Parameters
        ----------
        dearer, cheaper
            Positions of the cases; a plan of the first is usually a plan of the second.
        """
        low = float(self.low_cny[dearer] - self.high_cny[cheaper])
        high = float(self.high_cny[dearer] - self.low_cny[cheaper])
        if self.within[dearer, cheaper]:
            low = max(low, 0.0)
        if self.within[cheaper, dearer]:
            high = min(high, 0.0)
        best = float(self.high_cny[dearer] - self.high_cny[cheaper])
        if self.within[dearer, cheaper] and self.within[cheaper, dearer]:
            return Saving(0.0, 0.0, 0.0, is_certain=True)
        room = ROUNDING_SHARE * ROUNDING_SHARE * max(abs(float(self.high_cny[cheaper])), 1.0)
        return Saving(best, low, high, is_certain=bool(low > room or high < -room))


@dataclass(frozen=True)
class Saving:
    """
    Difference of two optimal costs, CNY per year.

    Attributes
    ----------
    best_cny
        Between the best known plans; no better than a guess unless it is certain.
    low_cny, high_cny
        What it is proved to lie between.
    is_certain
        Whether its sign is proved, or that there is no difference at all.
    """

    best_cny: float
    low_cny: float
    high_cny: float
    is_certain: bool


def certify_costs(
    objective_cny: FloatArray, bound_cny: FloatArray, within: BoolArray, keeps: BoolArray | None = None
) -> CertifiedCosts:
    """
    Carry plans to looser cases and bounds to tighter ones.

    Parameters
    ----------
    objective_cny
        (n,) cost of the plan found for each case; inf where there is none.
    bound_cny
        (n,) proven lower bound; -inf where there is none, inf where there is proved to be no plan.
    within
        (n, n) whether every plan of the first case is one of the second. Costs of a plan do not depend on the case.
    keeps
        (n, n) whether the plan found for the first case is one of the second; where `within` says so it need not.

    Returns
    -------
    CertifiedCosts
        The intervals.

    Raises
    ------
    ContradictionError
        If a plan costs less than a bound by more than rounding.
    """
    every = np.arange(len(objective_cny))
    within = within | np.eye(len(every), dtype=bool)
    allowed = within if keeps is None else within | keeps
    # The case's own plan and bound stand first: a tie is no reason to name another case.
    plans = np.where(allowed, objective_cny[:, None], np.inf)
    bounds = np.where(within, bound_cny[None, :], -np.inf)
    plan_of = np.where(objective_cny <= plans.min(axis=0), every, plans.argmin(axis=0))
    bound_of = np.where(bound_cny >= bounds.max(axis=1), every, bounds.argmax(axis=1))
    high, low = objective_cny[plan_of], bound_cny[bound_of]
    over = low > high + ROUNDING_SHARE * np.abs(np.where(np.isfinite(high), high, 0.0))
    if over.any():
        i = int(np.flatnonzero(over)[0])
        raise ContradictionError(
            f"case {i}: the plan found for case {plan_of[i]} costs {high[i]:,.0f} CNY a year, less than the bound of "
            f"{low[i]:,.0f} proved for case {bound_of[i]}"
        )
    plan_of = np.where(np.isfinite(high), plan_of, -1)
    return CertifiedCosts(np.minimum(low, high), high, plan_of, bound_of, within)
