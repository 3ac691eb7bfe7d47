"""
The command line as a user meets it: exit codes, what goes to which stream, signals.

In real processes, for most; where only words are new, in this one, which has the heavy libraries loaded already.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from network_files import changed
from toy_scenario import ToyScenario

from optimizer.cli.main import main

Here = Callable[..., tuple[str, str]]
ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
PLAIN_TERMINAL = {**ENVIRONMENT, "PYTHONIOENCODING": "ascii", "LC_ALL": "C"}  # spells no name but English ones
KEYS = {"exit_code", "folder", "scenario", "network", "termination", "objective_cny_per_year", "summary"}


def start(*arguments: str | Path, **options: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "optimizer", *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": ENVIRONMENT}
    return subprocess.Popen(command, **(pipes | options))


def edwc(*arguments: str | Path, code: int = 0, **options: Any) -> tuple[str, str]:
    """Run a command that must end with this exit code and without a traceback; returns stdout and stderr."""
    with start(*arguments, **options) as process:
        out, err = process.communicate(timeout=120)
    assert process.returncode == code, f"exit code {process.returncode}\n{out}\n{err}"
    assert "Traceback" not in err, err
    return out, err


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str]) -> Here:
    """Run a command in this process; like `edwc` otherwise."""

    def run(*arguments: str | Path, code: int = 0) -> tuple[str, str]:
        assert main([str(argument) for argument in arguments]) == code
        return capsys.readouterr()

    return run


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scenario file of the toy, with its network beside it."""
    folder = tmp_path_factory.mktemp("toy")
    ToyScenario(folder)(solver={"threads": 1, "mip_rel_gap": 1e-6})
    return folder / "toy.yaml"


@pytest.fixture(scope="module")
def run(toy: Path) -> Path:
    """Solve the toy once; returns the run folder."""
    streams = edwc("solve", toy, "--out", toy.parent / "run")
    for name, text in zip(("stdout", "stderr"), streams, strict=True):
        (toy.parent / name).write_text(text, encoding="utf-8")
    return toy.parent / "run"


def test_check_sizes_the_problem_without_solving(toy: Path, here: Here) -> None:
    out, err = edwc("check", toy)
    assert "no fault found" in out
    assert "2 demand hubs, 2 classes" in out
    assert "method whole" in out
    assert err == ""
    found = json.loads(here("check", toy, "--json", "--set", "time.slices_per_day=2")[0])
    assert found["time_slices"] == 2
    assert found["workloads"] == 4
    assert found["limiting_links"] == []


