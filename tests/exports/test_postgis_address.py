"""Addresses of databases are read whole, and no part of a password is ever shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from run_files import write_run

from network_data.faults import InputError
from optimizer.exports.export import export_run
from optimizer.exports.layers import GisOptions
from optimizer.exports.postgis import export_to_postgis, is_postgis_address, read_postgis_address
from optimizer.runs.run import open_run


@pytest.mark.parametrize(
    ("target", "parameters", "schema"),
    [
        (
            "postgresql://ann@db.example:5433/maps?schema=edwc",
            {"user": "ann", "host": "db.example", "port": "5433", "dbname": "maps"},
            "edwc",
        ),
        ("postgres://db.example/maps", {"host": "db.example", "dbname": "maps"}, "public"),
        ("postgresql:///maps?host=/run/pg&sslmode=disable", {"host": "/run/pg", "dbname": "maps", "sslmode": "disable"},
         "public"),
        ("postgresql://ann:p%40%2F@db/m", {"user": "ann", "password": "p@/", "host": "db", "dbname": "m"}, "public"),
        ("postgresql://ann:p@ss@db/m", {"user": "ann", "password": "p@ss", "host": "db", "dbname": "m"}, "public"),
        ("postgresql://ann:p/s#s@db/m", {"user": "ann", "password": "p/s#s", "host": "db", "dbname": "m"}, "public"),
        ("postgresql://[::1]:5433/m", {"host": "::1", "port": "5433", "dbname": "m"}, "public"),
        ("postgresql://a:1,b/m", {"host": "a,b", "port": "1,", "dbname": "m"}, "public"),
        ("postgresql://db/m?schema=a%22b%20c", {"host": "db", "dbname": "m"}, 'a"b c'),
        ("postgresql://", {}, "public"),
    ],
)  # fmt: skip
def test_address_is_read(target: str, parameters: dict[str, str], schema: str) -> None:
    address = read_postgis_address(target)
    assert address.parameters == {"connect_timeout": "10"} | parameters
    assert address.schema == schema


def test_no_secret_is_shown() -> None:
    address = read_postgis_address("postgresql://ann:geheim%40x@db/m?sslpassword=other&schema=s")
    assert str(address) == "postgresql://ann@db/m?schema=s"
    assert "geheim" not in repr(address)
    said = "no login with geheim@x, geheim%40x or other"
    assert address.hide_secrets(said) == "no login with ***, *** or ***"


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("postgresql://ann:gehe?im@db/m", "cannot be read"),  # the password ends the address
        ("postgresql://ann:gehe?im=7@db/m", "cannot be read"),
        ("postgresql://db:geheim/m", "cannot be read"),
        ("postgresql://db/m?schema=", "is no name of a schema"),
        ("postgresql://db/m?schema=pg_catalog", "belongs to the database system"),
        (f"postgresql://db/m?schema={'é' * 32}", "more than 63 bytes"),
        ("postgresql://db/m%00", "NUL"),
    ],
)
def test_address_that_cannot_be_used_is_refused_without_quoting_it(target: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem) as caught:
        read_postgis_address(target)
    assert "gehe" not in str(caught.value)
    assert "im@" not in str(caught.value)


def test_file_names_are_no_addresses() -> None:
    assert is_postgis_address("PostgreSQL://db/m")
    assert not is_postgis_address("maps/postgresql.gpkg")
    assert not is_postgis_address(Path("postgresql:/x"))


def test_server_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    with pytest.raises(InputError, match="See that the server runs") as caught:
        export_to_postgis(open_run(folder), "postgresql://ann:geheim@127.0.0.1:1/m")
    assert "geheim" not in str(caught.value)
    assert caught.value.__suppress_context__  # a traceback would show the parameters of the connection


def test_option_that_psycopg_does_not_know_is_a_fault(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    with pytest.raises(InputError, match="colour"):
        export_to_postgis(open_run(folder), "postgresql://127.0.0.1:1/m?colour=red")


def test_database_takes_no_format_and_files_take_no_address(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    with pytest.raises(InputError, match="takes no format"):
        export_to_postgis(open_run(folder), "postgresql://db/m", gis=GisOptions(folder_format="csv"))
    with pytest.raises(InputError, match="export_to_postgis"):
        export_run(open_run(folder), "postgresql://db/m")
