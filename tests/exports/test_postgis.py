"""Layers in a real PostGIS: all of them or none, nobody else's tables, and faults that say what to do."""

from __future__ import annotations

import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import geopandas as gpd
import pandas as pd
import psycopg
import pytest
from postgis_server import ROLE_PASSWORD, address_of_role, as_superuser, role, server_address
from psycopg import sql
from run_files import HOSTILE_NAMES, write_run
from test_gis_files import assert_same

from network_data.faults import InputError
from optimizer.exports import postgis
from optimizer.exports.layers import LAYERS, SLICE_LAYERS, GisOptions, allocation_layers
from optimizer.exports.postgis import PostgisReport, export_to_postgis
from optimizer.runs.run import open_run

ROOT = Path(__file__).resolve().parents[2]
HOSTILE_SCHEMA = 'a"; DROP SCHEMA public CASCADE; --'


@pytest.fixture(scope="module")
def server() -> str:
    return server_address()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("run"), names=HOSTILE_NAMES)


@pytest.fixture(scope="module")
def smaller(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run that differs: without route 9, and so without its flow."""
    folder = write_run(tmp_path_factory.mktemp("smaller"))
    allocation = pd.read_parquet(folder / "allocation.parquet")
    allocation[allocation["route"] != 9].to_parquet(folder / "allocation.parquet")
    return folder


@pytest.fixture
def schema(server: str) -> Iterator[str]:
    """Name a schema of the test's own, not made yet; it is removed in the end."""
    name = f"t_{secrets.token_hex(4)}"
    yield name
    with as_superuser(server) as connection:
        connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(name)))


def write(folder: Path, server: str, schema: str, **options: Any) -> PostgisReport:
    return export_to_postgis(open_run(folder), f"{server}?schema={quote(schema)}", gis=GisOptions(**options))


def ask(server: str, query: str, *values: Any) -> list[tuple[Any, ...]]:
    with as_superuser(server) as connection:
        return connection.execute(query, values).fetchall()


def rows_of(server: str, schema: str, table: str) -> int:
    with as_superuser(server) as connection:
        found = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, table)))
        return int(found.fetchall()[0][0])


def tables_of(server: str, schema: str) -> set[str]:
    return {name for (name,) in ask(server, "SELECT tablename FROM pg_tables WHERE schemaname = %s", schema)}


@pytest.mark.filterwarnings("ignore:pandas only supports SQLAlchemy")
def test_round_trip_keeps_rows_values_and_reference_system(server: str, schema: str, folder: Path) -> None:
    report = write(folder, server, schema, per_slice=True)
    layers = allocation_layers(open_run(folder), per_slice=True)
    assert {name: rows for name, rows in report.rows.items() if name != "metadata"} == {
        name: len(layer) for name, layer in layers.items()
    }
    with closing(psycopg.connect(server)) as connection:
        for name in (*LAYERS, *SLICE_LAYERS):
            query = f"SELECT * FROM {schema}.{name} ORDER BY fid"
            found = gpd.read_postgis(query, connection, geom_col="geom").drop(columns="fid")
            assert_same(found, layers[name])
    told = dict(ask(server, f"SELECT key, value FROM {schema}.metadata"))
    assert told["scenario"] == "toy"
    assert float(told["mip_rel_gap"]) == 0.0123


def test_tables_have_keys_types_indexes_and_comments(server: str, schema: str, folder: Path) -> None:
    write(folder, server, schema)
    kinds = ask(server, "SELECT f_table_name, type, srid FROM geometry_columns WHERE f_table_schema = %s", schema)
    assert {name: (kind, srid) for name, kind, srid in kinds} == {
        "links": ("LINESTRING", 4326), "flows": ("LINESTRING", 4326), "flows_straight": ("LINESTRING", 4326),
        "demand_hubs": ("POINT", 4326), "data_centers": ("POINT", 4326),
    }  # fmt: skip
    indexes = ask(server, "SELECT indexdef FROM pg_indexes WHERE schemaname = %s AND tablename = 'flows'", schema)
    assert any("gist (geom)" in text for (text,) in indexes)
    assert any("UNIQUE" in text and "(fid)" in text for (text,) in indexes)
    query = (
        "SELECT col_description(%s::regclass, attnum) FROM pg_attribute WHERE attrelid = %s::regclass AND attname = %s"
    )
    ((comment,),) = ask(server, query, f"{schema}.flows", f"{schema}.flows", "mtok_per_year")
    assert comment == "tokens served [million tokens per year]"


