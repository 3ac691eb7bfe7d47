"""Charts of the searches: break-even map, frontiers, return on latency; bars and bands are proved, points are plans."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from optimizer.comparison.break_even_points import BreakEvenMap
from optimizer.comparison.frontier import Frontier
from optimizer.comparison.frontier_points import ALL_CLASSES
from optimizer.comparison.latency_budgets import LatencyReturn
from optimizer.drawing.chart_data import Break, Stretch, breaks, cost_curve, latency_releases, stretches
from optimizer.drawing.colours import (
    DECISION,
    FAINT_INK,
    INK,
    NO_PLAN,
    PLAN,
    PRICE,
    PROVED,
    ROUTING,
    TOKENS,
    UNCERTAIN,
    assign_colours,
    colour_scale,
)
from optimizer.drawing.lettering import HALO, drawable, font_families, write_text
from optimizer.drawing.sheet import (
    label_rows,
    label_x,
    make_sheet,
    note_changes,
    separate_cells,
    style_axes,
    write_figure,
)
from optimizer.numbers import format_digits, format_million, format_number, format_percent, format_size, shorten
from optimizer.text.searches import describe_range, format_parameter
from optimizer.words.amounts import money_unit
from optimizer.words.sentences import say

_MONEY_IN, _SHARES_IN, _ROW_IN = 2.8, 1.9, 0.27
_NAME_CHARS = 24
_MAX_ROWS, _MAX_RANGES = 30, 16
_DARK_SHARE = 0.55
_KG_PER_T = 1e3

# Labels of break points nearer to each other than this share of the range would overlap.
_LABEL_SHARE = 0.06


def draw_break_even(
    found: BreakEvenMap, target: Path | str, *, changes: Sequence[str] = (), regions: Sequence[str] = ()
) -> Path:
    """
    Draw a break-even map.

    Parameters
    ----------
    changes
        What the scenario was changed in, as KEY=VALUE.
    regions
        In the order of `Run.regions`, so that a region has the colour that it has on maps; others follow by name.

    Raises
    ------
    InputError
        If the suffix is not known or the folder does not exist.
    """
    return write_figure(note_changes(break_even_figure(found, regions), changes), target)


def draw_frontier(frontier: Frontier, target: Path | str, *, changes: Sequence[str] = ()) -> Path:
    """Draw a frontier; refuses as `draw_break_even` does."""
    figure = latency_figure(frontier) if frontier.kind == "latency" else carbon_figure(frontier)
    return write_figure(note_changes(figure, changes), target)


def draw_latency_return(found: LatencyReturn, target: Path | str, *, changes: Sequence[str] = ()) -> Path:
    """Draw what a millisecond of each class's budget saves; refuses as `draw_break_even` does."""
    return write_figure(note_changes(return_figure(found), changes), target)


def break_even_figure(found: BreakEvenMap, regions: Sequence[str] = ()) -> Figure:
    """Draw the saving, the shares of the regions and the open data centers above each other, over the parameter."""
    held = found.intervals["saving_from_cny_per_year"].map(math.isfinite).any()
    parts, changes = stretches(found.intervals, "saving" if held else "cost"), breaks(found.break_points)
    centers = _changing_centers([part.centers for part in stretches(found.intervals[found.intervals["case"] != ""])])
    decisions = sum(not change.is_routing for change in changes)
    title = say("Where the plan changes with {parameter}", parameter=format_parameter(found.parameter))
    below = say(
        "Black lines ({decisions}): data centers, deployments or purchases change; bars: where that is proved. Grey "
        "lines ({changes}): only routes, places or hours.",
        decisions=decisions,
        changes=len(changes) - decisions,
    )
    proved = [change for change in changes if not change.is_routing]
    heights = [_MONEY_IN, _ROW_IN * max(min(len(proved), _MAX_RANGES), 1) + 0.1, _SHARES_IN]
    figure, (money, ranges, shares, places) = make_sheet(
        (title, below), [*heights, _ROW_IN * max(len(centers), 1) + 0.1]
    )
    _draw_money(money, parts)
    style_axes(money, say("Saved against the plan\nas it is, M CNY a year") if held else say("Cost, M CNY a year"))
    _draw_shares(shares, found, regions)
    _draw_places(places, parts, centers)
    _draw_ranges(ranges, proved)
    for axes in (money, ranges, shares, places):
        axes.set_xlim(found.low, found.high)
        _mark_breaks(axes, changes if axes is not ranges else ())
        if found.low <= found.reference_value <= found.high:
            axes.axvline(found.reference_value, color=INK, linewidth=1.2, linestyle=(0, (1, 2)), zorder=4)
    for axes in (money, ranges, shares):
        axes.tick_params(labelbottom=False)
    _label_breaks(money, found, changes)
    write_text(places, 0.0, -0.62 / (places.get_position().height * figure.get_figheight()), describe_range(found),
               color=FAINT_INK, fontsize=9.5, transform=places.transAxes)  # fmt: skip
    label_x(places, format_parameter(found.parameter))
    return figure


