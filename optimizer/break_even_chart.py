"""Chart of a break-even map: what planning anew is worth, where the tokens go, and which data centers are open."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from network_data.faults import escape_text
from optimizer.break_even_map import BreakEvenMap
from optimizer.break_even_text import describe_range, spell_parameter
from optimizer.chart_sheet import make_sheet, style_axes, write_titles
from optimizer.map_font import FAINT_INK, FONT, HALO, INK, write_text
from optimizer.map_style import PALETTE, assign_colours, shorten
from optimizer.picture import write_picture
from optimizer.units import CNY_PER_MCNY

PLAN, DECISION, QUIET, PROVED = PALETTE[2], PALETTE[0], "#B0B0B0", "#F6C9A8"
_MONEY_IN, _SHARES_IN, _ROW_IN = 2.8, 1.9, 0.27
_NAME_CHARS = 24
_MAX_ROWS = 30
# Labels of break points nearer to each other than this share of the range would overlap.
_LABEL_SHARE = 0.06


def draw_break_even(found: BreakEvenMap, target: Path | str, *, regions: Sequence[str] = ()) -> Path:
    """
    Draw a break-even map.

    Parameters
    ----------
    found
        The map.
    target
        File to write, `.png` or `.svg`.
    regions
        In the order of their colours, such as that of `map_style.region_colours`, so that a region has the colour that
        it has on maps; others follow by name.

    Raises
    ------
    InputError
        If the suffix is not known or the folder does not exist.
    """
    return write_picture(break_even_figure(found, regions), target)


def break_even_figure(found: BreakEvenMap, regions: Sequence[str] = ()) -> Figure:
    """
    Draw the saving, the shares of the regions and the open data centers above each other, over the parameter.

    Parameters
    ----------
    found
        The map.
    regions
        As in `draw_break_even`.
    """
    centers = _changing_centers(found)
    figure, (money, shares, places) = make_sheet([_MONEY_IN, _SHARES_IN, _ROW_IN * max(len(centers), 1) + 0.1])
    decisions = int((found.break_points["kind"] != "routing").sum())
    write_titles(
        figure,
        f"Where the plan changes with {spell_parameter(found.parameter)}",
        f"Orange lines ({decisions}): data centers, deployments or purchases change; bands: where that is proved. "
        f"Grey lines ({len(found.break_points) - decisions}): only routes, places or hours.",
    )
    _draw_money(money, found)
    _draw_shares(shares, found, regions)
    _draw_places(places, found, centers)
    for axes in (money, shares, places):
        axes.set_xlim(found.low, found.high)
        _mark_breaks(axes, found, with_bands=axes is not shares)
        if found.low <= found.reference_value <= found.high:
            axes.axvline(found.reference_value, color=INK, linewidth=1.2, linestyle=(0, (1, 2)), zorder=4)
    for axes in (money, shares):
        axes.tick_params(labelbottom=False)
    _label_breaks(money, found)
    write_text(places, 0.0, -0.62 / (places.get_position().height * figure.get_figheight()), describe_range(found),
               color=FAINT_INK, fontsize=9.5, transform=places.transAxes)  # fmt: skip
    places.set_xlabel(_drawable(spell_parameter(found.parameter)), color=INK, fontsize=11, family=FONT)
    return figure


def _draw_money(axes: Axes, found: BreakEvenMap) -> None:
    """Draw the saving against the plan held fixed; the cost where there is no such plan."""
    table = found.intervals
    held = len(table) and table["saving_from_cny_per_year"].map(math.isfinite).any()
    name = "saving" if held else "cost"
    drawn = False
    for row in table.to_dict("records"):
        ends = [float(row[f"{name}_{end}_cny_per_year"]) / CNY_PER_MCNY for end in ("from", "to")]
        if all(map(math.isfinite, ends)):
            axes.plot([row["from"], row["to"]], ends, color=PLAN, linewidth=2.4, solid_capstyle="butt", zorder=5)
            drawn = True
        else:
            axes.axvspan(row["from"], row["to"], color="#EDEDED", zorder=0)
            write_text(axes, (row["from"] + row["to"]) / 2, 0.5, "no plan", ha="center", color=FAINT_INK, fontsize=10,
                       transform=axes.get_xaxis_transform())  # fmt: skip
    if not drawn and table.empty:
        write_text(axes, 0.5, 0.5, "no plan is possible", ha="center", color=FAINT_INK, transform=axes.transAxes)
    axes.margins(y=0.12)
    style_axes(axes, "Saved against the plan\nas it is, M CNY a year" if held else "Cost, M CNY a year")


def _draw_shares(axes: Axes, found: BreakEvenMap, regions: Sequence[str]) -> None:
    """Stack the shares of the regions as steps."""
    table = found.intervals
    served = [name.removesuffix("_share") for name in table.columns if name.endswith("_share")]
    colours = assign_colours(list(dict.fromkeys([*regions, *served])))
    names = [f"{region}_share" for region in colours if region in served]
    handles = []
    base = np.zeros(len(table))
    for name in names:
        share = 100 * table[name].fillna(0.0).to_numpy(float)
        colour = colours[name.removesuffix("_share")]
        width = (table["to"] - table["from"]).to_numpy(float)
        bars = axes.bar(table["from"], share, width, base, align="edge", color=colour, alpha=0.8, linewidth=0, zorder=2)
        handles.append(bars)
        base = base + share
    axes.set_ylim(0, 100)
    style_axes(axes, "% of the tokens,\nby region")
    if names:
        labels = [_drawable(name.removesuffix("_share")) for name in names]
        axes.legend(handles, labels, loc="lower right", frameon=False, bbox_to_anchor=(1.0, 1.0), borderaxespad=0.0,
                    ncols=len(names), prop={"family": FONT, "size": 10})  # fmt: skip


def _draw_places(axes: Axes, found: BreakEvenMap, centers: list[str]) -> None:
    """Draw a bar over each stretch on which a data center is open, for those that are not open everywhere."""
    for row in found.intervals.to_dict("records"):
        is_open = set(str(row["open_data_centers"]).split(", "))
        for place, center in enumerate(centers):
            if center in is_open:
                axes.barh(
                    place, row["to"] - row["from"], left=row["from"], height=0.62, color=PLAN, linewidth=0, zorder=2
                )
    axes.set_ylim(max(len(centers), 1) - 0.5, -0.5)
    if not centers:
        write_text(axes, 0.5, 0.5, "no data center opens or closes", ha="center", va="center", color=FAINT_INK,
                   fontsize=10, transform=axes.transAxes)  # fmt: skip
    style_axes(axes, "Open here,\nnot everywhere")
    axes.grid(visible=False, axis="y")
    axes.set_yticks(
        range(len(centers)), [_drawable(shorten(center.replace("_", " "), _NAME_CHARS)) for center in centers]
    )


def _changing_centers(found: BreakEvenMap) -> list[str]:
    """Ids of the data centers that are open on some stretches and not on others, those open at the lower end first."""
    possible = found.intervals[found.intervals["case"] != ""] if len(found.intervals) else found.intervals
    sets: list[set[str]] = [set(str(text).split(", ")) - {""} for text in possible.get("open_data_centers", [])]
    changing = set().union(*sets) - sets[0].intersection(*sets) if sets else set()
    first = {center: min(n for n, one in enumerate(sets) if center in one) for center in changing}
    last = {center: max(n for n, one in enumerate(sets) if center in one) for center in changing}
    return sorted(changing, key=lambda center: (first[center], last[center], center))[:_MAX_ROWS]


def _mark_breaks(axes: Axes, found: BreakEvenMap, *, with_bands: bool) -> None:
    """Draw a line at each break point, over the band that it is proved to lie in."""
    for row in found.break_points.to_dict("records"):
        is_quiet = row["kind"] == "routing"
        if with_bands and not is_quiet:
            axes.axvspan(row["certified_low"], row["certified_high"], color=PROVED, alpha=0.45, linewidth=0, zorder=1)
        axes.axvline(row["value"], color=QUIET if is_quiet else DECISION, linewidth=0.9 if is_quiet else 1.3, zorder=3)


def _label_breaks(axes: Axes, found: BreakEvenMap) -> None:
    """Write the values of the break points above the chart, decisions first, none over another; and the present one."""
    rows = found.break_points.to_dict("records")
    wanted = [(float(row["value"]), f"{row['value']:.4g}", DECISION) for row in rows if row["kind"] != "routing"]
    if found.low <= found.reference_value <= found.high:
        wanted.insert(0, (found.reference_value, "now", INK))
    room = _LABEL_SHARE * (found.high - found.low)
    taken: list[float] = []
    style: dict[str, Any] = {"ha": "center", "va": "bottom", "fontsize": 10, "path_effects": HALO}
    for value, text, colour in wanted:
        if all(abs(value - other) >= room for other in taken):
            taken.append(value)
            write_text(axes, value, 1.02, text, color=colour, transform=axes.get_xaxis_transform(), **style)


def _drawable(text: str) -> str:
    """Keep the dollar signs of a name from being read as mathematics."""
    return escape_text(text).replace("$", r"\$")
