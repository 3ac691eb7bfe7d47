"""Between what the indicators of a plan lie, over all plans that cost no more than it and an accepted slack."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from network_data.currency import in_currency
from network_data.faults import Fault, InputError
from optimizer.near_optimal.indicators import SHARE_SUFFIX, Indicator, Share, find_indicators
from optimizer.near_optimal.plan_space import LIMIT_TOLERANCE_SHARE, Extreme, PlanSpace
from optimizer.runs.run import RANGE_COLUMNS, Run
from optimizer.solvers.control import Control
from optimizer.solvers.greedy import cheapest_energy, nearest_data_center

DEFAULT_TIME_LIMIT_S = 600.0


@dataclass(frozen=True, eq=False)
class PlanRange:
    """
    Ranges of indicators over near-optimal plans.

    Attributes
    ----------
    table
        One row each: indicator, unit, what, value (in the run's plan), least_found and most_found (in plans that passed
        the independent check), least_limit and most_limit (proved: no plan within the budget is beyond), slack_share,
        budget_cny_per_year.
    space
        The plans within the budget that were found.
    """

    table: pd.DataFrame
    space: PlanSpace

    def merged_into(self, older: pd.DataFrame) -> pd.DataFrame:
        """Put these rows in place of older ones of the same indicators."""
        kept = older[~older["indicator"].isin(self.table["indicator"])] if len(older) else older
        return pd.concat([kept, self.table], ignore_index=True) if len(kept) else self.table

    def to_text(self) -> str:
        """Write it as the terminal shows it."""
        from optimizer.text.near_optimal import describe_ranges

        return in_currency(describe_ranges(self.table))


def default_indicators(run: Run) -> tuple[str, ...]:
    """Name what every summary states: the share of each region, emissions, the mean round trip and new pods."""
    regions = run.problem.data_centers["region"].drop_duplicates()
    return (*(f"{region}{SHARE_SUFFIX}" for region in regions), "carbon", "mean_rtt", "new_pods")


def find_ranges(
    run: Run,
    of: Sequence[str] = (),
    *,
    slack: float | None = None,
    time_limit_s: float = DEFAULT_TIME_LIMIT_S,
    report: Callable[[str], None] | None = None,
    stop: threading.Event | None = None,
) -> PlanRange:
    """
    Find and prove between what indicators lie over all plans that cost no more than (1 + slack) of the run's plan.

    Parameters
    ----------
    run
        With a plan and its inputs.
    of
        Names of indicators (see `indicators.KINDS`); none = those of every summary.
    slack
        Share of the plan's cost that another plan may cost more; None = the gap reached, as if the optimum lay at the
        bound and a plan as far above the best known were accepted too.
    time_limit_s
        Seconds for all of them together.
    report
        Called with a line of text as the work goes on.
    stop
        Set it from another thread, and the work ends with the limits proved so far.

    Raises
    ------
    InputError
        Naming indicators that are none, or a slack that is no share.
    """
    indicators = find_indicators(of or default_indicators(run), run.problem)
    space = plan_space(run, slack)
    stop = stop if stop is not None else threading.Event()
    control = Control(time_limit_s=time_limit_s, stop=stop)
    extremes: dict[tuple[str, float], Extreme] = {}
    linear = [
        one for found in indicators for one in ((found.part, found.rest) if isinstance(found, Share) else (found,))
    ]
    jobs = [(one, sign) for one in {one.name: one for one in linear}.values() for sign in (1.0, -1.0)]
    for number, (indicator, sign) in enumerate(jobs):
        if report is not None:
            report(f"{'least' if sign > 0 else 'most'} of {indicator.name} ({number + 1} of {len(jobs)})")
        until_s = control.seconds + control.seconds_left / (len(jobs) - number)
        part = Control(time_limit_s=until_s, stop=stop, started=control.started)
        extremes[indicator.name, sign] = space.extreme(indicator, sign, part)
    return PlanRange(_table(run, indicators, extremes, space), space)


def plan_space(run: Run, slack: float | None) -> PlanSpace:
    """
    All plans of a run's problem within a slack of its plan; its own and those of the simple rules are known.

    Raises
    ------
    InputError
        If the slack is no share, or no gap is proved that could stand for it.
    """
    share = run.gap if slack is None else slack
    if not 0.0 <= share < np.inf:
        remedy = "Give a share such as 0.01 or 1%; without one the gap of the run counts, which must be proved."
        raise InputError([Fault("--slack", None, None, str(share), "is no share of the cost", remedy)], "the range")
    problem = run.problem
    budget_cny = run.checked_cost_cny * (1.0 + share)
    options = run.scenario.solver
    space = PlanSpace(problem, budget_cny, run.bound_cny_per_year, [], seed=options.seed, threads=options.threads)
    space.consider(run.plan)
    if problem.outages.empty:
        for rule in (cheapest_energy, nearest_data_center):
            space.consider(rule(problem))
    return space


def _table(
    run: Run, indicators: Sequence[Indicator | Share], extremes: dict[tuple[str, float], Extreme], space: PlanSpace
) -> pd.DataFrame:
    rows = []
    for indicator in indicators:
        # A plan found for one indicator may be the extreme of another.
        values = np.array([indicator.of(known.facts) for known in space.plans])
        found = values[np.isfinite(values)]
        least, most = _limits(indicator, extremes)
        low, high = (float(found.min()), float(found.max())) if len(found) else (np.nan, np.nan)
        rounding = LIMIT_TOLERANCE_SHARE * float(np.abs(found).max(initial=0.0))
        if least > low + rounding or most < high - rounding:
            raise AssertionError(f"{indicator.name}: a plan found is beyond the limits {least:.9g} and {most:.9g}")
        unit = "share" if isinstance(indicator, Share) else indicator.unit
        rows.append(
            (
                indicator.name, unit, indicator.what, indicator.of(run.facts), np.fmin(least, low), low, high,
                np.fmax(most, high), space.budget_cny / run.checked_cost_cny - 1.0, space.budget_cny,
            )
        )  # fmt: skip
    return pd.DataFrame(rows, columns=list(RANGE_COLUMNS))


def _limits(indicator: Indicator | Share, extremes: dict[tuple[str, float], Extreme]) -> tuple[float, float]:
    """Proved limits; a share is least where its part is least and the rest most."""
    if not isinstance(indicator, Share):
        return extremes[indicator.name, 1.0].limit, extremes[indicator.name, -1.0].limit
    (part_low, part_high), (rest_low, rest_high) = (_limits(one, extremes) for one in (indicator.part, indicator.rest))
    low = part_low / (part_low + rest_high) if part_low > 0 else 0.0
    high = part_high / (part_high + rest_low) if np.isfinite(part_high) and part_high + rest_low > 0 else 1.0
    return low, high