def _draw_money(axes: Axes, parts: Sequence[Stretch]) -> None:
    """Draw the saving against the fixed plan; the cost where there is no such plan."""
    for part in parts:
        if all(map(math.isfinite, part.amounts)):
            look: dict[str, Any] = {"color": PLAN, "linewidth": 2.4, "solid_capstyle": "butt", "zorder": 5}
            axes.plot([part.start, part.end], part.amounts, **look)
        else:
            axes.axvspan(part.start, part.end, color=NO_PLAN, zorder=0)
            _write_faint(axes, ((part.start + part.end) / 2, 0.5), say("no plan"), transform=axes.get_xaxis_transform())
    if not parts:
        _write_faint(axes, (0.5, 0.5), say("no plan is possible"))
    axes.margins(y=0.12)


def _draw_shares(axes: Axes, found: BreakEvenMap, regions: Sequence[str]) -> None:
    """Stack the shares of the regions as steps."""
    table = found.intervals
    served = [name.removeprefix("region_share.") for name in table.columns if name.startswith("region_share.")]
    colours = {
        name: c for name, c in assign_colours(list(dict.fromkeys([*regions, *served]))).items() if name in served
    }
    width, base, handles = (table["to"] - table["from"]).to_numpy(float), np.zeros(len(table)), []
    for name, colour in colours.items():
        share = 100 * table[f"region_share.{name}"].fillna(0.0).to_numpy(float)
        look: dict[str, Any] = {"align": "edge", "color": colour, "alpha": 0.8, "linewidth": 0, "zorder": 2}
        handles.append(axes.bar(table["from"], share, width, base, **look))
        base = base + share
    axes.set_ylim(0, 100)
    style_axes(axes, say("% of the tokens\nof one plan, by region"))
    if handles:
        _legend(axes, handles, list(colours))


def _draw_places(axes: Axes, parts: Sequence[Stretch], centers: Sequence[str]) -> None:
    """Draw a bar over each stretch on which a data center is open, for those that are not open everywhere."""
    for part in parts:
        for place, center in enumerate(centers):
            if center in part.centers:
                width = part.end - part.start
                axes.barh(place, width, left=part.start, height=0.62, color=PLAN, linewidth=0, zorder=2)
    if not centers:
        _write_faint(axes, (0.5, 0.5), say("no data center opens or closes"), va="center")
    style_axes(axes, say("Open here,\nnot everywhere"))
    axes.grid(visible=False, axis="y")
    label_rows(axes, [shorten(center.replace("_", " "), _NAME_CHARS) for center in centers])


def _changing_centers(sets: Sequence[frozenset[str]]) -> list[str]:
    """Ids of the data centers that are open on some stretches and not on others, those open at the lower end first."""
    changing = frozenset().union(*sets) - sets[0].intersection(*sets) if sets else frozenset()
    open_at = {center: [n for n, one in enumerate(sets) if center in one] for center in changing}
    return sorted(changing, key=lambda center: (open_at[center][0], open_at[center][-1], center))[:_MAX_ROWS]


def _draw_ranges(axes: Axes, changes: Sequence[Break]) -> None:
    """Draw the range that each change of decisions is proved to lie in, a row each, so that none hides another."""
    shown = changes[:_MAX_RANGES]
    for row, change in enumerate(shown):
        axes.barh(row, change.most - change.least, left=change.least, height=0.5, color=PROVED, linewidth=0, zorder=2)
        axes.plot([change.value], [row], "|", color=DECISION, markersize=9, markeredgewidth=1.6, zorder=3)
    if not shown:
        _write_faint(axes, (0.5, 0.5), say("no data center, deployment or purchase changes"), va="center")
    more = len(changes) - len(shown)
    style_axes(axes, say("Proved to\nlie in") + ("\n" + say("({more} more)", more=more) if more else ""))
    axes.grid(visible=False, axis="y")
    label_rows(axes, [f"{change.value:.4g}" for change in shown])


