"""Load a network: a folder of CSV or Parquet tables, checked whole before anything is handed out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from network_data.check import check_tables
from network_data.clock import standard_offset_h
from network_data.currency import DEFAULT_CURRENCY, in_currency, name_in_currency, use_currency
from network_data.display import short_html, short_text
from network_data.faults import Fault, FaultList, InputWarning, quote_value, suggest
from network_data.plausibility import find_doubts, warn_once
from network_data.read import FORMATS, Table, read_table
from network_data.schema import ID_PATTERN, RANGES_TABLE, Attribute, load_schema
from network_data.session import keep_files, network_content
from network_data.settings import SETTINGS_FILE, read_settings

BUILT_IN_FOLDER = Path(__file__).parent
BASEMAP_FILE = "basemap.geojson"
RANGES_FILES = tuple(f"{RANGES_TABLE}{suffix}" for suffix in FORMATS)


class NetworkWarning(InputWarning):
    """Something in a network is allowed but hardly meant."""


@dataclass(frozen=True)
class Network:
    """
    A checked network.

    Columns, units and defaults of the tables are listed in `attributes.csv`; every column listed there is
    present. A blank optional number is NaN, a blank optional text is "". Row order is that of the files.

    Attributes
    ----------
    name : str
        Name of the folder.
    folder : Path
        Where the tables were read from.
    nodes : DataFrame
        Demand hubs, data-center nodes and junctions, indexed by id.
    data_centers : DataFrame
        Places that take IT load, indexed by id.
    pools : DataFrame
        Accelerators by data center; one row per (data_center, accelerator).
    links : DataFrame
        Two-way fibre records, indexed by id.
    tariffs : DataFrame
        Tariff periods; one row per (tariff, months, period).
    grids : DataFrame
        Electricity grids with carbon factors, indexed by id.
    accelerators : DataFrame
        Accelerator types, indexed by id.
    basemap : Path or None
        Backdrop of maps, if the folder has one.
    file_hashes : dict
        SHA-256 of each file read, by file name.
    warnings : tuple of Fault
        What is allowed but hardly meant, with file, row, column, value and remedy.
    ranges_path : Path or None
        Table of ranges of its figures, if the folder has one; read for `edwc uncertainty` alone.
    currency : str
        ISO 4217 code of its amounts of money. Names of columns say `cny` here whatever it is.
    time_zone : str
        Zone of the clock of time slices; "" where all places have the same, whichever it is.
    regions : tuple of str
        All regions, in the order in which they get their colours.
    """

    name: str
    folder: Path
    nodes: pd.DataFrame
    data_centers: pd.DataFrame
    pools: pd.DataFrame
    links: pd.DataFrame
    tariffs: pd.DataFrame
    grids: pd.DataFrame
    accelerators: pd.DataFrame
    basemap: Path | None
    file_hashes: dict[str, str]
    warnings: tuple[Fault, ...] = ()
    ranges_path: Path | None = None
    currency: str = DEFAULT_CURRENCY
    time_zone: str = ""
    regions: tuple[str, ...] = ()

    def hours_ahead(self, table: str) -> pd.Series:
        """How many hours the clocks of the rows of `nodes` or `data_centers` are ahead of the network's, by id."""
        zones = self.tables[table]["time_zone"]
        if not self.time_zone:
            return pd.Series(0.0, index=zones.index)
        return zones.map(lambda zone: standard_offset_h(zone or self.time_zone) - standard_offset_h(self.time_zone))

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """All tables by name."""
        return {name: getattr(self, name) for name in load_schema()}

    def tariff_rows(self, tariff: str) -> list[int]:
        """
        Find the lines of the table of tariffs that hold one, as its file is now.

        Parameters
        ----------
        tariff
            Id of the tariff.

        Returns
        -------
        list of int
            Lines, counted from 1; none if the file has gone.
        """
        table = read_table(self.folder, "tariffs", load_schema()["tariffs"], FaultList())
        if table is None:
            return []
        return [row for row, name in zip(table.rows, table.columns["tariff"], strict=True) if name == tariff]

    def with_tables(self, **tables: pd.DataFrame) -> Network:
        """
        Make a network in which tables are replaced; this one stays as it is.

        Parameters
        ----------
        **tables
            By table name, such as `tariffs=edited`; the columns are those of the network's own table.

        Returns
        -------
        Network
            The network, checked as if it were read from files.

        Raises
        ------
        InputError
            With every fault, as `load_network`.
        ValueError
            If there is no table of a name.

        Examples
        --------
        >>> network = load_network("china_2026")
        >>> centers = network.data_centers.assign(it_capacity_mw=lambda table: 2 * table["it_capacity_mw"])
        >>> larger = network.with_tables(data_centers=centers)
        >>> float((larger.data_centers["it_capacity_mw"] / network.data_centers["it_capacity_mw"]).iloc[0])
        2.0
        """
        files = {}
        for name, content in network_content(self.tables | tables).items():
            header, line_end, rows = content.decode().partition("\n")
            files[name] = (in_currency(header, self.currency) + line_end + rows).encode()
        if (self.folder / SETTINGS_FILE).is_file():
            files[SETTINGS_FILE] = (self.folder / SETTINGS_FILE).read_bytes()
        if self.basemap is not None:
            files[BASEMAP_FILE] = self.basemap.read_bytes()
        if self.ranges_path is not None:
            files[self.ranges_path.name] = self.ranges_path.read_bytes()
        folder = keep_files({f"{self.name}/{name}": content for name, content in files.items()})
        return load_network(folder / self.name)

    def _key_facts(self) -> dict[str, object]:
        capacity_mw = float(self.data_centers["it_capacity_mw"].sum())
        return {
            "demand hubs": int((self.nodes["demand_weight"] > 0).sum()),
            "data centers": f"{len(self.data_centers)} ({capacity_mw:,.0f} MW)",
            "pools": len(self.pools),
            "links": len(self.links),
            "tariffs": int(self.tariffs["tariff"].nunique()),
            "folder": self.folder,
        }

    def __repr__(self) -> str:
        return short_text("Network", self.name, self._key_facts())

    def _repr_html_(self) -> str:
        return short_html("Network", self.name, self._key_facts())


