"""
Write the layers of a run into PostGIS: all in one transaction, or nothing.

psycopg alone does it. `geopandas.to_postgis` would need SQLAlchemy and GeoAlchemy2 as well, drops a table to replace
it (with its grants, and not at all where a view reads it), and writes neither keys nor comments.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, unquote

import numpy as np
import pandas as pd
import shapely

from network_data.faults import Fault, InputError
from optimizer.exports.columns import describe_column
from optimizer.exports.files import METADATA, STYLE_DATE, GisContent, gis_content
from optimizer.exports.layers import LAYERS, SLICE_LAYERS, GisOptions
from optimizer.runs.run import Run

if TYPE_CHECKING:
    from psycopg import Connection, Cursor

_DEFAULT_SCHEMA = "public"
_PREFIXES = ("postgresql://", "postgres://")

# PostgreSQL cuts longer names silently.
_LONGEST_NAME_BYTES = 63
_CONNECT_TIMEOUT_S = "10"
_KEY = re.compile("[a-z][a-z0-9_]*")
_SECRETS = ("password", "sslpassword", "passfile")


@dataclass(frozen=True)
class _PostgisAddress:
    """Where to write."""

    parameters: dict[str, str] = field(repr=False)  # What libpq is given to connect, by keyword
    schema: str  # Schema to write into

    def __str__(self) -> str:
        """Write the address without any secret."""
        given = self.parameters
        user = f"{quote(given['user'])}@" if "user" in given else ""
        port = f":{quote(given['port'])}" if "port" in given else ""
        place = f"{user}{quote(given.get('host', ''), safe='/,:[]')}{port}/{quote(given.get('dbname', ''))}"
        return f"postgresql://{place}?schema={quote(self.schema)}"

    def hide_secrets(self, text: str) -> str:
        """Replace every secret in a text."""
        secrets = sorted((self.parameters[name] for name in _SECRETS if self.parameters.get(name)), key=len)
        for secret in reversed(secrets):
            text = text.replace(secret, "***").replace(quote(secret, safe=""), "***")
        return text


def is_postgis_address(target: Path | str) -> bool:
    """Whether the target of an export is the address of a database, not the name of a file."""
    return isinstance(target, str) and target.lower().startswith(_PREFIXES)


def read_postgis_address(target: str) -> _PostgisAddress:
    """
    Read an address.

    libpq does not do it, as it quotes what it cannot read, and that may be part of a password.

    Parameters
    ----------
    target
        `postgresql://[user[:password]@][host[:port]][/database][?schema=NAME&key=value]`; what is left out comes from
        libpq's environment (PGHOST, PGUSER, PGPASSWORD, ...), its password file and its defaults. Other keys, such as
        `sslmode`, are libpq's.

    Raises
    ------
    InputError
        If it cannot be read, or the schema's name is empty or too long.
    """
    rest, _, query = target.split("://", 1)[1].partition("?")
    # The last @ ends the password, which may hold an @ or a slash as it is.
    slash = rest.find("/", rest.rfind("@") + 1)
    place, database = (rest, "") if slash < 0 else (rest[:slash], rest[slash + 1 :])
    login, _, hosts = place.rpartition("@")
    user, _, password = login.partition(":")
    parameters = {"connect_timeout": _CONNECT_TIMEOUT_S}
    parameters |= _hosts(hosts.split(",")) if hosts else {}
    parts = {"user": user, "password": password, "dbname": database}
    parameters |= {key: unquote(value) for key, value in parts.items() if value}
    parameters |= parse_qsl(query, keep_blank_values=True)
    schema = parameters.pop("schema", _DEFAULT_SCHEMA)
    address = _PostgisAddress(parameters, schema)
    problems = list(_problems(address, has_at="@" in query))
    if problems:
        # The address itself is not quoted: in a wrong one, anything may be part of a password.
        raise InputError((Fault("--to", None, *fault) for fault in problems), "the address of the database")
    return address


def _hosts(hosts: list[str]) -> dict[str, str]:
    """Split hosts from ports; an address of version 6 stands in brackets."""
    names, ports = [], []
    for host in hosts:
        name, colon, port = host.rpartition(":")
        has_port = bool(colon) and "]" not in port
        names.append(unquote(name if has_port else host).strip("[]"))
        ports.append(port if has_port else "")
    return {"host": ",".join(names)} | ({"port": ",".join(ports)} if any(ports) else {})


def _problems(address: _PostgisAddress, *, has_at: bool) -> Iterable[tuple[str | None, str | None, str, str]]:
    """List column, value, problem and remedy of each fault."""
    schema = address.schema
    if not schema or "\0" in schema:
        yield "schema", schema, "is no name of a schema", "Name one, e.g. ?schema=edwc."
    elif len(schema.encode(errors="replace")) > _LONGEST_NAME_BYTES:
        yield "schema", schema, f"has more than {_LONGEST_NAME_BYTES} bytes", "Choose a shorter name."
    elif schema.startswith("pg_") or schema == "information_schema":
        yield "schema", schema, "belongs to the database system", "Choose another name, e.g. ?schema=edwc."
    is_odd = any(not _KEY.fullmatch(key) for key in address.parameters)
    ports = address.parameters.get("port", "").split(",")
    if has_at or is_odd or any(port and not port.isdecimal() for port in ports):
        remedy = "Write : / ? @ % in a password as %3A %2F %3F %40 %25, or leave it to PGPASSWORD or ~/.pgpass."
        yield None, None, "cannot be read as postgresql://user:password@host:port/database?key=value", remedy
    if any("\0" in value for value in address.parameters.values()):
        yield None, None, "holds a NUL character", "Remove it."


_SRID = 4326
_LOCK_TIMEOUT = "30s"

# Start of the comment on a table that an export wrote. Only such a table is ever replaced.
_MARK = "edwc layer"
_TYPES = (
    (pd.api.types.is_bool_dtype, "boolean"),
    (pd.api.types.is_integer_dtype, "bigint"),
    (pd.api.types.is_float_dtype, "double precision"),
    (pd.api.types.is_datetime64_any_dtype, "timestamp without time zone"),
)

# The table that QGIS makes when it stores the first style in a database.
_STYLE_COLUMNS = (
    "id serial PRIMARY KEY, f_table_catalog varchar, f_table_schema varchar, f_table_name varchar, "
    "f_geometry_column varchar, stylename text, styleqml xml, stylesld xml, useasdefault boolean, description text, "
    "owner varchar(63) DEFAULT CURRENT_USER, ui xml, update_time timestamp DEFAULT CURRENT_TIMESTAMP, type varchar"
)


@dataclass(frozen=True)
class PostgisReport:
    """What was written where."""

    address: str  # Without any secret
    rows: dict[str, int]  # By table
    has_styles: bool  # False if the role may not write the table `layer_styles`, where QGIS looks for styles


@dataclass(frozen=True, eq=False)
class _Table:
    """A table to write: columns with their types, and rows as Python values."""

    name: str
    comment: str
    columns: dict[str, str]
    rows: list[tuple[Any, ...]]
    geometry: str | None


def export_to_postgis(run: Run, address: str, *, gis: GisOptions | None = None) -> PostgisReport:
    """
    Write the layers of a run, and the table `metadata`, into a schema of a PostGIS database.

    One transaction: readers see the older tables until the new ones are complete, and a failed write leaves them.
    A table of an older export is emptied and filled, which keeps its grants and the views on it; it is only made anew
    if its columns have changed. Unless one layer is named, tables of an older export that this one does not have are
    dropped. A table that no export wrote is never touched.

    Parameters
    ----------
    run
        The run.
    address
        See `read_postgis_address`.
    gis
        Which layers to write.

    Returns
    -------
    PostgisReport
        What was written where.

    Raises
    ------
    InputError
        If the address cannot be read, psycopg is not installed, the server cannot be reached or refuses the login, the
        database has no PostGIS, the role lacks a right, a table of that name was not written by an export, or the run
        folder is not complete.
    """
    place = read_postgis_address(address)
    options = gis or GisOptions()
    if options.folder_format is not None:
        fault = Fault("--format", None, None, options.folder_format, "a database takes no format", "Leave it out.")
        raise InputError([fault], "the export")
    content = gis_content(run, options.layer, per_slice=options.per_slice)
    tables = [*(_layer_table(name, layer, run) for name, layer in content.layers.items()), _metadata(content, run)]
    with _faults_of(place), _connect(place) as connection, connection.transaction(), connection.cursor() as cursor:
        postgis = _prepare(cursor, place)
        _drop_stale(cursor, place, {table.name for table in tables}, options)
        for table in tables:
            _write_table(cursor, place.schema, table, postgis)
        has_styles = _write_styles(cursor, place, content)
    return PostgisReport(str(place), {table.name: len(table.rows) for table in tables}, has_styles)


def _layer_table(name: str, layer: Any, run: Run) -> _Table:
    data = [column for column in layer.columns if column != "geometry"]
    kinds = set(layer.geometry.dropna().geom_type)
    # Lines cut at the antimeridian have several parts: a table that mixes both kinds takes any geometry.
    kind = kinds.pop() if len(kinds) == 1 else "Geometry"
    placed = shapely.set_srid(layer.geometry.to_numpy(), _SRID)
    texts = shapely.to_wkb(placed, hex=True, include_srid=True)
    columns = [[*range(1, len(layer) + 1)], *(_values(layer[column]) for column in data), list(texts)]
    types = {"fid": "bigint"} | {column: _type_of(layer[column]) for column in data}
    return _Table(name, _comment(name, run), types, list(zip(*columns, strict=True)), kind)


def _metadata(content: GisContent, run: Run) -> _Table:
    rows = list(content.metadata.set_axis(range(1, len(content.metadata) + 1))[["key", "value"]].itertuples(name=None))
    return _Table(METADATA, _comment(METADATA, run), {"fid": "bigint", "key": "text", "value": "text"}, rows, None)


def _comment(name: str, run: Run) -> str:
    return f"{_MARK} {name} of run {run.name}, {run.info.get('finished_utc')}"


def _type_of(column: pd.Series) -> str:
    return next((name for is_kind, name in _TYPES if is_kind(column)), "text")


def _values(column: pd.Series) -> list[Any]:
    """Turn a column into Python values; what is missing becomes None."""
    if pd.api.types.is_datetime64_any_dtype(column):
        return [None if pd.isna(value) else value.to_pydatetime() for value in column]
    values = column.astype(object).to_numpy()
    is_missing = pd.isna(values) | np.array([isinstance(value, float) and not np.isfinite(value) for value in values])
    return [None if missing else value for value, missing in zip(values.tolist(), is_missing, strict=True)]


@contextmanager
def _connect(place: _PostgisAddress) -> Iterator[Connection]:
    try:
        import psycopg
    except ImportError as error:
        remedy = "Install it: pip install 'edwc[postgis]'."
        raise InputError([Fault("--to", None, None, None, "PostGIS needs psycopg", remedy)], "the export") from error
    with psycopg.connect(**place.parameters, client_encoding="UTF8") as connection:  # type: ignore[arg-type]
        yield connection


@contextmanager
def _faults_of(place: _PostgisAddress) -> Iterator[None]:
    """Turn an error of the database into a fault with a remedy, without any secret."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if type(error).__module__.split(".")[0] != "psycopg":
            raise
        said = place.hide_secrets(" ".join(str(error).split()))
        code = getattr(error, "sqlstate", None)
        fault = Fault(str(place), None, None, None, f"the database says: {said}", _remedy(code, said))
        # The cause is left out: its traceback would show the parameters of the connection.
        raise InputError([fault], "the export") from None


