"""Fill the sets, families and parameters of `vocabulary` with one problem's index tables and arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from optimizer.model.vocabulary import LABELS, PARAMETERS, SETS, ParameterDeclaration, by_pool
from optimizer.problem.problem import FloatArray, PlacementProblem

Int32Array = npt.NDArray[np.int32]
AXIS = "SLICES"

# The table of the problem that has a row for each member.
_TABLES = {
    "SLICES": "slices", "BILLING": "billing", "CLASSES": "classes", "WORKLOADS": "workloads",
    "DATA_CENTERS": "data_centers", "ACCELERATORS": "accelerators", "LINKS": "links", "CANDIDATES": "candidates",
}  # fmt: skip


@dataclass(frozen=True)
class Family:
    """A set for each member of an owner set: members of owner row i are rows starts[i]:starts[i + 1]."""

    owner: str
    starts: Int32Array
    members: Int32Array


@dataclass(frozen=True)
class ModelData:
    """
    Sets as (n, dimen) index tables, families of sets, and parameters as arrays with the time axis first.

    Parameters indexed by SLICES alone are (T,), by others and SLICES (T, ...), else (...).
    """

    sets: dict[str, Int32Array]
    families: dict[str, Family]
    parameters: dict[str, FloatArray]


def model_data(problem: PlacementProblem) -> ModelData:
    """Collect the sets, families and parameters that `vocabulary` declares from a problem."""
    sets, families = model_sets(problem), {}
    for declared in SETS:
        if declared.owner is None:
            continue
        if len(sets[declared.owner]):
            rows = _rows(declared.members(problem), (*LABELS[declared.owner], *declared.labels))
            families[declared.name] = _family(declared.owner, sets[declared.owner], rows)
        else:  # whatever its members would be, nobody asks for them
            families[declared.name] = Family(
                declared.owner, np.zeros(1, np.int32), np.zeros((0, declared.dimen), np.int32)
            )
    return ModelData(sets, families, {declared.name: _values(problem, declared) for declared in PARAMETERS})


def model_sets(problem: PlacementProblem) -> dict[str, Int32Array]:
    """Collect the sets alone, for those who only ask what a row belongs to: a fifth of the work."""
    own = (declared for declared in SETS if declared.owner is None)
    return {declared.name: _rows(declared.members(problem), declared.labels).astype(np.int32) for declared in own}


def _rows(members: Any, labels: tuple[str, ...]) -> npt.NDArray[np.int64]:
    if isinstance(members, pd.DataFrame):
        # Column by column: picking several at once takes pandas many times longer.
        return np.column_stack([members[f"{label}_index"].to_numpy(np.int64) for label in labels])
    if isinstance(members, dict):
        return np.column_stack([members[f"{label}_index"] for label in labels])
    if isinstance(members, int):
        members = np.arange(members)
    elif members.dtype == np.bool_:
        members = np.flatnonzero(members)
    return np.asarray(members, np.int64).reshape(-1, 1)


def _values(problem: PlacementProblem, declared: ParameterDeclaration) -> FloatArray:
    name = declared.name
    if declared.values is not None:
        return np.asarray(declared.values(problem), float)
    if hasattr(problem, name):
        return np.asarray(getattr(problem, name), float)
    if len(declared.index) > 1:
        return by_pool(problem, problem.pools[name])
    column: pd.Series = getattr(problem, _TABLES[declared.index[0]])[name]
    return column.to_numpy(float)


def _family(owner: str, owner_rows: Int32Array, rows: npt.NDArray[np.int64]) -> Family:
    """Group rows (keys of the owner, then members) by their owner; those whose owner is not in the set are left out."""
    keys, members = rows[:, : owner_rows.shape[1]], rows[:, owner_rows.shape[1] :]
    if not len(members) or not len(owner_rows):
        return Family(owner, np.zeros(len(owner_rows) + 1, np.int32), np.zeros((0, members.shape[1]), np.int32))
    position = np.full(np.maximum(keys.max(axis=0), owner_rows.max(axis=0)) + 1, -1, np.int64)
    position[tuple(owner_rows.T)] = np.arange(len(owner_rows))
    place = position[tuple(keys.T)]
    order = np.argsort(place, kind="stable")
    order = order[np.searchsorted(place[order], 0) :]
    starts = np.searchsorted(place[order], np.arange(len(owner_rows) + 1))
    return Family(owner, starts.astype(np.int32), members[order].astype(np.int32))
