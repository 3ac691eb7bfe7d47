"""Break-even map: the points of a range of one parameter at which the plan changes, each with what is proved of it."""

from __future__ import annotations

import math

from network_data.faults import FaultList
from optimizer.break_even_limits import class_of_limit, map_limits
from optimizer.break_even_map import BreakEvenMap, ParameterPoints
from optimizer.break_even_prices import map_prices
from optimizer.case_runner import CaseRunner

LEAST_SOLVES = 2


def find_break_points(
    runner: CaseRunner,
    parameter: str,
    low: float,
    high: float,
    *,
    tolerance_cny: float | None = None,
    max_solves: int = 25,
) -> BreakEvenMap:
    """
    Find where on a range the plan changes, with whole pods and deployments as they are.

    Parameters
    ----------
    runner
        Solves the cases; points of one generation are one batch.
    parameter
        A price, a factor of prices, or `workload_classes.CLASS.rtt_limit_ms`.
    low, high
        The range.
    tolerance_cny
        A plan that could save no more than this is not looked for, CNY per year; None = the gap that cases are
        solved to. With a gap of 0 the break points are exact to the solver's precision.
    max_solves
        Most values to solve; what is left open then is said in `BreakEvenMap.notes`.

    Returns
    -------
    BreakEvenMap
        Intervals, break points and solved points.

    Raises
    ------
    InputError
        If the range is none, or the parameter is unknown or neither a price nor an RTT limit.
    """
    faults = FaultList("the break-even map")
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        faults.add("break-even", "is no range", "Give a lower and a higher finite value.", value=f"{low}:{high}")
    if max_solves < LEAST_SOLVES:
        faults.add("break-even", "solves not even both ends", "Allow 2 or more.", column="max_solves", value=max_solves)
    if tolerance_cny is not None and not tolerance_cny >= 0:
        faults.add("break-even", "is negative", "Give 0 or more.", column="tolerance_cny", value=tolerance_cny)
    faults.raise_if_any()
    points = ParameterPoints(runner, parameter, max_solves)
    if class_of_limit(parameter) is not None:
        return map_limits(points, low, high, tolerance_cny=tolerance_cny)
    return map_prices(points, low, high, tolerance_cny=tolerance_cny)


__all__ = ["BreakEvenMap", "find_break_points"]
