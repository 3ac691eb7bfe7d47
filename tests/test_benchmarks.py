"""The benchmarks run: every case can be assembled, and the table compares what it says."""

from __future__ import annotations

import pytest

from benchmarks.__main__ import main
from benchmarks.handover import METHODS
from benchmarks.problems import CASES, benchmark_problem


def test_every_case_can_be_assembled_from_the_shipped_tables() -> None:
    assert set(CASES) == {"routes", "days", "small"}
    assert len(benchmark_problem("days").slices) == 4 * 24


def test_small_benchmark_prints_its_table(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--small", "--method", "bare_rows", "--method", "bare_columns", "--method", "ours"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].startswith("small: ")
    measured = {line[:34].strip(): line[34:].split() for line in lines[4:7]}
    assert measured.keys() == {METHODS[name] for name in ("bare_rows", "bare_columns", "ours")}
    # Each bare hand-over is once itself; ours is more than either.
    assert float(measured[METHODS["bare_rows"]][3]) == 1.0
    assert float(measured[METHODS["bare_columns"]][5]) == 1.0
    assert float(measured[METHODS["ours"]][3]) > 1.0
