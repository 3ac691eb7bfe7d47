"""
What travels to workers that see none of our files, and back: inputs by their hash, and what is in a run folder.

A worker keeps a copy of the part of our file system that a comparison reads: each file, and each symbolic link on the
way to it, under its own name below a folder of the worker. So every name in a scenario means there what it means here.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from network_data.faults import FaultList
from network_data.load import BUILT_IN_FOLDER as NETWORK_FOLDER
from network_data.load import Network, list_networks
from optimizer.runs.folder import INFO_FILE, read_intact_info, write_run
from optimizer.runs.metadata import inputs_to_keep, stored_info
from scenarios.schema import Scenario
from scenarios.sources import BUILT_IN_FOLDER as SCENARIO_FOLDER
from scenarios.sources import PRICE_CASE_FOLDER

_PACKAGES = {"scenarios": SCENARIO_FOLDER, "network_data": NETWORK_FOLDER}
_DATA_SUFFIXES = frozenset({".yaml", ".csv", ".parquet", ".geojson"})
_TABLE_SUFFIX = ".parquet"


@dataclass(frozen=True)
class Parcel:
    """Names of the files that a case is solved from; their contents go apart, once to each worker."""

    files: Mapping[str, str] = field(default_factory=dict)  # SHA-256 by absolute name without links
    links: Mapping[str, str] = field(default_factory=dict)  # what symbolic links on the way say, by their names
    built_in: Mapping[str, str] = field(default_factory=dict)  # files that every worker has: place in edwc, by name
    folders: frozenset[str] = frozenset()  # empty ones that a name goes through and back, as in `a/../b`


def join_parcels(parcels: Sequence[Parcel]) -> Parcel:
    """Put several parcels into one."""
    return Parcel(
        {name: sha256 for one in parcels for name, sha256 in one.files.items()},
        {name: target for one in parcels for name, target in one.links.items()},
        {name: own for one in parcels for name, own in one.built_in.items()},
        frozenset(name for one in parcels for name in one.folders),
    )


def pack_inputs(scenario: Scenario, network: Network) -> Parcel:
    """Name every file that scenario and network were read from."""
    packer = _Packer()
    for label, path in scenario.file_paths.items():
        packer.add(path, scenario.file_hashes[label])
    if scenario.network not in list_networks():
        folder = Path(scenario.network).absolute()  # as the scenario names it: the network's own folder has no links
        for name, sha256 in network.file_hashes.items():
            packer.add(folder / name, sha256)
    return packer.parcel()


def pack_run(folder: Path) -> Parcel:
    """Name the files of a run folder; none where it is not intact, which the worker will tell."""
    packer, info = _Packer(), read_intact_info(folder)
    if info is None:
        return Parcel()
    for name, sha256 in info["files"].items():
        packer.add(folder / name, sha256)
    packer.add(folder / INFO_FILE, _sha256((folder / INFO_FILE).read_bytes()))
    return packer.parcel()


class _Packer:
    def __init__(self) -> None:
        self._files: dict[str, str] = {}
        self._links: dict[str, str] = {}
        self._built_in: dict[str, str] = {}
        self._folders: set[str] = set()

    def add(self, path: Path, sha256: str) -> None:
        place = self._follow(path.absolute())
        own = _place_in_edwc(place)
        if own is None:
            self._files[str(place)] = sha256
        else:
            self._built_in[str(place)] = own

    def parcel(self) -> Parcel:
        return Parcel(self._files, self._links, self._built_in, frozenset(self._folders))

    def _follow(self, path: Path) -> Path:
        """Follow a name as the system does, and note each link; returns the name without links."""
        place, left = Path(path.anchor), deque(path.parts[1:])
        while left:
            part = left.popleft()
            if part == os.pardir:
                self._folders.add(str(place))
                place = place.parent
            elif (place / part).is_symlink():
                target = (place / part).readlink()
                self._links[str(place / part)] = str(target)
                if target.is_absolute():
                    place = Path(target.anchor)
                left.extendleft(reversed(target.parts[1:] if target.is_absolute() else target.parts))
            else:
                place /= part
        return place


def _place_in_edwc(path: Path) -> str | None:
    """Name a built-in file from the folder of the packages; None for one of the user's."""
    if path.parent not in _built_in_folders():
        return None
    package, folder = next(item for item in _PACKAGES.items() if path.is_relative_to(item[1].resolve()))
    return (Path(package) / path.relative_to(folder.resolve())).as_posix()


