"""
Chart of a break-even map: what planning anew is worth, where the tokens go, and which data centers are open.

Charts of a frontier and of the return on latency: bars are what is proved, points are the best known plans.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from network_data.faults import escape_text
from optimizer.comparison.break_even_points import BreakEvenMap
from optimizer.comparison.frontier import Frontier
from optimizer.comparison.frontier_points import ALL_CLASSES, SAVINGS_PER_MS
from optimizer.comparison.latency_budgets import ENERGY_PER_MS, LatencyReturn
from optimizer.drawing.picture import make_sheet, style_axes, write_picture, write_titles
from optimizer.drawing.style import FAINT_INK, FONT, HALO, INK, PALETTE, assign_colours, write_text
from optimizer.numbers import format_digits, format_million, format_size, shorten
from optimizer.text.searches import describe_range, format_parameter
from optimizer.units import CNY_PER_MCNY

_PLAN, _DECISION, _QUIET, _PROVED = PALETTE[2], PALETTE[0], "#B0B0B0", "#F6C9A8"
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
    """Draw the saving, the shares of the regions and the open data centers above each other, over the parameter."""
    centers = _changing_centers(found)
    figure, (money, shares, places) = make_sheet([_MONEY_IN, _SHARES_IN, _ROW_IN * max(len(centers), 1) + 0.1])
    decisions = int((found.break_points["kind"] != "routing").sum())
    write_titles(
        figure,
        f"Where the plan changes with {format_parameter(found.parameter)}",
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
    places.set_xlabel(_drawable(format_parameter(found.parameter)), color=INK, fontsize=11, family=FONT)
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
            axes.plot([row["from"], row["to"]], ends, color=_PLAN, linewidth=2.4, solid_capstyle="butt", zorder=5)
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
                    place, row["to"] - row["from"], left=row["from"], height=0.62, color=_PLAN, linewidth=0, zorder=2
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
            axes.axvspan(row["certified_low"], row["certified_high"], color=_PROVED, alpha=0.45, linewidth=0, zorder=1)
        axes.axvline(
            row["value"], color=_QUIET if is_quiet else _DECISION, linewidth=0.9 if is_quiet else 1.3, zorder=3
        )


def _label_breaks(axes: Axes, found: BreakEvenMap) -> None:
    """Write the values of the break points above the chart, decisions first, none over another; and the present one."""
    rows = found.break_points.to_dict("records")
    wanted = [(float(row["value"]), f"{row['value']:.4g}", _DECISION) for row in rows if row["kind"] != "routing"]
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


_PROVED_COLOUR, _PLAN_COLOUR, _UNCERTAIN, _PROVINCE = "#56B4E9", PALETTE[2], "#B0B0B0", PALETTE[0]
_DARK_SHARE = 0.55


def draw_frontier(frontier: Frontier, target: Path | str) -> Path:
    """
    Draw a frontier.

    Raises
    ------
    InputError
        If the suffix is not known or the folder does not exist.
    """
    return write_picture(latency_figure(frontier) if frontier.kind == "latency" else carbon_figure(frontier), target)


def draw_latency_return(found: LatencyReturn, target: Path | str) -> Path:
    """
    Draw what a millisecond of each class's budget saves.

    Raises
    ------
    InputError
        If the suffix is not known or the folder does not exist.
    """
    return write_picture(return_figure(found), target)


def latency_figure(frontier: Frontier) -> Figure:
    """Draw cost and relocatable demand above each other, a column for each budget."""
    points = frontier.points
    names = list(dict.fromkeys(frontier.relocatable["workload_class"]))
    figure, (cost, leaving, table) = make_sheet([3.6, 2.2, 0.34 * max(len(names), 1)])
    best = points["plan_of"] != ""
    write_titles(
        figure,
        "What a budget on the round trip costs",
        f"One budget for the classes that have a limit ({len(frontier.classes)}); their own limits stay where tighter. "
        f"Below {format_size(frontier.least_size)} ms some workload reaches no data center.",
    )
    at = np.arange(len(points))
    _draw_costs(cost, at.astype(float), points.to_dict("records"))
    for place in at[~best.to_numpy(bool)]:
        for axes in (cost, leaving, table):
            axes.axvspan(place - 0.49, place + 0.49, color="#F1F1F1", zorder=0)
        write_text(cost, place, 0.5, "no plan", ha="center", va="center", color=FAINT_INK, fontsize=10,
                   transform=cost.get_xaxis_transform())  # fmt: skip
    style_axes(cost, "All costs, million CNY a year")
    _draw_leaving(leaving, at.astype(float), frontier)
    _draw_class_table(table, frontier, names, at)
    for axes in (cost, leaving, table):
        axes.set_xlim(-0.6, len(points) - 0.4)
        axes.set_xticks([])
    table.set_xticks(at, [format_size(size) for size in points[frontier.size_name]])
    table.set_xlabel("Budget on the round trip, ms (columns are not to scale)", color=INK, fontsize=11, family=FONT)
    return figure


def carbon_figure(frontier: Frontier) -> Figure:
    """Draw cost against the cap on emissions, and below it what abating a tonne more costs."""
    points = frontier.points
    figure, (cost, steps) = make_sheet([3.8, 2.6])
    least = f"No plan emits less than {frontier.least_size / 1e3:,.0f} kt a year, whatever it costs. "
    write_titles(
        figure,
        "What avoiding carbon costs",
        (least if math.isfinite(frontier.least_size) else "") + "The rightmost point is the reference as it stands.",
    )
    kt = points[frontier.size_name].to_numpy(float) / 1e3
    _draw_costs(cost, kt, points.to_dict("records"))
    style_axes(cost, "All costs, million CNY a year")
    for row in frontier.steps.to_dict("records"):
        left, right = (float(row[f"{side}_{frontier.size_name}"]) / 1e3 for side in ("tighter", "looser"))
        least_cny, most_cny = float(row["least_abatement_cny_per_t"]), float(row["most_abatement_cny_per_t"])
        is_certain = bool(row["is_certain"])
        if not math.isfinite(least_cny) or not math.isfinite(most_cny):
            continue
        colour = _PROVED_COLOUR if is_certain else _UNCERTAIN
        steps.fill_between([left, right], least_cny, most_cny, color=colour, alpha=0.55, linewidth=0, zorder=2)
        middle, value = (left + right) / 2, float(row["abatement_cny_per_t"])
        if is_certain:
            steps.hlines(value, left, right, color=_PLAN_COLOUR, linewidth=2.2, zorder=3)
        text = f"{value:,.0f}" if is_certain else f"at most {most_cny:,.0f}"
        write_text(steps, middle, most_cny, text, ha="center", va="bottom", fontsize=10, zorder=4)
    style_axes(steps, "CNY for a tonne less")
    steps.set_ylim(0, 1.15 * max(steps.get_ylim()[1], 1e-9))
    marks = [
        ("_", _PLAN_COLOUR, _PLAN_COLOUR, "between the best known plans"),
        ("s", _PROVED_COLOUR, _PROVED_COLOUR, "proved range"),
    ]
    if not frontier.steps["is_certain"].all():
        marks.append(("s", _UNCERTAIN, _UNCERTAIN, "not distinguishable from 0"))
    _key(steps, marks)
    if len(kt) and np.isfinite(kt).all():
        room = 0.06 * max(kt.max() - kt.min(), 1e-9)
        for axes in (cost, steps):
            axes.set_xlim(kt.min() - room, kt.max() + room)
    cost.tick_params(labelbottom=False)
    steps.set_xlabel("Cap on the emissions, kt CO2 a year", color=INK, fontsize=11, family=FONT)
    return figure


def return_figure(found: LatencyReturn) -> Figure:
    """Draw a bar for each class: what a millisecond of its budget is proved to save."""
    rows = found.ranking.to_dict("records")
    figure, (axes,) = make_sheet([0.62 * max(len(rows), 1) + 0.3])
    write_titles(
        figure,
        "What a millisecond of round trip is worth, class by class",
        "From the tightest budget with a plan to the class's own limit or the longest way in reach; the other classes "
        "as stated.",
    )
    known = [most for row in rows if math.isfinite(most := float(row[SAVINGS_PER_MS[2]]) / CNY_PER_MCNY)]
    most_of_all = max([*known, 1e-9])
    for place, row in enumerate(rows):
        saving, least, most = (float(row[name]) / CNY_PER_MCNY for name in SAVINGS_PER_MS)
        is_certain = bool(row["is_certain"])
        if not math.isfinite(least) or not math.isfinite(most):
            write_text(axes, 0.015 * most_of_all, place, "nothing is proved", va="center", fontsize=10, color=FAINT_INK)
            continue
        axes.barh(
            place, most - least, left=least, height=0.42, color=_PROVED_COLOUR if is_certain else _UNCERTAIN, zorder=2
        )
        text = f"at most {format_digits(most)}, not distinguishable from 0"
        if is_certain:
            energy = float(row[ENERGY_PER_MS]) / CNY_PER_MCNY
            axes.plot([saving], [place], "o", color=_PLAN_COLOUR, markersize=8, zorder=4)
            axes.plot(
                [energy], [place], "D", markerfacecolor="white", markeredgecolor=_PROVINCE, markersize=7, zorder=3
            )
            numbers = [format_digits(value) for value in (saving, least, most, energy)]
            text = "{} (proved {} to {}), energy alone {}".format(*numbers)
        write_text(axes, max(most, 0.0) + 0.015 * most_of_all, place, text, va="center", fontsize=10, color=INK)
    axes.invert_yaxis()
    style_axes(axes, "", along="x")
    axes.set_yticks(range(len(rows)), [_range_label(row) for row in rows])
    axes.set_xlim(min(0.0, axes.get_xlim()[0]), 1.65 * most_of_all)
    axes.set_xlabel("Million CNY a year saved per millisecond", color=INK, fontsize=11, family=FONT)
    _key(axes, [("o", _PLAN_COLOUR, _PLAN_COLOUR, "best known plans"),
                ("s", _PROVED_COLOUR, _PROVED_COLOUR, "proved range"),
                ("D", "white", _PROVINCE, "of it energy")])  # fmt: skip
    return figure


def _range_label(row: dict[Hashable, Any]) -> str:
    to_ms = min(float(row["useful_limit_ms"]), float(row["looser_budget_ms"]))
    name = shorten(str(row["workload_class"]), _NAME_CHARS)
    return _literal(f"{name}\n{format_size(row['tighter_budget_ms'])} to {format_size(to_ms)} ms")


def _draw_costs(axes: Axes, at: np.ndarray, rows: Sequence[dict[Hashable, Any]]) -> None:
    """Draw a bar from bound to plan at each point, the plan as a dot that is hollow where it is dominated."""
    least, most = (
        np.array([row[f"{end}_cny_per_year"] for row in rows], float) / CNY_PER_MCNY for end in ("least", "most")
    )
    known = np.isfinite(most)
    if not known.any():
        write_text(axes, 0.5, 0.5, "no point has a plan", ha="center", transform=axes.transAxes, color=FAINT_INK)
        return
    axes.plot(at[known], most[known], color=_PLAN_COLOUR, linewidth=1.0, linestyle=(0, (2, 3)), zorder=2)
    axes.vlines(at[known], np.where(np.isfinite(least), least, most)[known], most[known],
                color=_PROVED_COLOUR, linewidth=9,
                alpha=0.8, zorder=3)  # fmt: skip
    # A frontier that is flat, or a single point, still needs room for its labels.
    height = max(float(np.ptp(most[known])), 0.01 * float(np.abs(most[known]).max()), 1e-9)
    style: dict[str, Any] = {"ha": "center", "zorder": 5, "path_effects": HALO}
    for x, low, high, row in zip(at, least, most, rows, strict=True):
        if not np.isfinite(high):
            continue
        face = "white" if row["is_dominated"] else _PLAN_COLOUR
        axes.plot([x], [high], "o", markerfacecolor=face, markeredgecolor=_PLAN_COLOUR, markersize=8, zorder=4)
        proved = f"at least {format_million(low * CNY_PER_MCNY)}" if np.isfinite(low) else "no bound"
        write_text(
            axes, x, high + 0.13 * height, format_million(high * CNY_PER_MCNY), weight="bold", fontsize=10.5, **style
        )
        write_text(axes, x, high + 0.06 * height, proved, color=FAINT_INK, fontsize=9, **style)
    axes.set_ylim(float(most[known].min()) - 0.12 * height, float(most[known].max()) + 0.24 * height)
    marks = [
        ("o", _PLAN_COLOUR, _PLAN_COLOUR, "best known plan"),
        ("s", _PROVED_COLOUR, _PROVED_COLOUR, "down to what is proved"),
    ]
    if any(row["is_dominated"] for row in rows):
        marks.append(("o", "white", _PLAN_COLOUR, "dominated: a tighter limit costs no more"))
    _key(axes, marks)


def _draw_leaving(axes: Axes, at: np.ndarray, frontier: Frontier) -> None:
    """Draw the shares of all tokens that leave their own region and province."""
    for scope, colour, mark in (("region", _PLAN_COLOUR, "o"), ("province", _PROVINCE, "s")):
        share = frontier.points.get(f"leaves_{scope}_share")
        if share is not None:
            axes.plot(at, 100 * share.to_numpy(float), color=colour, marker=mark, markersize=6, linewidth=2, zorder=3)
    style_axes(axes, "% of the tokens that\nleave their own ...")
    axes.set_ylim(-4, 112)
    _key(axes, [("s", _PROVINCE, _PROVINCE, "province"), ("o", _PLAN_COLOUR, _PLAN_COLOUR, "region")])


def _draw_class_table(axes: Axes, frontier: Frontier, names: Sequence[str], at: np.ndarray) -> None:
    """Shade a cell for each class and budget by the share that leaves its own region, with the number in it."""
    table = frontier.relocatable
    column = {float(size): int(place) for size, place in zip(frontier.points[frontier.size_name], at, strict=True)}
    shares = np.full((len(names), len(at)), np.nan)
    for row in table.to_dict("records"):
        shares[names.index(str(row["workload_class"])), column[float(row[frontier.size_name])]] = row[
            "leaves_region_share"
        ]
    if not names:
        return
    axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0, aspect="auto", interpolation="nearest", zorder=1)
    for (y, x), share in np.ndenumerate(shares):
        if np.isfinite(share):
            colour = "white" if share > _DARK_SHARE else INK
            write_text(axes, x, y, f"{share:.0%}", ha="center", va="center", fontsize=9.5, color=colour, zorder=2)
    labels = ["all classes" if name == ALL_CLASSES else shorten(name, _NAME_CHARS) for name in names]
    axes.set_yticks(range(len(names)), [_literal(label) for label in labels])
    axes.set_yticks(np.arange(len(names) + 1) - 0.5, minor=True)
    axes.set_xticks(np.arange(len(at) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=2)
    axes.tick_params(which="both", length=0, colors=INK)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_ylabel("Leave their region,\nby class", color=INK, fontsize=11, family=FONT)


def _key(axes: Axes, marks: Sequence[tuple[str, str, str, str]]) -> None:
    """Explain the marks above the upper right corner, where nothing is drawn."""
    handles = [
        axes.plot(
            [],
            [],
            marker,
            markerfacecolor=face,
            markeredgecolor=edge,
            markersize=8,
            linestyle="none",
            markeredgewidth=2.4 if marker == "_" else 1.2,
        )[0]
        for marker, face, edge, _ in marks
    ]
    axes.legend(handles, [text for *_, text in marks], loc="lower right", bbox_to_anchor=(1.0, 1.0), frameon=False,
                borderaxespad=0.0, ncols=len(marks), prop={"family": FONT, "size": 10})  # fmt: skip


def _literal(text: str) -> str:
    """Keep the dollar signs of a name from being read as mathematics."""
    return text.replace("$", r"\$")