def test_hostile_names_are_names(server: str, folder: Path) -> None:
    try:
        write(folder, server, HOSTILE_SCHEMA)
        query = sql.SQL("SELECT name FROM {} ORDER BY fid").format(sql.Identifier(HOSTILE_SCHEMA, "demand_hubs"))
        with as_superuser(server) as connection:
            names = [name for (name,) in connection.execute(query)]
        assert names == [HOSTILE_NAMES["alfa"], HOSTILE_NAMES["bravo"]]
        assert ask(server, "SELECT 1 FROM pg_namespace WHERE nspname = 'public'")
    finally:
        with as_superuser(server) as connection:
            connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(HOSTILE_SCHEMA)))


# All or nothing


def test_failed_write_leaves_the_older_tables(server: str, schema: str, folder: Path, smaller: Path) -> None:
    write(folder, server, schema)
    with as_superuser(server) as connection:
        # The table that is written last refuses a row.
        connection.execute(f"ALTER TABLE {schema}.metadata ADD CHECK (key <> 'licence') NOT VALID")
    with pytest.raises(InputError, match="Nothing was written"):
        write(smaller, server, schema)
    assert rows_of(server, schema, "flows") == 5
    assert ask(server, f"SELECT count(*) FROM {schema}.demand_hubs WHERE name = %s", HOSTILE_NAMES["alfa"]) == [(1,)]


WRITER = """
import sys
from optimizer.exports.postgis import export_to_postgis
from optimizer.runs.run import open_run
export_to_postgis(open_run(sys.argv[1]), sys.argv[2])
"""


def test_killed_writer_leaves_the_older_tables(server: str, schema: str, folder: Path, smaller: Path) -> None:
    write(folder, server, schema)
    with psycopg.connect(server) as holder:
        # The writer gets through all layers but this one.
        holder.execute(f"LOCK TABLE {schema}.data_centers IN SHARE MODE")
        command = [sys.executable, "-c", WRITER, str(smaller), f"{server}?schema={schema}"]
        with subprocess.Popen(command, cwd=ROOT) as process:
            waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE %s"
            for _ in range(600):
                if ask(server, waiting, f"DELETE FROM%{schema}%data_centers%"):
                    break
                time.sleep(0.05)
            else:
                pytest.fail("the writer never waited for the lock")
            assert rows_of(server, schema, "flows") == 5  # readers neither wait nor see half of it
            process.kill()
    # The server notices the lost client when it next answers it.
    write(folder, server, schema)
    assert rows_of(server, schema, "flows") == 5
    write(smaller, server, schema)
    assert rows_of(server, schema, "flows") == 4


def test_table_that_another_session_holds_is_not_waited_for_forever(
    server: str, schema: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, server, schema)
    monkeypatch.setattr(postgis, "_LOCK_TIMEOUT", "100ms")
    with psycopg.connect(server) as holder:
        holder.execute(f"LOCK TABLE {schema}.flows")
        with pytest.raises(InputError, match="Another session holds the older table"):
            write(folder, server, schema)


def test_grants_and_views_on_older_tables_are_kept(server: str, schema: str, folder: Path, smaller: Path) -> None:
    write(folder, server, schema)
    with as_superuser(server) as connection:
        connection.execute(f"CREATE VIEW {schema}.busy AS SELECT route FROM {schema}.flows WHERE mtok_per_year > 0")
        connection.execute(f"GRANT SELECT ON {schema}.links TO PUBLIC")
    write(smaller, server, schema)
    assert rows_of(server, schema, "busy") == 4
    ((grants,),) = ask(server, "SELECT relacl::text FROM pg_class WHERE oid = %s::regclass", f"{schema}.links")
    assert "=r/" in grants


def test_columns_that_changed_make_a_new_table_unless_something_reads_the_old(
    server: str, schema: str, folder: Path
) -> None:
    write(folder, server, schema)
    with as_superuser(server) as connection:
        connection.execute(f"ALTER TABLE {schema}.links RENAME capacity_gbps TO room")
        connection.execute(f"CREATE VIEW {schema}.rooms AS SELECT room FROM {schema}.links")
    with pytest.raises(InputError, match="something reads the older table"):
        write(folder, server, schema)
    with as_superuser(server) as connection:
        connection.execute(f"DROP VIEW {schema}.rooms")
    write(folder, server, schema)
    assert ask(server, f"SELECT max(capacity_gbps) FROM {schema}.links") == [(100.0,)]


