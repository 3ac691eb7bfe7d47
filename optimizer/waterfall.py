"""From the cost of one case to that of another: what prices do to the unchanged plan, what re-optimizing saved."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from optimizer.case_plan import CasePlan, carry_plan

Kind = Literal["start", "price", "reoptimize", "change", "end"]
WATERFALL_COLUMNS = ["kind", "component", "cny_per_year", "from_cny_per_year", "to_cny_per_year"]


@dataclass(frozen=True, eq=False)
class Waterfall:
    """
    The bars between the costs of two cases.

    Attributes
    ----------
    first, second
        Ids of the cases.
    bars
        kind (`start`: cost of the first case; `price`: change of the cost of its unchanged plan at the second case's
        prices; `reoptimize`: what the second case's own plan costs more than that, negative where it saves; `change`:
        direct difference, where the first plan is no plan in the second case; `end`: cost of the second case),
        component ("" of the ends), cny_per_year (height), from_cny_per_year and to_cny_per_year (where the bar begins
        and ends). Components without a difference have no bar. The heights between the ends sum to the difference.
    reason
        Why the first plan is no plan in the second case; empty if it is one.
    """

    first: str
    second: str
    bars: pd.DataFrame
    reason: str

    @property
    def difference_cny(self) -> float:
        """Cost of the second case less that of the first, CNY per year."""
        ends = self.bars.set_index("kind")["cny_per_year"]
        return float(ends["end"] - ends["start"])

    def total_cny(self, kind: Kind) -> float:
        """Sum of the bars of one kind, CNY per year."""
        return math.fsum(self.bars.loc[self.bars["kind"] == kind, "cny_per_year"])


def build_waterfall(first: CasePlan, second: CasePlan) -> Waterfall:
    """
    Explain the difference between the costs of two cases.

    Parameters
    ----------
    first, second
        The cases; the difference is second less first.
    """
    carried = carry_plan(first, second)
    before, after = first.component_cny, second.component_cny
    if carried.is_plan:
        steps = _differences("price", before, carried.component_cny)
        steps += _differences("reoptimize", carried.component_cny, after)
    else:
        steps = _differences("change", before, after)
    return Waterfall(first.id, second.id, _bars(first.cost_cny, steps, second.cost_cny), carried.reason)


def _differences(kind: Kind, before: pd.Series, after: pd.Series) -> list[tuple[Kind, str, float]]:
    names = dict.fromkeys([*before.index, *after.index])
    changes: Mapping[str, float] = {n: float(after.get(n, 0.0)) - float(before.get(n, 0.0)) for n in names}
    return [(kind, name, change) for name, change in changes.items() if change]


def _bars(start: float, steps: list[tuple[Kind, str, float]], end: float) -> pd.DataFrame:
    rows: list[tuple[str, str, float, float, float]] = [("start", "", start, 0.0, start)]
    heights = [start]
    for kind, component, height in steps:
        # Summed afresh each time: rounding must not pile up over the bars.
        bottom = math.fsum(heights)
        heights.append(height)
        rows.append((kind, component, height, bottom, math.fsum(heights)))
    rows.append(("end", "", end, 0.0, end))
    return pd.DataFrame(rows, columns=WATERFALL_COLUMNS)
