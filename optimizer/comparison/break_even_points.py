"""A break-even map, and the points that it is made of: cases of one parameter, solved in batches."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pandas as pd

from network_data.currency import in_currency
from network_data.faults import InputError
from network_data.load import load_network
from optimizer.comparison.cases import Case, CaseResult, CaseStatus, id_of
from optimizer.comparison.runner import CaseRunner
from optimizer.comparison.searches import SearchResult
from optimizer.numbers import format_cny
from optimizer.problem.assemble import assemble_problem
from optimizer.problem.problem import PlacementProblem
from optimizer.runs.difference import RunDifference, open_centers, region_shares
from optimizer.runs.run import Run
from scenarios.load import load_scenario
from scenarios.price_parameters import label_of, overrides_of
from scenarios.schema import Scenario

# Costs closer to each other than this share count as equal: the precision of plans and bounds.
RESOLUTION_SHARE = 1e-7
_INTERVAL_COLUMNS = [
    "from", "to", "cost_from_cny_per_year", "cost_to_cny_per_year", "saving_from_cny_per_year",
    "saving_to_cny_per_year", "open_data_centers", "change", "open_cny_per_year", "case",
]  # fmt: skip
BREAK_COLUMNS = [
    "value", "certified_low", "certified_high", "width", "is_certain", "kind", "change", "change_back", "moved_share",
    "saving_slope_before_cny", "saving_slope_after_cny",
]  # fmt: skip


@dataclass(frozen=True, eq=False)
class BreakEvenMap(SearchResult):
    """
    Where on a range of one parameter the plan changes.

    Attributes
    ----------
    parameter
        Its name, such as `price.west`.
    low, high
        The range.
    reference_value
        Its value in the reference case; NaN where that is not known.
    tolerance_cny
        A plan that could save no more than this was not looked for, CNY per year.
    intervals
        from, to, cost_from_cny_per_year, cost_to_cny_per_year, saving_from_cny_per_year and saving_to_cny_per_year
        (against the reference plan held fixed; NaN where there is none), region_share.REGION (of the tokens, by region
        of the data center), open_data_centers (ids), change (what is different from the interval before, in words),
        open_cny_per_year (most that an unknown plan could save), case (that the plan is from), and the columns of
        `share_ranges.share_columns`, which hold for that case. Where no plan is possible, costs are infinite and
        case is empty.
    break_points
        value, certified_low, certified_high, width, is_certain (proved to lie inside the range), kind (decisions,
        routing or possible), change (in words, with the parameter rising), change_back (falling), moved_share,
        saving_slope_before_cny and saving_slope_after_cny (CNY per year and unit of the parameter).
    points
        Solved: value, case, status, reason, cost_cny_per_year, bound_cny_per_year, mip_rel_gap.
    is_complete
        Whether nothing above the tolerance is left open.
    notes
        What was left open, or why there is nothing to show.
    """

    parameter: str
    low: float
    high: float
    reference_value: float
    tolerance_cny: float
    intervals: pd.DataFrame
    break_points: pd.DataFrame
    points: pd.DataFrame
    is_complete: bool
    notes: tuple[str, ...] = ()

    SUFFIX_OF: ClassVar = {"intervals": "", "break_points": "_points", "points": "_solves"}
    PLANS_IN: ClassVar = "intervals"

    @property
    def stem(self) -> str:
        """Name that the files of all tables begin with."""
        return f"break_even_{id_of(self.parameter, set())}"

    def to_text(self) -> str:
        """Describe the map for a reader, in lines of plain text."""
        from optimizer.text.searches import describe_break_even

        return in_currency(describe_break_even(self))

    def plot(self, target: Path | str, *, changes: Sequence[str] = (), regions: Sequence[str] = ()) -> Path:
        """
        Draw the map.

        Parameters
        ----------
        target
            File to write, `.png` or `.svg`.
        changes
            What the scenario was changed in, as KEY=VALUE.
        regions
            In the order of the network, for the colours that its maps have; none = in alphabetical order.
        """
        from optimizer.drawing.searches import draw_break_even

        return draw_break_even(self, target, changes=changes, regions=regions)


@dataclass(eq=False)
class ParameterPoints:
    """Solves values of one parameter, no more than `max_solves`."""

    runner: CaseRunner
    parameter: str
    max_solves: int
    solved: dict[float, CaseResult] = field(default_factory=dict)
    _plans: dict[str, Run] = field(default_factory=dict)

    @property
    def reference(self) -> CaseResult:
        """The reference case."""
        return self.runner.reference_result

    def solve(self, values: Sequence[float]) -> dict[float, CaseResult]:
        """Solve the first of some values, as many as are still allowed, as one batch; known values do not count."""
        new = list(dict.fromkeys(value for value in values if value not in self.solved))
        new = new[: max(self.max_solves - len(self.solved), 0)]
        found = self.run(new) if new else {}
        self.solved |= found
        return found

    def run(self, values: Sequence[float]) -> dict[float, CaseResult]:
        """Solve values, whatever has been solved."""
        cases = {value: case_of(self.parameter, value) for value in values}
        results = self.runner.run(list(cases.values()))
        return {value: results[case.id] for value, case in cases.items()}

    def plan(self, result: CaseResult) -> Run | None:
        """Read the plan of a case, once; None if it has none."""
        if not result.has_plan:
            return None
        if result.case.id not in self._plans:
            self._plans[result.case.id] = result.open_run()
        return self._plans[result.case.id]

    def scenario(self, value: float) -> Scenario:
        """Load the scenario of a value; raises InputError with its faults."""
        return load_scenario(self.runner.scenario, [*self.runner.overrides, *case_of(self.parameter, value).overrides])

    def problem(self, value: float) -> PlacementProblem:
        """Assemble the problem of a value, also where a workload reaches no data center."""
        scenario = self.scenario(value)
        return assemble_problem(load_network(scenario.network), scenario, allow_stranded=True)

    def is_stranded(self, value: float) -> bool:
        """Whether work reaches no data center at a value: a fault of the inputs elsewhere, an answer here."""
        scenario = self.scenario(value)
        network = load_network(scenario.network)
        assemble_problem(network, scenario, allow_stranded=True)
        try:
            assemble_problem(network, scenario)
        except InputError:
            return True
        return False

    def tolerance_cny(self, given_cny: float | None, value: float) -> float:
        """Give the tolerance wanted, or the gap that cases are solved to; no less than the precision of costs."""
        costs = [abs(result.objective_cny) for result in (*self.solved.values(), self.reference)]
        scale = max((cost for cost in costs if math.isfinite(cost)), default=0.0)
        wanted_cny = self.scenario(value).solver.mip_rel_gap * scale if given_cny is None else given_cny
        return max(wanted_cny, 10 * RESOLUTION_SHARE * scale)

    def table(self) -> pd.DataFrame:
        """Table `BreakEvenMap.points`."""
        rows = [
            {
                "value": value,
                "case": result.case.id,
                "status": str(result.status),
                "reason": result.reason,
                "cost_cny_per_year": result.objective_cny,
                "bound_cny_per_year": result.bound_cny,
                "mip_rel_gap": result.mip_rel_gap,
            }
            for value, result in sorted(self.solved.items())
        ]
        return pd.DataFrame(rows)


def case_of(parameter: str, value: float) -> Case:
    """Make the case of one value of a parameter: the same case, and so run folder, that it has in a sweep."""
    point = {parameter: value}
    label = label_of(point)
    return Case(id_of(label, set()), label, overrides_of(point), point)


def interval_row(
    low: float,
    high: float,
    costs_cny: tuple[float, float],
    reference_cny: tuple[float, float],
    plan: Run | None,
    open_cny: float,
) -> dict[str, object]:
    """Row of `BreakEvenMap.intervals`, costs at both ends; without a plan where none is possible."""
    shares, places = {}, ""
    if plan is not None:
        ids = plan.problem.data_centers["id"].to_numpy()
        shares = {f"region_share.{name}": share for name, share in region_shares(plan).items()}
        places = ", ".join(str(ids[d]) for d in open_centers(plan))
    return {
        "from": low,
        "to": high,
        "cost_from_cny_per_year": costs_cny[0],
        "cost_to_cny_per_year": costs_cny[1],
        "saving_from_cny_per_year": reference_cny[0] - costs_cny[0],
        "saving_to_cny_per_year": reference_cny[1] - costs_cny[1],
        **shares,
        "open_data_centers": places,
        "change": "",
        "open_cny_per_year": open_cny,
        "case": "" if plan is None else plan.case_id,
    }


def interval_table(rows: Sequence[Mapping[str, object]]) -> pd.DataFrame:
    """Put the columns of `BreakEvenMap.intervals` into their order; one row for each interval."""
    shares = dict.fromkeys(name for row in rows for name in row if name.startswith("region_share."))
    return pd.DataFrame(rows, columns=[*_INTERVAL_COLUMNS[:6], *shares, *_INTERVAL_COLUMNS[6:]])


def change_columns(change: RunDifference) -> dict[str, object]:
    """Columns of a break point that say what changes there, with the parameter rising."""
    return {
        "kind": change.kind,
        "change": change.words(),
        "change_back": change.words(back=True),
        "moved_share": change.moved_share,
    }


def left_open(parts: Sequence[tuple[float, float, float]], tolerance_cny: float) -> tuple[str, ...]:
    """Say in which parts (from, to, most it could save) an unknown plan could save more than the tolerance."""
    return tuple(
        f"left open: between {low:.6g} and {high:.6g} another plan could save up to {_amount(most)} a year"
        for low, high, most in parts
        if most > tolerance_cny
    )


def _amount(cny: float) -> str:
    return format_cny(cny) if math.isfinite(cny) else "any amount"


def why_nothing(points: ParameterPoints) -> tuple[str, ...]:
    """Say why no solved value has a plan."""
    reasons = {_first_line(result.reason): value for value, result in sorted(points.solved.items(), reverse=True)}
    return tuple(f"no plan at {value:.6g}: {reason}" for reason, value in reversed(reasons.items()))


def _first_line(reason: str) -> str:
    """Shorten a list of faults, which has a headline, to the first of them."""
    head, *faults = reason.splitlines() or [""]
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return f"{faults[0]}{more}" if faults else head


def is_impossible(result: CaseResult) -> bool:
    """Say whether a case is proved to have no plan."""
    return result.status == CaseStatus.INFEASIBLE
