"""What a drawn map shows and in which form: the choices of `edwc export` for PNG and SVG."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from network_data.faults import FaultList, suggest
from network_data.schema import CellError, parse_text
from optimizer.words.language import LANGS, Lang, current_language

if TYPE_CHECKING:
    from optimizer.runs.run import Run

MapKind = Literal["allocation", "links", "price", "carbon"]
ColourBy = Literal["region", "class"]
BasemapChoice = Path | Literal["run", "none"]
KINDS: tuple[str, ...] = get_args(MapKind)
_SMALLEST_PX, _LARGEST_PX = 300, 12_000
_LARGEST_ASPECT = 1.8
_LONGEST_CREDIT = 120


@dataclass(frozen=True)
class MapOptions:
    """Choices for a drawn map."""

    # `allocation`: what runs where and over which fibre; `links`: how full the links are; `price`: what data centers
    # pay for energy; `carbon`: what they emit
    kind: MapKind = "allocation"
    against: Run | Path | str | None = None  # Another run, or its folder: draw what changes from it to the run instead
    lang: Lang = field(default_factory=current_language)  # Of words and names; else that of `EDWC_LANG` or `--lang`
    # Outlines behind the map: those of the run's network (of the world, where it has none), `none`, or a vector file
    basemap: BasemapChoice = "run"
    basemap_credit: str = ""  # Whom the source line credits with that file, such as a review number; "" = its name
    colour_by: ColourBy = "region"  # Colour the flows of the allocation by the data center's region or by class
    size_px: tuple[int, int] = (1600, 1200)  # Width and height; for SVG, its proportions


def check_map_options(options: MapOptions) -> None:
    """
    Refuse choices that are out of range or do not fit each other.

    Raises
    ------
    InputError
        Naming all of them.
    """
    faults = FaultList("the map options")
    for name, value, known in (
        ("kind", options.kind, KINDS),
        ("lang", options.lang, LANGS),
        ("colour_by", options.colour_by, get_args(ColourBy)),
    ):
        if value not in known:
            remedy = f"Use one of {', '.join(known)}.{suggest(str(value), known)}"
            faults.add("map options", "is not known", remedy, column=name, value=value)
    width, height = options.size_px
    fits = all(_SMALLEST_PX <= side <= _LARGEST_PX for side in options.size_px)
    if not fits or not 1 / _LARGEST_ASPECT <= width / height <= _LARGEST_ASPECT:
        remedy = (
            f"Use {_SMALLEST_PX} to {_LARGEST_PX} pixels for each side, "
            f"neither more than {_LARGEST_ASPECT} times the other."
        )
        faults.add("map options", "is out of range", remedy, column="size_px", value=f"{width} x {height}")
    for name, value, default in (("kind", options.kind, "allocation"), ("colour_by", options.colour_by, "region")):
        if options.against is not None and value != default:
            remedy = "Leave one of them out: the map of a difference shows tokens by data center, link and move."
            faults.add("map options", "does not go with another run to compare with", remedy, column=name, value=value)
    check_credit(options, faults)
    faults.raise_if_any()


def check_credit(options: MapOptions, faults: FaultList) -> None:
    """Record a credit that cannot be printed, or that credits nobody's file."""
    add = partial(faults.add, "map options", column="basemap_credit", value=options.basemap_credit)
    if options.basemap_credit and not isinstance(options.basemap, Path):
        add("credits outlines of your own, but none are given", "Name their file.")
    try:
        parse_text(options.basemap_credit)
    except CellError as error:
        add(error.problem, error.remedy)
    if len(options.basemap_credit) > _LONGEST_CREDIT:
        add(f"is {len(options.basemap_credit)} characters long", f"Use at most {_LONGEST_CREDIT} characters.")


class MapNameWarning(UserWarning):
    """Names hold characters that the maps' fonts lack; others stand in for them."""
