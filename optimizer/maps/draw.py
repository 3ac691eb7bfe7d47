"""Draw a map of a run on its sheet: theme, labels, inset, titles, key, and the source line with run and basemap."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from optimizer.drawing.colours import FAINT_INK
from optimizer.drawing.lettering import SNAPPED, ShownFigure, font_families, font_of, text_width_pt, write_text
from optimizer.drawing.sheet import plain_settings
from optimizer.drawing.words import Words, read_words
from optimizer.maps.basemap import Outlines, map_window, read_outlines
from optimizer.maps.canvas import (
    FACTOR,
    FOOT_PT,
    MARGIN_PT,
    PANEL_PT,
    SHEET_WIDTH_PT,
    TITLE_PT,
    Canvas,
    Inset,
    add_canvas,
    add_detail,
    add_inset,
    axes_in_points,
    draw_basemap,
    draw_scale_bar,
    find_inset,
    is_inside,
    land_in_points,
)
from optimizer.maps.difference import difference_theme
from optimizer.maps.flows import Ribbon
from optimizer.maps.labels import Box, LabelRequest, PlacedLabel, place_labels
from optimizer.maps.options import MapNameWarning, MapOptions, check_map_options
from optimizer.maps.places import Classes, Panel, draw_labels
from optimizer.maps.projection import MapProjection, ScaleBar, View, build_scale_bar
from optimizer.maps.run_themes import allocation_theme, carbon_theme, links_theme, price_theme
from optimizer.maps.theme import Drawn, Scene, Theme, distinct_labels, place_names, run_label
from optimizer.numbers import format_percent, shorten
from optimizer.runs.difference import RunDifference, difference_of_runs
from optimizer.runs.metadata import changed_keys
from optimizer.runs.places import positions_shown
from optimizer.runs.run import Run, open_run

_DATE_CHARS = 10
_NAME_CHARS, _CHANGES_CHARS = 40, 110


def _source_parts(
    run: Run, difference: RunDifference | None, projection: MapProjection, outlines: Outlines | None, words: Words
) -> tuple[str, ...]:
    """Write the parts of the source line."""
    label, other = (run_label(run), "") if difference is None else distinct_labels(difference.after, difference.before)
    network = _section(run.info, "network")
    facts = {"run": label, "network": shorten(str(network.get("name") or network.get("folder") or "?"), _NAME_CHARS)}
    version = _section(run.info, "versions").get("edwc")
    date = _date(run)
    if version and date:
        parts = [words("foot.source", date=date, version=shorten(str(version), _NAME_CHARS), **facts)]
    else:
        parts = [words("foot.source_undated", **facts)]
    if changes := changed_keys(run.info):
        parts.insert(0, words("foot.changed", changes=shorten(", ".join(changes), _CHANGES_CHARS)))
    if difference is not None:
        parts.append(words("foot.against", run=other, date=_date(difference.before) or "?"))
    estimated = _section(_section(run.info, "summary"), "estimate_share").get("total")
    if isinstance(estimated, int | float):
        parts.append(words("foot.estimates", share=format_percent(estimated, 0)))
    if outlines is not None:
        parts.append(words("foot.basemap", name=outlines.credit))
    method = projection.crs.coordinate_operation
    name = method.method_name if method else "equal area"
    known = f"projection.{name.lower().replace(' ', '_').replace('(', '').replace(')', '')}"
    projected = words(known) if known in read_words() else name
    return (*parts, words("foot.projection", method=projected), words("foot.lines"))


def _date(run: Run) -> str:
    return shorten(str(run.info.get("finished_utc") or ""), 40)[:_DATE_CHARS]


def _section(info: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Read a part of the run's information; empty where a file made by others holds something else there."""
    section = info.get(key)
    return section if isinstance(section, Mapping) else {}


_TITLE_FONT_PT, _NUMBERS_FONT_PT, _FOOT_FONT_PT, _DETAIL_FONT_PT = 21.0, 13.0, 9.0, 9.5
_BANNER_FONT_PT = 20.0
_SEA_HEIGHT_SHARE = 0.26


@dataclass(frozen=True, eq=False)
class _Detail:
    """A part of a map that is drawn again, larger."""

    inset: Inset
    canvas: Canvas
    labels: tuple[PlacedLabel, ...]  # Its labels, with their boxes in points from its lower left corner


@dataclass(frozen=True, eq=False)
class DrawnMap:
    """A drawn map with the facts that it shows, which tests can check without its pixels."""

    figure: Figure  # Not tied to pyplot
    canvas: Canvas  # The map: its axes, projection, window and scale
    scale_bar: ScaleBar
    ribbons: tuple[Ribbon, ...]  # Bands of flow, in drawing order; only on the map of the allocation
    # Labels, most important first, with their boxes in points from the map's lower left corner
    labels: tuple[PlacedLabel, ...]
    # Classes of the numbers that colours stand for, and the numbers; None where colours are categories
    classes: tuple[Classes, tuple[float, ...]] | None
    difference: RunDifference | None  # What differs between two runs, on the map of that
    detail: _Detail | None  # The inset, if places crowd somewhere and a corner is free