def _remedy(code: str | None, said: str) -> str:
    if code in _REMEDIES:
        return _REMEDIES[code]
    if code is None and "connection" in said:
        return "See that the server runs and takes connections there, and that user, password and database are right."
    return "Nothing was written."


_REMEDIES = {
    "42501": "Nothing was written. Ask the owner for the right, or name a schema of your own: ?schema=NAME.",
    "2BP01": "Nothing was written. Columns have changed and something reads the older table: drop that first.",
    "55P03": "Nothing was written. Another session holds the older table: try again when it has finished.",
    "53100": "Nothing was written. Make room on the server's disk.",
}


def _prepare(cursor: Cursor, place: _PostgisAddress) -> str:
    """Check PostGIS, make the schema if needed and keep other exports out; return the schema of PostGIS."""
    from psycopg import sql

    cursor.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(sql.Literal(_LOCK_TIMEOUT)))
    cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"edwc {place.schema}"])
    cursor.execute(
        "SELECT nspname FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = 'postgis'"
    )
    found = cursor.fetchone()
    if found is None:
        remedy = "As its owner, run in it: CREATE EXTENSION postgis;"
        raise InputError([Fault(str(place), None, None, None, "the database has no PostGIS", remedy)], "the export")
    cursor.execute("SELECT FROM pg_namespace WHERE nspname = %s", [place.schema])
    if cursor.fetchone() is None:
        cursor.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(place.schema)))
    return str(found[0])


