"""A small comparison of the base scenario, solved once for all tests and workers of a session."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from reduced import reduced_overrides
from shared import shared_folder

from optimizer.comparison.cases import Case, CaseResult, CaseStatus
from optimizer.comparison.runner import CaseRunner
from optimizer.runs.run import Run, open_run

# One that changes prices, one whose demand is another, one that closes routes, one that is impossible, one misspelled.
CASES = (
    Case("carbon_100", "carbon_price=100", ("costs.carbon_price_cny_per_t=100",), {"carbon_price": 100.0}),
    Case("carbon_50", "carbon_price=50", ("costs.carbon_price_cny_per_t=50",), {"carbon_price": 50.0}),
    Case("same", "the reference again"),
    Case("more_pods_busy", "utilization_limit=0.7", ("fleet.utilization_limit=0.7",)),
    Case("fast_chat", "chat within 12 ms", ("workload_classes.chat.rtt_limit_ms=12",)),
    Case("no_power", "no pods", ("fleet.inference_stock_share=0.01", "fleet.allow_purchase=false")),
    Case("misspelled", "misspelled", ("costs.carbon=100",)),
)
FAILING = ("no_power", "misspelled")
PLANS = ("reference", *(case.id for case in CASES if case.id not in FAILING))


@cache
def _opened(folder: Path, case_id: str, label: str) -> Run:
    return open_run(folder, case=(case_id, label))


class _ReadOnce(CaseResult):
    """A result whose run is read once for all tests that look at it; none of them changes it."""

    def open_run(self) -> Run:
        """Open the run, or give the one that is open."""
        return super().open_run() if self.folder is None else _opened(self.folder, self.case.id, self.case.label)


@cache
def results() -> dict[str, CaseResult]:
    """Solve the cases, or read what another worker has solved; results by id, the reference first."""
    with (
        shared_folder("compared") as folder,
        CaseRunner("base", reduced_overrides("base", folder), out=folder / "out") as runner,  # lets go of it at the end
    ):
        found = runner.run(CASES)
    return {name: _ReadOnce(one.case, one.status, one.reason, one.folder, one.info) for name, one in found.items()}


def plan_of(case: str) -> Run:
    """Give the plan of a case, read from its folder."""
    return results()[case].open_run()


def result(name: str, cost_cny: float, *, bound_cny: float | None = None, **summary: Any) -> CaseResult:
    info = {
        "objective_cny_per_year": cost_cny,
        "bound_cny_per_year": cost_cny if bound_cny is None else bound_cny,
        "summary": {"energy_mwh_per_year": 0.0, "carbon_t_per_year": 0.0} | summary,
    }
    return CaseResult(Case(name, name), CaseStatus.SOLVED, "", Path(name), info)


def failed(name: str, status: CaseStatus = CaseStatus.INFEASIBLE) -> CaseResult:
    return CaseResult(Case(name, name), status, "too few pods")
