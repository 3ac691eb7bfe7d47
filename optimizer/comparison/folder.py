"""
The folder of a comparison: a run folder for each case, and `comparison.json` with the request and the result of each.

A case is taken from here instead of being solved if its key is still that of its run folder. A comparison of runs
holds those that were in memory; of stored ones its `comparison.json` says where they are.
"""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from network_data.faults import FaultList
from network_data.session import make_folder
from optimizer.comparison.cases import Case, CaseResult, CaseStatus, id_of, key_of_run
from optimizer.runs.folder import json_ready, read_intact_info, remove_stale_drafts, write_csv_table
from optimizer.runs.metadata import library_versions
from optimizer.runs.run import Run

COMPARISON_FILE = "comparison.json"
_CASES_FOLDER = "cases"
_STEPS_FOLDER = "improved"
_RUNS_FOLDER = "runs"
_FORMAT = 1
_ID = re.compile("[a-z0-9_]+")
_SIGNALS_PREFIX = ".edwc-signals-"
_SUBJECT = "the folder of the comparison"


class ComparisonFolder:
    """
    A folder that one comparison at a time writes to.

    Parameters
    ----------
    out
        The folder; it may hold an older comparison, whose cases are used again where they are still right.

    Raises
    ------
    InputError
        If something else stands there, it cannot be written to, or another comparison is writing to it.
    """

    def __init__(self, out: str | Path) -> None:
        self.path = _checked(out)
        self._before = _read_entries(self.path)
        self._lock = _lock(self.path)
        for old in self.path.glob(f"{_SIGNALS_PREFIX}*"):
            shutil.rmtree(old, ignore_errors=True)  # of a comparison that was killed: nobody else holds the lock
        self.signals = Path(tempfile.mkdtemp(prefix=_SIGNALS_PREFIX, dir=self.path))

    def close(self) -> None:
        """Let others write to the folder; what killed workers were writing is removed."""
        with suppress(OSError):
            for folder in (self.path / _CASES_FOLDER, *(self.path / _STEPS_FOLDER).glob("*")):
                remove_stale_drafts(folder)
        shutil.rmtree(self.signals, ignore_errors=True)
        with suppress(OSError):
            os.close(self._lock)

    def case_folder(self, case: Case) -> Path:
        """Name the run folder of a case."""
        return self.path / _CASES_FOLDER / case.id

    def step_folder(self, case: Case, number: int) -> Path:
        """Name the run folder of a step by which a solved case was improved, counted from 1."""
        return self.path / _STEPS_FOLDER / case.id / str(number)

    def stored_run(self, case: Case, key: str, folder: Path) -> CaseResult | None:
        """Take a case from a run folder, if it was solved from the same (`key`) and ended for good."""
        info = read_intact_info(folder)
        if info is None or key_of_run(info) != key:
            return None
        found = CaseResult.of_run(case, folder, info)
        return found if found.is_final else None

    def stored(self, case: Case, key: str) -> CaseResult | None:
        """Take a case from its folder, or from the list where it has no plan, if it is of the same (`key`)."""
        if (found := self.stored_run(case, key, self.case_folder(case))) is not None:
            return found
        entry = self._before.get(case.id, {})
        if entry.get("key") == key and entry.get("status") == CaseStatus.INFEASIBLE:
            return CaseResult(case, CaseStatus.INFEASIBLE, str(entry.get("reason")))
        return None

    def discard(self, case: Case, key: str | None) -> None:
        """Remove the run of a case that was solved from other inputs, since the case has no plan now."""
        info = read_intact_info(self.case_folder(case))
        if info is not None and key_of_run(info) != key:
            shutil.rmtree(self.case_folder(case), ignore_errors=True)

    def write(self, head: Mapping[str, Any], results: Iterable[CaseResult], keys: Mapping[str, str]) -> None:
        """Write `comparison.json`, completely or not at all: its head, the results so far and their keys."""
        entries = [
            {
                "id": result.case.id,
                "label": result.case.label,
                "overrides": result.case.overrides,
                "point": result.case.point,
                "key": keys.get(result.case.id),
                "status": result.status,
                "reason": result.reason,
                "folder": self._place(result.folder),
            }
            for result in results
        ]
        content = json_ready({"format": _FORMAT, **head, "cases": entries})
        draft = self.signals / COMPARISON_FILE
        with draft.open("w", encoding="utf-8") as file:
            json.dump(content, file, ensure_ascii=False, allow_nan=False, indent=1)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path / COMPARISON_FILE)

    def _place(self, run: Path | None) -> str | None:
        """Name a run folder from here: `cases/ID`, but a stored run may be anywhere."""
        return None if run is None else os.path.relpath(run.resolve(), self.path.resolve())


def keep_stored(
    out: str | Path,
    reference: Case,
    results: Sequence[CaseResult],
    request: Mapping[str, Any],
    in_memory: Mapping[Path, Run],
) -> list[CaseResult]:
    """
    Make the folder of a comparison of runs: `comparison.json` names stored runs where they are.

    Runs in memory, by the temporary folder they are in, are stored in the folder; returns the results with their place.

    Raises
    ------
    InputError
        If the folder cannot be used, or holds the cases of a comparison that solved them.
    """
    if (Path(out) / _CASES_FOLDER).exists():
        faults = FaultList(_SUBJECT)
        faults.add(str(out), "holds cases that a comparison has solved", "Name another folder for stored runs.")
        raise faults.error()
    folder = ComparisonFolder(out)
    head = {"asked": request, "reference": reference.id, "versions": library_versions()}
    try:
        kept = [_keep_run(folder.path / _RUNS_FOLDER, result, in_memory) for result in results]
        folder.write(head, sorted(kept, key=lambda result: result.case != reference), {})
    finally:
        folder.close()
    return kept