def test_tables_that_no_export_wrote_are_left_alone(server: str, schema: str, folder: Path) -> None:
    with as_superuser(server) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
        connection.execute(f"CREATE TABLE {schema}.links AS SELECT 1 AS mine")
        connection.execute(f"CREATE VIEW {schema}.metadata AS SELECT 2 AS mine_too")
    with pytest.raises(InputError, match="no export wrote it") as caught:
        write(folder, server, schema)
    assert [fault.value for fault in caught.value.faults] == ["links", "metadata"]
    assert tables_of(server, schema) == {"links"}
    assert ask(server, f"SELECT mine FROM {schema}.links") == [(1,)]


def test_export_without_slices_drops_older_slices_and_one_layer_leaves_the_rest(
    server: str, schema: str, folder: Path, smaller: Path
) -> None:
    write(folder, server, schema, per_slice=True)
    assert tables_of(server, schema) == {*LAYERS, *SLICE_LAYERS, "metadata"}
    write(smaller, server, schema, layer="links")
    assert tables_of(server, schema) == {*LAYERS, *SLICE_LAYERS, "metadata"}
    assert rows_of(server, schema, "flows") == 5
    write(smaller, server, schema)
    assert tables_of(server, schema) == {*LAYERS, "metadata"}


# QGIS styles


def test_styles_are_where_qgis_looks_once_and_others_are_kept(server: str, schema: str, folder: Path) -> None:
    assert write(folder, server, schema).has_styles
    own = "INSERT INTO public.layer_styles (f_table_catalog, f_table_schema, f_table_name, stylename, useasdefault) "
    with as_superuser(server) as connection:
        connection.execute(f"{own} VALUES (current_database(), '{schema}', 'flows', 'mine', false)")
    write(folder, server, schema)
    query = "SELECT f_table_name, stylename FROM public.layer_styles WHERE f_table_schema = %s"
    found = ask(server, query, schema)
    assert sorted(found) == sorted([*((name, name) for name in LAYERS), ("flows", "mine")])
    with as_superuser(server) as connection:
        connection.execute("DELETE FROM public.layer_styles WHERE f_table_schema = %s", [schema])


# Rights and faults


def test_role_without_rights_is_told_and_with_a_schema_it_writes(server: str, schema: str, folder: Path) -> None:
    with role(server, f"{schema}_r"):
        address = f"{address_of_role(server, f'{schema}_r')}?schema={schema}"
        with pytest.raises(InputError, match="Ask the owner for the right") as caught:
            export_to_postgis(open_run(folder), address)
        assert ROLE_PASSWORD not in str(caught.value)
        with as_superuser(server) as connection:
            connection.execute(f"CREATE SCHEMA {schema} AUTHORIZATION {schema}_r")
            connection.execute("CREATE TABLE IF NOT EXISTS public.layer_styles (id serial)")
        report = export_to_postgis(open_run(folder), address)
        assert not report.has_styles
        assert set(report.rows) == {*LAYERS, "metadata"}
        assert ROLE_PASSWORD not in str(report)


def edwc(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "optimizer", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_wrong_password_is_a_fault_and_is_not_printed(server: str, folder: Path) -> None:
    user, _, place = server.removeprefix("postgresql://").partition("@")
    address = f"postgresql://{user.split(':')[0]}:geheim@{place}"
    done = edwc("export", folder, "--to", address)
    assert done.returncode == 1
    assert "password authentication failed" in done.stderr
    assert "geheim" not in done.stdout + done.stderr


def test_command_line_says_what_was_written_without_the_password(server: str, schema: str, folder: Path) -> None:
    done = edwc("export", folder, "--to", f"{server}?schema={schema}")
    assert done.returncode == 0, done.stderr
    assert f"?schema={schema}" in done.stdout
    assert "flows 5, demand_hubs 2, data_centers 4, metadata" in done.stdout
    password = server.removeprefix("postgresql://").partition("@")[0].partition(":")[2]
    assert not password or password not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("database", "said"),
    [("edwc_without", "CREATE EXTENSION postgis"), ("edwc_nowhere", "does not exist")],
)
def test_database_that_cannot_be_used_is_a_fault(server: str, folder: Path, database: str, said: str) -> None:
    with as_superuser(server) as connection:
        connection.execute("DROP DATABASE IF EXISTS edwc_without")
        if database == "edwc_without":
            connection.execute("CREATE DATABASE edwc_without")
        try:
            with pytest.raises(InputError, match=said):
                export_to_postgis(open_run(folder), f"{server.rpartition('/')[0]}/{database}")
        finally:
            connection.execute("DROP DATABASE IF EXISTS edwc_without")
