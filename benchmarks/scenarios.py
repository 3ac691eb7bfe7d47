"""
Solve every stored scenario in full and lay the figures out in docs/scenarios.md: `make scenarios`.

Each scenario runs in a process of its own, within its own limits, into a folder of its own. A run whose inputs have not
changed since is not repeated; one that fails does not stop the others.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import edwc
from network_data import InputError, load_network
from optimizer.runs.metadata import describe_scenario
from scenarios import load_scenario

ROOT = Path(__file__).resolve().parent.parent
RUNS = ROOT / "runs"
PAGE = ROOT / "docs" / "scenarios.md"
START, END = "<!-- scenario-table -->", "<!-- /scenario-table -->"
STRONG_RULE = "spreadsheet"
HOME = "west"  # the region whose share of the tokens is shown
# What `edwc solve` ends with when it has a plan: proved within the gap, or stopped by a limit.
WITH_PLAN = (0, 3)
HEAD = (
    "scenario", "CNY per million tokens", "full cost of the market value", "total", "energy bill", "capital", "carbon",
    "western share", "mean round trip", "saved on the spreadsheet", "on the best simple rule", "gap", "time",
)  # fmt: skip
UNITS = (
    "", "", "high to low", "M CNY/a", "M CNY/a", "M CNY/a", "kt/a", "of tokens", "ms", "of its cost", "of its cost",
    "proven", "s",
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Solve what is not solved yet and write the table; 1 if a scenario has no plan."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scenarios", description=__doc__)
    parser.add_argument("names", nargs="*", help="scenarios to solve (default: all that are stored)")
    parser.add_argument("--force", action="store_true", help="solve also what is solved already")
    parser.add_argument("--table", action="store_true", help="solve nothing, write the table from the stored runs")
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE")
    parser.add_argument("--runs", type=Path, default=RUNS, help="folder of the run folders")
    parser.add_argument("--page", type=Path, default=PAGE, help="page whose table is written")
    options = parser.parse_args(argv)
    runs, ended = options.runs.resolve(), {}
    try:
        for name in [] if options.table else (options.names or in_order(edwc.list_scenarios())):
            ended[name] = solve(name, runs / name, options.overrides, force=options.force)
    except KeyboardInterrupt:
        print("interrupted; what is solved is kept, and the next call goes on from there")
        return 130
    finally:
        write_table(options.page, runs)
    without = [name for name, code in ended.items() if code not in WITH_PLAN]
    asked = f"{len(ended) - len(without)} of {len(ended)} scenarios asked for have a plan; " if ended else ""
    print(f"{asked}table: {options.page}")
    for name in without:
        print(f"  no plan: {name} (exit code {ended[name]}); see `edwc solve {name}`, or `edwc check {name}`")
    return 1 if without else 0


def in_order(names: Sequence[str]) -> list[str]:
    """Order scenarios as the page lists them: the base, then the families by name."""
    return sorted(names, key=lambda name: (name != "base", name))


def solve(name: str, folder: Path, overrides: Sequence[str] = (), *, force: bool = False) -> int:
    """
    Solve one scenario in a fresh process, unless its stored run is of the same inputs; returns the exit code.

    An interrupt reaches both processes: the solve keeps its plan and ends, and so do we.
    """
    if not force and is_current(name, folder, overrides):
        print(f"{name}: solved already, inputs unchanged (FORCE=1 solves again)", flush=True)
        return 0
    print(f"{name}: solving", flush=True)
    sets = [word for text in overrides for word in ("--set", text)]
    command = [sys.executable, "-m", "optimizer", "solve", name, *sets, "--out", str(folder)]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.wait()
        raise


def is_current(name: str, folder: Path, overrides: Sequence[str] = ()) -> bool:
    """Whether a run folder holds a plan for the scenario as it is now: the same files, the same overrides."""
    info = stored(folder)
    if info is None:
        return False
    try:
        scenario = load_scenario(name, overrides)
        hashes = (scenario.file_hashes, load_network(scenario.network).file_hashes)
    except InputError:
        return False  # the solve says what is wrong
    now, told = describe_scenario(scenario, folder), info["scenario"]
    same_call = all(told.get(key) == now[key] for key in ("built_in", "overrides"))
    return same_call and (told.get("file_hashes"), info["network"].get("file_hashes")) == hashes


def stored(folder: Path) -> dict[str, Any] | None:
    """Read run.json of a run with a plan; None if there is none."""
    try:
        info = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return info if isinstance(info, dict) and info.get("summary") else None


def write_table(page: Path, runs: Path) -> None:
    """Rewrite the table between the markers: new rows from stored runs, the others as they were."""
    text = page.read_text(encoding="utf-8")
    before, start, rest = text.partition(START)
    old, end, after = rest.partition(END)
    if not (start and end):
        raise SystemExit(f"{page} has no lines {START} and {END}: the table goes between them")
    kept = {match[1]: match[0] for match in re.finditer(r"^\| `(\w+)` \|.*$", old, re.MULTILINE)}
    rows = []
    for name in in_order(edwc.list_scenarios()):
        info = stored(runs / name)
        rows.append(kept.get(name) or unsolved(name) if info is None else row(name, info))
    units = [unit and f"*{unit}*" for unit in UNITS]
    table = [_line(HEAD), _line([":--", *["--:"] * (len(HEAD) - 1)]), _line(units), *rows]
    page.write_text(before + start + "\n" + "\n".join(table) + "\n" + end + after, encoding="utf-8")


def row(name: str, info: Mapping[str, Any]) -> str:
    """Lay out the figures of a run; a gap that a limit left open is marked."""
    summary, value = info["summary"], info.get("market_value")
    beside = "–"
    if value is not None:
        beside = f"{value['full_cost_share_of_high']:.1%} to {value['full_cost_share_of_low']:.1%}"
    return _line(
        [
            f"`{name}`",
            f"{summary['cny_per_mtok']:.4f}",
            beside,
            _millions(summary["total_cny_per_year"]),
            _millions(summary["component_cny_per_year"]["energy"]),
            _millions(summary["capital_cny_per_year"]),
            f"{summary['carbon_t_per_year'] / 1e3:,.1f}",
            f"{summary['region_share'].get(HOME, 0.0):.1%}",
            f"{summary['mean_rtt_ms']:.1f}",
            _saved(item for item in info["baselines"] if item["id"] == STRONG_RULE),
            _saved(item for item in info["baselines"] if item["id"] != STRONG_RULE),
            f"{info['mip_rel_gap']:.2%}" + ("" if info["termination"] == "optimal" else " †"),
            f"{sum(info['seconds'].values()):.0f}",
        ]
    )


def unsolved(name: str) -> str:
    """Lay out a scenario that has not been solved in full yet."""
    return _line([f"`{name}`", *["–"] * (len(HEAD) - 1)])


def _saved(rules: Iterable[Mapping[str, Any]]) -> str:
    """Share of its cost that a plan saves on the cheapest of some rules; a dash where none of them makes a plan."""
    shares = [(item["total_cny_per_year"], item["saving_share"]) for item in rules if item["is_feasible"]]
    return f"{min(shares)[1]:.1%}" if shares else "–"


def _millions(cny: float) -> str:
    return f"{cny / 1e6:,.1f}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())
