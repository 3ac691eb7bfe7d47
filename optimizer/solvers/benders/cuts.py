"""
Cuts of one problem transferred to another, and what a solved reference passes on to the solves of other cases.

What routing costs depends on where a class is deployed and processed, not on the price of energy. Two slices with the
same demand therefore have the same block, all costs multiplied by the hours that the slice stands for, and a cut found
in one is valid, multiplied likewise, in the other. Blocks are compared number by number: a cut is transferred only
between components that are the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from optimizer.problem.plan import Plan
from optimizer.problem.problem import IntArray, PlacementProblem
from optimizer.solvers.benders.bound import Split
from optimizer.solvers.benders.parts import Part
from optimizer.solvers.benders.pool import SharedCut
from optimizer.solvers.benders.subproblems import Cut
from optimizer.solvers.control import CUTS_TABLE, Learned

BlockParts = Sequence[Sequence[Part]]  # of each block


def transfer_cuts(cuts: Sequence[Cut], source: BlockParts, target: BlockParts, source_of: IntArray) -> list[Cut]:
    """
    Transfer the cuts of one problem's blocks to the same components of the blocks of another.

    Parameters
    ----------
    cuts
        Cuts whose parts are the components of `source`, numbered through.
    source, target
        Parts of the blocks of a `Split`.
    source_of
        For each target block the source block with the same demand, -1 where there is none.
    """
    first = np.concatenate([[0], np.cumsum([len(parts) for parts in source])])
    by_part: dict[int, list[Cut]] = {}
    for cut in cuts:
        by_part.setdefault(cut.part, []).append(cut)
    out, part = [], 0
    for parts, twin in zip(target, source_of, strict=True):
        for number, (key, columns, size) in enumerate(parts):
            known = twin >= 0 and number < len(source[twin]) and source[twin][number].key == key
            if known:
                _, own, own_size = source[twin][number]
                for cut in by_part.get(int(first[twin]) + number, ()):
                    ratio = 1.0 if cut.is_of_balances else size / own_size
                    at = columns[np.searchsorted(own, cut.columns)]
                    out.append(Cut(part, cut.constant * ratio, at, cut.gradient * ratio, cut.is_of_balances))
            part += 1
    return out


GRADIENTS_TABLE, HELD_TABLE = "learned_gradients", "learned_held"
LINKS_TABLE, POINT_TABLE = "learned_links", "learned_point"


@dataclass(frozen=True, eq=False)
class WarmStart:
    """What a solve starts from."""

    deployed: frozenset[tuple[str, str]] | None = None  # pairs of class and data center, where there is no plan
    plan: Plan | None = None  # of the problem to be solved, whose deployments the search begins with
    learned: Learned | None = None  # of a similar problem, with the links of this one
    like: Split | None = None  # a similar problem, decomposed: where prices alone differ the same need not be done anew
    bound_cny: float = -np.inf  # that an earlier solve has proved of this very problem
    is_enough: bool = False  # whether the plan is to be taken as it is, without a search


def deployed_pairs(problem: PlacementProblem, plan: Plan) -> frozenset[tuple[str, str]]:
    """Name the class and the data center of each deployment of a plan."""
    classes, centers = problem.classes["id"].to_numpy(str), problem.data_centers["id"].to_numpy(str)
    pairs = problem.deployments[plan.is_deployed > 0]
    names = zip(classes[pairs["class_index"]], centers[pairs["data_center_index"]], strict=True)
    return frozenset((str(class_id), str(center)) for class_id, center in names)


def learned_tables(problem: PlacementProblem, learned: Learned) -> dict[str, pd.DataFrame]:
    """
    Write what was learned as tables.

    Returns
    -------
    dict
        learned_cuts: cut, function, is_of_balances, constant; learned_gradients: cut, value; learned_held: cut, part;
        learned_links: link; learned_point: value.
    """
    cuts = learned.cuts
    number = np.arange(len(cuts))
    length = [len(cut.gradient) for cut in cuts]
    return {
        CUTS_TABLE: pd.DataFrame(
            {
                "cut": number,
                "function": np.array([cut.function.hex() for cut in cuts], np.str_).astype(object),
                "is_of_balances": np.array([cut.is_of_balances for cut in cuts], np.bool_),
                "constant": np.array([cut.constant for cut in cuts], np.float64),
            }
        ),
        GRADIENTS_TABLE: pd.DataFrame(
            {
                "cut": np.repeat(number, length),
                "value": np.concatenate([np.zeros(0), *(cut.gradient for cut in cuts)]),
            }
        ),
        HELD_TABLE: pd.DataFrame(learned.held, columns=["cut", "part"]),
        LINKS_TABLE: pd.DataFrame({"link": problem.links["id"].to_numpy()[learned.kept_links]}),
        POINT_TABLE: pd.DataFrame({"value": learned.point}),
    }


def learned_from_tables(problem: PlacementProblem, tables: Mapping[str, pd.DataFrame]) -> Learned | None:
    """Read the tables of `learned_tables`, also of another problem's run; None where one is missing."""
    if not {CUTS_TABLE, GRADIENTS_TABLE, HELD_TABLE, LINKS_TABLE, POINT_TABLE} <= tables.keys():
        return None
    heads, entries = tables[CUTS_TABLE], tables[GRADIENTS_TABLE]
    ends = np.cumsum(np.bincount(entries["cut"], minlength=len(heads)))[:-1]
    gradients = np.split(entries["value"].to_numpy(float), ends)
    functions = map(bytes.fromhex, heads["function"])
    facts = zip(functions, heads["constant"].tolist(), gradients, heads["is_of_balances"].tolist(), strict=False)
    cuts = tuple(SharedCut(*each) for each in facts)
    kept_links = problem.links["id"].isin(tables[LINKS_TABLE]["link"]).to_numpy(bool)
    held = tables[HELD_TABLE][["cut", "part"]].to_numpy(np.int64)
    return Learned(kept_links, cuts, held, tables[POINT_TABLE]["value"].to_numpy(float))
