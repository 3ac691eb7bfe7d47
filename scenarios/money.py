"""Keys that name the currency of a scenario: `..._eur_per_t` where it is EUR is our `..._cny_per_t`."""

from __future__ import annotations

import functools
import re

from network_data.currency import CURRENCY_PATTERN, DEFAULT_CURRENCY, in_currency
from network_data.faults import FaultList
from scenarios.document import Node
from scenarios.keys import list_keys


def currency_of(root: Node) -> str:
    """Find the currency that a document states; the default where it states none, or no code."""
    text = root.text("currency") or ""
    return text if re.fullmatch(CURRENCY_PATTERN, text) else DEFAULT_CURRENCY


def rename_keys(root: Node, currency: str, faults: FaultList) -> Node:
    """
    Give keys that are named after a currency our names.

    Parameters
    ----------
    root
        The merged scenario.
    currency
        Its currency.
    faults
        Receives keys that are named after another one: their amounts are hardly in this one.

    Returns
    -------
    Node
        The tree with our keys, at the same places.
    """
    ours = {in_currency(name, currency): name for name in _money_keys()}
    return root if currency == DEFAULT_CURRENCY else _renamed(root, ours, currency, faults)


@functools.cache
def _money_keys() -> frozenset[str]:
    names = {part for key in list_keys() for part in key.name.split(".")}
    return frozenset(name for name in names if in_currency(name, "XXX") != name)


def _renamed(node: Node, ours: dict[str, str], currency: str, faults: FaultList) -> Node:
    if isinstance(node.value, tuple):
        return Node(tuple(_renamed(item, ours, currency, faults) for item in node.value), node.place)
    if not isinstance(node.value, dict):
        return node
    found: dict[str, Node] = {}
    for key, child in node.value.items():
        if key in _money_keys():
            remedy = f"Convert it, and name it {in_currency(key, currency)}."
            problem = f"the key names another currency than {currency}, which the scenario states"
            faults.add(child.place.file, problem, remedy, row=child.place.row, column=key)
        else:
            found[ours.get(key, key)] = _renamed(child, ours, currency, faults)
    return Node(found, node.place)
