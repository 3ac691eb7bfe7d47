"""The rules of the layout that no tool checks: who imports whom, what is data, what a wheel holds."""

import ast
import csv
import re
import subprocess
import sys
import tomllib
import unicodedata
import zipfile
from pathlib import Path

import pytest
from built_wheel import PACKAGES, ROOT, build_wheel, project_files
from packaging.requirements import Requirement

HEAVY = (
    "geopandas",
    "highspy",
    "jinja2",
    "matplotlib",
    "networkx",
    "pandas",
    "psycopg",
    "pyarrow",
    "pydantic",
    "pyogrio",
    "pyomo",
    "scipy",
    "xlsxwriter",
)
# All that the independent checker may know: the problem, the plan, and its own parts.
CHECKER_MODULES = ("checker.facts", "checker.limits", "problem.plan", "problem.problem", "units")
# The rooms of the optimizer from the ground up: each may import itself and those before it.
ROOMS = (
    "units",
    "words",
    "numbers",
    "problem",
    "model",
    "checker",
    "solvers",
    "sensitivity",
    "infeasibility",
    "runs",
    "near_optimal",
    "comparison",
    "validation",
    "uncertainty",
    "text",
    "drawing",
    "maps",
    "report",
    "exports",
    "imports",
    "api",
    "",
    "cli",
    "__main__",
)
# Beside the packages, the wheel holds the front door and its types.
FRONT_DOOR = ("edwc.py", "edwc-stubs")
WRITTEN_FOLDERS = {"build", "dist", "runs"}
PLACE_COLUMNS = {
    "nodes.csv": ("id", "name", "name_local", "country", "province"),
    "data_centers.csv": ("id", "name", "name_local", "national_hub", "cluster", "country", "province"),
}
# Modules that are imported only where an extra is asked for.
EXTRA_OF = {
    "optimizer.comparison.workers.dask_workers": "cluster",
    "optimizer.comparison.workers.sent_work": "cluster",
    "optimizer.exports.office.document": "office",
    "optimizer.exports.office.slides": "office",
    "optimizer.exports.postgis": "postgis",
    "optimizer.exports.pypsa_network": "pypsa",
}
# What is installed under another name than it is imported under, or by a declared distribution.
DISTRIBUTION_OF = {
    "docx": "python-docx",
    "fpdf": "fpdf2",
    "pptx": "python-pptx",
    "pydantic_core": "pydantic",
    "yaml": "pyyaml",
}

# In halves, so that this file does not hold what it looks for.
REGISTRY_HALVES = (("py", "pi.org"), ("python", "hosted."), ("registry.np", "mjs"), ("deb.deb", "ian"))
REGISTRY_HOSTS = re.compile("|".join(re.escape(first + second) for first, second in REGISTRY_HALVES))


def package_modules() -> dict[str, Path]:
    """Dotted name to file, for every module of the three packages."""
    modules = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return modules


