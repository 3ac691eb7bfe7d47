"""HiGHS runs that end without an optimum are tried again, and said to have failed only then."""

import highspy
import numpy as np
import pytest
import scipy.sparse as sp

from optimizer.solvers.highs import is_infeasible, is_optimal, new_highs, pass_model, run_once, run_until_optimal


def program(rows: list[list[float]], least: list[float]) -> highspy.Highs:
    """Minimize the sum of x >= 0 with rows @ x >= least, by a simplex method that may take no step at all."""
    matrix = np.array(rows)
    width = matrix.shape[1]
    highs = new_highs(presolve="off", solver="simplex", simplex_iteration_limit=0)
    pass_model(
        highs,
        sp.csr_array(matrix),
        cost=np.ones(width),
        lower=np.zeros(width),
        upper=np.full(width, np.inf),
        row_lower=np.array(least),
        row_upper=np.full(len(rows), np.inf),
    )
    return highs


def test_presolve_solves_what_the_plain_method_gives_up_on() -> None:
    highs = program([[1.0]], [3.0])
    run_once(highs)
    assert not is_optimal(highs)
    assert run_until_optimal(highs)
    assert highs.getInfo().objective_function_value == pytest.approx(3.0)
    assert highs.getOptionValue("presolve")[1] == "off"  # as before: the next run starts from a basis


def test_what_nothing_solves_is_not_called_solved() -> None:
    highs = program([[1.0, 2.0, 1.5], [2.0, 1.0, 1.5], [1.0, 1.0, 3.0]], [3.0, 4.0, 5.0])
    assert not run_until_optimal(highs)
    assert not is_infeasible(highs)
    highs.setOptionValue("simplex_iteration_limit", 100)
    assert run_until_optimal(highs)


def test_first_solver_is_used_once() -> None:
    highs = program([[1.0, 2.0, 1.5], [2.0, 1.0, 1.5], [1.0, 1.0, 3.0]], [3.0, 4.0, 5.0])
    highs.setOptionValue("run_crossover", "off")
    run_until_optimal(highs, first_solver="ipx")
    assert highs.getInfo().ipm_iteration_count > 0
    assert highs.getOptionValue("solver")[1] == "simplex"


def test_another_solve_on_more_threads_does_not_stop_ours() -> None:
    """Pyomo and linopy take every core in the caller's process, and HiGHS would keep that number of threads."""
    theirs = program([[1.0]], [2.0])
    theirs.setOptionValue("simplex_iteration_limit", 100)
    theirs.setOptionValue("threads", 3)
    run_once(theirs)
    assert is_optimal(theirs)
    ours = program([[1.0]], [3.0])
    ours.setOptionValue("simplex_iteration_limit", 100)
    assert ours.run() == highspy.HighsStatus.kError
    assert run_until_optimal(ours)
    assert ours.getInfo().objective_function_value == pytest.approx(3.0)
    ours.changeRowBounds(0, 4.0, np.inf)
    run_once(theirs)
    run_once(ours)
    assert ours.getInfo().objective_function_value == pytest.approx(4.0)


def test_a_run_that_fails_leaves_no_answer_of_the_run_before() -> None:
    highs = program([[1.0]], [3.0])
    highs.setOptionValue("simplex_iteration_limit", 100)
    run_once(highs)
    assert is_optimal(highs)

    class Failing:
        """The same instance, whose runs fail."""

        def run(self) -> highspy.HighsStatus:
            return highspy.HighsStatus.kError

        def clearSolver(self) -> None:  # noqa: N802 - HiGHS names it so
            highs.clearSolver()

    run_once(Failing())  # type: ignore[arg-type]
    assert not is_optimal(highs)