def _drop_stale(cursor: Cursor, place: _PostgisAddress, written: set[str], options: GisOptions) -> None:
    """Refuse to touch tables of others; drop those of an older export that this one does not have."""
    from psycopg import sql

    cursor.execute(
        "SELECT relname, relkind = 'r' AND starts_with(coalesce(obj_description(c.oid, 'pg_class'), ''), %s) "
        "FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = %s AND relname = ANY(%s)",
        [f"{_MARK} ", place.schema, [*LAYERS, *SLICE_LAYERS, METADATA]],
    )
    is_ours: dict[str, bool] = dict(cursor.fetchall())
    foreign = sorted(name for name in written if not is_ours.get(name, True))
    if foreign:
        remedy = "Name a schema of its own: ?schema=NAME."
        problem = "a table of that name stands in the schema, and no export wrote it"
        raise InputError((Fault(str(place), None, None, name, problem, remedy) for name in foreign), "the export")
    for name in is_ours if options.layer is None else ():
        if is_ours[name] and name not in written:
            cursor.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(place.schema, name)))


def _write_table(cursor: Cursor, schema: str, table: _Table, postgis: str) -> None:
    from psycopg import sql

    name = sql.Identifier(schema, table.name)
    wanted = table.columns | ({} if table.geometry is None else {"geom": f"geometry({table.geometry},{_SRID})"})
    cursor.execute(
        "SELECT attname, regexp_replace(format_type(atttypid, atttypmod), '^.*geometry\\(', 'geometry(') "
        "FROM pg_attribute JOIN pg_class c ON c.oid = attrelid JOIN pg_namespace n ON n.oid = relnamespace "
        "WHERE nspname = %s AND relname = %s AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        [schema, table.name],
    )
    standing: dict[str, str] = dict(cursor.fetchall())
    if standing == wanted:
        # Not TRUNCATE: readers of older snapshots would see an empty table, and wait for the end of this transaction.
        cursor.execute(sql.SQL("DELETE FROM {}").format(name))
    else:
        if standing:
            cursor.execute(sql.SQL("DROP TABLE {}").format(name))
        _create_table(cursor, name, wanted, postgis)
    columns = sql.SQL(", ").join(map(sql.Identifier, wanted))
    with cursor.copy(sql.SQL("COPY {} ({}) FROM STDIN").format(name, columns)) as copy:
        for row in table.rows:
            copy.write_row(row)
    cursor.execute(sql.SQL("COMMENT ON TABLE {} IS {}").format(name, sql.Literal(table.comment)))
    cursor.execute(sql.SQL("ANALYZE {}").format(name))