def _mark_breaks(axes: Axes, changes: Sequence[Break]) -> None:
    """Draw a line at each break point."""
    for change in changes:
        colour, width = (ROUTING, 0.9) if change.is_routing else (DECISION, 1.3)
        axes.axvline(change.value, color=colour, linewidth=width, zorder=3)


def _label_breaks(axes: Axes, found: BreakEvenMap, changes: Sequence[Break]) -> None:
    """Write the values of the break points above the chart, decisions first, none over another; and the present one."""
    wanted = [(change.value, f"{change.value:.4g}", DECISION) for change in changes if not change.is_routing]
    if found.low <= found.reference_value <= found.high:
        wanted.insert(0, (found.reference_value, "now", INK))
    room = _LABEL_SHARE * (found.high - found.low)
    taken: list[float] = []
    style: dict[str, Any] = {"ha": "center", "va": "bottom", "fontsize": 10, "path_effects": HALO}
    for value, text, colour in wanted:
        if all(abs(value - other) >= room for other in taken):
            taken.append(value)
            write_text(axes, value, 1.02, text, color=colour, transform=axes.get_xaxis_transform(), **style)


def latency_figure(frontier: Frontier) -> Figure:
    """Draw cost and the demand that leaves its region above each other, a column for each budget."""
    points = frontier.points
    names = list(dict.fromkeys(frontier.relocatable["workload_class"]))
    below = say(
        "One budget for the classes that have a limit ({classes}); their own limits stay where tighter. Below "
        "{least_size} ms some workload reaches no data center.",
        classes=len(frontier.classes),
        least_size=format_size(frontier.least_size),
    )
    titles = (say("What a budget on the round trip costs"), below)
    figure, (cost, leaving, table) = make_sheet(titles, [3.6, 2.2, 0.34 * max(len(names), 1)])
    at = np.arange(len(points))
    _draw_costs(cost, frontier, at.astype(float))
    for place in at[(points["plan_of"] == "").to_numpy(bool)]:
        for axes in (cost, leaving, table):
            axes.axvspan(place - 0.49, place + 0.49, color=NO_PLAN, zorder=0)
        _write_faint(cost, (place, 0.5), say("no plan"), va="center", transform=cost.get_xaxis_transform())
    _draw_leaving(leaving, frontier, at)
    _draw_class_table(table, frontier, names, at)
    for axes in (cost, leaving, table):
        axes.set_xlim(-0.6, len(points) - 0.4)
        axes.set_xticks([])
    table.set_xticks(at, [format_size(size) for size in points[frontier.size_name]])
    label_x(table, say("Budget on the round trip, ms (columns are not to scale)"))
    return figure


def carbon_figure(frontier: Frontier) -> Figure:
    """Draw cost against the cap on emissions, and below it what abating a tonne more costs."""
    least = say(
        "No plan emits less than {least_size} kt a year, whatever it costs. ",
        least_size=format_number(frontier.least_size, 0, _KG_PER_T),
    )
    below = say("The rightmost point is the reference as it stands.")
    titles = (say("What avoiding carbon costs"), (least if math.isfinite(frontier.least_size) else "") + below)
    figure, (cost, steps) = make_sheet(titles, [3.8, 2.6])
    kt = cost_curve("carbon", frontier.points).size
    _draw_costs(cost, frontier, kt)
    for row in frontier.steps.to_dict("records"):
        left, right = (float(row[f"{side}_{frontier.size_name}"]) / _KG_PER_T for side in ("tighter", "looser"))
        value, low, high = (float(row[f"{name}abatement_cny_per_t"]) for name in ("", "least_", "most_"))
        if not math.isfinite(low) or not math.isfinite(high):
            continue
        colour = PROVED if row["is_certain"] else UNCERTAIN
        steps.fill_between([left, right], low, high, color=colour, alpha=0.55, linewidth=0, zorder=2)
        if row["is_certain"]:
            steps.hlines(value, left, right, color=PLAN, linewidth=2.2, zorder=3)
        text = format_number(value, 0) if row["is_certain"] else say("at most {high}", high=format_number(high, 0))
        write_text(steps, (left + right) / 2, high, text, ha="center", va="bottom", fontsize=10, zorder=4)
    style_axes(steps, say("CNY for a tonne less"))
    steps.set_ylim(0, 1.15 * max(steps.get_ylim()[1], 1e-9))
    marks = [("_", PLAN, PLAN, say("between the best known plans")), ("s", PROVED, PROVED, say("proved range"))]
    if not frontier.steps["is_certain"].all():
        marks.append(("s", UNCERTAIN, UNCERTAIN, say("not distinguishable from 0")))
    _key(steps, marks)
    if len(kt) and np.isfinite(kt).all():
        room = 0.06 * max(kt.max() - kt.min(), 1e-9)
        for axes in (cost, steps):
            axes.set_xlim(kt.min() - room, kt.max() + room)
    cost.tick_params(labelbottom=False)
    label_x(steps, say("Cap on the emissions, kt CO2 a year"))
    return figure


