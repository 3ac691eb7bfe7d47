"""Samples of the uncertain inputs: points of a Latin hypercube or a Sobol sequence, as cases of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from network_data.faults import FaultList
from optimizer.comparison.cases import Case
from optimizer.problem.problem import FloatArray
from optimizer.uncertainty.inputs import UncertainInput
from scenarios.price_parameters import overrides_of

DesignName = Literal["latin", "sobol"]
DESIGNS: tuple[str, ...] = get_args(DesignName)
LEAST_SAMPLES, MOST_SAMPLES = 10, 9_999
AGAIN = "_again"  # ends the id of a sample that is solved a second time
_SAMPLES_PER_REPEAT, _MOST_REPEATS = 10, 10


def check_design(samples: int, design: str, faults: FaultList) -> None:
    """
    Record what is wrong with a request for samples.

    Parameters
    ----------
    samples
        How many.
    design
        latin or sobol.
    faults
        Receives what is wrong.
    """
    if design not in DESIGNS:
        faults.add("design", "there is no such design", f"Name {' or '.join(DESIGNS)}.", value=design)
    if not LEAST_SAMPLES <= samples <= MOST_SAMPLES:
        faults.add("samples", "is no useful number of samples", f"Give {LEAST_SAMPLES} to {MOST_SAMPLES:,}.",
                   value=samples)  # fmt: skip
    elif design == "sobol" and samples & (samples - 1):
        below = 1 << (samples.bit_length() - 1)
        remedy = f"Give a power of two, such as {max(below, 16)} or {2 * below}, or take a Latin hypercube."
        faults.add("samples", "does not balance a Sobol sequence", remedy, value=samples)


def draw_quantiles(samples: int, inputs: int, *, design: str, seed: int) -> FloatArray:
    """
    Draw points of the unit cube, the same for the same arguments.

    Parameters
    ----------
    samples, inputs
        N and I.
    design
        latin = each input has one value in each of N intervals of equal probability; sobol = scrambled, N a power of
        two: the first points of a larger sample are those of a smaller one.
    seed
        Seed of the scrambling.

    Returns
    -------
    array
        (N, I) quantiles, 0 to 1.
    """
    from scipy.stats import qmc  # a second that whoever reads a result need not wait

    sampler = qmc.LatinHypercube(inputs, rng=seed) if design == "latin" else qmc.Sobol(inputs, rng=seed)
    return np.asarray(sampler.random(samples), dtype=float)


def sample_cases(inputs: Sequence[UncertainInput], quantiles: FloatArray) -> list[Case]:
    """
    Make a case of each sample: the overrides that set its inputs.

    Parameters
    ----------
    inputs
        I inputs.
    quantiles
        (N, I) from `draw_quantiles`.

    Returns
    -------
    list of Case
        Ids sample_0001 and so on; `point` holds the quantile of each input.
    """
    cases = []
    for number, row in enumerate(quantiles.tolist(), start=1):
        point = {key: value for one, at in zip(inputs, row, strict=True) for key, value in one.point(at).items()}
        at_of = {one.name: at for one, at in zip(inputs, row, strict=True)}
        cases.append(Case(f"sample_{number:04d}", f"sample {number}", overrides_of(point), at_of))
    return cases


def repeats_of(cases: Sequence[Case], seed: int) -> list[Case]:
    """
    Choose samples to solve again with another seed of the solver, spread evenly: they show its noise.

    Parameters
    ----------
    cases
        From `sample_cases`.
    seed
        Seed of the solver in the first solve.

    Returns
    -------
    list of Case
        One for ten samples, ten at most.
    """
    count = min(_MOST_REPEATS, max(1, len(cases) // _SAMPLES_PER_REPEAT))
    chosen = [cases[at] for at in np.linspace(0, len(cases) - 1, count).round().astype(int)]
    again = f"solver.seed={seed + 1}"
    return [Case(f"{one.id}{AGAIN}", f"{one.label} again", (*one.overrides, again), one.point) for one in chosen]