def list_networks() -> list[str]:
    """
    List the built-in networks.

    Returns
    -------
    list of str
        Names that `load_network` takes, in alphabetical order.
    """
    return sorted(path.name for path in BUILT_IN_FOLDER.iterdir() if any(path.glob("nodes.*")))


def load_network(name_or_folder: str | Path) -> Network:
    """
    Load and check a network.

    Parameters
    ----------
    name_or_folder
        Name of a built-in network, or a folder. A built-in name wins; write `./name` for a folder so called.

    Returns
    -------
    Network
        The network.

    Raises
    ------
    InputError
        With every fault: missing folder, file or column, unknown column, blank or unreadable cell, number out
        of range, unknown reference, duplicate key, tariff with gaps or overlaps, demand hub cut off, link shorter
        than the great circle between its ends.

    Warns
    -----
    NetworkWarning
        If something is allowed but hardly meant, such as a data center without a pool or what `plausibility.csv`
        describes; of each once in a process. `Network.warnings` holds all.
    """
    folder = _find_folder(name_or_folder)
    if folder.parent != BUILT_IN_FOLDER:
        return _load(folder)
    # One command reads a built-in network many times: for each case, and for the overrides that it refuses.
    stats = ((path.name, path.stat()) for path in sorted(folder.iterdir()))
    network = _load_built_in(folder, tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats))
    use_currency(network.currency)
    # Tables of its own for each caller, who may change them; pandas copies a column when it is written to.
    tables: dict[str, Any] = {name: table.copy(deep=False) for name, table in network.tables.items()}
    return replace(network, **tables)


@lru_cache(maxsize=4)
def _load_built_in(folder: Path, _: tuple[tuple[str, int, int], ...]) -> Network:
    """Load a built-in network, once as long as its files stay as they are."""
    return _load(folder)


