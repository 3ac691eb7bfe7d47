"""The worked examples of docs/extending.md are carried out on a copy of the tree, and do what the page says."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from typing import Any

import pytest
from diffs import carry_out, shown_changes
from documents import ROOT, read_page, table_rows, write_shown_files

PAGE = "docs/extending.md"
EXAMPLES = ("A constraint", "A cost component", "An attribute of workload classes")
WATER_CNY_PER_MWH = 10.0

# Runs on the changed copy: solves the river network with and without each example, checks, and prints what it found.
SCRIPT = """
import json, sys
sys.path.insert(0, "tests/support/files")
import test_docs
from optimizer.checker.check import check_plan
from optimizer.model.equations import CONSTRAINTS
from optimizer.problem.assemble import assemble_problem
from optimizer.solvers.control import Control
from optimizer.solvers.solve import solve_whole
from network_data import load_network
from scenarios import load_scenario

def assembled(*overrides):
    scenario = load_scenario("river.yaml", ["time.slices_per_day=2", *overrides])
    return assemble_problem(load_network(scenario.network), scenario)

def solved(problem):
    solution = solve_whole(problem, mip_rel_gap=1e-6, seed=1, threads=1, control=Control(time_limit_s=60))
    return solution, check_plan(problem, solution.plan)

def broken(problem, plan):
    return check_plan(problem, plan).violations[["equation", "name", "excess"]].values.tolist()

plain = assembled()
free, report = solved(plain)
found = {
    "open": free.plan.is_open.tolist(),
    "feasible": report.is_feasible,
    "total_cny": report.total_cny,
    "objective_cny": free.objective_cny,
    "water_cny": report.component_cny["water"],
    "energy_mwh": report.energy_mwh_per_year.tolist(),
}

capped = assembled("policy.max_open_in_region.east=1")
one, report = solved(capped)
found["capped"] = {
    "open": one.plan.is_open.tolist(), "feasible": report.is_feasible, "broken": broken(capped, free.plan),
    "total_cny": report.total_cny,
}

def largest_share(problem, plan):
    k, d = (problem.processes[name + "_index"].to_numpy() for name in ("class", "data_center"))
    chat = problem.classes["id"].tolist().index("chat")
    asked = problem.class_demand_mtok_per_h[:, chat]
    done = [plan.work_mtok_per_h[:, (k == chat) & (d == n)].sum(axis=1) / asked for n in range(3)]
    return float(max(part.max() for part in done))

spread = assembled("workload_classes.chat.max_share=0.4")
shared, report = solved(spread)
found["spread"] = {
    "feasible": report.is_feasible, "largest": largest_share(spread, shared.plan),
    "largest_before": largest_share(plain, free.plan), "broken": broken(spread, free.plan),
}

# The page on the mathematics has been changed with them.
for equation in CONSTRAINTS:
    test_docs.test_every_equation_is_on_the_page(equation)
test_docs.test_page_has_no_equation_that_the_code_lacks()
test_docs.test_table_of_equations_is_that_of_the_code()
test_docs.test_every_cost_is_on_the_page()
test_docs.test_table_of_symbols_is_that_of_the_declarations()
test_docs.test_table_of_sets_is_that_of_the_declarations()
test_docs.test_page_names_no_missing_function()
print(json.dumps(found))
"""


def section(example: str) -> str:
    (text,) = re.findall(rf"^## {example}: .*?(?=^## |\Z)", read_page(PAGE), re.MULTILINE | re.DOTALL)
    return str(text)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Carry out the examples one after the other on a copy, and solve the river network there."""
    tree = tmp_path_factory.mktemp("tree")
    for folder in ("optimizer", "scenarios", "network_data", "docs", "tests/support"):
        shutil.copytree(ROOT / folder, tree / folder, ignore=shutil.ignore_patterns("__pycache__", "*.png"))
    shutil.copy(ROOT / "tests" / "test_docs.py", tree / "tests" / "support" / "files")
    shutil.copy(ROOT / "README.md", tree)
    for example in EXAMPLES:
        carry_out(section(example), tree)
    write_shown_files("docs/own_network.md", tree)
    centers = tree / "river" / "data_centers.csv"
    head, *rows = centers.read_text(encoding="utf-8").replace("Hills,central", "Hills,east").splitlines()
    centers.write_text(
        "\n".join([f"{head},water_cny_per_mwh", *(f"{row},{WATER_CNY_PER_MWH}" for row in rows)]) + "\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=tree, capture_output=True, text=True, check=False, timeout=120,
        env={"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1", "PATH": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def test_each_example_touches_as_many_files_as_the_page_promises() -> None:
    promised = [int(row[1]) for row in table_rows(PAGE) if row[-1].isdigit()]
    touched = [[name for name, _ in shown_changes(section(example))] for example in EXAMPLES]
    counts = [len(names) for names in touched]
    assert [len(set(names)) for names in touched] == counts
    assert promised[1:] == counts
    # Without a key of its own, a constraint leaves scenario and problem alone.
    assert promised[0] == len(
        [n for n in touched[0] if n not in {"scenarios/policy.py", "optimizer/problem/problem.py"}]
    )
    assert max(promised) <= 6


def test_constraint_closes_one_of_two_data_centers(found: dict[str, Any]) -> None:
    assert found["feasible"]
    assert found["open"] == [1, 1, 1]
    capped = found["capped"]
    assert capped["feasible"]
    assert sum(capped["open"][:2]) == 1
    assert capped["total_cny"] > found["total_cny"]
    # Two are open where one may be: the checker proves it of the plan that did not know the limit.
    assert capped["broken"] == [["10i", "limit_open_in_region", 1.0]]


def test_cost_is_price_times_energy_and_part_of_the_objective(found: dict[str, Any]) -> None:
    assert found["water_cny"] == pytest.approx(WATER_CNY_PER_MWH * sum(found["energy_mwh"]), rel=1e-9)
    assert found["water_cny"] > 0
    assert found["objective_cny"] == pytest.approx(found["total_cny"], rel=1e-6)


def test_attribute_holds_the_share_of_a_class(found: dict[str, Any]) -> None:
    spread = found["spread"]
    assert spread["feasible"]
    assert spread["largest_before"] > 0.4 + 1e-6
    assert spread["largest"] == pytest.approx(0.4, abs=1e-6)
    assert {name for _, name, _ in spread["broken"]} == {"limit_share"}
