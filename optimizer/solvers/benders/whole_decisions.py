"""Whole decisions where rounding would not do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from optimizer.problem.problem import FloatArray
from optimizer.solvers.benders.bound import Decomposition
from optimizer.solvers.control import Control
from optimizer.solvers.process import run_mip

MOST_SECONDS = 20.0
REL_GAP = 1e-3
DEPLOYMENT = ("Open", "Deploy")


def make_whole(
    decomposition: Decomposition, point: FloatArray, held: Sequence[str], *, seed: int, control: Control
) -> FloatArray | None:
    """
    Choose the whole decisions of a master point by a small integer program, those of some variables held.

    Rounding would not do where one more pod can break a limit, or where an indivisible workload is shared out. Returns
    None if there is none or the time did not suffice.
    """
    model = decomposition.program.as_compiled()
    lower, upper = model.lower.copy(), model.upper.copy()
    for name in held:
        columns = decomposition.positions(name)
        lower[columns] = upper[columns] = np.floor(point[columns] + 0.5)
    part_model = replace(model, lower=lower, upper=upper)
    limit_s = min(control.time_limit_s, control.seconds + MOST_SECONDS)
    part = replace(control, report=None, lines=[], time_limit_s=limit_s)
    options = {"output_flag": False, "threads": 1, "random_seed": seed, "mip_rel_gap": REL_GAP}
    outcome = run_mip(part_model, cny_per_cost_unit=1.0, options=options, control=part)
    return outcome.incumbents[-1][: len(point)] if outcome.incumbents else None
