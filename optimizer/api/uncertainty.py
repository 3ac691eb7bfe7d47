"""Vary the uncertain inputs of a scenario within their ranges, and see what becomes of the plan."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from network_data.faults import FaultList
from optimizer.api.compare import check_engine
from optimizer.api.inputs import NetworkLike, Overrides, ScenarioLike, find_inputs, naming_arguments
from optimizer.api.progress import reporting, run_until_interrupted
from optimizer.comparison.runner import EngineName
from optimizer.comparison.sweep_clock import SweepProgress
from optimizer.exports.export import export_comparison
from optimizer.uncertainty.figures import COST
from optimizer.uncertainty.result import Uncertainty
from optimizer.uncertainty.run import SAMPLES, SEED, sample_scenario
from optimizer.uncertainty.samples import DesignName

CHART, PAGE = "fans.png", "report.html"


def uncertainty(  # noqa: PLR0913 - options, keyword-only
    scenario: ScenarioLike,
    overrides: Overrides | None = None,
    *,
    network: NetworkLike | None = None,
    price_cases: str | Sequence[str] = (),
    samples: int = SAMPLES,
    inputs: Sequence[str] = (),
    design: DesignName = "latin",
    seed: int = SEED,
    out: str | Path | None = None,
    engine: EngineName = "local",
    workers: int | None = None,
    scheduler: str | None = None,
    shared_files: bool = False,
    force: bool = False,
    progress: bool = False,
    report: Callable[[SweepProgress], None] | None = None,
    stop: threading.Event | None = None,
) -> Uncertainty:
    """
    Solve a scenario at samples of its uncertain inputs.

    Parameters
    ----------
    scenario, overrides, network, price_cases
        See `find_inputs`. Samples are solved with 4 time slices a day (or fewer, where the scenario has fewer), to a
        gap of 1 % and for 120 seconds at most, unless the overrides say otherwise.
    samples
        How many, 10 to 9,999; of a Sobol sequence a power of two.
    inputs
        Names of inputs to vary, from the tables of ranges of the network and the scenario; none = all.
    design
        latin = Latin hypercube; sobol = scrambled Sobol sequence, which a larger sample only continues.
    seed
        Seed of the samples; that of the solver is `solver.seed`.
    out
        Folder to keep run folders, tables, the chart and the report in; what is solved there is not solved again. None
        keeps nothing but what is returned.
    engine, workers, scheduler, shared_files, force
        See `compare`.
    progress
        Show how far it is: a bar in a notebook, lines elsewhere.
    report
        Called with the progress.
    stop
        Set it from another thread, and what is being solved ends; the samples that are done are summed up. So does
        Ctrl-C.

    Returns
    -------
    Uncertainty
        Also where samples fail: they are rows with their reason.

    Raises
    ------
    InputError
        With every fault of the request, of the scenario, and of its ranges.
    """
    faults = FaultList("the uncertainty")
    check_engine(engine, workers, scheduler, faults, shared_files=shared_files)
    faults.raise_if_any()
    found_inputs = find_inputs(scenario, overrides, network=network, price_cases=price_cases)
    with naming_arguments(), reporting(report, progress=progress) as tell:
        found = run_until_interrupted(
            lambda event: sample_scenario(
                found_inputs.scenario,
                found_inputs.overrides,
                samples=samples,
                inputs=[inputs] if isinstance(inputs, str) else list(inputs),
                design=design,
                seed=seed,
                out=out,
                engine=engine,
                workers=workers,
                scheduler=scheduler,
                shared_files=shared_files,
                force=force,
                report=tell,
                stop=event,
            ),
            stop,
        )
    if out is not None:
        folder = found.to_folder(out)
        if found.samples[COST].notna().sum() > 1:
            found.plot(folder / CHART)
        export_comparison(folder, folder / PAGE)
    return found
