"""Network tables: nodes, data centers, accelerator pools, links, tariffs, grids, accelerators."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from network_data.faults import Fault, FaultList, InputError
    from network_data.load import Network, NetworkWarning, list_networks, load_network
    from network_data.tariffs import hourly_prices, parse_hours, parse_months

__all__ = [
    "Fault",
    "FaultList",
    "InputError",
    "Network",
    "NetworkWarning",
    "hourly_prices",
    "list_networks",
    "load_network",
    "parse_hours",
    "parse_months",
]

# Resolved on first use, so that importing the package (for a help text, say) does not import pandas.
_MODULE_OF = {
    "Fault": "faults",
    "FaultList": "faults",
    "InputError": "faults",
    "Network": "load",
    "NetworkWarning": "load",
    "hourly_prices": "tariffs",
    "list_networks": "load",
    "load_network": "load",
    "parse_hours": "tariffs",
    "parse_months": "tariffs",
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
