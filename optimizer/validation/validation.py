"""Hold the model against published results and known optima."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from network_data.session import make_folder
from optimizer.runs.run import Run
from optimizer.solvers.control import Termination
from optimizer.validation.known_optima import OPTIMUM_TOLERANCE_SHARE, known_optima
from optimizer.validation.published import QUICK, OurFigures, published_figures

PUBLISHED_COLUMNS = [
    "result", "figure", "quantity", "unit", "published_low", "published_high", "ours", "tolerance_share", "passed",
    "role", "why", "source", "read_as",
]  # fmt: skip
OPTIMA_COLUMNS = ["problem", "known_cny", "ours_cny", "bound_cny", "passed", "verified", "why"]


@dataclass(frozen=True, eq=False)
class Validation:
    """
    What the model gives beside published results and known optima.

    Attributes
    ----------
    published : DataFrame
        One row per published figure: result (number of the publication), figure, quantity, unit, published_low and
        published_high (infinite where open), ours (NaN where the model knows no such thing), tolerance_share, passed,
        role (`test`, `circular` or `context`), why, source, read_as.
    optima : DataFrame
        One row per problem with a known optimum, and per plan that published figures were read from (known_cny is NaN):
        problem, known_cny, ours_cny, bound_cny (CNY per year), passed (the optimum was found and proved; of the others:
        the plan was proved within the gap wanted, else its figures are those of whatever was found in time), verified
        (costs and limits of the plan derived again), why.
    is_full : bool
        Whether everything was solved at full size.
    overrides : tuple of str
        Changes to the base scenario for the published figures; none at full size.
    """

    published: pd.DataFrame
    optima: pd.DataFrame
    is_full: bool
    overrides: tuple[str, ...]

    @property
    def is_sound(self) -> bool:
        """Whether every known optimum was found and every plan verified; published figures may miss."""
        known = self.optima["known_cny"].notna()
        return bool(self.optima.loc[known, "passed"].all() and self.optima["verified"].all())


def validate(*, full: bool = False, report: Callable[[str], None] | None = None) -> Validation:
    """
    Hold the model against published results and known optima.

    Parameters
    ----------
    full
        Solve the base scenario as it is and all problems of the literature, which takes some minutes; else with fewer
        time slices, and some of them.
    report
        Called with a line of text before each piece of work.

    Returns
    -------
    Validation
        Misses stay in its tables.
    """
    tell = report or (lambda _: None)
    overrides = () if full else QUICK
    ours, rows = OurFigures(overrides), []
    for item in published_figures():
        tell(f"published result {item.result}: {item.quantity}")
        value = ours.work_out(item)
        rows.append(
            (
                item.result, item.figure, item.quantity, item.unit, item.low, item.high, value, item.tolerance_share,
                item.holds(value), item.role, item.why, item.source, item.read_as,
            )
        )  # fmt: skip
    optima = [*_solved_optima(full=full, tell=tell), *_verified(ours.runs, tell)]
    return Validation(
        published=pd.DataFrame(rows, columns=PUBLISHED_COLUMNS),
        optima=pd.DataFrame(optima, columns=OPTIMA_COLUMNS),
        is_full=full,
        overrides=overrides,
    )


def _solved_optima(*, full: bool, tell: Callable[[str], None]) -> Iterator[tuple[object, ...]]:
    folder: Path = make_folder()
    for number, known in enumerate(known_optima(full=full)):
        tell(f"known optimum: {known.name}")
        run = known.solve(folder / str(number))
        cost, bound = run.cost_cny_per_year, run.bound_cny_per_year
        near = OPTIMUM_TOLERANCE_SHARE * abs(known.optimum_cny)
        # The bound counts too: a plan of the right cost under a bound above it would prove nothing.
        passed = abs(cost - known.optimum_cny) <= near and bound <= known.optimum_cny + near
        yield known.name, known.optimum_cny, cost, bound, passed, run.verify().is_verified, known.why


def _verified(runs: dict[str, Run], tell: Callable[[str], None]) -> Iterator[tuple[object, ...]]:
    """Derive again costs and limits of the plans that published figures were read from; their optimum is not known."""
    for name, run in runs.items():
        tell(f"verify: {name}")
        proved = run.termination == Termination.OPTIMAL
        gap = "no bound" if math.isinf(run.gap) else f"a gap of {run.gap:.2%}"
        ended = "proved within the gap wanted" if proved else f"stopped by the time limit with {gap}"
        why = f"no optimum is known; the plan behind published figures, {ended}"
        cost, bound = run.cost_cny_per_year, run.bound_cny_per_year
        yield f"plan: {name}", float("nan"), cost, bound, proved, run.verify().is_verified, why
