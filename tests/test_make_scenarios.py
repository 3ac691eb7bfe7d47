"""`make scenarios`: what is solved is not solved again, one failure does not stop the others, the table is kept."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from documents import read_page
from reduced import reduced_overrides

from benchmarks import scenarios as family
from edwc import list_scenarios

NAME = "demand_2025_06"  # the quickest at reduced size
PAGE = f"before\n{family.START}\n| `base` | as it was |\n| `gone` | dropped |\n{family.END}\nafter\n"


def info(**changes: Any) -> dict[str, Any]:
    """Spell what run.json says, as far as the table reads it."""
    summary = {
        "cny_per_mtok": 0.03, "total_cny_per_year": 1.5e9, "component_cny_per_year": {"energy": 1.25e9},
        "capital_cny_per_year": 0.0, "carbon_t_per_year": 2_000_400.0, "region_share": {"east": 0.2, "west": 0.8},
        "mean_rtt_ms": 16.04,
    }  # fmt: skip
    value = {"full_cost_share_of_low": 0.1, "full_cost_share_of_high": 0.01}
    seconds = {"solve": 70.0, "load": 2.4}
    rules = [
        {"id": id_, "is_feasible": feasible, "total_cny_per_year": cost, "saving_share": share}
        for id_, feasible, cost, share in (
            ("cheapest_energy", True, 2e9, 0.25), ("nearest", True, 3e9, 0.5), ("east", False, 1e9, -0.5),
            ("spreadsheet", True, 1.6e9, 0.0625),
        )
    ]  # fmt: skip
    return {
        "summary": summary, "market_value": value, "mip_rel_gap": 0.0188, "termination": "optimal", "seconds": seconds,
        "baselines": rules,
    } | changes  # fmt: skip


def rows(page: Path | str) -> dict[str, str]:
    text = page.read_text(encoding="utf-8") if isinstance(page, Path) else page
    table = text.partition(family.START)[2].partition(family.END)[0]
    return {match[1]: match[0] for match in re.finditer(r"^\| `(\w+)` \|.*$", table, re.MULTILINE)}


def test_row_lays_out_the_figures_of_a_run() -> None:
    assert family.row("base", info()) == (
        "| `base` | 0.0300 | 1.0% to 10.0% | 1,500.0 | 1,250.0 | 0.0 | 2,000.4 | 80.0% | 16.0 | 6.2% | 25.0% | 1.88% "
        "| 72 |"
    )
    assert "| 1.88% † |" in family.row("base", info(termination="time_limit"))
    none = [rule | {"is_feasible": False} for rule in info()["baselines"]]
    assert "| 16.0 | – | – | 1.88% |" in family.row("base", info(baselines=none))
    assert "| 0.0300 | – |" in family.row("base", info(market_value=None))


def test_table_keeps_the_rows_of_runs_that_are_elsewhere(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE, encoding="utf-8")
    (tmp_path / "runs" / NAME).mkdir(parents=True)
    (tmp_path / "runs" / NAME / "run.json").write_text(json.dumps(info()), encoding="utf-8")
    assert family.main(["--table", "--runs", str(tmp_path / "runs"), "--page", str(page)]) == 0
    found = rows(page)
    assert list(found) == family.in_order(list_scenarios())
    assert found["base"] == "| `base` | as it was |"
    assert found[NAME] == family.row(NAME, info())
    assert set(found["price_2024"].split()) == {"|", "–", "`price_2024`"}
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")


def test_page_without_markers_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("nothing\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="the table goes between them"):
        family.write_table(tmp_path / "page.md", tmp_path)
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == "nothing\n"


def test_solved_scenarios_are_not_solved_again_and_a_bad_one_stops_nobody(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    page, sets = tmp_path / "page.md", reduced_overrides(NAME, tmp_path)
    page.write_text(PAGE, encoding="utf-8")
    where = ["--runs", str(tmp_path / "runs"), "--page", str(page)]
    where += [word for text in sets for word in ("--set", text)]
    # The first is no scenario at all.
    assert family.main(["nosuch", NAME, *where]) == 1
    out = capfd.readouterr().out
    assert "1 of 2 scenarios asked for have a plan" in out
    assert "no plan: nosuch (exit code 1)" in out
    first = rows(page)[NAME]
    assert first != family.unsolved(NAME)
    assert rows(page)["base"] == "| `base` | as it was |"

    assert family.main([NAME, *where]) == 0
    assert "solved already" in capfd.readouterr().out
    assert rows(page)[NAME] == first

    folder = tmp_path / "runs" / NAME
    assert family.is_current(NAME, folder, sets)
    assert not family.is_current("base", folder, sets)  # another scenario
    assert not family.is_current(NAME, folder, sets[:-1])  # another call
    assert not family.is_current(NAME, tmp_path / "none", sets)
    table = tmp_path / f"{NAME}.csv"
    table.write_text(table.read_text(encoding="utf-8").replace("beijing", "shanghai", 1), encoding="utf-8")
    assert not family.is_current(NAME, folder, sets)  # an input changed (and is wrong, which the solve would say)


# The page


def test_page_has_a_row_and_a_sentence_for_every_scenario() -> None:
    page = read_page("docs/scenarios.md")
    assert list(rows(page)) == family.in_order(list_scenarios()), "run: python -m benchmarks.scenarios --table"
    said = re.findall(r"^- `(\w+)`", page, re.MULTILINE)
    assert sorted(said) == list_scenarios(), "docs/scenarios.md says of each scenario, once, what drives it"