def return_figure(found: LatencyReturn) -> Figure:
    """Draw a bar for each class: what a millisecond of its budget is proved to save."""
    rows = latency_releases(found.ranking)
    below = say(
        "From the tightest budget with a plan to the class's own limit or the longest way in reach; the other "
        "classes as stated."
    )
    titles = (say("What a millisecond of round trip saves, class by class"), below)
    figure, (axes,) = make_sheet(titles, [0.62 * max(len(rows), 1) + 0.3])
    highest = max([*(row.most for row in rows if math.isfinite(row.most)), 1e-9])
    for place, row in enumerate(rows):
        if not math.isfinite(row.least) or not math.isfinite(row.most):
            _write_faint(axes, (0.015 * highest, place), say("nothing is proved"), va="center", ha="left")
            continue
        colour = PROVED if row.is_certain else UNCERTAIN
        axes.barh(place, row.most - row.least, left=row.least, height=0.42, color=colour, zorder=2)
        text = say("at most {most}, not distinguishable from 0", most=format_digits(row.most))
        if row.is_certain:
            axes.plot([row.saving], [place], "o", color=PLAN, markersize=8, zorder=4)
            look: dict[str, Any] = {"markerfacecolor": "white", "markeredgecolor": PRICE, "markersize": 7}
            axes.plot([row.energy], [place], "D", zorder=3, **look)
            saving, least, most, energy = map(format_digits, (row.saving, row.least, row.most, row.energy))
            text = say(
                "{saving} (proved {least} to {most}), energy alone {energy}",
                saving=saving,
                least=least,
                most=most,
                energy=energy,
            )
        write_text(axes, max(row.most, 0.0) + 0.015 * highest, place, text, va="center", fontsize=10)
    style_axes(axes, along="x")
    label_rows(axes, [f"{shorten(row.workload_class, _NAME_CHARS)}\n{row.limits}" for row in rows])
    axes.set_xlim(min(0.0, axes.get_xlim()[0]), 1.65 * highest)
    label_x(axes, say("Million CNY a year saved per millisecond"))
    _key(axes, [("o", PLAN, PLAN, say("best known plans")), ("s", PROVED, PROVED, say("proved range")),
                ("D", "white", PRICE, say("of it energy"))])  # fmt: skip
    return figure


def _draw_costs(axes: Axes, frontier: Frontier, at: np.ndarray) -> None:
    """Draw a bar from bound to plan at each point, the plan as a dot that is hollow where it is dominated."""
    style_axes(axes, say("All costs, million CNY a year"))
    curve, is_dominated = cost_curve(frontier.kind, frontier.points), frontier.points["is_dominated"].to_numpy(bool)
    known = np.isfinite(curve.most)
    if not known.any():
        write_text(axes, 0.5, 0.5, say("no point has a plan"), ha="center", transform=axes.transAxes, color=FAINT_INK)
        return
    x, most, is_dominated = at[known], curve.most[known], is_dominated[known]
    least = curve.least[known]
    axes.plot(x, most, color=PLAN, linewidth=1.0, linestyle=(0, (2, 3)), zorder=2)
    lowest = np.where(np.isfinite(least), least, most)
    axes.vlines(x, lowest, most, color=PROVED, linewidth=9, alpha=0.8, zorder=3)
    # A frontier that is flat, or a single point, still needs room for its labels.
    height = max(float(np.ptp(most)), 0.01 * float(np.abs(most).max()), 1e-9)
    style: dict[str, Any] = {"ha": "center", "zorder": 5, "path_effects": HALO}
    for place, low, high, hollow in zip(x, least, most, is_dominated, strict=True):
        face = "white" if hollow else PLAN
        axes.plot([place], [high], "o", markerfacecolor=face, markeredgecolor=PLAN, markersize=8, zorder=4)
        proved = say("at least {low}", low=format_million(low * money_unit())) if np.isfinite(low) else say("no bound")
        cost = format_million(high * money_unit())
        write_text(axes, place, high + 0.13 * height, cost, weight="bold", fontsize=10.5, **style)
        write_text(axes, place, high + 0.06 * height, proved, color=FAINT_INK, fontsize=9, **style)
    axes.set_ylim(float(most.min()) - 0.12 * height, float(most.max()) + 0.24 * height)
    marks = [("o", PLAN, PLAN, say("best known plan")), ("s", PROVED, PROVED, say("down to what is proved"))]
    if frontier.points["is_dominated"].any():
        marks.append(("o", "white", PLAN, say("dominated: a tighter limit costs no more")))
    _key(axes, marks)


