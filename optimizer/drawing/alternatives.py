"""The picture of near-optimal alternatives: what each data center serves in each plan, one row a plan."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from optimizer.drawing.colours import INK, TOKENS, colour_scale
from optimizer.drawing.lettering import write_text
from optimizer.drawing.sheet import label_rows, make_sheet, note_changes, separate_cells, write_figure
from optimizer.numbers import format_million, format_percent, shorten
from optimizer.runs.metadata import changed_keys
from optimizer.words.sentences import retell, say

if TYPE_CHECKING:
    from optimizer.near_optimal.alternatives import Alternatives

_DARK_SHARE = 0.5  # of the largest share: letters on darker cells are white
_NAME_CHARS = 16
_ROW_IN, _NAMES_IN = 0.42, 0.9
_LEAST_SHOWN = 0.0005


def draw_alternatives(found: Alternatives, path: Path) -> Path:
    """Draw a cell for each plan and data center in use, shaded by the share of the tokens served there."""
    return write_figure(note_changes(_figure(found), changed_keys(found.runs[0].info)), path)


def _figure(found: Alternatives) -> Figure:
    used = found.shares.loc[found.shares.max(axis=1) >= _LEAST_SHOWN]
    used = used.loc[used.mean(axis=1).sort_values(ascending=False, kind="stable").index]
    shares = used.to_numpy().T
    count, more = len(found.runs) - 1, format_percent(float(found.table["more_share"].max()))
    title = (
        say("1 alternative that costs up to {more} more", more=more)
        if count == 1
        else say("{count} alternatives that cost up to {more} more", count=count, more=more)
    )
    under = say("Share of the tokens that each data center serves, %; data centers that serve most on average first")
    figure, (axes,) = make_sheet((title, under), [_ROW_IN * len(shares) + _NAMES_IN], left_in=3.1)
    axes.imshow(
        shares,
        cmap=colour_scale(TOKENS),
        vmin=0.0,
        vmax=max(float(shares.max()), 1e-9),
        aspect="auto",
        interpolation="nearest",
    )
    for (y, x), share in np.ndenumerate(shares):
        if share >= _LEAST_SHOWN:
            look: dict[str, Any] = {"fontsize": 9, "color": "white" if share > _DARK_SHARE * shares.max() else INK}
            write_text(axes, x, y, f"{100 * share:.1f}", ha="center", va="center", zorder=2, **look)
    labels = [
        say(
            "{plan}: {cost} M CNY",
            plan=retell(row["plan"].replace("_", " ")),
            cost=format_million(row["cost_cny_per_year"]),
        )
        for row in found.table.to_dict("records")
    ]
    label_rows(axes, labels)
    axes.set_xticks(range(len(used)))
    axes.set_xticklabels([])
    for x, name in enumerate(used.index):
        write_text(
            axes, x, len(shares) - 0.4, shorten(str(name), _NAME_CHARS), ha="right", va="top", rotation=40, fontsize=9
        )
    separate_cells(axes, len(shares), len(used))
    axes.tick_params(which="both", length=0, colors=INK)
    axes.spines[:].set_visible(False)
    return figure
