"""The address of a PostGIS database, `postgresql://user@host/db?schema=...`; its password is never shown."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote

from network_data.faults import Fault, InputError

DEFAULT_SCHEMA = "public"
_PREFIXES = ("postgresql://", "postgres://")
# Longer names are cut by PostgreSQL without a word.
_LONGEST_NAME_BYTES = 63
_CONNECT_TIMEOUT_S = "10"
_KEY = re.compile("[a-z][a-z0-9_]*")
_SECRETS = ("password", "sslpassword", "passfile")


@dataclass(frozen=True)
class PostgisAddress:
    """
    Where to write.

    Attributes
    ----------
    parameters
        What libpq is given to connect, by keyword.
    schema
        Schema to write into.
    """

    parameters: dict[str, str] = field(repr=False)
    schema: str

    def __str__(self) -> str:
        """Spell the address without any secret."""
        told = self.parameters
        user = f"{quote(told['user'])}@" if "user" in told else ""
        port = f":{quote(told['port'])}" if "port" in told else ""
        place = f"{user}{quote(told.get('host', ''), safe='/,:[]')}{port}/{quote(told.get('dbname', ''))}"
        return f"postgresql://{place}?schema={quote(self.schema)}"

    def hide_secrets(self, text: str) -> str:
        """
        Take every secret out of a text.

        Parameters
        ----------
        text
            What the database or its driver said.
        """
        secrets = sorted((self.parameters[name] for name in _SECRETS if self.parameters.get(name)), key=len)
        for secret in reversed(secrets):
            text = text.replace(secret, "***").replace(quote(secret, safe=""), "***")
        return text


def is_postgis_address(target: Path | str) -> bool:
    """
    Tell an address from the name of a file.

    Parameters
    ----------
    target
        What `--to` was given.
    """
    return isinstance(target, str) and target.lower().startswith(_PREFIXES)


def read_postgis_address(target: str) -> PostgisAddress:
    """
    Read an address.

    It is taken apart here, and not by libpq: libpq quotes what it cannot read, and that may be part of a password.

    Parameters
    ----------
    target
        `postgresql://[user[:password]@][host[:port]][/database][?schema=NAME&key=value]`; what is left out comes from
        libpq's environment (PGHOST, PGUSER, PGPASSWORD, ...), its password file and its defaults. Other keys, such as
        `sslmode`, are libpq's.

    Returns
    -------
    PostgisAddress
        The address.

    Raises
    ------
    InputError
        If it cannot be read, or the schema's name is empty or too long.
    """
    rest, _, query = target.split("://", 1)[1].partition("?")
    # The last @ ends the password, so that one that holds an @ as it is does not become part of the host.
    place, _, database = _cut_at_path(rest)
    login, _, hosts = place.rpartition("@")
    user, has_password, password = login.partition(":")
    parameters = {"connect_timeout": _CONNECT_TIMEOUT_S}
    parameters |= _hosts(hosts.split(",")) if hosts else {}
    parameters |= {
        key: unquote(value)
        for key, value in (("user", user), ("password", password if has_password else ""), ("dbname", database))
        if value
    }
    options = parse_qsl(query, keep_blank_values=True)
    schema = DEFAULT_SCHEMA
    for key, value in options:
        if key == "schema":
            schema = value
        else:
            parameters[key] = value
    address = PostgisAddress(parameters, schema)
    problems = list(_problems(address, has_at="@" in query))
    if problems:
        # The address itself is not quoted: in a wrong one, anything may be part of a password.
        raise InputError((Fault("--to", None, *fault) for fault in problems), "the address of the database")
    return address


def _cut_at_path(rest: str) -> tuple[str, str, str]:
    """Cut host and database; a slash before the last @ belongs to the password."""
    at = rest.rfind("@")
    slash = rest.find("/", at + 1)
    return (rest, "", "") if slash < 0 else (rest[:slash], "/", rest[slash + 1 :])


def _hosts(hosts: list[str]) -> dict[str, str]:
    """Split hosts from ports; an address of version 6 stands in brackets."""
    names, ports = [], []
    for host in hosts:
        name, colon, port = host.rpartition(":")
        has_port = bool(colon) and "]" not in port
        names.append(unquote(name if has_port else host).strip("[]"))
        ports.append(port if has_port else "")
    return {"host": ",".join(names)} | ({"port": ",".join(ports)} if any(ports) else {})


def _problems(address: PostgisAddress, *, has_at: bool) -> Iterable[tuple[str | None, str | None, str, str]]:
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
