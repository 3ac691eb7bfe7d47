"""Cases solved one after the other: run folders, failing neighbours, ids."""

from pathlib import Path
from typing import Any

import pytest
from reduced import reduced_overrides
from sweeps import CARBON, write_toy

from optimizer.comparison.cases import Case, CaseStatus
from optimizer.comparison.runner import CaseRunner
from optimizer.comparison.sweep_clock import SweepProgress
from optimizer.comparison.workers import case_solve
from optimizer.runs import folder as run_folder


@pytest.fixture
def quick(tmp_path: Path) -> list[str]:
    return reduced_overrides("base", tmp_path)


def test_each_case_has_a_run_folder_and_a_failing_one_does_not_stop_the_others(
    tmp_path: Path, quick: list[str]
) -> None:
    cases = [
        Case("bad", "bad key", ("costs.carbon=1",)),
        Case("full", "hardly any pods", ("fleet.inference_stock_share=0.01", "fleet.allow_purchase=false")),
        Case("carbon", "carbon_price=100", ("costs.carbon_price_cny_per_t=100",), {"carbon_price": 100.0}),
    ]
    with CaseRunner("base", quick, out=tmp_path / "out") as runner:
        results = runner.run(cases)
    assert list(results) == ["reference", "bad", "full", "carbon"]
    assert [result.status for result in results.values()] == [
        CaseStatus.SOLVED, CaseStatus.FAILED, CaseStatus.INFEASIBLE, CaseStatus.SOLVED,
    ]  # fmt: skip
    assert "carbon" in results["bad"].reason
    assert "accelerator" in results["full"].reason
    assert not results["full"].has_plan
    carbon = results["carbon"].summary["component_cny_per_year"]["carbon"]
    assert carbon == pytest.approx(100 * results["carbon"].summary["carbon_t_per_year"])
    assert {path.name for path in (tmp_path / "out" / "cases").iterdir()} == {"reference", "carbon"}


def test_two_cases_of_one_id_are_refused(tmp_path: Path, quick: list[str]) -> None:
    runner = CaseRunner("base", quick, out=tmp_path / "out")
    with pytest.raises(ValueError, match="two different cases have the id a"):
        runner.run([Case("a", "one"), Case("a", "two")])


def test_a_known_case_is_not_solved_again(tmp_path: Path, quick: list[str]) -> None:
    with CaseRunner("base", quick, out=tmp_path / "out") as runner:
        first = runner.run([Case("a", "a")])
        again = runner.run([Case("a", "a")])
    assert all(again[name] is first[name] for name in first)


def test_what_a_killed_worker_was_writing_is_removed(tmp_path: Path) -> None:
    with CaseRunner(write_toy(tmp_path), out=tmp_path / "out") as runner:
        assert runner.reference_result.has_plan
        draft = tmp_path / "out" / "cases" / f".edwc-run-999999999-{run_folder._machine()}-abcd"  # above any process id
        draft.mkdir()
    assert not draft.exists()


def test_a_fault_of_this_program_in_one_case_is_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    solve = case_solve.solve_scenario

    def stumble(scenario: str | Path, overrides: list[str], **options: Any) -> Any:
        if CARBON[0].overrides[0] in overrides:
            raise ZeroDivisionError("by nothing")
        return solve(scenario, overrides, **options)

    monkeypatch.setattr(case_solve, "solve_scenario", stumble)
    with CaseRunner(write_toy(tmp_path), out=tmp_path / "out") as runner:
        results = runner.run(CARBON)
    assert [result.status for result in results.values()] == [CaseStatus.SOLVED, CaseStatus.FAILED, CaseStatus.SOLVED]
    reason = results["carbon_20"].reason
    assert reason.startswith("internal error: test_case_runner.py:")
    assert "ZeroDivisionError('by nothing')" in reason


def test_what_the_callers_report_raises_is_no_fault_of_a_case(tmp_path: Path) -> None:
    def report(_: SweepProgress) -> None:
        raise KeyError("of the caller")

    with (
        CaseRunner(write_toy(tmp_path), out=tmp_path / "out", report=report) as runner,
        pytest.raises(KeyError, match="of the caller"),
    ):
        runner.run(CARBON)
    assert not runner.results
