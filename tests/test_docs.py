"""The pages say what the code does: equations, symbols, commands, and examples that run as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from documents import ROOT, commands, read_page, shown_files, table_rows, write_shown_files

from network_data import load_network
from network_data.load import Network
from optimizer.checker.check import check_plan
from optimizer.model import equations as formulation
from optimizer.model.equations import CONSTRAINTS, COSTS, TIGHTENING
from optimizer.model.vocabulary import PARAMETERS, SETS, VARIABLES
from optimizer.problem.assemble import assemble_problem
from optimizer.problem.problem import PlacementProblem
from optimizer.solvers.control import Control, Termination
from optimizer.solvers.solve import solve_whole
from scenarios import load_scenario

PAGE = "docs/formulation.md"
PAGES = ["README.md", *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))]
EXAMPLES = {"docs/own_network.md": "river.yaml", "docs/facility_location.md": "facility.yaml"}

RULES = (*CONSTRAINTS, *TIGHTENING)


# Formulation


@pytest.mark.parametrize("equation", RULES, ids=lambda equation: equation.number)
def test_every_equation_is_on_the_page(equation: formulation.Equation) -> None:
    page = read_page(PAGE)
    assert page.count(rf"\tag{{{equation.number}}}") == 1
    assert f"({equation.number}) `{equation.name}`" in page
    # The page and the docstring show the same equation under the same number.
    assert rf"\tag{{{equation.number}}}" in (equation.rule.__doc__ or "")


def test_page_has_no_equation_that_the_code_lacks() -> None:
    page = read_page(PAGE)
    assert sorted(re.findall(r"\\tag\{(\w+)\}", page)) == sorted(equation.number for equation in RULES)
    named = re.findall(r"\((\d+\w?)\) `(\w+)`", page)
    assert sorted(named) == sorted((equation.number, equation.name) for equation in RULES)


def test_table_of_equations_is_that_of_the_code() -> None:
    rows = [tuple(row) for row in table_rows(PAGE) if len(row) == 6 and row[1].startswith("`")]
    assert rows == [(e.number, f"`{e.name}`", e.kind, e.unit, e.price_of, e.lever or "–") for e in RULES]


def test_every_cost_is_on_the_page() -> None:
    rows = {row[0]: row for row in table_rows(PAGE)}
    for cost in COSTS:
        assert rows[f"`{cost.name}`"][1] == f"`{cost.rule.__name__}`"


def test_page_names_no_missing_function() -> None:
    rules = {equation.name for equation in RULES} | {cost.rule.__name__ for cost in COSTS}
    declared = {entry.name for entry in (*SETS, *PARAMETERS, *VARIABLES, *COSTS)}
    known = {*vars(formulation), *declared, *rules}
    keys = {column for text in _attribute_names() for column in (text, text.split(".")[-1])}
    for name in re.findall(r"`(\w+)`", read_page(PAGE)):
        assert name in known | keys | OTHER_NAMES, f"{PAGE} names {name}, which does not exist"


# Names on the page that are neither parts of the model nor columns of tables nor keys of scenarios.
OTHER_NAMES = {
    "to_pyomo",
    "compile_model",
    "with_tightening",
    "official",
    "reported",
    "estimate",
    "market_carbon_t_per_year",
    "holds_to",
}


def _attribute_names() -> set[str]:
    import csv

    from scenarios.field_types import Section
    from scenarios.schema import ScenarioKeys
    from scenarios.workload_class import WorkloadClass

    with (ROOT / "network_data" / "attributes.csv").open(encoding="utf-8") as file:
        columns = {f"{row['table']}.{row['attribute']}" for row in csv.DictReader(file)}
    kinds = [field.annotation for field in ScenarioKeys.model_fields.values()]
    sections = [
        ScenarioKeys,
        WorkloadClass,
        *(kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Section)),
    ]
    tables = {column.split(".")[0] for column in columns}
    return columns | tables | {key for section in sections for key in section.model_fields}


def test_table_of_symbols_is_that_of_the_declarations() -> None:
    rows = {row[1]: row for row in table_rows(PAGE) if len(row) == 7}
    expected = {f"`{v.name}`": (", ".join(v.index), v.unit, f"{v.kind} variable", v.meaning) for v in VARIABLES}
    expected |= {f"`{p.name}`": (", ".join(p.index) or "–", p.unit, "parameter", p.meaning) for p in PARAMETERS}
    assert rows.keys() - {"attribute", "---"} == expected.keys()
    for name, cells in expected.items():
        assert tuple(rows[name][2:6]) == cells, name
        assert re.fullmatch(r"\$[^$]+\$", rows[name][0]), f"{name} has no symbol"


def test_table_of_sets_is_that_of_the_declarations() -> None:
    rows = {row[0]: row[2] for row in table_rows(PAGE) if len(row) == 3}
    for declared in SETS:
        assert rows[f"`{declared.name}`"] == declared.meaning


# Commands


def test_make_targets_of_the_pages_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = {words[1] for page in PAGES for words in commands(page, "make")}
    named |= set(re.findall(r"`make (\w+)`", "".join(map(read_page, PAGES))))
    assert {"demo", "test", "bench"} <= named
    for target in named:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"make {target} does not exist"


def test_commands_of_the_pages_are_understood() -> None:
    from optimizer.cli.main import edwc

    shown = [words for page in PAGES for words in commands(page, "edwc")]
    assert {words[1] for words in shown} == {
        "list", "show", "keys", "init", "import", "check", "solve", "compare", "explain", "why", "export", "verify",
        "save",
        "validate",
        "uncertainty",
        "range",
        "alternatives",
        "price",
    }  # fmt: skip
    for words in shown:
        edwc.commands[words[1]].make_context(words[1], words[2:])  # an error if it does not understand


def test_links_between_the_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", read_page(page)):
            assert (ROOT / page).parent.joinpath(target).exists(), f"{page} links to {target}"


def test_files_that_the_pages_name_exist() -> None:
    for page in PAGES:
        for name in re.findall(
            r"`((?:optimizer|scenarios|network_data|tests|docs|benchmarks)/[\w./]+\.\w+)`", read_page(page)
        ):
            assert (ROOT / name).exists(), f"{page} names {name}"


def test_python_of_the_readme_runs() -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```$", read_page("README.md"), re.MULTILINE | re.DOTALL)
    # The smallest horizon is enough to see that the calls exist; building the model at full width takes long.
    names: dict[str, object] = {}
    exec(code.replace("model = problem.to_pyomo()", "problem.to_pyomo"), names)  # noqa: S102 - our own page
    assert isinstance(names["problem"], PlacementProblem)


def test_page_of_keys_is_that_of_the_schema(capsys: pytest.CaptureFixture[str]) -> None:
    from optimizer.cli.main import main

    assert main(["keys", "--markdown"]) == 0
    assert read_page("docs/keys.md") == capsys.readouterr().out, "run `edwc keys --markdown > docs/keys.md`"


# Examples


def test_init_writes_the_files_of_the_page() -> None:
    shown = dict(shown_files("docs/own_network.md"))
    folder = ROOT / "scenarios" / "own_network"
    written = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.*")}
    assert {name: path.read_text(encoding="utf-8") for name, path in written.items()} == shown


def load_example(page: str, folder: Path) -> tuple[Network, PlacementProblem]:
    names = write_shown_files(page, folder)
    assert EXAMPLES[page] in names
    scenario = load_scenario(folder / EXAMPLES[page])
    network = load_network(scenario.network)
    tables = {f"{network.folder.name}/{table}.csv" for table in ("nodes", "data_centers", "pools", "links", "tariffs")}
    assert tables <= set(names)
    return network, assemble_problem(network, scenario)


def test_own_network_gives_what_the_page_says(tmp_path: Path) -> None:
    page = "docs/own_network.md"
    _, problem = load_example(page, tmp_path)
    solution = solve_whole(problem, mip_rel_gap=1e-6, seed=1, threads=1, control=Control(time_limit_s=60))
    assert solution.termination is Termination.OPTIMAL
    assert solution.plan is not None
    report = check_plan(problem, solution.plan)
    assert report.is_feasible
    said = {row[0]: float(row[1].replace(",", "")) for row in table_rows(page) if len(row) == 2 and row[1][0].isdigit()}
    found = {name.replace("_", " "): cny for name, cny in report.component_cny.items() if cny}
    assert said == pytest.approx(found, rel=2e-3)
    assert f"costs {report.total_cny / 1e6:.3f} million CNY" in read_page(page)
    assert solution.plan.new_pods.tolist() == [0, 0, 5]
    assert solution.plan.is_open.tolist() == [1, 1, 1]


def test_facility_tables_of_the_page_are_those_of_the_writer(tmp_path: Path) -> None:
    from optimizer.validation.facility_files import FacilityInstance, write_facility_files

    page = "docs/facility_location.md"
    _, shown = load_example(page, tmp_path / "page")
    instance = FacilityInstance([7.0, 8.0], [10.0, 10.0], [6.0, 5.0, 4.0], [[6.0, 20.0, 0.0], [30.0, 5.0, 8.0]], True)  # noqa: FBT003
    scenario = load_scenario(write_facility_files(tmp_path / "written", instance))
    written = assemble_problem(load_network(scenario.network), scenario)
    for table in ("candidates", "pools", "workloads"):
        assert getattr(shown, table).equals(getattr(written, table))
    solution = solve_whole(shown, mip_rel_gap=1e-6, seed=1, threads=1, control=Control())
    assert solution.objective_cny == pytest.approx(26.0)