def _draw_leaving(axes: Axes, frontier: Frontier, at: np.ndarray) -> None:
    """Draw the shares of all tokens that leave their own region and province."""
    for scope, colour, mark in (("region", TOKENS[5], "o"), ("province", TOKENS[2], "s")):
        share = frontier.points.get(f"leaves_{scope}_share")
        if share is not None:
            axes.plot(at, 100 * share.to_numpy(float), color=colour, marker=mark, markersize=6, linewidth=2, zorder=3)
    style_axes(axes, say("% of the tokens that\nleave their own ..."))
    axes.set_ylim(-4, 112)
    _key(axes, [("s", TOKENS[2], TOKENS[2], "province"), ("o", TOKENS[5], TOKENS[5], "region")])


def _draw_class_table(axes: Axes, frontier: Frontier, names: Sequence[str], at: np.ndarray) -> None:
    """Shade a cell for each class and budget by the share that leaves its own region, with the number in it."""
    if not names:
        return
    wide = frontier.relocatable.pivot_table(
        index="workload_class", columns=frontier.size_name, values="leaves_region_share", aggfunc="last"
    )
    shares = wide.reindex(index=list(names), columns=frontier.points[frontier.size_name]).to_numpy(float)
    axes.imshow(shares, cmap=colour_scale(TOKENS), vmin=0.0, vmax=1.0, aspect="auto", interpolation="nearest", zorder=1)
    for (y, x), share in np.ndenumerate(shares):
        if np.isfinite(share):
            look: dict[str, Any] = {"fontsize": 9.5, "color": "white" if share > _DARK_SHARE else INK, "zorder": 2}
            write_text(axes, x, y, format_percent(share, 0), ha="center", va="center", **look)
    label_rows(axes, [say("all classes") if name == ALL_CLASSES else shorten(name, _NAME_CHARS) for name in names])
    separate_cells(axes, len(names), len(at))
    axes.tick_params(which="both", length=0, colors=INK)
    axes.spines[:].set_visible(False)
    axes.set_ylabel(say("Leave their region,\nby class"), color=INK, fontsize=11, family=font_families())


def _write_faint(axes: Axes, at: tuple[float, float], text: str, **style: Any) -> None:
    """Write a note where there is nothing to draw."""
    look: dict[str, Any] = {"ha": "center", "color": FAINT_INK, "fontsize": 10, "transform": axes.transAxes}
    write_text(axes, *at, text, **look | style)


def _key(axes: Axes, marks: Sequence[tuple[str, str, str, str]]) -> None:
    """Explain marks: shape, face, edge and text of each."""
    handles = [
        axes.plot([], [], marker, markerfacecolor=face, markeredgecolor=edge, markersize=8, linestyle="none",
                  markeredgewidth=2.4 if marker == "_" else 1.2)[0]
        for marker, face, edge, _ in marks
    ]  # fmt: skip
    _legend(axes, handles, [text for *_, text in marks])


def _legend(axes: Axes, handles: Sequence[Any], labels: Sequence[str]) -> None:
    """Put a legend above the upper right corner, where nothing is drawn."""
    legend = axes.legend(handles, [drawable(label) for label in labels], loc="lower right", frameon=False,
                         bbox_to_anchor=(1.0, 1.0), borderaxespad=0.0, ncols=len(labels),
                         prop={"family": font_families(), "size": 10})  # fmt: skip
    for text in legend.get_texts():
        text.set_parse_math(False)
