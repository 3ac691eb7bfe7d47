"""Scenarios: what is asked of a network, as YAML files with tables, and their loader."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scenarios.load import list_scenarios, load_scenario, scenario_json_schema
    from scenarios.schema import Scenario
    from scenarios.workload_class import WorkloadClass

__all__ = ["Scenario", "WorkloadClass", "list_scenarios", "load_scenario", "scenario_json_schema"]

# Resolved on first use, so that importing the package (for a help text, say) does not import pydantic.
_MODULE_OF = {
    "Scenario": "schema",
    "WorkloadClass": "workload_class",
    "list_scenarios": "load",
    "load_scenario": "load",
    "scenario_json_schema": "load",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its module on first use."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return sorted([*globals(), *__all__])
