"""
A tree of relaxations that branches on which data centers are open.

Where the accelerators of an open data center must be busy (10d), a relaxation opens parts of large ones, and the work
that it has fills any number of parts. What is open as a whole must be filled as a whole, and few sets of data centers
can be: the relaxation of the best of them says nearly what the best plan costs, and what it may deploy.

The node with the least bound comes first: its relaxation is solved once, again while that raises it, and then split in
two at the data center about which it is the most divided. Cuts found in a node are true everywhere.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field, replace

import numpy as np

from optimizer.problem.problem import FloatArray
from optimizer.solvers.benders.bound import Decomposition
from optimizer.solvers.control import Control

# Share of a data center so close to open or closed that it is whole: where all are, there is nothing to branch on.
NEARLY_WHOLE = 0.02
# A node that is to be split is solved again while that raises its bound by more than this share of it.
RISE_SHARE = 5e-4


@dataclass(frozen=True, order=True)
class _Node:
    """Plans in which some data centers are open or closed."""

    bound_units: float
    number: int  # of two as good the earlier
    held: dict[int, float] = field(compare=False)  # 1 = open, by place among the columns of `Open`
    point: FloatArray = field(compare=False)  # of its relaxation; empty before the first round
    is_rising: bool = field(compare=False, default=True)


class OpenTree:
    """
    Nodes that are left, the first of which has the least bound.

    Parameters
    ----------
    of
        Its relaxation is the root.
    least_rise_share
        A node that is not to be split is solved again while that raises its bound by more than this share of it.

    Attributes
    ----------
    is_over
        Whether the first node opens nothing in parts and its bound stands still, or could not be found.
    """

    def __init__(self, of: Decomposition, *, least_rise_share: float) -> None:
        self._of, self._columns, self._least_rise_share = of, of.positions("Open"), least_rise_share
        self._scale = of.master.scale[self._columns]
        centers = of.compiled.columns["Open"].members.reshape(-1)
        self._size_mw = of.problem.data_centers["it_capacity_mw"].to_numpy(float)[centers]
        self._nodes = [_Node(of.bound_units, 0, {}, of.relaxed_point, is_rising=False)]
        self._count = 1
        self.is_over = not self._divided_mw(of.relaxed_point).any()

    @property
    def bound_units(self) -> float:
        """Least bound of the nodes that are left; inf where none is, so that there is no plan."""
        return self._nodes[0].bound_units if self._nodes else np.inf

    @property
    def point(self) -> FloatArray:
        """Point of the relaxation with the least bound; empty before that is solved."""
        return self._nodes[0].point if self._nodes else np.zeros(0)

    def raise_once(self, control: Control) -> None:
        """Solve the relaxation of the first node that is left, split before that if its bound stands still."""
        if self.is_over:
            return
        node = heapq.heappop(self._nodes)
        if not node.is_rising:
            place = int(np.argmax(self._divided_mw(node.point)))
            for value in (0.0, 1.0):
                half = _Node(node.bound_units, self._count, {**node.held, place: value}, np.zeros(0))
                heapq.heappush(self._nodes, half)
                self._count += 1
            node = heapq.heappop(self._nodes)
        places = np.array(list(node.held), np.int64)
        held_at = np.array(list(node.held.values())) / self._scale[places]
        bound, point = self._of.bound_where(self._columns[places], held_at, control)
        if len(point):
            least = RISE_SHARE if self._divided_mw(point).any() else self._least_rise_share
            is_rising = bound > node.bound_units + least * abs(bound)
            node = replace(node, bound_units=max(bound, node.bound_units), point=point, is_rising=is_rising)
        if bound < np.inf:
            heapq.heappush(self._nodes, node)
        first = self._nodes[0] if self._nodes else None
        is_unsolved = bool(np.isneginf(bound))
        self.is_over = first is None or is_unsolved or not (first.is_rising or self._divided_mw(first.point).any())

    def look_again(self) -> None:
        """Solve the first node once more, as cuts have come since that may raise its bound."""
        if self._nodes:
            self._nodes[0] = replace(self._nodes[0], is_rising=True)
            self.is_over = False

    def _divided_mw(self, point: FloatArray) -> FloatArray:
        """How much of each data center is neither open nor closed, MW; 0 where that is nearly nothing."""
        share = point[self._columns] * self._scale
        part = np.minimum(share, 1.0 - share)
        divided: FloatArray = np.where(part > NEARLY_WHOLE, part * self._size_mw, 0.0)
        return divided
