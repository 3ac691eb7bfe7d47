"""
Pyomo's components and expressions, loaded without the parts of SciPy that Pyomo would load beside them.

As soon as Pyomo sees SciPy it imports SciPy's statistics, which is three quarters of its own time to import and which
nothing here asks for. Empty modules stand in their place for the moment; whoever imports them later gets the real ones.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import scipy  # noqa: F401 - before Pyomo: one that comes later makes Pyomo load the rest after all

_UNUSED = ("scipy.stats", "scipy.integrate", "scipy.spatial")


@contextmanager
def _standing_in() -> Iterator[None]:
    empty = {name: ModuleType(name) for name in _UNUSED if name not in sys.modules}
    sys.modules.update(empty)
    try:
        yield
    finally:
        for name in empty:
            del sys.modules[name]


with _standing_in():
    import pyomo.core as pyo
    from pyomo.core.base.param import Param
    from pyomo.core.base.set import Set
    from pyomo.core.base.var import Var
    from pyomo.core.expr import numeric_expr
    from pyomo.core.expr.relational_expr import EqualityExpression, InequalityExpression
    from pyomo.core.expr.template_expr import GetItemExpression, IndexTemplate, TemplateSumExpression, templatize_rule

__all__ = [
    "EqualityExpression",
    "GetItemExpression",
    "IndexTemplate",
    "InequalityExpression",
    "Param",
    "Set",
    "TemplateSumExpression",
    "Var",
    "numeric_expr",
    "pyo",
    "templatize_rule",
]