def _create_table(cursor: Cursor, name: Any, wanted: dict[str, str], postgis: str) -> None:
    from psycopg import sql

    definitions = [
        # PostGIS may live in a schema that is not searched. Types come from this module, never from input.
        sql.SQL("{} {}{}").format(
            sql.Identifier(column),
            sql.SQL("{}.").format(sql.Identifier(postgis)) if column == "geom" else sql.SQL(""),
            sql.SQL(kind if column != "fid" else f"{kind} PRIMARY KEY"),
        )
        for column, kind in wanted.items()
    ]
    cursor.execute(sql.SQL("CREATE TABLE {} ({})").format(name, sql.SQL(", ").join(definitions)))
    if "geom" in wanted:
        cursor.execute(sql.SQL("CREATE INDEX ON {} USING gist (geom)").format(name))
    for column in wanted:
        if (described := describe_column(column)) is not None:
            unit, meaning = described
            text = meaning if unit == "–" else f"{meaning} [{unit}]"
            place = sql.SQL("{}.{}").format(name, sql.Identifier(column))
            cursor.execute(sql.SQL("COMMENT ON COLUMN {} IS {}").format(place, sql.Literal(text)))


def _write_styles(cursor: Cursor, place: _PostgisAddress, content: GisContent) -> bool:
    """Store the styles where QGIS looks, in `public.layer_styles`; False where the role may not."""
    import psycopg

    try:
        with cursor.connection.transaction():
            cursor.execute("SELECT to_regclass('public.layer_styles') IS NULL")
            if cursor.fetchone() == (True,):
                cursor.execute(f"CREATE TABLE public.layer_styles ({_STYLE_COLUMNS})")
            cursor.execute(
                "DELETE FROM public.layer_styles WHERE f_table_catalog = current_database() AND f_table_schema = %s "
                "AND f_table_name = ANY(%s) AND description = %s",
                [place.schema, [*content.styles], _STYLE_DESCRIPTION],
            )
            for name, qml in content.styles.items():
                cursor.execute(
                    "INSERT INTO public.layer_styles (f_table_catalog, f_table_schema, f_table_name, "
                    "f_geometry_column, stylename, styleqml, useasdefault, description, update_time) "
                    "VALUES (current_database(), %s, %s, 'geom', %s, %s::xml, true, %s, %s)",
                    [place.schema, name, name, qml, _STYLE_DESCRIPTION, datetime.fromisoformat(STYLE_DATE)],
                )
    except psycopg.errors.InsufficientPrivilege:
        return False
    return True


_STYLE_DESCRIPTION = "Allocation of inference, written by edwc"
