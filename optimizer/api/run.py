"""A run with all that can be made of it: beside its numbers and tables also maps, layers, exports and the report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from optimizer.runs import run as runs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from optimizer.drawing.words import Lang
    from optimizer.exports.layers import GisOptions
    from optimizer.exports.postgis import PostgisReport
    from optimizer.maps.options import BasemapChoice, ColourBy, MapKind


class Run(runs.Run):
    """A run that draws and exports itself; see `optimizer.runs.run.Run` for its numbers and tables."""

    @classmethod
    def of(cls, run: runs.Run) -> Self:
        """
        Take over a run.

        Parameters
        ----------
        run
            The run; both share what has been read of it.
        """
        own = cls.__new__(cls)
        own.__dict__ = run.__dict__
        return own

    def map(  # noqa: PLR0913 - options, keyword-only
        self,
        target: Path | str | None = None,
        *,
        kind: MapKind = "allocation",
        against: runs.Run | Path | str | None = None,
        lang: Lang = "en",
        basemap: BasemapChoice = "run",
        colour_by: ColourBy = "region",
        size_px: tuple[int, int] = (1600, 1200),
    ) -> Figure:
        """
        Draw a map.

        Parameters
        ----------
        target
            PNG or SVG file to write; None writes none.
        kind, against, lang, basemap, colour_by, size_px
            See `MapOptions`.

        Returns
        -------
        Figure
            A notebook shows it.

        Raises
        ------
        InputError
            If an option is out of range, or the run does not hold what the map shows.
        """
        from optimizer.exports.export import export_run  # matplotlib and others are slow to import
        from optimizer.maps.draw import draw_map
        from optimizer.maps.options import MapOptions

        options = MapOptions(kind, against, lang, basemap, colour_by, size_px)
        if target is not None:
            export_run(self, target, maps=options)
        return draw_map(self, options).figure

    def export(self, target: Path | str, *, gis: GisOptions | None = None) -> Path | PostgisReport:
        """
        Write the run in the format that the target's ending names, or into a PostGIS database.

        Parameters
        ----------
        target
            Such as `a.gpkg`, `a.geojson`, `a.png`, `a.html`, a folder (with `gis.folder_format`), or
            `postgresql://user@host/db`; docs/exporting.md lists them.
        gis
            Which layers to write; None = all.

        Returns
        -------
        Path or PostgisReport
            What was written.

        Raises
        ------
        InputError
            If the target is not known or cannot be replaced safely.
        """
        from optimizer.exports.export import export_run
        from optimizer.exports.layers import GisOptions
        from optimizer.exports.postgis import export_to_postgis, is_postgis_address

        options = GisOptions() if gis is None else gis
        if is_postgis_address(target):
            return export_to_postgis(self, str(target), gis=options)
        return export_run(self, target, gis=options)

    def report(self, target: Path | str, *, basemap: BasemapChoice = "run") -> Path:
        """
        Write the report, one HTML page that needs nothing else.

        Parameters
        ----------
        target
            File that ends in `.html`.
        basemap
            Outlines of its map: those of the run's network, `none`, or a vector file.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        InputError
            If it cannot be written.
        """
        from optimizer.exports.export import export_run
        from optimizer.maps.options import MapOptions

        path = Path(target)
        if path.suffix.lower() != ".html":
            raise ValueError(f"the argument target: {path.name} does not end in .html, as a report does")
        return export_run(self, path, maps=MapOptions(basemap=basemap))

    def layers(self, *, per_slice: bool = False) -> Mapping[str, Any]:
        """
        Make the layers of geographic information systems as GeoDataFrames.

        Parameters
        ----------
        per_slice
            Add a layer `..._by_slice` to each, with a row for each time slice.

        Returns
        -------
        dict
            By name.
        """
        from optimizer.exports.layers import allocation_layers

        return allocation_layers(self, per_slice=per_slice)


def open_run(folder: Path | str) -> Run:
    """
    Open a run that was saved; its tables and inputs are read when they are needed.

    Parameters
    ----------
    folder
        Folder that `Run.save` or `edwc solve --out` wrote.

    Returns
    -------
    Run
        The run.

    Raises
    ------
    InputError
        If there is no run.
    """
    return Run.of(runs.open_run(folder))
