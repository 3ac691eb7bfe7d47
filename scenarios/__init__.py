"""Scenarios: what is asked of a network, as YAML files with tables, and their loader."""

from __future__ import annotations

from typing import TYPE_CHECKING

from network_data.lazy import lazy_names

if TYPE_CHECKING:
    from scenarios.load import list_scenarios, load_scenario, scenario_json_schema
    from scenarios.schema import Scenario
    from scenarios.workload_class import WorkloadClass

__all__ = ["Scenario", "WorkloadClass", "list_scenarios", "load_scenario", "scenario_json_schema"]

# Resolved on first use, so that importing the package (for a help text, say) does not import pydantic.
_MODULE_OF = {
    "Scenario": "scenarios.schema",
    "WorkloadClass": "scenarios.workload_class",
    "list_scenarios": "scenarios.load",
    "load_scenario": "scenarios.load",
    "scenario_json_schema": "scenarios.load",
}

__getattr__, __dir__ = lazy_names(__name__, globals(), _MODULE_OF)
