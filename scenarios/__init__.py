"""Scenarios: what is asked of a network, as YAML files with tables, and their loader."""

from __future__ import annotations

from typing import TYPE_CHECKING

from network_data.lazy import lazy_names

if TYPE_CHECKING:
    from scenarios.load import ScenarioWarning, list_scenarios, load_scenario, scenario_json_schema
    from scenarios.price_case import list_price_cases, load_price_case, price_case_json_schema
    from scenarios.price_changes import PriceCase, PriceChange
    from scenarios.schema import Scenario
    from scenarios.workload_class import WorkloadClass

__all__ = [
    "PriceCase",
    "PriceChange",
    "Scenario",
    "ScenarioWarning",
    "WorkloadClass",
    "list_price_cases",
    "list_scenarios",
    "load_price_case",
    "load_scenario",
    "price_case_json_schema",
    "scenario_json_schema",
]

# Resolved on first use, so that importing the package (for a help text, say) does not import pydantic.
_MODULE_OF = {
    "PriceCase": "scenarios.price_changes",
    "PriceChange": "scenarios.price_changes",
    "Scenario": "scenarios.schema",
    "ScenarioWarning": "scenarios.load",
    "WorkloadClass": "scenarios.workload_class",
    "list_price_cases": "scenarios.price_case",
    "list_scenarios": "scenarios.load",
    "load_price_case": "scenarios.price_case",
    "load_scenario": "scenarios.load",
    "price_case_json_schema": "scenarios.price_case",
    "scenario_json_schema": "scenarios.load",
}

__getattr__, __dir__ = lazy_names(__name__, globals(), _MODULE_OF)
