"""HiGHS instances without banner, one thread each: models from arrays, and runs that are tried again."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import highspy
import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from optimizer.model.compile import ColumnBlock, RowBlock, stream_model
from optimizer.problem.problem import FloatArray, PlacementProblem

_banner_lock = threading.Lock()
INFINITY = highspy.kHighsInf


@contextmanager
def _silent_stdout() -> Iterator[None]:
    """Send file descriptor 1 nowhere: HiGHS prints a banner in its constructor, before any option can stop it."""
    with _banner_lock:
        sys.stdout.flush()
        kept = os.dup(1)
        try:
            with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a device, not a path of ours
                os.dup2(nowhere.fileno(), 1)
            yield
        finally:
            os.dup2(kept, 1)
            os.close(kept)


def new_highs(*, seed: int = 1, **options: Any) -> highspy.Highs:
    """
    Make a quiet single-threaded solver instance.

    Raises
    ------
    ValueError
        If HiGHS does not know an option or its value.
    """
    with _silent_stdout():
        highs = highspy.Highs()  # type: ignore[no-untyped-call] # highspy annotates nothing
    for name, value in {"output_flag": False, "threads": 1, "random_seed": seed, **options}.items():
        if highs.setOptionValue(name, value) != highspy.HighsStatus.kOk:
            raise ValueError(f"HiGHS option {name} = {value!r} was refused")
    return highs


def run_once(highs: highspy.Highs) -> None:
    """
    Run, whatever else has solved in this thread before.

    HiGHS keeps the threads of the first run for all later ones of the same Python thread and refuses another number:
    it then ends at once with an error and the status of the run before. Pyomo, linopy or PyPSA in the same notebook
    take as many threads as there are cores. After another error the status says that there is no answer.
    """
    if highs.run() != highspy.HighsStatus.kError:
        return
    highspy.Highs.resetGlobalScheduler(True)  # noqa: FBT003 - has no name: wait for the threads to end
    if highs.run() == highspy.HighsStatus.kError:
        highs.clearSolver()


def pass_model(  # noqa: PLR0913 - the parts of a model, by name
    highs: highspy.Highs,
    matrix: sp.csr_array | sp.csc_array,
    *,
    cost: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    row_lower: FloatArray,
    row_upper: FloatArray,
    is_integer: npt.NDArray[np.bool_] | None = None,
) -> None:
    """
    Pass a sparse model to HiGHS.

    Raises
    ------
    ValueError
        If HiGHS refuses the model.
    """
    layout = highspy.MatrixFormat.kRowwise if matrix.format == "csr" else highspy.MatrixFormat.kColwise
    starts, indices = (array.astype(np.int32, copy=False) for array in (matrix.indptr, matrix.indices))
    integrality = np.zeros(len(cost), np.int32) if is_integer is None else is_integer.astype(np.int32)
    status = highs.passModel(
        len(cost), len(row_lower), matrix.nnz, int(layout), int(highspy.ObjSense.kMinimize), 0.0,
        cost, lower, upper, row_lower, row_upper, starts, indices, matrix.data, integrality,
    )  # fmt: skip
    if status == highspy.HighsStatus.kError:
        raise ValueError("HiGHS refused the model")


def solution_of(highs: highspy.Highs) -> FloatArray:
    """Column values of the point HiGHS holds."""
    return np.array(highs.getSolution().col_value)


def is_optimal(highs: highspy.Highs) -> bool:
    """Whether the last run ended with a proven optimum; a program in which nothing is left to decide is at one."""
    return highs.getModelStatus().name in {"kOptimal", "kModelEmpty"}


def is_infeasible(highs: highspy.Highs) -> bool:
    """Whether the last run proved that there is no feasible point."""
    return highs.getModelStatus().name in {"kInfeasible", "kUnboundedOrInfeasible"}


class UnsolvedError(RuntimeError):
    """HiGHS ended without an optimum and without a proof that there is none."""


def run_until_optimal(
    highs: highspy.Highs,
    *,
    first_solver: str | None = None,
    second_solver: str | None = None,
    trusts_infeasible: bool = False,
    time_limit_s: float = np.inf,
) -> bool:
    """
    Run; if that ends without an optimum, from scratch, and then with presolve.

    Presolve copes with scales that the plain method gives up on. It is the last try, since it throws away the basis
    from which the next run would start.

    Parameters
    ----------
    first_solver
        Method of the first run alone; None = the one that is set.
    second_solver
        Method of the run from scratch.
    trusts_infeasible
        End where the first run says that there is no feasible point.
    time_limit_s
        Seconds for all tries together.
    """
    solver, presolve = (highs.getOptionValue(name)[1] for name in ("solver", "presolve"))
    with within(highs, time_limit_s):
        highs.setOptionValue("solver", solver if first_solver is None else first_solver)
        run_once(highs)
        highs.setOptionValue("solver", solver)
        if not _is_settled(highs, trusts_infeasible=trusts_infeasible):
            highs.clearSolver()
            highs.setOptionValue("solver", solver if second_solver is None else second_solver)
            run_once(highs)
            highs.setOptionValue("solver", solver)
        if not _is_settled(highs, trusts_infeasible=trusts_infeasible):
            highs.clearSolver()
            highs.setOptionValue("presolve", "on")
            run_once(highs)
            highs.setOptionValue("presolve", presolve)
    return is_optimal(highs)


@contextmanager
def within(highs: highspy.Highs, time_limit_s: float) -> Iterator[None]:
    """Limit the seconds of the runs inside, all together; HiGHS counts the time of all runs of an instance."""
    ends = highs.getRunTime() + max(time_limit_s, 0.0)
    highs.setOptionValue("time_limit", ends if np.isfinite(ends) else INFINITY)
    try:
        yield
    finally:
        highs.setOptionValue("time_limit", INFINITY)


def _is_settled(highs: highspy.Highs, *, trusts_infeasible: bool) -> bool:
    """Whether another try would say nothing else, or there is no time for one."""
    is_late = bool(highs.getModelStatus() == highspy.HighsModelStatus.kTimeLimit)
    return is_optimal(highs) or is_late or (trusts_infeasible and is_infeasible(highs))


def load_highs(problem: PlacementProblem, highs: highspy.Highs) -> tuple[dict[str, ColumnBlock], dict[str, RowBlock]]:
    """
    Compile the formulation into a HiGHS instance without a model, batch by batch of its rows.

    No more than one batch exists outside the solver at a time, so that this takes little more memory than the solver
    itself.

    Returns
    -------
    columns, rows
        Where each variable and equation lies.
    """
    columns, column_blocks, row_blocks, batches = stream_model(problem)
    empty, no_rows = np.zeros(0), sp.csr_array((0, len(columns.cost)))
    pass_model(
        highs, no_rows, cost=columns.cost, lower=columns.lower, upper=columns.upper, row_lower=empty, row_upper=empty,
        is_integer=columns.is_integer,
    )  # fmt: skip
    del columns
    for batch in batches:
        status = highs.addRows(
            len(batch.lower), batch.lower, batch.upper, len(batch.values), batch.starts[:-1], batch.indices,
            batch.values,
        )  # fmt: skip
        if status == highspy.HighsStatus.kError:
            raise ValueError("HiGHS refused rows of the model")
    return column_blocks, row_blocks
