"""The PostGIS server that tests write to: its address comes from the environment, `.ci/postgis` starts one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import psycopg
from lacking import named_by
from psycopg import sql

VARIABLE = "EDWC_TEST_POSTGIS"
ROLE_PASSWORD = "pass word@/:?#%"  # noqa: S105 - of a role that lives as long as one test


def server_address() -> str:
    """Address of a database with PostGIS, as a superuser; without one, skip the test, but never in CI."""
    return named_by(VARIABLE, "set it to what `.ci/postgis start DIR` prints")


@contextmanager
def as_superuser(address: str) -> Iterator[psycopg.Connection[Any]]:
    """Connect as the test itself, outside transactions."""
    with psycopg.connect(address, autocommit=True) as connection:
        # A test that has to wait for what it tests has failed.
        connection.execute("SET lock_timeout = '10s'")
        yield connection


def address_of_role(address: str, role: str, database: str | None = None) -> str:
    """Address for another role, and perhaps database, of the same server."""
    found = re.fullmatch(r"postgresql://[^@]*@([^/]*)/([^?]*)", address)
    assert found is not None
    return f"postgresql://{role}:{quote(ROLE_PASSWORD, safe='')}@{found[1]}/{database or found[2]}"


@contextmanager
def role(address: str, name: str) -> Iterator[None]:
    """Make a role with nothing but the right to log in, and remove it with all it owns."""
    who = sql.Identifier(name)
    with as_superuser(address) as connection:
        connection.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(who, sql.Literal(ROLE_PASSWORD)),
        )
        try:
            yield
        finally:
            connection.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(who))
            connection.execute(sql.SQL("DROP ROLE {}").format(who))
