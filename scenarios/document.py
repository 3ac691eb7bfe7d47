"""A tree of input values in which every value knows the file and line it came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class Place:
    """
    Where a value was written.

    Attributes
    ----------
    file : str
        File, or the option that brought the value in.
    row : int or None
        Line, counted from 1.
    in_table : bool
        Whether the file is a table, where a key is a column.
    """

    file: str
    row: int | None = None
    in_table: bool = False


@dataclass(frozen=True)
class Node:
    """
    A value with its place: a scalar, a mapping of nodes or a sequence of nodes.

    Attributes
    ----------
    value : scalar, dict of Node or tuple of Node
        The content.
    place : Place
        Where its key stands (for an item of a list: where the item starts).
    """

    value: Scalar | dict[str, Node] | tuple[Node, ...]
    place: Place

    @property
    def entries(self) -> dict[str, Node]:
        """The entries of a mapping; none for anything else."""
        return self.value if isinstance(self.value, dict) else {}

    def get(self, *path: str) -> Node | None:
        """
        Follow keys downwards.

        Parameters
        ----------
        *path
            Keys, outermost first.

        Returns
        -------
        Node or None
            None where a key is missing.
        """
        node: Node | None = self
        for key in path:
            node = node.entries.get(key) if node is not None else None
        return node

    def text(self, *path: str) -> str | None:
        """
        Follow keys downwards to a text.

        Parameters
        ----------
        *path
            Keys, outermost first.

        Returns
        -------
        str or None
            None where there is no such key, or its value is no text.
        """
        node = self.get(*path)
        return node.value if node is not None and isinstance(node.value, str) else None


def merge(base: Node, over: Node) -> Node:
    """
    Lay one tree over another: mappings merge key by key, everything else is replaced.

    Parameters
    ----------
    base
        The tree below.
    over
        The tree above; its values win.

    Returns
    -------
    Node
        The merged tree. Each value keeps the place that set it, a mapping that both have the place below.
    """
    if not (isinstance(base.value, dict) and isinstance(over.value, dict)):
        return over
    keys = dict(base.value)
    for key, node in over.value.items():
        keys[key] = merge(keys[key], node) if key in keys else node
    return Node(keys, base.place)


def without(node: Node, *keys: str) -> Node:
    """
    Leave keys out of a mapping.

    Parameters
    ----------
    node
        A mapping.
    *keys
        The keys to leave out.

    Returns
    -------
    Node
        The mapping without them.
    """
    return Node({key: child for key, child in node.entries.items() if key not in keys}, node.place)


def plain(node: Node) -> Any:
    """
    Strip the places off a tree.

    Parameters
    ----------
    node
        The tree.

    Returns
    -------
    scalar, dict or tuple
        The bare values.
    """
    if isinstance(node.value, dict):
        return {key: plain(child) for key, child in node.value.items()}
    if isinstance(node.value, tuple):
        return tuple(plain(child) for child in node.value)
    return node.value


def locate(root: Node, path: Sequence[str | int]) -> Place:
    """
    Find where a value stands, or the nearest mapping or list around it.

    Parameters
    ----------
    root
        The tree.
    path
        Keys and list positions, outermost first; the tail may not exist.

    Returns
    -------
    Place
        The place of the deepest part that exists.
    """
    node = root
    for part in path:
        child: Node | None = None
        if isinstance(node.value, dict):
            child = node.value.get(str(part))
        elif isinstance(node.value, tuple) and isinstance(part, int) and part < len(node.value):
            child = node.value[part]
        if child is None:
            break
        node = child
    return node.place
