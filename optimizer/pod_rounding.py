"""Whole pods where one more can break a limit: rounded by a small integer program instead of up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from optimizer.decomposition import Decomposition
from optimizer.mip_process import run_mip
from optimizer.problem import FloatArray
from optimizer.solution import Control

MOST_SECONDS = 20.0
REL_GAP = 1e-3
HELD = ("Open", "Deploy", "Assign")


def round_pods(decomposition: Decomposition, point: FloatArray, *, seed: int, control: Control) -> FloatArray | None:
    """
    Choose whole new pods for the other whole decisions of a master point.

    Parameters
    ----------
    decomposition
        Its master, with the cuts gathered so far, says what the pods are for.
    point
        (master columns,) a point whose decisions on data centers, deployments and assignments are held.
    seed
        Random seed of the solver.
    control
        Deadline and stop request.

    Returns
    -------
    ndarray or None
        A master point with whole pods; None if there is none or the time did not suffice.
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
