"""What a unit of each decision costs: all that cases which differ in prices alone need to know of each other."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np
import pandas as pd

from optimizer.model.compile import CompiledModel, compile_model
from optimizer.problem.equivalence import limits_of
from optimizer.problem.plan import Plan
from optimizer.problem.problem import FloatArray, PlacementProblem
from optimizer.solvers.columns import columns_from_plan

COSTS_TABLE = "learned_costs"  # of a run folder
DECISIONS_KEY = "decisions_sha256"  # of its `run.json`


class UnitCosts(NamedTuple):
    """Costs of the columns of a compiled problem."""

    decisions: str  # hash of the columns and of which plans there are: the same where prices alone differ
    cny: FloatArray  # (columns,) per year and unit
    compiled: CompiledModel


def unit_costs(problem: PlacementProblem) -> UnitCosts | None:
    """Compile a problem; None where prices decide, through limits on money, which plans it has."""
    limits = limits_of(problem)
    if limits is None:
        return None
    compiled = compile_model(problem)
    content = hashlib.sha256(repr(sorted(limits.items())).encode())
    # A price that is the same at all hours can leave columns out.
    for name, block in compiled.columns.items():
        content.update(f"{name} {block.columns.start} {block.columns.stop} {block.shape}".encode())
        content.update(np.ascontiguousarray(block.members).tobytes())
    return UnitCosts(content.hexdigest(), compiled.cost, compiled)


def unit_costs_table(costs: UnitCosts, plan: Plan) -> pd.DataFrame:
    """Lay out unit costs beside the decisions of a plan: columns cny, amount, in the order of the compiled model."""
    return pd.DataFrame({"cny": costs.cny, "amount": columns_from_plan(costs.compiled, plan)})
