"""Solve samples of the uncertain inputs of a scenario, each as a case of a comparison."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from network_data.faults import FaultList, quote_value
from network_data.load import Network, load_network
from optimizer.comparison.runner import CaseRunner, EngineName
from optimizer.comparison.sweep_clock import SweepProgress
from optimizer.uncertainty.inputs import UncertainInput, choose_inputs, find_effective, read_inputs
from optimizer.uncertainty.result import Uncertainty, build_uncertainty
from optimizer.uncertainty.samples import check_design, draw_quantiles, repeats_of, sample_cases
from scenarios.load import load_scenario
from scenarios.schema import Scenario

# What a sample is solved with, unless an override says otherwise: hundreds of them are to end within an hour.
SLICES_PER_DAY = 4
MIP_REL_GAP = 0.01
TIME_LIMIT_S = 120.0
SAMPLES, SEED = 200, 1


def sample_scenario(  # noqa: PLR0913 - options, keyword-only
    scenario: str | Path,
    overrides: Sequence[str],
    *,
    samples: int = SAMPLES,
    inputs: Sequence[str] = (),
    design: str = "latin",
    seed: int = SEED,
    out: str | Path | None = None,
    engine: EngineName = "local",
    workers: int | None = None,
    scheduler: str | None = None,
    shared_files: bool = False,
    force: bool = False,
    report: Callable[[SweepProgress], None] | None = None,
    stop: threading.Event | None = None,
) -> Uncertainty:
    """
    Solve a scenario at samples of its uncertain inputs; see `uncertainty` of the front door.

    Parameters
    ----------
    scenario, overrides
        As `load_scenario` takes them.
    samples, inputs, design, seed, out, engine, workers, scheduler, shared_files, force, report, stop
        As of `uncertainty`.

    Raises
    ------
    InputError
        With every fault of the request, the scenario and its ranges.
    """
    faults = FaultList(f"the uncertainty of {quote_value(scenario)}")
    check_design(samples, design, faults)
    stated = load_scenario(scenario, overrides)
    network = load_network(stated.network)
    settings = (*_settings(stated, overrides), *overrides)
    solved = load_scenario(scenario, settings)
    chosen, idle, left_out = _choose(scenario, settings, network, inputs, faults)
    quantiles = draw_quantiles(samples, len(chosen), design=design, seed=seed)
    cases = sample_cases(chosen, quantiles)
    asked = {"uncertainty": {"samples": samples, "inputs": list(inputs), "design": design, "seed": seed}}
    with CaseRunner(
        scenario,
        settings,
        out=out,
        engine=engine,
        workers=workers,
        scheduler=scheduler,
        shared_files=shared_files,
        request=asked,
        force=force,
        # A sample that may keep the plan of the reference seldom moves from it: the dispersion would be too small.
        known_plans=False,
        report=report,
        stop=stop,
    ) as runner:
        results = runner.run([*cases, *repeats_of(cases, solved.solver.seed)])
        facts = {
            "samples": samples,
            "design": design,
            "seed": seed,
            "slices_per_day": solved.time.slices_per_day,
            "slices_of_scenario": stated.time.slices_per_day,
            "mip_rel_gap": solved.solver.mip_rel_gap,
            "idle": idle,
            "left_out": left_out,
        }
        # Before the runner goes: without `out` the run folders go with it.
        return build_uncertainty(solved.name, chosen, quantiles, results, runner.reference.id, facts)


def _settings(stated: Scenario, overrides: Sequence[str]) -> tuple[str, ...]:
    """List the settings of samples that the request does not make itself."""
    given = {text.partition("=")[0].strip() for text in overrides}
    settings = {
        "time.slices_per_day": min(SLICES_PER_DAY, stated.time.slices_per_day),
        "solver.mip_rel_gap": MIP_REL_GAP,
        "solver.time_limit_s": TIME_LIMIT_S,
    }
    return tuple(f"{key}={value}" for key, value in settings.items() if key not in given)


def _choose(
    scenario: str | Path, settings: Sequence[str], network: Network, names: Sequence[str], faults: FaultList
) -> tuple[tuple[UncertainInput, ...], tuple[str, ...], dict[str, str]]:
    """Read the ranges, and keep the inputs that are asked for and change something."""
    known = read_inputs(load_scenario(scenario, settings), network, faults)
    chosen = choose_inputs(known, names, faults)
    faults.raise_if_any()
    effective, idle, left_out = find_effective(scenario, settings, network, chosen, faults, are_named=bool(names))
    if not effective and not len(faults):
        faults.add("inputs", f"none of {', '.join((*idle, *left_out))} can change anything in this scenario",
                   "Name other inputs, or give ranges to what the scenario uses.")  # fmt: skip
    faults.raise_if_any()
    return effective, idle, left_out
