r"""
Near-optimal alternatives: plans within a budget that send the tokens to places as different as possible.

Modelling to generate alternatives by Hop-Skip-Jump (Brill, Chang and Hopkins, Management Science 28, 1982): with
:math:`s_{pd}` the share of the tokens that plan p serves at data center d, the next plan is one that minimizes
:math:`\sum_d \left(\sum_p s_{pd}\right) s_d`, summed over the plans so far.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from network_data.currency import in_currency
from optimizer.checker.facts import PlanFacts
from optimizer.near_optimal.indicators import Indicator, Priced, priced_flows
from optimizer.near_optimal.plan_space import KnownPlan, PlanSpace
from optimizer.near_optimal.ranges import plan_space
from optimizer.problem.problem import FloatArray, PlacementProblem
from optimizer.runs.run import Run
from optimizer.runs.solve import run_of_plan
from optimizer.solvers.control import Control

DEFAULT_SLACK, DEFAULT_COUNT, DEFAULT_TIME_LIMIT_S = 0.03, 8, 600.0

# Plans that send all but this share of the tokens to the same places are the same.
SAME_SHARE = 1e-3
# A data center serves tokens where it serves more than this share of them.
USED_SHARE = 1e-6


@dataclass(frozen=True, eq=False)
class Alternatives:
    """
    Plans within a budget that differ as much as possible in where tokens go.

    Attributes
    ----------
    runs
        The run that was begun with, and the alternatives in the order found; each can be mapped, compared, exported.
    shares
        (data centers, plans) share of the tokens that each data center serves in each plan.
    """

    runs: tuple[Run, ...]
    shares: pd.DataFrame

    @property
    def table(self) -> pd.DataFrame:
        """
        One row a plan: plan, cost_cny_per_year, more_share, moved_share, nearest_share, open_data_centers.

        `more_share` is what it costs more than the first, `moved_share` the share of the tokens that the first serves
        elsewhere, `nearest_share` the same for the plan that is most like it.
        """
        costs = np.array([run.checked_cost_cny for run in self.runs])
        apart = distances(self.shares.to_numpy().T)
        others = apart + np.where(np.eye(len(apart)) > 0, np.inf, 0.0)
        return pd.DataFrame(
            {
                "plan": self.shares.columns,
                "cost_cny_per_year": costs,
                "more_share": costs / costs[0] - 1.0,
                "moved_share": apart[0],
                "nearest_share": np.where(np.isinf(others.min(axis=0)), np.nan, others.min(axis=0)),
                "open_data_centers": [int(run.plan.is_open.sum()) for run in self.runs],
            }
        )

    @property
    def places(self) -> pd.DataFrame:
        """One row a data center: data_center, least_share, most_share, used_in (plans), is_in (all, some or none)."""
        used = (self.shares > USED_SHARE).sum(axis=1)
        count = self.shares.shape[1]
        return pd.DataFrame(
            {
                "data_center": self.shares.index,
                "least_share": self.shares.min(axis=1).to_numpy(),
                "most_share": self.shares.max(axis=1).to_numpy(),
                "used_in": used.to_numpy(),
                "is_in": np.select([used == count, used > 0], ["all", "some"], "none"),
            }
        )

    def to_text(self) -> str:
        """Write it as the terminal shows it."""
        from optimizer.text.near_optimal import describe_alternatives

        return in_currency(describe_alternatives(self))

    def draw(self, path: str | Path) -> Path:
        """Draw which data centers serve what in which plan, one row each, to a picture file."""
        from optimizer.drawing.alternatives import draw_alternatives

        return draw_alternatives(self, Path(path))

    def save(self, folder: str | Path) -> list[Path]:
        """Write a run folder for each alternative below a folder, and the tables `alternatives.csv`, `places.csv`."""
        from optimizer.runs.folder import write_csv_table

        out = Path(folder)
        out.mkdir(parents=True, exist_ok=True)
        written = [run.save(out / str(name)) for name, run in zip(self.shares.columns[1:], self.runs[1:], strict=True)]
        write_csv_table(self.table, out / "alternatives.csv")
        write_csv_table(self.places, out / "places.csv")
        return written


def distances(shares: FloatArray) -> FloatArray:
    """(n, n) share of the tokens that plan j serves elsewhere than plan i, from (n, D) shares by data center."""
    return np.asarray(np.abs(shares[:, None, :] - shares[None, :, :]).sum(axis=2) / 2.0)


def shares_of(facts: PlanFacts) -> FloatArray:
    """(D,) share of the tokens served that each data center serves."""
    mtok = np.bincount(
        facts.candidate_data_center, facts.candidate_mtok_per_year, minlength=len(facts.problem.data_centers)
    )
    return np.asarray(mtok / (mtok.sum() or 1.0))


def find_alternatives(
    run: Run,
    *,
    slack: float = DEFAULT_SLACK,
    count: int = DEFAULT_COUNT,
    time_limit_s: float = DEFAULT_TIME_LIMIT_S,
    report: Callable[[str], None] | None = None,
    stop: threading.Event | None = None,
) -> Alternatives:
    """
    Find plans that cost no more than (1 + slack) of a run's, and serve the tokens elsewhere as far as possible.

    Parameters
    ----------
    run
        With a plan and its inputs.
    slack
        Share of its cost that an alternative may cost more.
    count
        Alternatives to find; fewer are returned where the time ends, or where no plan found differs any more.
    time_limit_s
        Seconds for all of them together.
    report
        Called with a line of text as the work goes on.
    stop
        Set it from another thread, and the work ends with those found so far.

    Raises
    ------
    InputError
        If the slack is no share.
    """
    space = plan_space(run, slack)
    stop = stop if stop is not None else threading.Event()
    control = Control(time_limit_s=time_limit_s, stop=stop)
    chosen = [space.plans[0]]
    for number in range(count):
        if control.must_stop:
            break
        if report is not None:
            report(f"alternative {number + 1} of {count}")
        weight = np.sum([shares_of(known.facts) for known in chosen], axis=0)
        until_s = control.seconds + control.seconds_left / (count - number)
        part = Control(time_limit_s=until_s, stop=stop, started=control.started)
        space.extreme(_likeness(weight), 1.0, part)
        found = _most_different(space, chosen)
        if found is None:
            break
        chosen.append(found)
    names = ["best", *(f"alternative_{number}" for number in range(1, len(chosen)))]
    runs = (run, *(_run_of(run, known, name) for known, name in zip(chosen[1:], names[1:], strict=True)))
    shares = pd.DataFrame(
        np.array([shares_of(known.facts) for known in chosen]).T,
        index=run.problem.data_centers["id"].to_numpy(),
        columns=names,
    )
    return Alternatives(runs, shares)


def _likeness(weight: FloatArray) -> Indicator:
    """How far a plan sends tokens where the plans so far do: (D,) weights on shares."""

    def amount(problem: PlacementProblem) -> FloatArray:
        return np.asarray(weight[problem.candidates["data_center_index"].to_numpy(np.int64)] / problem.annual_mtok)

    def of(facts: PlanFacts) -> float:
        return float(facts.candidate_mtok_per_year @ amount(facts.problem))

    price: Callable[[PlacementProblem, float], Priced] = partial(priced_flows, amount)
    return Indicator("likeness", "share", "tokens served where the others serve them", of, price)


def _most_different(space: PlanSpace, chosen: list[KnownPlan]) -> KnownPlan | None:
    """Of all plans found, take the one whose nearest neighbour among those chosen is farthest away."""
    taken = np.array([shares_of(known.facts) for known in chosen])
    best, farthest = None, SAME_SHARE
    for known in space.plans:
        nearest = float((np.abs(taken - shares_of(known.facts)).sum(axis=1) / 2.0).min())
        if nearest > farthest:
            best, farthest = known, nearest
    return best


def _run_of(run: Run, known: KnownPlan, name: str) -> Run:
    found = run_of_plan(run.network, run.scenario, run.problem, known.plan, method="alternative")
    found.info["case"] = {"id": name, "label": name.replace("_", " ")}
    return found
