"""
One measurement in a fresh process: from problem arrays to a loaded HiGHS, in CPU and wall seconds and peak memory.

Run as `python -m benchmarks.handover METHOD FOLDER`; the folder holds what `store` wrote. Prints one line of JSON.
The problem, or for the bare hand-over the finished matrix, is in memory before the clock starts, and so are all
modules; what is added on top of that is measured.
"""

from __future__ import annotations

import json
import pickle
import resource
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import highspy
import numpy as np
import scipy.sparse

from optimizer.model.compile import compile_model
from optimizer.model.pyomo_model import to_pyomo
from optimizer.problem.problem import PlacementProblem
from optimizer.solvers.highs import load_highs, new_highs, pass_model

MATRIX = ("cost", "lower", "upper", "row_lower", "row_upper", "starts", "indices", "values", "is_integer")
BARE = {"bare_rows": "rows", "bare_columns": "columns"}
METHODS = {
    "bare_rows": "bare passModel, by rows",
    "bare_columns": "bare passModel, by columns",
    "ours": "load_highs (ours)",
    "linopy": "linopy",
    "pyomo_matrix": "Pyomo, standard form, passModel",
    "pyomo": "Pyomo, appsi_highs",
}


def store(problem: PlacementProblem, folder: Path) -> tuple[int, int, int]:
    """
    Write a problem and its finished matrix for the measurements.

    Returns
    -------
    tuple of int
        Columns, rows and nonzeros.
    """
    with (folder / "problem.pickle").open("wb") as file:
        pickle.dump(problem, file)
    model = compile_model(problem)
    arrays = {name: getattr(model, name) for name in MATRIX}
    np.savez(folder / "by_rows.npz", **arrays)
    shape = (len(model.row_lower), len(model.cost))
    matrix = scipy.sparse.csr_array((model.values, model.indices, model.starts), shape=shape).tocsc()
    arrays |= {"starts": matrix.indptr, "indices": matrix.indices, "values": matrix.data}
    np.savez(folder / "by_columns.npz", **arrays)
    return len(model.cost), len(model.row_lower), len(model.values)


def measure(method: str, folder: Path) -> dict[str, Any]:
    """
    Time one method once and weigh what it adds.

    Returns
    -------
    dict
        cpu_s, wall_s, added_mb (highest resident memory less that before), columns, rows, nonzeros.
    """
    run = _prepare(method, folder)
    before_mb = _reset_peak_mb()
    wall, cpu = time.perf_counter(), time.process_time()
    kept = run()
    cpu_s, wall_s = time.process_time() - cpu, time.perf_counter() - wall
    added_mb = _peak_mb() - before_mb
    highs = kept[0]
    return {
        "cpu_s": cpu_s,
        "wall_s": wall_s,
        "added_mb": added_mb,
        "columns": highs.getNumCol(),
        "rows": highs.getNumRow(),
        "nonzeros": highs.getNumNz(),
    }


def _prepare(method: str, folder: Path) -> Callable[[], tuple[highspy.Highs, Any]]:
    """Load what a method starts from. The returned call does the rest and keeps everything it makes alive."""
    if method in BARE:
        with np.load(folder / f"by_{method.removeprefix('bare_')}.npz") as file:
            arrays = {name: file[name] for name in MATRIX}
        return lambda: _bare(arrays, by_rows=method == "bare_rows")
    with (folder / "problem.pickle").open("rb") as stored:
        problem = pickle.load(stored)  # noqa: S301 - written by `store` a moment ago
    make = {"ours": _ours, "linopy": _linopy, "pyomo": _pyomo, "pyomo_matrix": _pyomo_matrix}[method]
    return make(problem)


def _bare(arrays: dict[str, Any], *, by_rows: bool) -> tuple[highspy.Highs, Any]:
    highs, layout = new_highs(), scipy.sparse.csr_array if by_rows else scipy.sparse.csc_array
    rest = {name: array for name, array in arrays.items() if name not in {"starts", "indices", "values"}}
    shape = (len(arrays["row_lower"]), len(arrays["cost"]))
    pass_model(highs, layout((arrays["values"], arrays["indices"], arrays["starts"]), shape=shape), **rest)
    return highs, arrays


def _ours(problem: PlacementProblem) -> Callable[[], tuple[highspy.Highs, Any]]:
    def run() -> tuple[highspy.Highs, Any]:
        highs = new_highs()
        return highs, load_highs(problem, highs)

    return run


def _linopy(problem: PlacementProblem) -> Callable[[], tuple[highspy.Highs, Any]]:
    import linopy

    from benchmarks.linopy_model import build_linopy

    # Two small blocks of the power equation have no sparse path there; nothing to be done about it.
    warnings.simplefilter("ignore", linopy.PerformanceWarning)

    def run() -> tuple[highspy.Highs, Any]:
        model = build_linopy(problem)
        return model.to_highspy(), model

    return run


def _pyomo(problem: PlacementProblem) -> Callable[[], tuple[highspy.Highs, Any]]:
    from pyomo.contrib.appsi.solvers import Highs

    def run() -> tuple[highspy.Highs, Any]:
        model = to_pyomo(problem)
        solver = Highs()
        solver.set_instance(model)
        return solver._solver_model, (solver, model)  # noqa: SLF001 - its only handle to the solver

    return run


def _pyomo_matrix(problem: PlacementProblem) -> Callable[[], tuple[highspy.Highs, Any]]:
    from pyomo.repn.plugins.standard_form import LinearStandardFormCompiler

    def run() -> tuple[highspy.Highs, Any]:
        model = to_pyomo(problem)
        form = LinearStandardFormCompiler().write(model, mixed_form=True)
        matrix = form.A.tocsc()
        kinds = np.array([info.bound_type for info in form.rows])
        bounds = np.array([variable.bounds for variable in form.columns], dtype=float)
        highs = new_highs()
        pass_model(
            highs,
            matrix,
            cost=np.asarray(form.c.todense(), dtype=float).reshape(-1),
            lower=np.nan_to_num(bounds[:, 0], nan=-np.inf),
            upper=np.nan_to_num(bounds[:, 1], nan=np.inf),
            row_lower=np.where(kinds == 1, -np.inf, form.rhs),
            row_upper=np.where(kinds == -1, np.inf, form.rhs),
            is_integer=np.array([not variable.is_continuous() for variable in form.columns]),
        )
        return highs, (form, model)

    return run


def _reset_peak_mb() -> float:
    """Set the process's memory high-water mark back to its present memory, and return that."""
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5", encoding="ascii")
    return _peak_mb()


def _peak_mb() -> float:
    status = Path("/proc/self/status")
    if not status.exists():
        # Without Linux's mark that can be reset: the peak since the start, in bytes here.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    line = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], Path(sys.argv[2]))))
