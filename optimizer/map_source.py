"""The source line of a map: which run, whose figures, how much of it is estimated, which outlines and projection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optimizer.geo import RunTables
from optimizer.map_basemap import Basemap
from optimizer.map_names import run_label, tell_apart
from optimizer.map_projection import MapProjection
from optimizer.map_style import shorten
from optimizer.map_words import Words, read_words
from optimizer.run_difference import RunDifference

_DATE_CHARS = 10
_NAME_CHARS = 40


def source_parts(
    run: RunTables, difference: RunDifference | None, projection: MapProjection, basemap: Basemap | None, words: Words
) -> tuple[str, ...]:
    """
    Say where what a map shows comes from.

    Parameters
    ----------
    run
        The run.
    difference
        Its difference from another one, if that is shown.
    projection
        The map's.
    basemap
        Outlines, if any.
    words
        The language.

    Returns
    -------
    tuple of str
        Parts, to be set in one line or more.
    """
    label = run_label(run) if difference is None else tell_apart(difference.after, difference.before)[0]
    network = _section(run.info, "network")
    facts = {"run": label, "network": shorten(str(network.get("name") or network.get("folder") or "?"), _NAME_CHARS)}
    version = _section(run.info, "versions").get("edwc")
    date = _date(run)
    if version and date:
        parts = [words("foot.source", date=date, version=shorten(str(version), _NAME_CHARS), **facts)]
    else:
        parts = [words("foot.source_undated", **facts)]
    if difference is not None:
        other = tell_apart(difference.after, difference.before)[1]
        parts.append(words("foot.against", run=other, date=_date(difference.before) or "?"))
    estimated = _section(_section(run.info, "summary"), "estimate_share").get("total")
    if isinstance(estimated, int | float):
        parts.append(words("foot.estimates", share=f"{estimated:.0%}"))
    if basemap is not None:
        parts.append(words("foot.basemap", name=shorten(basemap.credit, _NAME_CHARS)))
    method = projection.crs.coordinate_operation
    name = method.method_name if method else "equal area"
    known = f"projection.{name.lower().replace(' ', '_').replace('(', '').replace(')', '')}"
    spelled = words(known) if known in read_words() else name
    return (*parts, words("foot.projection", method=spelled), words("foot.lines"))


def _date(run: RunTables) -> str:
    return shorten(str(run.info.get("finished_utc") or ""), 40)[:_DATE_CHARS]


def _section(info: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    section = info.get(key)
    return section if isinstance(section, Mapping) else {}
