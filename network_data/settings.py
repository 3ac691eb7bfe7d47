"""What a network says of itself as a whole: `network.yaml`, with its currency, clock and order of regions."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from network_data.clock import standard_offset_h
from network_data.currency import CURRENCY_PATTERN, DEFAULT_CURRENCY
from network_data.faults import FaultList, suggest
from network_data.schema import ID_PATTERN

SETTINGS_FILE = "network.yaml"


@dataclass(frozen=True)
class Settings:
    """
    Settings of a network.

    Attributes
    ----------
    currency : str
        ISO 4217 code of all amounts of money in the network's tables.
    time_zone : str
        Zone of the clock that time slices follow, and of every place that states none of its own; "" = not stated.
    regions : tuple of str
        Regions in the order in which maps and pages give them colours; those left out follow by name.
    sha256 : str
        Hash of the file; "" where there is none.
    """

    currency: str = DEFAULT_CURRENCY
    time_zone: str = ""
    regions: tuple[str, ...] = ()
    sha256: str = ""


def read_settings(folder: Path, faults: FaultList) -> Settings:
    """
    Read `network.yaml` of a network folder.

    Parameters
    ----------
    folder
        The network's folder.
    faults
        Receives what is wrong.

    Returns
    -------
    Settings
        The defaults where there is no such file, or where a value is at fault.
    """
    path = folder / SETTINGS_FILE
    if not path.exists():
        return Settings()
    try:
        content = path.read_bytes()
        root = yaml.compose(content.decode("utf-8-sig"), Loader=yaml.SafeLoader)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        faults.add(SETTINGS_FILE, f"cannot be read ({reason})", "Make it a readable file.")
        return Settings()
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        mark = getattr(error, "problem_mark", None)
        row = None if mark is None else mark.line + 1
        faults.add(SETTINGS_FILE, "is not well-formed YAML", "Write lines such as `currency: EUR`.", row=row)
        return Settings()
    found: dict[str, Any] = dict(_entries(root, faults))
    return Settings(**found, sha256=hashlib.sha256(content).hexdigest())


def _entries(root: yaml.Node | None, faults: FaultList) -> Iterator[tuple[str, str | tuple[str, ...]]]:
    """Go through the keys that are known and sound, with their values."""
    if root is None:
        return
    if not isinstance(root, yaml.MappingNode):
        faults.add(SETTINGS_FILE, "is not a mapping", "Write lines such as `currency: EUR`.", row=1)
        return
    seen: set[str] = set()
    for key, node in root.value:
        name, row = str(key.value), key.start_mark.line + 1
        if name not in _READERS:
            remedy = f"Keys are {', '.join(_READERS)}.{suggest(name, _READERS)}"
            faults.add(SETTINGS_FILE, "the key is unknown", remedy, row=row, column=name)
            continue
        if name in seen:
            faults.add(SETTINGS_FILE, "the key is there twice", "Remove one of them.", row=row, column=name)
            continue
        seen.add(name)
        try:
            yield name, _READERS[name](node)
        except ValueError as error:
            shown = node.value if isinstance(node, yaml.ScalarNode) else None
            problem, remedy = error.args
            faults.add(SETTINGS_FILE, problem, remedy, row=row, column=name, value=shown)


def _read_currency(node: yaml.Node) -> str:
    text = str(node.value) if isinstance(node, yaml.ScalarNode) else ""
    if not re.fullmatch(CURRENCY_PATTERN, text):
        raise ValueError("is not a currency code", "Write its three capital letters after ISO 4217, such as EUR.")
    return text


def _read_zone(node: yaml.Node) -> str:
    text = str(node.value) if isinstance(node, yaml.ScalarNode) else ""
    standard_offset_h(text)
    return text


def _read_regions(node: yaml.Node) -> tuple[str, ...]:
    items = node.value if isinstance(node, yaml.SequenceNode) else ()
    names = tuple(str(item.value) for item in items if isinstance(item, yaml.ScalarNode))
    if not names or len(names) < len(items) or not all(map(ID_PATTERN.fullmatch, names)):
        raise ValueError("is not a list of regions", "Write ids of regions, such as [west, central, east].")
    if len(set(names)) < len(names):
        raise ValueError("names a region twice", "Name each once.")
    return names


_READERS: dict[str, Callable[[yaml.Node], str | tuple[str, ...]]] = {
    "currency": _read_currency,
    "time_zone": _read_zone,
    "regions": _read_regions,
}