def draw_map(run: Run, options: MapOptions | None = None) -> DrawnMap:
    """
    Draw a map of a run.

    Raises
    ------
    InputError
        If an option is out of range, the basemap cannot be used, the run does not store what the map shows, or the run
        to compare with is of another network.

    Warns
    -----
    MapNameWarning
        If the fonts lack characters of a name.
    """
    options = options or MapOptions()
    check_map_options(options)
    words = Words(options.lang, run.currency)
    names = place_names(run, words)
    if (warning := names.warning()) is not None:
        warnings.warn(warning, MapNameWarning, stacklevel=2)
    before = options.against if isinstance(options.against, Run | None) else open_run(options.against)
    difference = None if before is None else difference_of_runs(before, run)
    theme = _theme(Scene(run, names, words), options, difference)
    with plain_settings():
        return _draw_sheet(run, theme, words, options, difference)


def _theme(scene: Scene, options: MapOptions, difference: RunDifference | None) -> Theme:
    if difference is not None:
        return difference_theme(scene, difference)
    if options.kind == "allocation":
        return allocation_theme(scene, options.colour_by)
    return {"links": links_theme, "price": price_theme, "carbon": carbon_theme}[options.kind](scene)


def _draw_sheet(
    run: Run, theme: Theme, words: Words, options: MapOptions, difference: RunDifference | None
) -> DrawnMap:
    dpi = options.size_px[0] / (SHEET_WIDTH_PT / 72.0)
    figure = ShownFigure(figsize=(options.size_px[0] / dpi, options.size_px[1] / dpi), dpi=dpi, facecolor="white")
    sheet_height = SHEET_WIDTH_PT * options.size_px[1] / options.size_px[0]
    left, bottom = MARGIN_PT, MARGIN_PT + FOOT_PT
    box = (left, bottom, SHEET_WIDTH_PT - PANEL_PT - 2 * MARGIN_PT, sheet_height - TITLE_PT - bottom)
    outlines = read_outlines(run, options)
    window = map_window(positions_shown(run), outlines, aspect=box[2] / box[3])
    projection, view = window.projection, window.view
    canvas = add_canvas(figure, box, sheet_height, projection, view)
    basemap = None if outlines is None else outlines.project(projection, view)
    if basemap is not None:
        draw_basemap(canvas, basemap)
    bar = build_scale_bar(projection, view)
    reserved: list[Box] = []
    drawn = theme.draw(canvas)
    if outlines is not None and window.sea_view is not None:
        reserved.append(_draw_sea(canvas, outlines, window.sea_view, words))
    land = None if basemap is None else land_in_points(canvas, basemap)
    inset = find_inset(drawn.circles[:, :2], drawn.flow_points, canvas.frame, reserved, view, land)
    requests, detail = drawn.requests, None
    if inset is not None:
        reserved.append(inset.box)
        requests = _labels_outside(requests, inset)
        detail = _draw_detail(canvas, inset, theme, outlines, words)
    reserved.append(draw_scale_bar(canvas, bar, words, reserved=reserved, places=drawn.circles[:, :2]))
    labels = _label(canvas, replace(drawn, requests=requests), reserved, words)
    _write_banner(canvas, theme, words)

    if difference is None:
        title = words("title.with_name", title=theme.title, name=run_label(run))
    else:
        after, before = distinct_labels(difference.after, difference.before)
        title = words("title.against", title=theme.title, after=after, before=before)
    _write_title(figure, title, theme.numbers, words, sheet_height)
    _write_foot(figure, _source_parts(run, difference, projection, outlines, words), words, sheet_height)
    height = sheet_height - TITLE_PT - MARGIN_PT
    panel_axes = axes_in_points(figure, (SHEET_WIDTH_PT - PANEL_PT, MARGIN_PT, PANEL_PT - 8.0, height), sheet_height)
    theme.key(Panel(panel_axes, height, words))
    return DrawnMap(figure, canvas, bar, drawn.ribbons, labels, theme.classes, difference, detail)


def _label(canvas: Canvas, drawn: Drawn, reserved: list[Box], words: Words) -> tuple[PlacedLabel, ...]:
    labels = place_labels(
        drawn.requests, markers=drawn.circles, frame=canvas.frame, reserved=reserved, flow_points=drawn.flow_points
    )
    draw_labels(canvas, labels, words.lang)
    return tuple(labels)