def imported_names(module: str, path: Path) -> list[tuple[int, str]]:
    """Line and dotted name of everything a module imports, at its top and inside its functions."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            ancestors = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            origin = ".".join([*ancestors, *([node.module] if node.module else [])])
            found += [(node.lineno, f"{origin}.{alias.name}") for alias in node.names]
    return found


def reachable_from(start: str) -> set[str]:
    """Names that a module imports itself or through other modules of the packages."""
    modules = package_modules()
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        module = waiting.pop()
        for _, name in imported_names(module, modules[module]):
            own = name if name in modules else name.rpartition(".")[0]
            if own in modules and own not in seen:
                waiting.append(own)
            seen |= {name, own}
    return seen


def run_python(code: str, *, cwd: Path = ROOT) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_imports_flow_from_network_data_to_optimizer() -> None:
    wrong = []
    for module, path in package_modules().items():
        allowed = PACKAGES[: PACKAGES.index(module.split(".")[0]) + 1]
        for line, name in imported_names(module, path):
            top = name.split(".")[0]
            if top in {*PACKAGES, "tests", "benchmarks"} and top not in allowed:
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports {name}")
    assert not wrong, "\n".join(wrong)


# Where a class opens a door to a room above it for its users, when they ask: `run.map()` draws, `run.report()` writes.
FRONT_DOORS = {
    *(("optimizer.runs.run", room) for room in ("near_optimal", "uncertainty", "drawing", "maps", "exports")),
    *((f"optimizer.near_optimal.{module}", "text") for module in ("ranges", "alternatives")),
    ("optimizer.near_optimal.alternatives", "drawing"),
    *(
        (f"optimizer.comparison.{module}", room)
        for module in ("break_even_points", "comparison", "frontier", "latency_budgets")
        for room in ("drawing", "text")
    ),
    ("optimizer.comparison.comparison", "exports"),
    *(("optimizer.uncertainty.result", room) for room in ("drawing", "text")),
}


def room_of(module: str) -> str:
    return module.removeprefix("optimizer").lstrip(".").split(".")[0]


def test_rooms_of_the_optimizer_import_only_what_stands_below_them() -> None:
    modules = package_modules()
    wrong = []
    for module, path in modules.items():
        if not module.startswith("optimizer"):
            continue
        allowed = ROOMS[: ROOMS.index(room_of(module)) + 1]
        for line, name in imported_names(module, path):
            own = name if name in modules else name.rpartition(".")[0]
            if (
                own.startswith("optimizer")
                and room_of(own) not in allowed
                and (module, room_of(own)) not in FRONT_DOORS
            ):
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_import_parser_resolves_relative_and_nested_imports(tmp_path: Path) -> None:
    path = tmp_path / "b.py"
    path.write_text(
        "from . import c\nfrom .d import e\ndef f():\n    from ..g import h\n    import i.j\n",
        encoding="utf-8",
    )
    assert imported_names("top.a.b", path) == [(1, "top.a.c"), (2, "top.a.d.e"), (4, "top.g.h"), (5, "i.j")]


def test_checker_knows_neither_formulation_nor_solver() -> None:
    # A mistake in the formulation must not hide itself. What the checker may reach is listed, not what it may not:
    # a new solver module is out of its reach without anybody having to think of it.
    reached = reachable_from("optimizer.checker.check")
    own = reached & package_modules().keys()
    assert own == {f"optimizer.{name}" for name in CHECKER_MODULES}
    foreign = {name.split(".")[0] for name in reached} - sys.stdlib_module_names - {"", "optimizer"}
    assert foreign == {"numpy", "pandas"}


def test_checker_loads_neither_formulation_nor_solver() -> None:
    loaded = run_python("import sys, optimizer.checker.check; print(*sys.modules)").split()
    assert "optimizer.checker.check" in loaded
    own = {name for name in loaded if name.startswith("optimizer.")}
    packages = {"problem", "checker"}
    assert own <= {f"optimizer.{name}" for name in (*CHECKER_MODULES, *packages, "checker.check")}
    assert not {"pyomo", "highspy"} & set(loaded)


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("import edwc, optimizer.cli.main", id="import"),
        pytest.param(
            "import contextlib, io, optimizer.cli.main\n"
            "sys.argv = ['edwc', '--help']\n"
            "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):\n"
            "    optimizer.cli.main.main()",
            id="help",
        ),
    ],
)
def test_command_line_starts_without_heavy_libraries(code: str) -> None:
    loaded = run_python(f"import sys\n{code}\nprint(*sys.modules)").split()
    assert "optimizer.cli.main" in loaded
    assert not set(HEAVY) & set(loaded)


@pytest.mark.parametrize(
    ("module", "slow"),
    [
        ("optimizer.api.jobs", ("pyomo", "highspy", "matplotlib", "geopandas")),
        ("optimizer.runs.verify", ("pyomo", "highspy", "matplotlib", "geopandas")),
        ("optimizer.comparison.comparison", ("pyomo", "highspy", "matplotlib", "geopandas")),
        ("optimizer.report.comparison", ("pyomo", "highspy", "matplotlib")),
        ("optimizer.exports.export", ("pyomo", "highspy", "matplotlib")),
        ("optimizer.maps.draw", ("pyomo", "highspy")),
    ],
)
def test_what_reads_runs_loads_no_solver(module: str, slow: tuple[str, ...]) -> None:
    # Each of these costs a second or more: a map of a stored run must not wait for what only a solve needs.
    loaded = run_python(f"import sys, {module}; print(*sys.modules)").split()
    assert not set(slow) & set(loaded)


def test_the_model_loads_no_statistics_of_scipy_and_leaves_them_for_others() -> None:
    # Pyomo asks for them as soon as it sees SciPy: a second of each command.
    code = "import sys, scipy.sparse, optimizer.model.compile\nprint(*sys.modules)\n"
    loaded = run_python(f"{code}from scipy import stats\nstats.qmc.Sobol").split()
    assert "pyomo.core" in loaded
    assert not {"scipy.stats", "scipy.integrate", "scipy.spatial", "pyomo.environ"} & set(loaded)


def test_third_party_imports_are_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    always = {Requirement(text).name for text in project["dependencies"]}
    extras = project["optional-dependencies"]
    known = {*PACKAGES, *sys.stdlib_module_names}
    wrong = []
    for module, path in package_modules().items():
        declared = always | {Requirement(text).name for text in extras.get(EXTRA_OF.get(module, ""), ())}
        for line, name in imported_names(module, path):
            top = name.split(".")[0]
            if top not in known and DISTRIBUTION_OF.get(top, top) not in declared:
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_code_holds_no_east_asian_characters() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{number} {character!r}"
        for path in package_modules().values()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        for character in line
        if unicodedata.name(character, "").startswith(("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "FULLWIDTH"))
    ]
    assert not wrong, "\n".join(wrong)


def test_code_names_no_place_of_the_built_in_networks() -> None:
    places: set[str] = set()
    for pattern, columns in PLACE_COLUMNS.items():
        tables = sorted((ROOT / "network_data").glob(f"*/{pattern}"))
        assert tables
        for table in tables:
            with table.open(encoding="utf-8", newline="") as text:
                places |= {row[column] for row in csv.DictReader(text) for column in columns}
    long_enough = sorted(place for place in places if len(place) > 3 or not place.isascii())
    pattern = re.compile(rf"\b({'|'.join(map(re.escape, long_enough))})\b", re.IGNORECASE)
    wrong = [
        f"{path.relative_to(ROOT)}:{number} names {match[0]}"
        for path in package_modules().values()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        for match in pattern.finditer(line)
    ]
    assert not wrong, "\n".join(wrong)


def test_text_names_no_package_registry() -> None:
    wrong = []
    for path in project_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # pictures and Parquet tables
        wrong += [f"{path.relative_to(ROOT)}: {match[0]}" for match in REGISTRY_HOSTS.finditer(text)]
    assert not wrong, "\n".join(wrong)


def test_every_dependency_is_pinned_and_the_pin_is_allowed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [
        *project["dependencies"],
        *(text for extra in project["optional-dependencies"].values() for text in extra),
    ]
    pins: dict[str, list[str]] = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        assert re.fullmatch(r"[a-z0-9.-]+==[^ ]+( ; [^/]+)?", line), f"not a plain pin: {line}"
        pin = Requirement(line)
        (specifier,) = pin.specifier
        pins.setdefault(pin.name, []).append(specifier.version)
    for requirement in map(Requirement, wanted):
        assert pins.get(requirement.name), f"{requirement.name} has no pin: run `make pins`"
        assert all(requirement.specifier.contains(version) for version in pins[requirement.name]), requirement


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


def test_wheel_holds_all_code_and_data_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    held = {name for name in names if ".dist-info/" not in name}
    expected = {
        path.relative_to(ROOT).as_posix()
        for path in project_files()
        if path.relative_to(ROOT).parts[0] in (*PACKAGES, *FRONT_DOOR)
    }
    assert held == expected


def test_wheel_works_outside_the_tree(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    found = run_python(
        "import edwc, optimizer.cli.main\n"
        "print(optimizer.cli.main.__file__)\n"
        "print(*edwc.list_networks(), *edwc.list_scenarios())",
        cwd=tmp_path,
    ).splitlines()
    assert Path(found[0]).is_relative_to(tmp_path)
    assert {"china_2026", "base"} <= set(found[1].split())