@pytest.mark.filterwarnings("ignore::network_data.faults.InputWarning")
def test_what_is_hardly_meant_is_told_once_by_check_solve_and_compare_and_kept(tmp_path: Path, here: Here) -> None:
    """
    A price per kWh and a profile that lost a part of an hour; the name of its file is hostile.

    Real processes where stderr is looked at: the filters of pytest stand between warnings and what a user sees.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cheap: dict[str, Any] = {"tariffs": lambda rows: changed(rows, 2, price_cny_per_mwh=0.3)}
        ToyScenario(tmp_path)(solver={"threads": 1}, tables=cheap)
    name = "<b>profiles.csv"
    rows = "".join(f"{hour},{1.0 if hour else 0.25},1\n" for hour in range(24))
    (tmp_path / name).write_text(f"hour,day,flat\n{rows}", encoding="utf-8")
    toy, options = tmp_path / "toy.yaml", {"env": ENVIRONMENT | {"PYTHONWARNINGS": "default"}}
    profiles = ["--set", f"demand_profiles_table={json.dumps(str(tmp_path / name))}"]
    told = ["tariffs.csv:4 column 'price_cny_per_mwh' value '0.3'", "sum to 23.25, nearly but not quite 24"]

    out, err = edwc("check", toy, *profiles, **options)
    assert "2 warnings about the inputs" in out
    assert [out.count(text) for text in told] == [1, 1]
    assert err == ""
    found = json.loads(here("check", toy, *profiles, "--json")[0])["warnings"]
    assert [(one["file"], one["row"], one["column"], one["value"]) for one in found] == [
        (name, 2, "day", "0.25"), ("tariffs.csv", 4, "price_cny_per_mwh", "0.3"),
    ]  # fmt: skip

    out, err = edwc("solve", toy, *profiles, "--out", tmp_path / "run", **options)
    assert [err.count(f"{text}") for text in told] == [out.count(text) for text in told] == [1, 1]
    assert json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))["warnings"] == found
    here("export", tmp_path / "run", "--to", tmp_path / "run.html", "--basemap", "none")
    page = (tmp_path / "run.html").read_text(encoding="utf-8")
    assert "Warnings about the inputs" in page
    assert "Did you mean 300?" in page
    assert "&lt;b&gt;profiles.csv" in page.replace("<wbr>", "")
    assert "<b>profiles" not in page

    sweep = ["--sweep", "costs.carbon_price_cny_per_t=50,100", "--workers", "2", "--regret", "off"]
    _, err = edwc("compare", toy, *profiles, *sweep, **options)
    assert [err.count(text) for text in told] == [1, 1]


def test_solve_prints_costs_baselines_and_what_it_was_worth(run: Path) -> None:
    out = (run.parent / "stdout").read_text(encoding="utf-8")
    for words in (
        "solved within the gap",
        "thousand CNY/year",
        "energy",
        "total",
        "cheapest energy first",
        "nearest data center",
        "everything in east",
        "The optimization saves",
        "Limits that made the difference",
        "on estimates",
        "Run folder:",
    ):
        assert words in out
    assert "gap" in (run.parent / "stderr").read_text(encoding="utf-8")  # progress
    assert {path.name for path in run.iterdir()} >= {
        "run.json", "allocation.parquet", "data_centers.parquet", "links.parquet", "costs.parquet", "duals.parquet",
    }  # fmt: skip


def test_json_is_json_and_the_same_seed_gives_the_same_plan(toy: Path, run: Path, tmp_path: Path) -> None:
    options = ["--mip-rel-gap", "1e-6", "--seed", "1", "--threads", "1", "--time-limit", "60"]
    out, err = edwc("solve", toy, "--json", *options, "--out", tmp_path / "again")
    assert "gap" in err

    def refuse(word: str) -> float:
        raise AssertionError(f"{word} is not JSON")

    result = json.loads(out, parse_constant=refuse)
    assert result.keys() >= KEYS
    assert result["exit_code"] == 0
    assert result["options"] == {
        "method": "auto", "mip_rel_gap": 1e-6, "time_limit_s": 60.0, "threads": 1, "seed": 1,
    }  # fmt: skip
    assert result["summary"]["total_cny_per_year"] == pytest.approx(result["objective_cny_per_year"])
    assert sum(result["summary"]["component_cny_per_year"].values()) == pytest.approx(result["objective_cny_per_year"])
    assert result["bound_cny_per_year"] <= result["objective_cny_per_year"]
    for name in ("allocation", "costs", "data_centers"):
        assert (tmp_path / "again" / f"{name}.parquet").read_bytes() == (run / f"{name}.parquet").read_bytes()


def test_export_and_verify_work_from_any_folder(run: Path, tmp_path: Path) -> None:
    options = ["--size", "640x480", "--colour-by", "class", "--basemap", "none"]
    out, _ = edwc("export", run, "--to", "map.png", *options, cwd=tmp_path)
    assert "map.png" in out
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads(edwc("verify", run, "--json", cwd=tmp_path)[0])["is_verified"]


def test_verify_of_a_changed_run_ends_with_1(run: Path, tmp_path: Path, here: Here) -> None:
    shutil.copytree(run, tmp_path / "run")
    info = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    info["objective_cny_per_year"] *= 0.5
    (tmp_path / "run" / "run.json").write_text(json.dumps(info), encoding="utf-8")
    out, _ = here("verify", tmp_path / "run", code=1)
    assert out.startswith("NOT verified: ")
    assert "objective_cny_per_year" in out


@pytest.mark.parametrize(
    "arguments",
    [
        ["solv", "base"],
        ["solve"],
        ["solve", "base", "--mip-rel-gap", "small"],
        ["solve", "base", "--time"],
        ["list", "nothing"],
        ["export", "run"],
        ["export", "run", "--to", "x.png", "--size", "big"],
    ],
)
def test_bad_usage_ends_with_1(arguments: list[str]) -> None:
    out, err = edwc(*arguments, code=1)
    assert out == ""
    assert "Usage: edwc" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["check", "bas"], "Did you mean 'base'?"),
        (["solve", "base", "--set", "solver.mip_rel_gab=1"], "mip_rel_gab"),
        (["solve", "base", "--mip-rel-gap", "-1"], "--mip-rel-gap value '-1.0'"),
        (["solve", "base", "--set", "network=nowhere"], "nowhere"),
        (["export", "nowhere", "--to", "x.png"], "run.json"),
        (["export", "nowhere", "--to", "x.doc"], "run.json"),
        (["verify", "nowhere"], "run.json"),
        (["solve", "base", "--out", "/proc/nowhere/run"], "cannot be written to"),
    ],
)
def test_bad_input_is_told_without_a_traceback(
    arguments: list[str], words: str, tmp_path: Path, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    out, err = here(*arguments, code=1)
    assert out == ""
    assert words in err
    assert list(tmp_path.iterdir()) == []


def test_export_to_an_unknown_format_names_it(run: Path, tmp_path: Path, here: Here) -> None:
    assert "export format is not known" in here("export", run, "--to", tmp_path / "x.doc", code=1)[1]
    assert list(tmp_path.iterdir()) == []


def test_every_fault_is_told_at_once_and_nothing_is_written(tmp_path: Path, here: Here) -> None:
    make = ToyScenario(tmp_path)
    make()
    make_faulty = {
        "data_centers": lambda rows: changed(rows, 0, pue=0.5),
        "links": lambda rows: changed(rows, 1, to_node="nowhere"),
        "tariffs": lambda rows: changed(rows, 1, hours="0-7"),
    }
    with pytest.raises(ValueError, match="fault"):
        make(tables=make_faulty)
    out, err = edwc("solve", tmp_path / "toy.yaml", "--out", tmp_path / "run", code=1)
    assert out == ""
    for words in ("data_centers.csv:2", "'pue'", "links.csv:3", "'nowhere'", "tariffs.csv", "hours 7-8"):
        assert words in err
    assert not (tmp_path / "run").exists()
    result = json.loads(here("check", tmp_path / "toy.yaml", "--json", code=1)[0])
    assert result["error"] == "input"
    assert {fault["file"] for fault in result["faults"]} >= {"data_centers.csv", "links.csv", "tariffs.csv"}


def test_workload_out_of_reach_is_told_in_ms(toy: Path, here: Here) -> None:
    _, err = here("solve", toy, "--set", "workload_classes.chat.rtt_limit_ms=2", code=1)
    assert "ms too far" in err


def test_infeasible_ends_with_2_says_why_and_leaves_the_older_run(
    toy: Path, run: Path, tmp_path: Path, here: Here
) -> None:
    shutil.copytree(run, tmp_path / "run")
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    too_much = ["solve", toy, "--set", "demand.tokens_per_day_trillion=10", "--out", tmp_path / "run"]
    out, _ = edwc(*too_much, code=2)
    assert "first condition that fails: total capacity" in out
    assert "MW of IT power" in out
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before
    result = json.loads(here(*too_much, "--json", code=2)[0])
    assert result["exit_code"] == 2
    assert result["failed_condition"]["short_mw"] > 0
    assert result["objective_cny_per_year"] is None


def test_time_limit_with_a_plan_ends_with_3(tmp_path: Path) -> None:
    # A greedy plan is in hand from the start; proving it optimal to the last digit takes longer than a second.
    out, _ = edwc(
        "solve", "base", "--set", "time.slices_per_day=1", "--mip-rel-gap", "0", "--time-limit", "1",
        "--out", tmp_path / "run", code=3,
    )  # fmt: skip
    assert "stopped at the time limit" in out
    assert (tmp_path / "run" / "run.json").is_file()


def test_time_limit_without_a_plan_ends_with_4(toy: Path, tmp_path: Path) -> None:
    # Each deployment of batch must take 60 % of it, which greedy filling knows nothing of, and it cannot fit beside
    # chat in the cheap west; the solver is given no time to find the other plan.
    out, _ = edwc(
        "solve", toy, "--set", "workload_classes.batch.min_share=0.6", "--set", "workload_classes.chat.min_share=0.3",
        "--set", "demand.tokens_per_day_trillion=0.15", "--set", "fleet.allow_purchase=false",
        "--time-limit", "1e-9", "--out", tmp_path / "run", code=4,
    )  # fmt: skip
    assert "no plan was found" in out
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_keeps_the_plan_in_hand(tmp_path: Path, number: int) -> None:
    arguments = ["solve", "base", "--set", "time.slices_per_day=1", "--mip-rel-gap", "0", "--time-limit", "100"]
    with start(*arguments, "--out", tmp_path / "run", "--json", start_new_session=True) as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        assert "gap" in first
        asked = time.monotonic()
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 3, err
    assert time.monotonic() - asked < 30
    assert "Traceback" not in err
    result = json.loads(out)
    assert result["termination"] == "interrupted"
    assert result["objective_cny_per_year"] > 0
    assert json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))["termination"] == "interrupted"


def test_reader_that_goes_away_is_no_fault(toy: Path) -> None:
    with start("check", toy) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        err = process.stderr.read()
    assert process.returncode == 0
    assert err == ""


def test_hostile_names_are_spelled_harmlessly(tmp_path: Path, here: Here) -> None:
    ToyScenario(tmp_path)()
    path = tmp_path / "\x1b[2Jx\nname.yaml"
    _, err = here("check", path, code=1)
    assert "\x1b" not in err
    (tmp_path / "toy.yaml").rename(path)
    out, _ = edwc("solve", path, "--out", tmp_path / "\x1b[2J\u672c", env=PLAIN_TERMINAL)
    assert "\x1b" not in out
    assert r"\u672c" in out
    assert here("verify", tmp_path / "\x1b[2J\u672c")[0].startswith("verified")


def test_override_of_a_file_is_found_again_from_elsewhere(
    toy: Path, tmp_path: Path, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").symlink_to(toy.parent / "net")
    monkeypatch.chdir(tmp_path)
    here("solve", toy, "--set", "network=other", "--out", tmp_path / "run")
    monkeypatch.chdir("/")
    assert here("verify", tmp_path / "run")[0].startswith("verified")


def test_help_names_every_command_and_flag() -> None:
    out, _ = edwc("--help")
    for command in (
        "list",
        "show",
        "keys",
        "init",
        "check",
        "solve",
        "compare",
        "explain",
        "why",
        "export",
        "verify",
        "validate",
    ):
        assert f"  {command} " in out
    assert edwc() == (out, "")  # no command: the help, and no error
    out, _ = edwc("solve", "--help")
    for flag in ("--set", "--price-case", "--mip-rel-gap", "--time-limit", "--out", "--json", "--threads", "--quiet"):
        assert flag in out


def test_version_is_that_of_the_project(here: Here) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert here("--version") == (f"edwc {project['version']}\n", "")


def test_quiet_prints_no_progress_and_a_run_not_kept_is_said_so(toy: Path, here: Here) -> None:
    out, err = here("solve", toy, "--quiet")
    assert err == ""
    assert out.splitlines()[-1].startswith("Nothing was kept: add --out DIR")
    assert here("explain", toy, "--quiet")[1] == ""
    out, err = here("compare", toy, "--sweep", "carbon_price=50", "--quiet", "--engine", "serial")
    assert err == ""
    assert out.splitlines()[-1].startswith("Nothing was kept")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["solv", "base"], "edwc: there is no command 'solv'. Did you mean 'solve'?"),
        (["comp"], "Did you mean 'compare'?"),
        (["solve", "base", "--tim", "3"], "edwc solve: there is no option '--tim'. Did you mean '--time-limit'?"),
        (["export", "run", "--color-by", "class"], "Did you mean '--colour-by'?"),
        (["solve", "base", "--mip-rel-gap", "small"], "'--mip-rel-gap'"),
        (["solve", "base", "--threads", "0.5"], "'--threads'"),
        (["export", "run", "--to", "x.png", "--size", "big"], "'--size': 'big' is not a size such as 1600x1200"),
        (["export", "run", "--to", "x.png", "--lang", "\x1b[2J"], r"'--lang'"),
    ],
)
def test_usage_errors_name_the_option_or_the_nearest_one(arguments: list[str], words: str, here: Here) -> None:
    out, err = here(*arguments, code=1)
    assert out == ""
    assert err.startswith("Usage: edwc")
    assert words in err
    assert "\x1b" not in err


@pytest.mark.parametrize(
    ("option", "value"), [("--time-limit", "-3"), ("--threads", "0"), ("--seed", "-1"), ("--price-case", "carbon_51")]
)
def test_values_out_of_range_name_the_option(option: str, value: str, here: Here) -> None:
    _, err = here("solve", "base", option, value, code=1)
    assert err.splitlines()[1].startswith(f"{option} value '{value}")
    _, err = here("solve", "base", "--set", "solver.threads=0", "--set", "price_cases=[x]", code=1)
    assert err.count("--set column") == 2


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("edwc ex", ["explain", "export"]),
        ("edwc solve --pri", ["--price-case"]),
        ("edwc check full", ["full_year"]),
        ("edwc solve base --price-case today+carbon_10", ["today+carbon_100"]),
        ("edwc compare base --price-cases today,coal", ["today,coal_price_shock"]),
        ("edwc show cha", ["chat"]),
        ("edwc list s", ["scenarios"]),
    ],
)
def test_shells_complete_commands_options_and_names(words: str, expected: list[str]) -> None:
    place = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    out, _ = edwc(env={**ENVIRONMENT, **place, "_EDWC_COMPLETE": "bash_complete"})
    found = [line.partition(",")[2] for line in out.splitlines() if line.startswith("plain,")]
    assert found == expected


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_are_given_their_completion_script(shell: str) -> None:
    out, _ = edwc(env={**ENVIRONMENT, "_EDWC_COMPLETE": f"{shell}_source"})
    assert f"_EDWC_COMPLETE={shell}_complete" in out


def test_front_door_offers_each_command_as_a_function() -> None:
    code = (
        "import edwc; "
        "print(all(callable(getattr(edwc, name)) for name in "
        "('list_networks', 'list_scenarios', 'check', 'solve', 'explain', 'compare', 'open_run', 'validate')), "
        "set(edwc.__all__) <= set(dir(edwc)))"
    )
    done = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"]
