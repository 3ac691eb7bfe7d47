"""What a longer RTT limit is worth: the routes it would admit are opened in the linear program, solved again."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from optimizer.assemble import limiting_links
from optimizer.compile import CompiledModel, compile_model
from optimizer.fixed_program import FixedProgram, reduced_costs
from optimizer.price_table import LEAST_VALUE_CNY, Price, price_row, price_sentence, spell_cny
from optimizer.problem import FloatArray, PlacementProblem

UNIT = "CNY per year and ms"
LEAST_STEP_MS = 1.0
# A route this little beyond the step is within it.
ROUNDING_MS = 1e-9
_ORDER = ["workload_index", "data_center_index", "route_index"]


def rtt_prices(problem: PlacementProblem, program: FixedProgram, *, seed: int = 1) -> list[dict[str, Any]]:
    """
    Price a longer limit for each class that has one, with the integers held.

    A limit is a step function: nothing changes until a data center comes into reach that the class would use. The step
    is 1 ms, or as much as it takes to reach the next such data center; the value is that of the whole step divided by
    its length.

    Parameters
    ----------
    problem
        The problem.
    program
        Its program with the integers held.
    seed
        Random seed of the solver.

    Returns
    -------
    list of dict
        Rows of the table of shadow prices: kind rtt_limit, id = class.
    """
    late = _late_routes(problem, program.compiled, program.integers)
    longer = _LongerLimits(problem, program, late, seed) if len(late) else None
    if longer is not None and not longer.may_save(program.point.kept_row_duals):
        longer = None
    rows = []
    for k in np.flatnonzero(has_limit(problem)).tolist():
        name, ids = str(problem.classes["name"].iloc[k]), [str(problem.classes["id"].iloc[k])]
        step_ms = np.nan if longer is None else longer.step_ms(k)
        if longer is None or np.isnan(step_ms):
            sentence = f"a longer RTT limit for {name} is worth nothing while deployments and single places stay"
            rows.append(price_row("rtt_limit", ids, UNIT, Price(0.0, 0.0), np.nan, sentence))
            continue
        price = Price(longer.saving_cny(k, step_ms) / step_ms, np.nan, 1)
        sentence = price_sentence(f"1 ms more of RTT for {name}", price.value)
        if step_ms > LEAST_STEP_MS:
            whole = price_sentence(f"{step_ms:.1f} ms more of RTT for {name}", price.value * step_ms)
            sentence = f"{whole} ({spell_cny(price.value)} a ms), and less is worth nothing"
        rows.append(price_row("rtt_limit", ids, UNIT, price, step_ms, sentence))
    return rows


def has_limit(problem: PlacementProblem) -> npt.NDArray[np.bool_]:
    """(K,) whether a class has a limit on its round trip, stated or following from its time to the first token."""
    out: npt.NDArray[np.bool_] = np.isfinite(problem.classes["rtt_limit_ms"].to_numpy(float))
    late = problem.left_out["workload_index"][problem.left_out["late_ms"] > 0]
    out[problem.workloads["class_index"].to_numpy(int)[late]] = True
    return out


def _late_routes(problem: PlacementProblem, compiled: CompiledModel, integers: FloatArray) -> pd.DataFrame:
    """Routes that a longer limit would admit, to places that the integers allow; rows of `left_out`."""
    left = problem.left_out
    k = problem.workloads["class_index"].to_numpy(int)[left["workload_index"]]
    d = left["data_center_index"].to_numpy(int)
    deployed = np.zeros((len(problem.classes), len(problem.data_centers)), np.bool_)
    members = problem.deployments.to_numpy(int)
    deployed[members[:, 0], members[:, 1]] = compiled.columns["Deploy"].values(integers) > 0.5  # noqa: PLR2004 - halves
    # An indivisible workload stays where it is; another route to the same place might be admitted.
    single = problem.workloads["is_indivisible"].to_numpy(bool)[left["workload_index"]]
    known = pd.MultiIndex.from_frame(problem.indivisible_pairs[["workload_index", "data_center_index"]])
    is_new_place = single & ~pd.MultiIndex.from_frame(left[["workload_index", "data_center_index"]]).isin(known)
    # Whether a late route has a second one is not known.
    protected = problem.is_protected if problem.is_protected.size else np.zeros(len(problem.workloads), np.bool_)
    is_held = is_new_place | protected[left["workload_index"].to_numpy(int)]
    usable = deployed[k, d] & (left["late_ms"].to_numpy(float) > 0) & ~left["is_barred"].to_numpy(bool) & ~is_held
    out: pd.DataFrame = left[usable]
    return out


class _LongerLimits:
    """The linear program with all late routes in it, closed until a class is given more time."""

    def __init__(self, problem: PlacementProblem, program: FixedProgram, late: pd.DataFrame, seed: int) -> None:
        self._before, self._now = program.compiled, problem
        problem = with_candidates(problem, late)
        every = problem.candidates.merge(late[[*_ORDER, "late_ms"]], on=_ORDER, how="left")
        late_ms = every["late_ms"].to_numpy(float)
        new = np.flatnonzero(~np.isnan(late_ms))
        self._longer, self._model = problem, compile_model(problem)
        block = self._model.columns["Flow"]
        self._columns = np.arange(block.columns.start, block.columns.stop).reshape(block.shape)[:, new]
        self._class, self._late_ms = problem.candidate_class[new], late_ms[new]
        self._most = problem.servable_mtok_per_h[:, every["workload_index"].to_numpy(int)[new]]
        self._integers = carry_integers(program.compiled, self._model, program.integers)
        self._seed = seed

    def may_save(self, kept_row_duals: FloatArray) -> bool:
        """Tell from the duals of the program as it is whether any of the routes might be used."""
        duals = np.zeros(len(self._model.row_upper))
        for name, block in self._model.rows.items():
            before = self._before.rows[name]
            if before.shape == block.shape:
                duals[block.rows] = kept_row_duals[before.rows]
            elif name == "limit_link_traffic":
                is_old = self._now.links["is_limiting"].to_numpy(bool)[self._longer.links["is_limiting"].to_numpy(bool)]
                duals[block.rows].reshape(block.shape)[:, is_old] = kept_row_duals[before.rows].reshape(before.shape)
        cost = reduced_costs(self._model, duals, self._columns.reshape(-1))
        return bool((-np.minimum(cost.reshape(self._most.shape), 0.0) * self._most).sum() >= LEAST_VALUE_CNY)

    @cached_property
    def _program(self) -> FixedProgram:
        return FixedProgram(self._model, self._integers, seed=self._seed, closed=self._columns.reshape(-1))

    @cached_property
    def _could_save_cny(self) -> FloatArray:
        """(late routes,) most that each could save, by the duals of the program in which it is closed."""
        cost = reduced_costs(self._model, self._program.solve().kept_row_duals, self._columns.reshape(-1))
        return np.asarray((-np.minimum(cost.reshape(self._most.shape), 0.0) * self._most).sum(axis=0))

    def step_ms(self, class_index: int) -> float:
        """Least time that admits a route worth using, but no less than a millisecond; NaN if there is none."""
        worth = (self._class == class_index) & (self._could_save_cny >= LEAST_VALUE_CNY)
        return max(float(self._late_ms[worth].min()), LEAST_STEP_MS) if worth.any() else np.nan

    def saving_cny(self, class_index: int, step_ms: float) -> float:
        """Give a class more time and solve again, CNY per year."""
        admitted = (self._class == class_index) & (self._late_ms <= step_ms + ROUNDING_MS)
        saving = self._program.saving_with_open(self._columns[:, admitted].reshape(-1))
        return saving if saving >= LEAST_VALUE_CNY else 0.0


def with_candidates(problem: PlacementProblem, more: pd.DataFrame) -> PlacementProblem:
    """
    Add routes to the candidates; links that they could overload become limiting.

    Parameters
    ----------
    problem
        The problem.
    more
        Rows of `left_out`.
    """
    columns = problem.candidates.columns
    candidates = pd.concat([problem.candidates, more[columns]]).sort_values(_ORDER, ignore_index=True)
    is_limiting = limiting_links(
        problem.links, problem.route_links, candidates, problem.workloads, problem.classes, problem.servable_mtok_per_h
    )
    return replace(problem, candidates=candidates, links=problem.links.assign(is_limiting=is_limiting))


def carry_integers(compiled: CompiledModel, other: CompiledModel, integers: FloatArray) -> FloatArray:
    """
    Write the integers of one model as those of another with the same decisions.

    Raises
    ------
    ValueError
        If the other model has other decisions.
    """
    x = np.zeros(len(other.cost))
    for name, block in compiled.columns.items():
        if compiled.is_integer[block.columns].any():
            if not np.array_equal(block.members, other.columns[name].members):
                raise ValueError(f"{name} is not the same in both models")
            x[other.columns[name].columns] = integers[block.columns]
    return x