@cache
def _built_in_folders() -> frozenset[Path]:
    folders = (SCENARIO_FOLDER, PRICE_CASE_FOLDER, *(NETWORK_FOLDER / name for name in list_networks()))
    return frozenset(folder.resolve() for folder in folders)


@cache
def built_in_hash() -> str:
    """Hash the scenarios and networks that edwc brings along: they are not sent."""
    hashes = {
        f"{package}/{path.relative_to(folder).as_posix()}": _sha256(path.read_bytes())
        for package, folder in _PACKAGES.items()
        for path in folder.rglob("*")
        if path.suffix in _DATA_SUFFIXES
    }
    return _sha256(json.dumps(hashes, sort_keys=True).encode())


def read_contents(files: Mapping[str, str]) -> dict[str, bytes]:
    """
    Read files that are to be sent.

    Parameters
    ----------
    files
        SHA-256 by name.

    Raises
    ------
    InputError
        With every file that is gone, or is not what it was.
    """
    faults, contents = FaultList("the files to send"), dict[str, bytes]()
    for name, sha256 in files.items():
        try:
            contents[name] = Path(name).read_bytes()
        except OSError as error:
            faults.add(name, f"cannot be read any more ({error.strerror})", "Leave inputs as they are meanwhile.")
            continue
        if _sha256(contents[name]) != sha256:
            faults.add(name, "has changed since the comparison began", "Leave inputs as they are meanwhile.")
    faults.raise_if_any()
    return contents


class FilesCopy:
    """
    In a worker, the copy of a part of the file system of the one that it works for.

    Parameters
    ----------
    folder
        A folder of its own, which need not exist.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.root = folder.resolve()  # a name below it has no links but those of the copy

    def place(self, name: str | Path) -> Path:
        """Name a file or folder of the other file system in the copy."""
        return self.root / Path(name).relative_to(Path(name).anchor)

    def receive(self, parcel: Parcel, contents: Mapping[str, bytes]) -> None:
        """Write what is new of a parcel."""
        for name in parcel.folders:
            self.place(name).mkdir(parents=True, exist_ok=True)
        for name, target in parcel.links.items():
            self._link(self.place(name), self.place(target) if Path(target).is_absolute() else Path(target))
        for name, own in parcel.built_in.items():
            package, _, rest = own.partition("/")
            self._link(self.place(name), _PACKAGES[package].resolve() / rest)
        for name, content in contents.items():
            place = self.place(name)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)

    def as_named_by_sender(self, text: str) -> str:
        """Write names of the copy in a text as they are on the other side."""
        return text.replace(f"{self.root}{os.sep}", os.sep)

    @staticmethod
    def _link(place: Path, target: Path) -> None:
        if place.is_symlink() and place.readlink() == target:
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        place.symlink_to(target)


@dataclass(frozen=True)
class SentRun:
    """What a worker sends back of a run folder; the rest is copied from inputs, which are here."""

    info: Mapping[str, Any]  # content of `run.json`
    tables: Mapping[str, bytes]  # by name, as they are stored

    @classmethod
    def read(cls, folder: Path) -> SentRun | None:
        """Read a run folder; None if it is not intact."""
        info = read_intact_info(folder)
        if info is None:
            return None
        names = [name for name in info["files"] if "/" not in name and name.endswith(_TABLE_SUFFIX)]
        return cls(info, {name.removesuffix(_TABLE_SUFFIX): (folder / name).read_bytes() for name in names})

    def is_of(self, scenario: Scenario, network: Network) -> bool:
        """Whether it was made from the same files, whatever they are called there."""
        return all(
            sorted(self.info[part]["file_hashes"].values()) == sorted(hashes.values())
            for part, hashes in (("scenario", scenario.file_hashes), ("network", network.file_hashes))
        )

    def write(self, folder: Path, scenario: Scenario, network: Network) -> None:
        """
        Write the run folder, completely or not at all: the same that a solve here would have written.

        Raises
        ------
        InputError, OSError
            As `write_run` does.
        """
        info = {key: value for key, value in self.info.items() if key not in {"format", "files"}}
        described = stored_info(info, scenario, network, folder.resolve())
        write_run(folder, described, self.tables, basemap=network.basemap, inputs=inputs_to_keep(scenario))


def unsent(parcel: Parcel, known: Mapping[str, str]) -> dict[str, str]:
    """Pick out the files of a parcel whose content a worker does not have under that name yet."""
    return {name: sha256 for name, sha256 in parcel.files.items() if known.get(name) != sha256}


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
