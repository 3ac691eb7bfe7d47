"""The leash of the whole-problem solve: limits, stops, gaps, incumbents and what goes wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toy_problems import random_problem, toy_problem

from network_data.load import load_network
from optimizer.checker.check import check_plan
from optimizer.model.compile import compile_model
from optimizer.problem.plan import Plan
from optimizer.problem.problem import PlacementProblem
from optimizer.solvers import process as mip_process
from optimizer.solvers.columns import columns_from_plan
from optimizer.solvers.control import Control, Progress, Solution, Termination
from optimizer.solvers.process import MAX_IDLE, MipOutcome, SolverError, idle_processes, run_mip
from optimizer.solvers.process_worker import receive, send
from optimizer.solvers.solve import solve_whole
from scenarios.load import load_scenario


def base_problem(slices_per_day: int) -> PlacementProblem:
    from optimizer.problem.assemble import assemble_problem

    scenario = load_scenario("base", [f"time.slices_per_day={slices_per_day}"])
    return assemble_problem(load_network("china_2026"), scenario)


@pytest.fixture(scope="module")
def big() -> PlacementProblem:
    """Build a problem whose presolve alone takes seconds."""
    return base_problem(24)


@pytest.fixture(scope="module")
def medium() -> PlacementProblem:
    """Build a problem with a plan in a second and a proven optimum in minutes."""
    return base_problem(1)


def solve(
    problem: PlacementProblem, *, gap: float = 0.0, control: Control | None = None, start: Plan | None = None
) -> Solution:
    return solve_whole(problem, mip_rel_gap=gap, seed=1, threads=1, control=control or Control(), start=start)


def cheapest_first(problem: PlacementProblem) -> Plan:
    solution = solve(problem)
    assert solution.plan is not None
    return solution.plan


def test_solution_says_what_it_is() -> None:
    problem = toy_problem()
    solution = solve(problem)
    assert solution.termination == Termination.OPTIMAL
    assert solution.method == "whole"
    assert set(solution.seconds) == {"compile", "solve", "fixed_integers"}
    assert solution.plan is not None
    assert solution.objective_cny == pytest.approx(check_plan(problem, solution.plan).total_cny, rel=1e-9)
    assert solution.mip_rel_gap <= 1e-6


def test_infeasible_has_no_plan() -> None:
    solution = solve(toy_problem(it_capacity_mw=(7.0, 8.0), max_new_pods=(0, 0)))
    assert solution.termination == Termination.INFEASIBLE
    assert solution.plan is None
    assert solution.objective_cny == np.inf
    assert solution.mip_rel_gap == np.inf


def test_same_seed_same_plan() -> None:
    problem = random_problem(np.random.default_rng(5))
    first, second = solve(problem), solve(problem)
    assert first.plan is not None
    assert second.plan is not None
    for name, values in vars(first.plan).items():
        np.testing.assert_array_equal(values, getattr(second.plan, name))


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    solve(toy_problem())
    assert capfd.readouterr() == ("", "")


def test_time_limit_without_a_plan(big: PlacementProblem) -> None:
    """Without a bound: the solver did not get past presolve."""
    solution = solve(big, control=Control(time_limit_s=1.5))
    assert solution.termination == Termination.TIME_LIMIT
    assert solution.plan is None
    assert solution.bound_cny == -np.inf


def test_stop_in_presolve_is_answered_and_time_is_told(big: PlacementProblem) -> None:
    """Lines come while presolve is silent; a solver that went on past it would end with a bound."""
    control = Control()

    def stop_when_told(_: Progress) -> None:
        if len(control.lines) >= 3:
            control.stop.set()

    control.report = stop_when_told
    solution = solve(big, control=control)
    assert solution.termination == Termination.INTERRUPTED
    assert solution.plan is None
    assert {(line.incumbent_cny, line.bound_cny) for line in solution.progress} == {(np.inf, -np.inf)}
    assert len(solution.progress) >= 3


def test_stop_keeps_the_incumbent(medium: PlacementProblem) -> None:
    control = Control(time_limit_s=60.0)

    def stop_at_first_plan(line: Progress) -> None:
        if np.isfinite(line.incumbent_cny):
            control.stop.set()

    control.report = stop_at_first_plan
    solution = solve(medium, control=control)
    assert solution.termination == Termination.INTERRUPTED
    assert solution.plan is not None
    report = check_plan(medium, solution.plan)
    assert report.is_feasible, report.violations.to_string()
    assert report.total_cny == pytest.approx(solution.objective_cny, rel=1e-9)
    incumbents = [line.incumbent_cny for line in solution.progress]
    assert incumbents == sorted(incumbents, reverse=True)


def test_gap_asked_for_is_kept(medium: PlacementProblem) -> None:
    solution = solve(medium, gap=0.5, control=Control(time_limit_s=60.0))
    assert solution.termination == Termination.OPTIMAL
    assert solution.mip_rel_gap <= 0.5
    assert -np.inf < solution.bound_cny < solution.objective_cny
    bounds = [line.bound_cny for line in solution.progress]
    assert bounds == sorted(bounds)


def test_start_is_kept_when_there_is_no_time() -> None:
    problem = random_problem(np.random.default_rng(5))
    start = cheapest_first(problem)
    control = Control()
    control.stop.set()
    solution = solve(problem, control=control, start=start)
    assert solution.termination == Termination.INTERRUPTED
    assert solution.plan is not None
    assert solution.objective_cny == pytest.approx(check_plan(problem, start).total_cny)
    assert solution.bound_cny == -np.inf


def test_start_is_taken_up_by_the_solver() -> None:
    problem = toy_problem()
    dear = cheapest_first(replace(problem, energy_price_cny_per_mwh=problem.energy_price_cny_per_mwh[:, ::-1]))
    dear_cny = check_plan(problem, dear).total_cny
    solution = solve(problem, start=dear)
    assert solution.progress[1].incumbent_cny <= dear_cny
    assert solution.objective_cny < dear_cny * 0.9


def test_threads_may_differ_from_call_to_call() -> None:
    problem = random_problem(np.random.default_rng(5))
    costs = [solve_whole(problem, mip_rel_gap=0.0, seed=1, threads=n, control=Control()).objective_cny for n in (1, 2)]
    assert costs[0] == pytest.approx(costs[1], rel=1e-9)


def run_toy(**options: object) -> MipOutcome:
    return run_mip(compile_model(toy_problem()), cny_per_cost_unit=1e3, options=options, control=Control())


def test_refused_option_is_named() -> None:
    with pytest.raises(SolverError, match="HiGHS option no_such_option = 1 was refused"):
        run_toy(output_flag=False, no_such_option=1)


def test_death_of_the_solver_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "process_worker.py").write_text("import os; os.abort()", encoding="utf-8")
    monkeypatch.setattr(mip_process, "__file__", str(tmp_path / "mip_process.py"))
    with pytest.raises(SolverError, match="the solver process died"):
        run_toy()


def test_worker_ends_with_its_caller(big: PlacementProblem) -> None:
    model = compile_model(big)
    worker = Path(mip_process.__file__).with_name("process_worker.py")
    with subprocess.Popen([sys.executable, "-P", worker], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        send(process.stdin, {"options": {"output_flag": False}}, mip_process.model_arrays(model, 1e3, None))
        time.sleep(0.5)
        assert process.poll() is None
        process.stdin.close()
        assert process.wait(timeout=5.0) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_are_left_to_the_caller(medium: PlacementProblem, number: int) -> None:
    """A terminal, or a batch system, signals the whole group: the worker lives on and hands over what it has."""
    model = compile_model(medium)
    worker = Path(mip_process.__file__).with_name("process_worker.py")
    with subprocess.Popen([sys.executable, "-P", worker], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        options = {"output_flag": False, "mip_rel_gap": 0.9}
        send(process.stdin, {"options": options}, mip_process.model_arrays(model, 1e3, None))
        time.sleep(0.5)
        process.send_signal(number)
        kinds = [""]
        while kinds[-1] != "end" and (message := receive(process.stdout)) is not None:
            kinds.append(message[0]["kind"])
        assert kinds[-1] == "end"
        process.stdin.close()


def test_process_is_used_again_and_one_that_died_waiting_is_replaced() -> None:
    idle_processes.end()
    first = run_toy(output_flag=False, threads=1)
    (pid,) = idle_processes.pids
    assert run_toy(output_flag=False, threads=1).objective_cny == first.objective_cny
    assert idle_processes.pids == [pid]
    os.kill(pid, signal.SIGKILL)
    assert run_toy(output_flag=False, threads=1).objective_cny == first.objective_cny
    assert pid not in idle_processes.pids
    for threads in (1, 2, 3):
        run_toy(output_flag=False, threads=threads)
    assert len(idle_processes.pids) == MAX_IDLE


def test_no_process_is_left_waiting_by_a_program_that_ends() -> None:
    code = (
        "from test_solve_whole import run_toy\n"
        "from optimizer.solvers.process import idle_processes\n"
        "run_toy(output_flag=False)\n"
        "print(*idle_processes.pids)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONWARNINGS": "error"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stderr == ""
    with pytest.raises(ProcessLookupError):
        os.kill(int(done.stdout), 0)


def test_memory_of_a_process_that_waits_is_counted() -> None:
    code = (
        "from test_solve_whole import run_toy\n"
        "from optimizer.solvers import memory\n"
        "run_toy(output_flag=False)\n"
        "print(memory._of_others_units * memory._BYTES_PER_UNIT / 1e6)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert 30.0 < float(done.stdout) < 1000.0  # MB: an interpreter with numpy and HiGHS


def test_start_vector_is_the_plans() -> None:
    problem = random_problem(np.random.default_rng(5))
    compiled = compile_model(problem)
    plan = cheapest_first(problem)
    x = columns_from_plan(compiled, plan)
    assert compiled.cost @ x == pytest.approx(check_plan(problem, plan).total_cny)