def _labels_outside(requests: list[LabelRequest], inset: Inset) -> list[LabelRequest]:
    """Drop the labels of what the inset shows, except for the first city, which names the area."""
    kept, is_named = [], False
    for request in requests:
        if not is_inside(inset.source, request.x, request.y):
            kept.append(request)
        elif request.style == "hub" and not is_named:
            kept.append(request)
            is_named = True
    return kept


def _draw_detail(canvas: Canvas, inset: Inset, theme: Theme, outlines: Outlines | None, words: Words) -> _Detail:
    """Draw a part of the map again, larger, with the same widths and circles."""
    detail = add_detail(canvas, inset)
    if outlines is not None:
        draw_basemap(detail, outlines.project(canvas.projection, inset.view))
    of_title = _write_scale(detail, inset.box, FACTOR, words)
    return _Detail(inset, detail, _label(detail, theme.draw(detail), [of_title], words))


def _draw_sea(canvas: Canvas, outlines: Outlines, view: View, words: Words) -> Box:
    """Draw the southern sea, smaller, in the lower right corner."""
    _, bottom, right, top = canvas.frame
    height = _SEA_HEIGHT_SHARE * (top - bottom)
    width = height * (view.x_max - view.x_min) / (view.y_max - view.y_min)
    box = (right - width - 4.0, bottom + 4.0, right - 4.0, bottom + 4.0 + height)
    sea = add_inset(canvas, box, view)
    draw_basemap(sea, outlines.project(canvas.projection, view))
    _write_scale(sea, box, sea.points_per_m / canvas.points_per_m, words)
    return box


def _write_scale(inset: Canvas, box: Box, factor: float, words: Words) -> Box:
    """Say in the upper left corner of an inset how its scale relates to that of the map."""
    title, font = words("inset.title", factor=f"{factor:.2g}"), font_of(words.lang, _DETAIL_FONT_PT)
    top = box[3] - box[1]
    of_title = (0.0, top - 19.0, SNAPPED * text_width_pt(title, font) + 14.0, top)
    corner = Rectangle((0.0, of_title[1]), of_title[2], 19.0, facecolor="white", edgecolor="none", zorder=8.5)
    inset.axes.add_patch(corner)
    write_text(inset.axes, 7.0, top - 13.5, title, fontproperties=font, zorder=9)
    return of_title


def _write_banner(canvas: Canvas, theme: Theme, words: Words) -> None:
    left, bottom, right, top = canvas.frame
    middle = (bottom + top) / 2
    fonts = [font_of(words.lang, _BANNER_FONT_PT - 5.0 * i, bold=i == 0) for i in range(len(theme.banner))]
    if theme.banner:
        width = max(text_width_pt(line, font) for line, font in zip(theme.banner, fonts, strict=True)) + 40.0
        low = middle - 28.0 * len(theme.banner) + 4.0
        corner, height = ((left + right - width) / 2, low), middle + 34.0 - low
        canvas.axes.add_patch(Rectangle(corner, width, height, facecolor="white", edgecolor="#C8C8C8", zorder=8.5))
    for i, (line, font) in enumerate(zip(theme.banner, fonts, strict=True)):
        look = {"fontproperties": font, "ha": "center", "zorder": 9}
        write_text(canvas.axes, (left + right) / 2, middle - 28.0 * i, line, **look)


def _write_title(figure: Figure, title: str, numbers: tuple[str, ...], words: Words, sheet_height: float) -> None:
    band = (MARGIN_PT, sheet_height - TITLE_PT, SHEET_WIDTH_PT - 2 * MARGIN_PT, TITLE_PT)
    axes = axes_in_points(figure, band, sheet_height)
    family = font_families(words.lang)
    write_text(axes, 0.0, 36.0, title, fontsize=_TITLE_FONT_PT, weight="bold", family=family)
    line = words("join").join(numbers)
    write_text(axes, 0.0, 13.0, line, fontsize=_NUMBERS_FONT_PT, color=FAINT_INK, family=family)


def _write_foot(figure: Figure, parts: tuple[str, ...], words: Words, sheet_height: float) -> None:
    """Write the source line, continued in the next line where it is too long."""
    width = SHEET_WIDTH_PT - PANEL_PT - 2 * MARGIN_PT
    axes = axes_in_points(figure, (MARGIN_PT, MARGIN_PT - 4.0, width, FOOT_PT), sheet_height)
    font = font_of(words.lang, _FOOT_FONT_PT)
    lines = [""]
    for part in parts:
        longer = words("join").join([lines[-1], part]) if lines[-1] else part
        if lines[-1] and SNAPPED * text_width_pt(longer, font) > width:
            lines.append(part)
        else:
            lines[-1] = longer
    for i, line in enumerate(lines):
        write_text(axes, 0.0, FOOT_PT - 12.0 * (i + 1), line, fontproperties=font, color=FAINT_INK)
