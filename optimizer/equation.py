"""What the rules of the formulation are made of: the model they read, and how one is registered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# Pyomo's component access is dynamic: `m` is a model with the components of `declarations`, results are expressions.
Model = Any
Expression = Any


@dataclass(frozen=True)
class Equation:
    """A constraint family: its rule, the sets it runs over, and its number in docs/formulation.md."""

    rule: Callable[..., Expression]
    over: tuple[str, ...]
    number: str

    @property
    def name(self) -> str:
        """Name of the rule, and of the Pyomo component and the matrix rows made from it."""
        return self.rule.__name__
