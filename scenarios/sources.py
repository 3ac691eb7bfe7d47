"""Find and read the files of a scenario, and remember the hash of each."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from network_data.csv_text import NotUtf8Error, decode_text
from network_data.currency import DEFAULT_CURRENCY
from network_data.faults import FaultList, suggest
from scenarios.document import Node, Place, merge, without
from scenarios.yaml_reader import read_yaml

BUILT_IN_FOLDER = Path(__file__).parent
PRICE_CASE_FOLDER = BUILT_IN_FOLDER / "price_cases"
MAX_YAML_BYTES = 1_000_000
MAX_TABLE_BYTES = 64_000_000
_FORMAT_NAMES = {".csv": "CSV", ".parquet": "Parquet"}
_NOT_INHERITED = ("name", "description", "extends")
_copy_root: ContextVar[Path | None] = ContextVar("copy_root", default=None)


@contextmanager
def reading_copy(root: Path) -> Iterator[None]:
    """
    Read scenarios from a folder that holds a copy of a part of another file system.

    Parameters
    ----------
    root
        The folder, without links in its own name; absolute names start from here meanwhile.
    """
    token = _copy_root.set(root)
    try:
        yield
    finally:
        _copy_root.reset(token)


def join_name(folder: Path, name: str | Path) -> Path:
    """
    Find the file that a name means, also in a copy of another file system.

    Parameters
    ----------
    folder
        Folder that a relative name starts from.
    name
        The name, relative or absolute.

    Examples
    --------
    >>> with reading_copy(Path("/copy")):
    ...     join_name(Path("/copy/a"), "/b/c.csv").as_posix(), join_name(Path("/copy/a"), "c.csv").as_posix()
    ('/copy/b/c.csv', '/copy/a/c.csv')
    """
    path, root = folder / name, _copy_root.get()
    if root is None or not Path(name).is_absolute() or path.is_relative_to(root):
        return path
    return root / path.relative_to(path.anchor)


def list_scenarios() -> list[str]:
    """
    List the built-in scenarios.

    Returns
    -------
    list of str
        Names in alphabetical order.
    """
    return sorted(path.stem for path in BUILT_IN_FOLDER.glob("*.yaml"))


def list_price_cases() -> list[str]:
    """
    List the built-in price cases.

    Returns
    -------
    list of str
        Names in alphabetical order.
    """
    return sorted(path.stem for path in PRICE_CASE_FOLDER.glob("*.yaml"))


def find_scenario(name_or_path: str | Path, folder: Path) -> Path:
    """
    Find the file of a scenario.

    Parameters
    ----------
    name_or_path
        Built-in name, or a file.
    folder
        Folder that a relative file name starts from.

    Returns
    -------
    Path
        The file, which need not exist.
    """
    if isinstance(name_or_path, str) and name_or_path in list_scenarios():
        return BUILT_IN_FOLDER / f"{name_or_path}.yaml"
    return join_name(folder, name_or_path)


def price_case_names(text: str) -> list[str]:
    """
    Take `a+b` apart into price cases to apply one after the other.

    Parameters
    ----------
    text
        Names or files with `+` between them; a file whose name holds one is not taken apart.

    Examples
    --------
    >>> price_case_names("today+carbon_50")
    ['today', 'carbon_50']
    """
    return [text] if os.path.isfile(text) else [name.strip() for name in text.split("+")]  # noqa: PTH113 - bad names


class Sources:
    """
    The files that one scenario is read from.

    Parameters
    ----------
    path
        Scenario file that was asked for.
    faults
        Receives what is wrong with the files.

    Attributes
    ----------
    file_hashes : dict
        SHA-256 by file name, relative to the folder of the scenario; built-in files start with `scenarios/`.
    file_paths : dict
        By the same names, where each file was read.
    """

    def __init__(self, path: Path, faults: FaultList) -> None:
        self.path = path
        self.file_hashes: dict[str, str] = {}
        self.file_paths: dict[str, Path] = {}
        self._faults = faults

    def read_chain(self) -> Node | None:
        """
        Read the scenario file and all it extends, and merge them.

        Returns
        -------
        Node or None
            The merged tree; None if one of the files cannot be read or is in another currency.
        """
        chain: list[Node] = []
        files: list[Path] = []
        path: Path | None = self.path
        place, key = Place(str(self.path)), None
        while path is not None:
            if not self._is_usable(path, MAX_YAML_BYTES, place, key, str(path)):
                return None
            if path.resolve() in [file.resolve() for file in files]:
                round_trip = " -> ".join(file.name for file in [*files, path])
                self._fault(place, f"extends goes round in a circle: {round_trip}", "Break the circle.", key)
                return None
            node = self._read_document(path, place, key)
            if node is None:
                return None
            chain.append(node)
            files.append(path)
            parent = node.text("extends")
            path = None if parent is None else find_scenario(parent, path.parent)
            place, key = node.entries["extends"].place if parent is not None else place, "extends"
        top, root = chain[0], chain.pop()
        currency = root.text("currency") or DEFAULT_CURRENCY
        for node in chain:
            if (stated := node.text("currency")) not in {None, currency}:
                problem = f"the scenario extends one whose amounts are in {currency}, which would be read as {stated}"
                remedy = f"Write currency: {currency}, or extend a scenario in {stated}."
                self._fault(node.entries["currency"].place, problem, remedy, "currency")
                return None
        while chain:
            root = merge(without(root, *_NOT_INHERITED), chain.pop())
        return Node(root.value, top.place)

    def read_price_case(self, path: Path, place: Place) -> Node | None:
        """
        Read the file of a price case.

        Parameters
        ----------
        path
            The file, which need not exist.
        place
            Where it was named.

        Returns
        -------
        Node or None
            None if it cannot be read.
        """
        key = "price_cases"
        if not self._is_usable(path, MAX_YAML_BYTES, place, key, str(path)):
            return None
        return self._read_document(path, place, key)

    def find_table(self, root: Node, *key: str, suffixes: tuple[str, ...] = (".csv",)) -> Path | None:
        """
        Find a table that the scenario names, relative to the file that names it.

        Parameters
        ----------
        root
            The merged scenario.
        *key
            Where the name of the table stands.
        suffixes
            Endings that the file may have.

        Returns
        -------
        Path or None
            A regular file of bearable size; None if there is none, or no table is named.
        """
        node, name = root.get(*key), root.text(*key)
        if node is None or not name:
            return None  # wrong types are the schema's to refuse
        path = join_name(Path(node.place.file).parent, name)  # of a --set value: the working directory
        dotted = ".".join(key)
        if path.suffix not in suffixes:
            kinds = " or ".join(_FORMAT_NAMES[suffix] for suffix in suffixes)
            remedy = f"Name a file that ends in {' or '.join(suffixes)}."
            self._fault(node.place, f"is not a {kinds} file", remedy, dotted, name)
            return None
        return path if self._is_usable(path, MAX_TABLE_BYTES, node.place, dotted, name) else None

    def remember(self, path: Path, sha256: str) -> None:
        """
        Keep the hash of a file.

        Parameters
        ----------
        path
            The file.
        sha256
            Hash of the bytes read.
        """
        label = _label(path, self.path.parent)
        self.file_hashes[label] = sha256
        self.file_paths[label] = path.absolute()

    def _read_document(self, path: Path, place: Place, key: str | None) -> Node | None:
        try:
            content = path.read_bytes()
        except OSError as error:
            problem = f"cannot be read ({error.strerror})"
            self._fault(place, problem, "Make it a readable file.", key, str(path))
            return None
        self.remember(path, hashlib.sha256(content).hexdigest())
        try:
            text = decode_text(content, path.name)
        except NotUtf8Error as error:
            self._fault(Place(str(path), error.row), error.problem, error.remedy, None)
            return None
        node = read_yaml(text, str(path), self._faults)
        if node is not None and not isinstance(node.value, dict):
            what = "is empty" if node.value is None else "is not a mapping of keys to values"
            self._fault(node.place, f"the file {what}", "Write lines of the form `key: value`.", None)
            return None
        return node

    def _is_usable(self, path: Path, limit: int, place: Place, key: str | None, name: str) -> bool:
        """Whether a path is a regular file of bearable size: a pipe or device would block or never end."""
        try:
            size = path.stat().st_size if path.is_file() else None
        except (OSError, ValueError):  # a name too long, or with a NUL character
            size = None
        if size is None:
            remedy = "Correct the name or add the file."
            if path.suffix not in _FORMAT_NAMES:
                noun, built_in = "scenarios", list_scenarios()
                if key == "price_cases":
                    noun, built_in = "price cases", list_price_cases()
                remedy += f" Built-in {noun}: {', '.join(built_in)}.{suggest(path.stem, built_in)}"
            self._fault(place, "there is no such file", remedy, key, name)
        elif size > limit:
            problem = f"the file has {size} bytes, more than {limit}"
            self._fault(place, problem, "Name a smaller file.", key, name)
        return size is not None and size <= limit

    def _fault(self, place: Place, problem: str, remedy: str, key: str | None, value: str | None = None) -> None:
        self._faults.add(place.file, problem, remedy, row=place.row, column=key, value=value)


def _label(path: Path, folder: Path) -> str:
    """Name a file so that the name is the same on every machine, where that can be."""
    resolved = path.resolve()
    if resolved.parent in (BUILT_IN_FOLDER.resolve(), PRICE_CASE_FOLDER.resolve()):
        return resolved.relative_to(BUILT_IN_FOLDER.resolve().parent).as_posix()
    try:
        return Path(os.path.relpath(resolved, folder.resolve())).as_posix()
    except ValueError:  # another drive
        return resolved.as_posix()
