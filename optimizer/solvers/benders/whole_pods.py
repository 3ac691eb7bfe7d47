"""Whole new pods where rounding up would not do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from optimizer.problem.problem import FloatArray
from optimizer.solvers.benders.bound import Decomposition
from optimizer.solvers.control import Control
from optimizer.solvers.process import run_mip

MOST_SECONDS = 20.0
REL_GAP = 1e-3
HELD = ("Open", "Deploy", "Assign")


def round_pods(decomposition: Decomposition, point: FloatArray, *, seed: int, control: Control) -> FloatArray | None:
    """
    Choose whole new pods for the other integers of a master point, which are held, by a small integer program.

    Rounding up would not do where one more pod can break a limit. Returns None if there is none or the time did not
    suffice.
    """
    model = decomposition.program.as_compiled()
    lower, upper = model.lower.copy(), model.upper.copy()
    for name in HELD:
        columns = decomposition.positions(name)
        lower[columns] = upper[columns] = np.floor(point[columns] + 0.5)
    held = replace(model, lower=lower, upper=upper)
    limit_s = min(control.time_limit_s, control.seconds + MOST_SECONDS)
    part = replace(control, report=None, lines=[], time_limit_s=limit_s)
    options = {"output_flag": False, "threads": 1, "random_seed": seed, "mip_rel_gap": REL_GAP}
    outcome = run_mip(held, cny_per_cost_unit=1.0, options=options, control=part)
    return outcome.incumbents[-1][: len(point)] if outcome.incumbents else None
