"""The text and the key of the map: title, numbers, colours, and what a width or a circle stands for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.patches import Circle, Polygon, Rectangle

from optimizer.geo import RunTables
from optimizer.map_canvas import FAINT_INK, INK, write_text
from optimizer.map_places import SizeKey
from optimizer.map_style import NEUTRAL_COLOUR, format_amount, legend_amounts, shorten

TOKENS_PER_MTOK = 1e6

_HEADING_PT = 12.5
_TEXT_PT = 11.5
_LINE_PT = 17.0
_TEXT_LEFT_PT, _SYMBOL_MIDDLE_PT = 44.0, 18.0
_WIDTH_PT = 200.0
_KEY_GREY = "#8C8C8C"


@dataclass(frozen=True)
class KeyEntry:
    """A category with its colour and volume in tokens a day."""

    name: str
    colour: str
    mtok_per_day: float


def headline(run: RunTables) -> tuple[str, str]:
    """
    Build the map's title and its line of key numbers.

    Parameters
    ----------
    run
        The run; `scenario`, `price_case` and `mip_rel_gap` of `run.json` are shown where they are there.

    Returns
    -------
    tuple of str
        Title and line.
    """
    scenario = run.info.get("scenario")
    name = scenario.get("name") if isinstance(scenario, dict) else scenario
    title = "Where inference runs" + (f": {shorten(str(name), 48)}" if name else "")
    if run.info.get("price_case"):
        title += f" ({shorten(str(run.info['price_case']), 32)})"
    tokens_per_day = run.allocation["mtok_per_year"].sum() * TOKENS_PER_MTOK / run.days_per_year
    parts = [
        f"{format_amount(tokens_per_day)} tokens a day",
        f"{format_amount(float(run.costs['cny_per_year'].sum()))} CNY a year",
        f"{int(run.data_centers['is_open'].sum())} of {len(run.data_centers)} data centers used",
    ]
    gap = run.info.get("mip_rel_gap")
    if isinstance(gap, int | float) and 0 <= gap < 1:
        parts.append(f"within {gap:.1%} of the proven bound")
    return title, "   ·   ".join(parts)


def draw_panel(
    axes: Axes, height: float, colours: tuple[str, list[KeyEntry]], sizes: SizeKey, costs: dict[str, float]
) -> None:
    """
    Draw the key from top to bottom.

    Parameters
    ----------
    axes
        Axes in points, y upwards from 0 to `height`.
    height
        Height of the axes, points.
    colours
        What the colours stand for, and the categories in the order of the bands.
    sizes
        The scales.
    costs
        CNY per year by component; listed, largest first, as far as there is room.
    """
    y = _draw_categories(axes, height - 14.0, *colours)
    if sizes.largest_link > 0:
        y = _draw_widths(axes, y - 20.0, sizes)
    if sizes.largest_center > 0:
        y = _draw_circles(
            axes,
            y - 20.0,
            "Data center, tokens a day",
            sizes.largest_center,
            sizes.center_radius,
            hollow=False,
        )
    if sizes.largest_hub > 0:
        y = _draw_circles(axes, y - 20.0, "Demand hub, tokens a day", sizes.largest_hub, sizes.hub_radius, hollow=True)
    y -= 24.0
    axes.plot([_SYMBOL_MIDDLE_PT], [y + 4.0], marker="x", markersize=5.0, markeredgewidth=1.2, color=FAINT_INK)
    write_text(axes, _TEXT_LEFT_PT, y, "data center not used", fontsize=_TEXT_PT)
    y -= _LINE_PT
    axes.plot([2.0, 34.0], [y + 4.0, y + 4.0], color="#B9B4AA", linewidth=0.8)
    write_text(axes, _TEXT_LEFT_PT, y, "fibre link", fontsize=_TEXT_PT)
    _draw_costs(axes, y - 30.0, costs)


def _draw_categories(axes: Axes, y: float, heading: str, entries: list[KeyEntry]) -> float:
    write_text(axes, 0.0, y, heading, fontsize=_HEADING_PT, weight="bold")
    total = sum(entry.mtok_per_day for entry in entries) or 1.0
    bar_left = 0.0
    y -= 20.0
    for entry in entries:
        width = _WIDTH_PT * entry.mtok_per_day / total
        axes.add_patch(Rectangle((bar_left, y), width, 10.0, facecolor=entry.colour, edgecolor="none"))
        bar_left += width
    y -= 8.0
    for entry in entries:
        y -= _LINE_PT
        axes.add_patch(Rectangle((0.0, y - 1.0), 11.0, 11.0, facecolor=entry.colour, edgecolor="none"))
        write_text(axes, 18.0, y, shorten(entry.name.replace("_", " "), 20), fontsize=_TEXT_PT)
        share = f"{entry.mtok_per_day / total:.0%}"
        if share == "0%" and entry.mtok_per_day > 0:
            share = "<1%"
        write_text(axes, _WIDTH_PT, y, share, fontsize=_TEXT_PT, ha="right")
    return y - 6.0


def _draw_widths(axes: Axes, y: float, sizes: SizeKey) -> float:
    write_text(axes, 0.0, y, "Flow on a link, tokens a day", fontsize=_HEADING_PT, weight="bold")
    for amount in legend_amounts(sizes.largest_link):
        width = sizes.link_width(amount)
        y -= max(_LINE_PT, width + 6.0)
        axes.plot([2.0, 34.0], [y + 4.0, y + 4.0], color=_KEY_GREY, linewidth=width, solid_capstyle="butt")
        write_text(axes, _TEXT_LEFT_PT, y, format_amount(amount * TOKENS_PER_MTOK), fontsize=_TEXT_PT)
    y -= _LINE_PT
    axes.plot([2.0, 34.0], [y + 4.0, y + 4.0], color=_KEY_GREY, linewidth=10.0, solid_capstyle="butt")
    corners = [(15.0, y + 0.5), (15.0, y + 7.5), (23.0, y + 4.0)]
    axes.add_patch(Polygon(corners, facecolor="white", edgecolor="none", zorder=3))
    write_text(axes, _TEXT_LEFT_PT, y, "traffic keeps right", fontsize=_TEXT_PT)
    return y


def _draw_circles(
    axes: Axes, y: float, heading: str, largest: float, radius: Callable[[float], float], *, hollow: bool
) -> float:
    write_text(axes, 0.0, y, heading, fontsize=_HEADING_PT, weight="bold")
    last = 5.0
    for amount in legend_amounts(largest):
        r = radius(amount)
        y -= max(_LINE_PT, r + last + 3.0)
        last = r
        face = "none" if hollow else NEUTRAL_COLOUR
        axes.add_patch(
            Circle(
                (_SYMBOL_MIDDLE_PT, y + 4.0),
                r,
                facecolor=face,
                edgecolor=INK if hollow else "white",
                linewidth=1.0,
            )
        )
        write_text(axes, _TEXT_LEFT_PT, y, format_amount(amount * TOKENS_PER_MTOK), fontsize=_TEXT_PT)
    return y


def _draw_costs(axes: Axes, y: float, costs: dict[str, float]) -> None:
    """List the cost components that there is room for; the total stands in the line under the title."""
    listed = sorted(((name, cost) for name, cost in costs.items() if cost), key=lambda item: (-abs(item[1]), item[0]))
    room = int(y / _LINE_PT)
    if room < len(listed) + 1 or not listed:
        return
    write_text(axes, 0.0, y, "Cost, CNY a year", fontsize=_HEADING_PT, weight="bold")
    for name, cost in listed:
        y -= _LINE_PT
        write_text(axes, 0.0, y, shorten(name.replace("_", " "), 20), fontsize=_TEXT_PT)
        write_text(axes, _WIDTH_PT, y, format_amount(cost), fontsize=_TEXT_PT, ha="right")