def _load(folder: Path) -> Network:
    faults = FaultList(f"network {quote_value(folder.name)}")
    settings = read_settings(folder, faults)
    currency, schema = settings.currency, load_schema()
    use_currency(currency)
    tables = {
        name: table
        for name, attributes in schema.items()
        if (table := _read_in(currency, folder, name, attributes, faults)) is not None
    }
    found = FaultList()
    doubts = [*check_tables(tables, schema, found), *find_doubts(tables, found, currency)]
    _check_zones(tables, settings.time_zone, found)
    faults.extend(name_in_currency(fault, currency) for fault in found)
    faults.raise_if_any()
    doubts = [name_in_currency(doubt, currency) for doubt in doubts]
    warn_once(doubts, str(folder), NetworkWarning, stacklevel=3)
    frames = {name: _build_frame(table, schema[name]) for name, table in tables.items()}
    hashes = {table.file: table.sha256 for table in tables.values()}
    if settings.sha256:
        hashes[SETTINGS_FILE] = settings.sha256
    basemap = folder / BASEMAP_FILE
    if basemap.is_file():
        hashes[BASEMAP_FILE] = hashlib.sha256(basemap.read_bytes()).hexdigest()
    return Network(
        name=folder.name,
        folder=folder,
        basemap=basemap if basemap.is_file() else None,
        file_hashes=hashes,
        warnings=tuple(doubts),
        # Neither read nor hashed here: a plan is the same whatever is said of ranges.
        ranges_path=next((path for path in map(folder.joinpath, RANGES_FILES) if path.is_file()), None),
        currency=currency,
        time_zone=settings.time_zone,
        regions=_order_regions(settings.regions, frames),
        **frames,
    )


def _read_in(
    currency: str, folder: Path, name: str, attributes: dict[str, Attribute], faults: FaultList
) -> Table | None:
    """Read a table whose columns are named after a currency; the table that is returned has our names."""
    named = {in_currency(column, currency): column for column in attributes}
    shown = {
        column: replace(attributes[ours], name=column, unit=in_currency(attributes[ours].unit, currency))
        for column, ours in named.items()
    }
    table = read_table(folder, name, shown, faults)
    if table is not None:
        table.columns = {named[column]: cells for column, cells in table.columns.items()}
    return table


def _check_zones(tables: dict[str, Table], of_network: str, faults: FaultList) -> None:
    """Check the time zones of places, and that there is a clock to compare them with."""
    for table in (tables[name] for name in ("nodes", "data_centers") if name in tables):
        for row, zone in zip(table.rows, table.columns["time_zone"], strict=True):
            if not zone:
                continue
            try:
                standard_offset_h(str(zone))
            except ValueError as error:
                problem, remedy = error.args
                faults.add(table.file, problem, remedy, row=row, column="time_zone", value=zone)
                continue
            if not of_network:
                problem = f"a place has a time zone of its own, and {SETTINGS_FILE} states none for the network"
                remedy = f"Write time_zone: ZONE in {SETTINGS_FILE}: the clock that time slices follow."
                faults.add(table.file, problem, remedy, row=row, column="time_zone", value=zone)
                return


def _order_regions(stated: tuple[str, ...], frames: dict[str, pd.DataFrame]) -> tuple[str, ...]:
    """Put the regions that are stated first, and the others behind them by name."""
    found = sorted({str(region) for name in ("nodes", "data_centers") for region in frames[name]["region"]})
    return tuple(dict.fromkeys([*(region for region in stated if region in found), *found]))


def _find_folder(name_or_folder: str | Path) -> Path:
    if isinstance(name_or_folder, str) and name_or_folder in list_networks():
        return BUILT_IN_FOLDER / name_or_folder
    text = str(name_or_folder)
    faults = FaultList("the network")
    try:
        # An empty text would otherwise mean the working directory.
        if text and (folder := Path(text).resolve()).is_dir():
            return folder
    except (OSError, ValueError):
        pass  # A name that no file system takes is reported as not found, below.
    known = list_networks()
    near = suggest(text, known) if ID_PATTERN.fullmatch(text) else ""
    remedy = f"Give a folder with network tables, or a built-in network: {', '.join(known)}.{near}"
    faults.add(text, "there is no such network folder", remedy)
    raise faults.error()


def _build_frame(table: Table, attributes: dict[str, Attribute]) -> pd.DataFrame:
    columns: dict[str, pd.Series] = {}
    for name, values in table.columns.items():
        attribute = attributes[name]
        if attribute.kind == "bool":
            dtype = "bool"
        elif attribute.kind == "int" and (attribute.required or attribute.default):
            dtype = "int64"
        elif attribute.kind in {"int", "float"}:
            # A blank whole number is NaN, so the column is one of floats.
            dtype = "float64"
        else:
            dtype = "str"
        columns[name] = pd.Series(values, dtype=dtype)
    frame = pd.DataFrame(columns)
    return frame.set_index("id") if "id" in attributes else frame
