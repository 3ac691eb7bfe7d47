"""Solve the cases of a comparison, each into a run folder of its own."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from optimizer.case_solver import CaseTask, solve_case
from optimizer.cases import REFERENCE, Case, CaseResult
from optimizer.solution import Progress

CASES_FOLDER = "cases"


class CaseRunner:
    """
    Solves cases of one scenario; asking for a case again costs nothing.

    Parameters
    ----------
    scenario
        Built-in name or YAML file.
    overrides
        Of all cases, the reference included.
    out
        Folder of the comparison; None for one that is removed with the runner (use it in a `with` statement).
    reference
        The case that the others start from.
    report
        Called with each line of progress.
    stop
        Set it, and what is being solved ends.
    """

    def __init__(
        self,
        scenario: str | Path,
        overrides: Sequence[str] = (),
        *,
        out: str | Path | None = None,
        reference: Case = REFERENCE,
        report: Callable[[Progress], None] | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        self.scenario, self.overrides = scenario, tuple(overrides)
        self.reference = reference
        self._temporary = tempfile.TemporaryDirectory(prefix="edwc-compare-") if out is None else None
        self.out = Path(self._temporary.name if self._temporary is not None else str(out)).absolute()
        self._report, self._stop = report, stop if stop is not None else threading.Event()
        self._done: dict[str, CaseResult] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove a temporary folder."""
        if self._temporary is not None:
            self._temporary.cleanup()

    @property
    def reference_result(self) -> CaseResult:
        """The reference, solved if it is not yet."""
        return self.run([])[self.reference.id]

    def run(self, cases: Sequence[Case]) -> dict[str, CaseResult]:
        """
        Solve cases, the reference before all others.

        Returns
        -------
        dict
            Results by id: of the reference and of the cases, in this order.

        Raises
        ------
        ValueError
            If two different cases have the same id.
        """
        wanted = {self.reference.id: self.reference}
        for case in cases:
            if wanted.setdefault(case.id, case) != case:
                raise ValueError(f"two different cases have the id {case.id}")
        for case in wanted.values():
            known = self._done.get(case.id)
            if known is not None and known.case != case:
                raise ValueError(f"two different cases have the id {case.id}")
            if known is None:
                self._done[case.id] = solve_case(self._task(case), report=self._report, stop=self._stop)
        return {name: self._done[name] for name in wanted}

    def _task(self, case: Case) -> CaseTask:
        of_reference = self._done.get(self.reference.id)
        reference = None if of_reference is None else of_reference.folder
        return CaseTask(self.scenario, self.overrides, case, self.out / CASES_FOLDER / case.id, reference)
