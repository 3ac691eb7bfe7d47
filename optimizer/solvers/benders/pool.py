"""
The pool of cuts: what is learned about one slice counts for all whose routing is the same.

Whether a class is routed at noon or at night, where its tokens go costs the same share of the same demand: the parts
of a class in all slices are one function of the master columns, scaled. A cut found in one is a cut for each. The pool
holds each function's cuts once; the master gets those that its own point breaks most, and gives back those that have
not been needed for some rounds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from optimizer.problem.problem import FloatArray, IntArray
from optimizer.solvers.benders.parts import Part
from optimizer.solvers.benders.subproblems import FORBIDDEN_SHARE, Cut

# A cut is added where it raises the master's cost by more than this: 1e-8 of the total cost.
VIOLATION_UNITS = 1e-5

DIGITS = 10


class SharedCut(NamedTuple):
    """A cut of a function, in whichever problem that is: per unit of a part's size, on the part's own columns."""

    function: bytes  # key of the parts
    constant: float
    gradient: FloatArray  # (width,)
    is_of_balances: bool


@dataclass
class _Function:
    """A function that several parts share: cost of a part = size * max over cuts of (constant + gradient . y)."""

    key: bytes
    parts: list[int] = field(default_factory=list)
    columns: list[IntArray] = field(default_factory=list)  # of each part, (width,) master columns
    sizes: list[float] = field(default_factory=list)
    constants: list[float] = field(default_factory=list)
    gradients: list[FloatArray] = field(default_factory=list)
    of_balances: list[bool] = field(default_factory=list)
    number_of: dict[bytes, int] = field(default_factory=dict)  # of each cut, by its digits


class CutPool:
    """Every cut found of a decomposition's blocks, by function."""

    def __init__(self, parts: Sequence[Sequence[Part]]) -> None:
        self._functions: list[_Function] = []
        self._place: list[tuple[_Function, int]] = []  # of each part: its function, its number among the parts there
        self._by_key: dict[bytes, _Function] = {}
        for of_block in parts:
            for key, columns, size in of_block:
                function = self._by_key.get(key)
                if function is None:
                    function = self._by_key[key] = _Function(key)
                    self._functions.append(function)
                self._place.append((function, len(function.parts)))
                function.parts.append(len(self._place) - 1)
                function.columns.append(columns)
                function.sizes.append(size)

    def __len__(self) -> int:
        return sum(len(function.constants) for function in self._functions)

    def add(self, cuts: Iterable[Cut]) -> None:
        """Keep cuts, each once, whichever part it was found in."""
        self.add_shared(map(self._shared, cuts))

    def add_shared(self, cuts: Iterable[SharedCut]) -> None:
        """Keep cuts of functions, each once; those of another problem where it has the same function."""
        for cut in cuts:
            function = self._by_key.get(cut.function)
            if function is None:
                continue
            digits = _digits(cut)
            if digits not in function.number_of:
                function.number_of[digits] = len(function.constants)
                function.constants.append(cut.constant)
                function.gradients.append(cut.gradient)
                function.of_balances.append(cut.is_of_balances)

    def at_part(self, cut: SharedCut, part: int) -> Cut | None:
        """Write a cut of a function for one of its parts; None for a part of another function."""
        if part >= len(self._place) or self._place[part][0].key != cut.function:
            return None
        function, number = self._place[part]
        return self._cut(function, number, part, function.number_of[_digits(cut)])

    def shared(self, held: Iterable[Cut]) -> tuple[tuple[SharedCut, ...], IntArray]:
        """
        List each cut once, and where some of them hold a solution.

        Returns
        -------
        tuple
            The cuts, and (H, 2) number of the cut and part of each of `held` that is one of the pool.
        """
        cuts, first_of = list[SharedCut](), dict[bytes, int]()
        for function in self._functions:
            first_of[function.key] = len(cuts)
            facts = zip(function.constants, function.gradients, function.of_balances, strict=True)
            cuts += [SharedCut(function.key, *each) for each in facts]
        pairs = []
        for cut in held:
            shared = self._shared(cut)
            number = self._by_key[shared.function].number_of.get(_digits(shared))
            if number is not None:
                pairs.append((first_of[shared.function] + number, cut.part))
        return tuple(cuts), np.array(pairs, np.int64).reshape(-1, 2)

    def violated(self, point: FloatArray, part_costs: FloatArray, most_per_part: int) -> list[Cut]:
        """Cuts that a master solution breaks most, so many of each part."""
        out: list[Cut] = []
        for function in self._functions:
            if not function.constants:
                continue
            gradients = np.array(function.gradients)
            of_balances = np.array(function.of_balances)[:, None]
            sizes = np.array(function.sizes)
            at = gradients @ point[np.array(function.columns)].T + np.array(function.constants)[:, None]
            excess = np.where(
                of_balances, at - FORBIDDEN_SHARE / 2, at * sizes - part_costs[function.parts] - VIOLATION_UNITS
            )
            worst = np.argsort(-excess, axis=0)[:most_per_part]
            for number, part in enumerate(function.parts):
                broken = [int(cut) for cut in worst[:, number] if excess[cut, number] > 0]
                out += [self._cut(function, number, part, cut) for cut in broken]
        return out

    def costs_at(self, point: FloatArray) -> FloatArray:
        """Highest of the cuts of each part at a point, (parts,); 0 for a part without any."""
        out = np.zeros(len(self._place))
        for function in self._functions:
            of_cost = ~np.array(function.of_balances, np.bool_)
            if of_cost.any():
                at = np.array(function.gradients)[of_cost] @ point[np.array(function.columns)].T
                highest = (at + np.array(function.constants)[of_cost, None]).max(axis=0)
                out[function.parts] = highest * np.array(function.sizes)
        return out

    @property
    def cuts(self) -> tuple[Cut, ...]:
        """Each cut once, of the first part that it holds for."""
        return tuple(
            self._cut(function, 0, function.parts[0], cut)
            for function in self._functions
            for cut in range(len(function.constants))
        )

    def _shared(self, cut: Cut) -> SharedCut:
        """Write a cut of a part as one of its function."""
        function, number = self._place[cut.part]
        size = 1.0 if cut.is_of_balances else function.sizes[number]
        gradient = np.zeros(len(function.columns[number]))
        gradient[np.searchsorted(function.columns[number], cut.columns)] = cut.gradient / size
        return SharedCut(function.key, cut.constant / size, gradient, cut.is_of_balances)

    @staticmethod
    def _cut(function: _Function, number: int, part: int, cut: int) -> Cut:
        gradient, is_of_balances = function.gradients[cut], function.of_balances[cut]
        size = 1.0 if is_of_balances else function.sizes[number]
        used = np.flatnonzero(gradient)
        columns = function.columns[number][used]
        return Cut(part, function.constants[cut] * size, columns, gradient[used] * size, is_of_balances)


def _digits(cut: SharedCut) -> bytes:
    """Write the numbers of a cut so that cuts which differ by rounding alone give the same bytes."""
    largest = float(np.abs(cut.gradient).max(initial=abs(cut.constant))) or 1.0
    digits = np.round(np.append(cut.gradient, cut.constant) / largest, DIGITS) + 0.0
    return digits.tobytes() + bytes([cut.is_of_balances])
