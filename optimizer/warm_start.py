"""
What a solved reference hands on to the solves of other cases: its cuts, the link limits that mattered, its plan.

What routing costs does not depend on energy prices, so the cuts of one price case hold in every other
(`alike.transfer_cuts` reads off the blocks which ones do). A case that starts from the plan and the cuts of the
reference is solved in a fraction of the time, and differs from it where a difference pays, not where two searches
happened to end.

What was learned is kept as two more tables of the reference's run folder, so that it is written, hashed and found
with everything else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from optimizer.decomposition import Split
from optimizer.plan import Plan
from optimizer.problem import PlacementProblem
from optimizer.slice_lp import Cut

CUTS_TABLE, GRADIENTS_TABLE, LINKS_TABLE = "learned_cuts", "learned_gradients", "learned_links"
_KINDS = ("cuts", "coarse_cuts")


@dataclass(frozen=True, eq=False)
class Learned:
    """
    What a decomposed solve has learned.

    Attributes
    ----------
    kept_links
        (L,) True for link limits that entered the problem.
    cuts
        Of its blocks, in its cost units.
    coarse_cuts
        Of the blocks of the coarse problem that was searched; none where there was none.
    """

    kept_links: npt.NDArray[np.bool_]
    cuts: tuple[Cut, ...]
    coarse_cuts: tuple[Cut, ...] = ()


@dataclass(frozen=True, eq=False)
class WarmCuts:
    """Cuts, and the problem whose blocks they are of, taken apart."""

    cuts: Sequence[Cut]
    split: Split


@dataclass(frozen=True, eq=False)
class WarmStart:
    """
    What a solve starts from.

    Attributes
    ----------
    deployed
        (class id, data center id) pairs to begin the search with; None = none.
    plan
        A plan of the problem to be solved; None where the reference's is none of it.
    kept_links
        (L,) True for link limits that entered the reference's problem; None where it was not decomposed.
    cuts, coarse
        What the reference has learned about its blocks, and those of its coarse problem.
    """

    deployed: frozenset[tuple[str, str]] | None = None
    plan: Plan | None = None
    kept_links: npt.NDArray[np.bool_] | None = None
    cuts: WarmCuts | None = None
    coarse: WarmCuts | None = None


def learned_tables(problem: PlacementProblem, learned: Learned) -> dict[str, pd.DataFrame]:
    """
    Lay out what was learned as tables.

    Parameters
    ----------
    problem
        What was solved.
    learned
        What came of it.

    Returns
    -------
    dict
        learned_cuts: kind, cut (counted within the kind), part, is_of_balances, constant; learned_gradients: kind, cut,
        column, value; learned_links: link.
    """
    cuts = [(kind, cut) for kind in _KINDS for cut in getattr(learned, kind)]
    number = [n for kind in _KINDS for n in range(len(getattr(learned, kind)))]
    length = [len(cut.columns) for _, cut in cuts]
    heads = {"kind": [kind for kind, _ in cuts], "cut": np.array(number, np.int64)}
    return {
        CUTS_TABLE: pd.DataFrame(
            {
                **heads,
                "part": np.array([cut.part for _, cut in cuts], np.int64),
                "is_of_balances": np.array([cut.is_of_balances for _, cut in cuts], np.bool_),
                "constant": np.array([cut.constant for _, cut in cuts], np.float64),
            }
        ),
        GRADIENTS_TABLE: pd.DataFrame(
            {
                **{name: np.repeat(np.asarray(values), length) for name, values in heads.items()},
                "column": np.concatenate([np.zeros(0, np.int64), *(cut.columns for _, cut in cuts)]),
                "value": np.concatenate([np.zeros(0), *(cut.gradient for _, cut in cuts)]),
            }
        ),
        LINKS_TABLE: pd.DataFrame({"link": problem.links["id"].to_numpy()[learned.kept_links]}),
    }


def learned_from_tables(problem: PlacementProblem, tables: Mapping[str, pd.DataFrame]) -> Learned | None:
    """
    Read what `learned_tables` laid out; None where it is not among the tables.

    Parameters
    ----------
    problem
        What was solved, assembled anew.
    tables
        Of the run folder.
    """
    if not {CUTS_TABLE, GRADIENTS_TABLE, LINKS_TABLE} <= tables.keys():
        return None
    found = {}
    for kind in _KINDS:
        heads, entries = (table[table["kind"] == kind] for table in (tables[CUTS_TABLE], tables[GRADIENTS_TABLE]))
        ends = np.cumsum(np.bincount(entries["cut"], minlength=len(heads)))[:-1]
        columns = np.split(entries["column"].to_numpy(np.int64), ends)
        values = np.split(entries["value"].to_numpy(float), ends)
        facts = [heads[name].tolist() for name in ("part", "constant", "is_of_balances")]
        found[kind] = tuple(
            Cut(part, constant, at, gradient, is_of_balances)
            for part, constant, is_of_balances, at, gradient in zip(*facts, columns, values, strict=False)
        )
    kept = problem.links["id"].isin(tables[LINKS_TABLE]["link"]).to_numpy(bool)
    return Learned(kept, found["cuts"], found["coarse_cuts"])
