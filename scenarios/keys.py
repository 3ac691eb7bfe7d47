"""Every key of a scenario as a list: name, unit, default, allowed values and meaning, read from the schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from network_data.faults import FaultList, suggest
from scenarios.price_changes import PriceCaseKeys
from scenarios.schema import ScenarioKeys

__all__ = ["Key", "find_keys", "list_keys"]

# The unit is the last word of a number's name: the longest ending that fits. Other keys state theirs in the schema.
_UNIT_OF_ENDING = {
    "cny": "CNY",
    "cny_per_gb": "CNY per GB",
    "cny_per_mtok": "CNY per million tokens",
    "cny_per_t": "CNY per tonne of CO2",
    "cny_per_usd": "CNY per USD",
    "cny_per_year": "CNY per year",
    "days_per_year": "days per year",
    "h": "h",
    "ms": "ms",
    "s": "s",
    "share": "share",
    "share_per_100ms": "share per 100 ms",
    "t_per_year": "tonnes of CO2 per year",
    "tokens_per_day_trillion": "trillion tokens per day",
    "us_per_km": "microseconds per km",
    "usd_per_mtok": "USD per million tokens",
    "years": "years",
}


@dataclass(frozen=True)
class Key:
    """
    One key of a scenario file.

    Attributes
    ----------
    name
        Key path with dots. Words in capitals stand for an id of the network or the scenario, `[]` for each item of a
        list.
    unit
        Unit of a number, otherwise empty.
    is_required
        Whether it must be given; within a section that may be left out, whether it must be given with that section.
    default
        Value where it is not given; None (null) also where it is required.
    allowed
        Kind of value with its range or choices, in words.
    description
        Meaning.
    """

    name: str
    unit: str
    is_required: bool
    default: Any
    allowed: str
    description: str


def list_keys(schema: type[ScenarioKeys | PriceCaseKeys] = ScenarioKeys) -> list[Key]:
    """
    List the keys of a scenario, or of a price case.

    Parameters
    ----------
    schema
        `ScenarioKeys`, or `PriceCaseKeys`.

    Examples
    --------
    >>> next(key for key in list_keys() if key.name == "routing.max_links").allowed
    'whole number, 1 to 10,000; or null'
    """
    root = schema.model_json_schema()
    return list(_walk(root, root["$defs"], ""))


def find_keys(pattern: str = "") -> list[Key]:
    """
    List the keys of a scenario whose name matches a pattern, or else those whose description holds it.

    Parameters
    ----------
    pattern
        Part of a name, whatever the case; or a pattern with `*`, such as `policy.*`.

    Raises
    ------
    InputError
        If there is none.

    Examples
    --------
    >>> [key.name for key in find_keys("threads")]
    ['solver.threads']
    """
    keys, wanted = list_keys(), pattern.lower()
    glob = wanted if "*" in wanted else f"*{wanted}*"
    for part in ("name", "description"):
        if found := [key for key in keys if fnmatchcase(getattr(key, part).lower(), glob)]:
            return found
    faults = FaultList("the pattern")
    words = {word for key in keys for word in (key.name, *key.name.split("."))}
    faults.add("PATTERN", "no key matches it", "Give a part of a name, or *." + suggest(pattern, words), value=pattern)
    raise faults.error()


def unit_of(name: str) -> str:
    """
    Find the unit in the name of a number; empty if the name holds none.

    Parameters
    ----------
    name
        Name of the key.

    Examples
    --------
    >>> unit_of("carbon_cap_t_per_year"), unit_of("link_share")
    ('tonnes of CO2 per year', 'share')
    """
    words = name.split("_")
    endings = ("_".join(words[start:]) for start in range(len(words)))
    return next((_UNIT_OF_ENDING[ending] for ending in endings if ending in _UNIT_OF_ENDING), "")


def _walk(section: Mapping[str, Any], parts: Mapping[str, Any], prefix: str) -> Iterator[Key]:
    """Go through the keys of a section, and of the sections within it."""
    for name, field in section["properties"].items():
        node, is_nullable = _without_null(field)
        inner = _section_of(node, parts)
        path, each = f"{prefix}{name}", field.get("each", "")
        if inner is not None and not is_nullable and not each and node.get("type") != "array":
            yield from _walk(inner, parts, f"{path}.")
            continue
        is_mapping = bool(each) and inner is None
        item = _value_of(node) if is_mapping else node
        yield Key(
            f"{path}.{each}" if is_mapping else path,
            field.get("unit", unit_of(name) if _is_number(item) else ""),
            name in section.get("required", ()),
            field.get("default"),
            _allowed(item, parts) + ("; or null" if is_nullable else ""),
            " ".join(field["description"].split()),
        )
        if inner is not None:
            step = f"{path}[]." if node.get("type") == "array" else f"{path}.{each}." if each else f"{path}."
            yield from _walk(inner, parts, step)


def _without_null(field: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
    choices = field.get("anyOf", ())
    others = [choice for choice in choices if choice.get("type") != "null"]
    return (others[0], len(others) < len(choices)) if others else (field, False)


def _value_of(mapping: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give the schema of the values of a mapping by id."""
    (value,) = mapping["patternProperties"].values()
    return dict(value)


def _section_of(node: Mapping[str, Any], parts: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Give the section that a field is, or that each of its items or values is."""
    item = _value_of(node) if "patternProperties" in node else node.get("items", node)
    reference = item.get("$ref")
    return None if reference is None else dict(parts[reference.rpartition("/")[2]])


def _is_number(node: Mapping[str, Any]) -> bool:
    return node.get("type") in {"integer", "number"}


def _allowed(node: Mapping[str, Any], parts: Mapping[str, Any]) -> str:
    if "enum" in node:
        return f"one of {', '.join(map(str, node['enum']))}"
    if "patternProperties" in node:
        return "mapping by id"
    kind = node.get("type", "object")
    if kind == "array":
        return "list of sections" if _section_of(node, parts) else f"list of {_allowed(node['items'], parts)}s"
    if not _is_number(node):
        text = "id" if "pattern" in node else "text"
        return {"string": text, "boolean": "true or false", "object": "section"}[kind]
    return ("whole number" if kind == "integer" else "number") + _range(node)


def _range(node: Mapping[str, Any]) -> str:
    words = (("minimum", ""), ("exclusiveMinimum", "above "), ("maximum", "to "), ("exclusiveMaximum", "and below "))
    ends = [word + f"{node[name]:,.10g}".replace("e+", "e") for name, word in words if name in node]
    return f", {' '.join(ends)}" if ends else ""
