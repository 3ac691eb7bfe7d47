"""
Each equation and each cost alone, as an LP file a reader can check by eye, and compared with the code's.

A change of the mathematics shows as a change of a file in tests/golden. They are rewritten by `--update-golden` only.
"""

from __future__ import annotations

import io
from pathlib import Path

import pyomo.environ as pyo
import pytest
from lp_file import LinearProgramFile, read_lp
from pyomo.repn.plugins.lp_writer import LPWriter
from worked_plan import GREEN, worked_problem

from optimizer.model.equations import CONSTRAINTS, COSTS, TIGHTENING
from optimizer.model.pyomo_model import to_pyomo

GOLDEN = Path(__file__).parents[1] / "golden"
EQUATIONS = tuple(equation.name for equation in (*CONSTRAINTS, *TIGHTENING))
COMPONENTS = tuple(cost.rule.__name__ for cost in COSTS)


@pytest.fixture(scope="module")
def model() -> pyo.ConcreteModel:
    """Build the toy of the worked plan: it has rows of every equation and a price for every cost."""
    problem = worked_problem(
        demand_charge_basis=("monthly_peak", "contracted"),
        policy=GREEN,
        survives=(0,),
        energy_surcharge_cny_per_mwh=(25.0, 0.0),
        opening_cny_per_mw_year=(2.0e5, 0.0),
    )
    return to_pyomo(problem, with_tightening=True)


def alone(model: pyo.ConcreteModel, name: str) -> str:
    """Write the model with a single equation, or a single cost component, left in it."""
    for constraint in model.component_objects(pyo.Constraint):
        constraint.deactivate()
    for objective in list(model.component_objects(pyo.Objective)):
        model.del_component(objective)
    if name in EQUATIONS:
        getattr(model, name).activate()
        model.nothing = pyo.Objective(expr=0.0)
    else:
        model.cost = pyo.Objective(expr=getattr(model, name).expr, sense=pyo.minimize)
    text = io.StringIO()
    LPWriter().write(model, text, symbolic_solver_labels=True)
    return text.getvalue()


def assert_same(ours: LinearProgramFile, golden: LinearProgramFile) -> None:
    assert ours.objective == pytest.approx(golden.objective, rel=1e-12)
    assert ours.rows.keys() == golden.rows.keys()
    for row, entries in golden.rows.items():
        assert ours.rows[row] == pytest.approx(entries, rel=1e-12), row
        assert ours.sides[row][0] == golden.sides[row][0], row
        assert ours.sides[row][1] == pytest.approx(golden.sides[row][1], rel=1e-12), row
    assert ours.bounds == golden.bounds
    assert ours.integers == golden.integers


@pytest.mark.parametrize("name", EQUATIONS + COMPONENTS)
def test_equation_or_cost_is_its_golden(model: pyo.ConcreteModel, name: str, *, update_golden: bool) -> None:
    path = GOLDEN / f"{name}.lp"
    text = alone(model, name)
    if update_golden:
        path.write_text(text, encoding="utf-8")
    assert_same(read_lp(text), read_lp(path.read_text(encoding="utf-8")))


def test_each_equation_and_cost_has_a_golden_and_each_golden_one_of_them(*, update_golden: bool) -> None:
    files = {path.stem for path in GOLDEN.glob("*")}
    if update_golden:
        for stray in files - set(EQUATIONS + COMPONENTS):
            (GOLDEN / f"{stray}.lp").unlink()
        files = {path.stem for path in GOLDEN.glob("*")}
    assert files == set(EQUATIONS + COMPONENTS)


@pytest.mark.parametrize("name", EQUATIONS)
def test_golden_of_an_equation_has_a_row_with_variables(name: str) -> None:
    rows = read_lp((GOLDEN / f"{name}.lp").read_text(encoding="utf-8")).rows
    assert any(entries for row, entries in rows.items() if name in row)


@pytest.mark.parametrize("name", COMPONENTS)
def test_golden_of_a_cost_prices_something(name: str) -> None:
    objective = read_lp((GOLDEN / f"{name}.lp").read_text(encoding="utf-8")).objective
    assert any(coefficient != 0 for coefficient in objective.values())


def test_reader_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ValueError, match="not a line of an LP file: 'x free'"):
        read_lp("min\nx free\n")
    with pytest.raises(ValueError, match="x comes twice"):
        read_lp("s.t.\n\nc_u_row_:\n+1 x\n+2 x\n<= 3\n")
