"""What flows over each fibre link, and the ribbons that show it: bands side by side whose widths add up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from optimizer.drawing.colours import OTHER, PALETTE
from optimizer.maps.options import ColourBy
from optimizer.problem.problem import FloatArray
from optimizer.runs.places import positions_of, undirected
from optimizer.runs.run import Run

WIDEST_LINK_PT = 18.0
_ARROW_FROM_PT = 3.0


@dataclass(frozen=True, eq=False)
class Ribbon:
    """One band: the tokens of one category that travel over one link in one direction."""

    category: str  # Region of the data center, or workload class
    mtok_per_day: float
    width_pt: float  # Strictly proportional to the tokens, so that the bands of a link add up
    line: FloatArray  # (n, 2) its middle line in travel order, map points

    def arrow(self) -> FloatArray | None:
        """Find the (3, 2) corners of an arrowhead half way; None where the band is too thin or too short for one."""
        middle, along = _middle(self.line)
        length = float(np.hypot(*np.diff(self.line[[0, -1]], axis=0)[0]))
        if self.width_pt < _ARROW_FROM_PT or length < 2.5 * self.width_pt:
            return None
        half = 0.36 * self.width_pt
        across = np.array([-along[1], along[0]])
        tip, base = middle + 1.3 * half * along, middle - 0.9 * half * along
        return np.array([tip, base + half * across, base - half * across])


def category_of(run: Run, colour_by: ColourBy) -> pd.Series:
    """Find the category of each row of the allocation: region of the data center, or class; `other` beyond colours."""
    allocation = run.allocation
    if colour_by == "region":
        return allocation["data_center"].map(run.data_centers["region"])
    totals = allocation.groupby("workload_class")["mtok_per_year"].sum()
    ranked = sorted(totals.index, key=lambda name: (-totals[name], name))
    own = ranked if len(ranked) <= len(PALETTE) else ranked[: len(PALETTE) - 1]
    return allocation["workload_class"].where(allocation["workload_class"].isin(own), OTHER)


def stop_positions(run: Run) -> dict[str, tuple[float, float]]:
    """Find where the ends of the links of `link_volumes` lie."""
    positions: dict[str, tuple[float, float]] = {}
    for nodes, points in zip(run.routes["nodes"], run.routes["points"], strict=True):
        positions.update(zip(nodes.split(">"), points, strict=True))
    for kind, places in (("demand_hub", run.demand_hubs), ("data_center", run.data_centers)):
        positions.update({f"{kind}:{place}": position for place, position in positions_of(places).items()})
    return positions


def busiest_link_mtok_per_day(volumes: pd.DataFrame) -> float:
    """Find what the busiest link of `link_volumes` carries in both directions together."""
    return 0.0 if volumes.empty else float(volumes["mtok_per_day"].groupby(undirected(volumes)).sum().max())


def build_ribbons(
    volumes: pd.DataFrame, lines: dict[tuple[str, str], FloatArray], order: list[str], scale: float
) -> list[Ribbon]:
    """
    Put the bands of each link side by side around its line: traffic keeps to the right of its direction.

    Parameters
    ----------
    volumes
        Result of `link_volumes`.
    lines
        (n, 2) map points of each link, by its two stops in alphabetical order and running from the first.
    """
    rank = {category: i for i, category in enumerate(order)}
    links: list[tuple[float, list[Ribbon]]] = []
    for pair, group in volumes.groupby(undirected(volumes), sort=True):
        first = group["from_node"] == pair[0]
        # From the left edge, seen along the line: backward traffic (outermost first), then forward.
        backward = group[~first].sort_values("category", key=lambda c: c.map(rank), ascending=False)
        forward = group[first].sort_values("category", key=lambda c: c.map(rank))
        widths = [scale * volume for volume in [*backward["mtok_per_day"], *forward["mtok_per_day"]]]
        left = -sum(widths) / 2
        ribbons = []
        for i, row in enumerate([*backward.itertuples(), *forward.itertuples()]):
            line = _offset_line(lines[pair], left + widths[i] / 2)
            ordered = line[::-1] if i < len(backward) else line
            ribbons.append(Ribbon(str(row.category), float(row.mtok_per_day), widths[i], ordered))
            left += widths[i]
        links.append((sum(widths), ribbons))
    links.sort(key=lambda link: -link[0])
    return [ribbon for _, ribbons in links for ribbon in ribbons]


def _offset_line(line: FloatArray, offset: float) -> FloatArray:
    """Shift a line sideways."""
    along = np.gradient(line, axis=0)
    length = np.hypot(along[:, 0], along[:, 1])
    length[length == 0] = 1.0
    right = np.column_stack([along[:, 1], -along[:, 0]]) / length[:, None]
    return np.asarray(line + offset * right, float)


def _middle(line: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Find the point half way along a line and the direction there."""
    steps = np.hypot(*np.diff(line, axis=0).T)
    reached = np.concatenate([[0.0], np.cumsum(steps)])
    half = reached[-1] / 2
    i = min(int(np.searchsorted(reached, half, side="right")) - 1, len(steps) - 1)
    along = (line[i + 1] - line[i]) / max(float(steps[i]), 1e-9)
    return line[i] + (half - reached[i]) * along, along