def _keep_run(place: Path, result: CaseResult, in_memory: Mapping[Path, Run]) -> CaseResult:
    run = None if result.folder is None else in_memory.get(result.folder)
    return result if run is None else replace(result, folder=copy(run).save(place / result.case.id))


def save_in_memory(runs: Sequence[str | Path | Run]) -> tuple[list[Path], dict[Path, Run]]:
    """
    Name the folders of runs; those in memory, which stay as they are, are written to a temporary folder.

    Returns
    -------
    list, dict
        The folders, and the runs in memory by their temporary folder.

    Raises
    ------
    InputError
        If a run in memory has no plan or no tables.
    """
    unsaved = dict.fromkeys(run for run in runs if isinstance(run, Run) and run.folder is None)
    faults = FaultList("the runs")
    for run in unsaved:
        if not (run.has_plan and run.has_tables):
            faults.add("scenario_or_runs", "has no plan or no tables", "Give runs with a plan.", value=run.label)
    faults.raise_if_any()
    folders = [run.folder if isinstance(run, Run) else Path(run) for run in runs]
    taken = {folder.resolve().name for folder in folders if folder is not None}
    places: dict[Run, Path] = {}
    for run in unsaved:
        name, numbers = run.name, itertools.count(2)
        while name in taken:
            name = f"{run.name}_{next(numbers)}"
        taken.add(name)
        places[run] = copy(run).save(make_folder() / name)

    def place_of(run: str | Path | Run) -> Path:
        if isinstance(run, Run):
            return places[run] if run.folder is None else run.folder
        return Path(run)

    return [place_of(run) for run in runs], {folder: run for run, folder in places.items()}


def write_tables(folder: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    """Write tables as NAME.csv, each completely or not at all; the folder is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        draft = folder / f".{name}.csv.draft"
        write_csv_table(table, draft)
        draft.replace(folder / f"{name}.csv")


def read_stored(folders: Sequence[Path]) -> list[CaseResult]:
    """
    Read stored runs as the cases of a comparison, or the cases of one stored comparison.

    Raises
    ------
    InputError
        With every folder that is neither, or damaged.
    """
    if len(folders) == 1 and (folders[0] / COMPARISON_FILE).is_file():
        return read_cases(folders[0])
    faults, results, taken = FaultList("the stored runs"), [], set[str]()
    places = [folder.resolve() for folder in folders]
    named, there = Counter(place.name for place in places), Counter(places)
    for folder, place in zip(folders, places, strict=True):
        info = read_intact_info(folder)
        if there[place] > 1:
            faults.add(str(folder), "is given more than once", "Give each run once.")
        elif info is None:
            faults.add(str(folder), "is no run folder, or is damaged", "Give the folder that `edwc solve --out` wrote.")
        else:
            label = place.name if named[place.name] == 1 else str(place)
            results.append(CaseResult.of_run(Case(id_of(label, taken), label), folder, info))
    faults.raise_if_any()
    return results


def read_cases(folder: str | Path) -> list[CaseResult]:
    """Read the cases of a stored comparison; raises InputError if the folder holds none."""
    path = Path(folder)
    entries = _read_entries(path)
    faults, file = FaultList(_SUBJECT), str(path / COMPARISON_FILE)
    if not entries:
        faults.add(file, "holds no comparison", "Give the folder that `edwc compare --out` wrote.")
        raise faults.error()
    try:
        return [_result(path, entry) for entry in entries.values()]
    except (KeyError, TypeError, ValueError) as error:
        remedy = "Carry out the comparison again: what is stored of its cases is used."
        faults.add(file, f"is damaged ({error!r})", remedy)
        raise faults.error() from error


def _result(path: Path, entry: Mapping[str, Any]) -> CaseResult:
    case = Case(entry["id"], str(entry["label"]), tuple(entry["overrides"]), dict(entry["point"]))
    status, reason = CaseStatus(entry["status"]), str(entry["reason"])
    if entry["folder"] is None:
        return CaseResult(case, status, reason)
    folder = path / str(entry["folder"])
    info = read_intact_info(folder)
    if info is None:  # it had a plan: a case without one is not what was found
        return CaseResult(case, CaseStatus.FAILED, f"its run folder is gone or damaged (it was {status})")
    # Not as the run alone would tell: one that was tightened may be within the gap of the case and not within its own.
    return replace(CaseResult.of_run(case, folder, info), status=status, reason=reason)


def _read_entries(path: Path) -> dict[str, dict[str, Any]]:
    """Entries of an older `comparison.json` by id; none if there is none that can be read."""
    try:
        content = json.loads((path / COMPARISON_FILE).read_text(encoding="utf-8"))
        # Ids become names of folders: one that is no id is of no comparison of ours.
        entries = {entry["id"]: dict(entry) for entry in content["cases"] if _ID.fullmatch(entry["id"])}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return entries if content.get("format") == _FORMAT else {}


def _checked(out: str | Path) -> Path:
    faults = FaultList(_SUBJECT)
    try:
        path = Path(out).absolute()
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()) and not (path / COMPARISON_FILE).is_file():
            faults.add(str(out), "is not empty and holds no comparison", "Name a new folder, or an older comparison.")
        else:
            with tempfile.TemporaryDirectory(dir=path):
                pass
    except (OSError, ValueError) as error:
        faults.add(str(out), f"cannot be written to ({error})", "Name a folder that you may write to.")
        raise faults.error() from error
    faults.raise_if_any()
    return path


def _lock(path: Path) -> int:
    """Hold the folder itself until this process ends, however it ends."""
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        faults = FaultList(_SUBJECT)
        faults.add(str(path), "another comparison is writing to it", "Wait for it, or name another folder.")
        raise faults.error() from None
    except OSError:
        pass  # a file system without locks
    return handle
