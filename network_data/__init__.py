"""Network tables: nodes, data centers, accelerator pools, links, tariffs, grids, accelerators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from network_data.lazy import lazy_names

if TYPE_CHECKING:
    from network_data.faults import Fault, FaultList, InputError, InputWarning
    from network_data.load import Network, NetworkWarning, list_networks, load_network
    from network_data.tariffs import hourly_prices, parse_hours, parse_months

__all__ = [
    "Fault",
    "FaultList",
    "InputError",
    "InputWarning",
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
    "Fault": "network_data.faults",
    "FaultList": "network_data.faults",
    "InputError": "network_data.faults",
    "InputWarning": "network_data.faults",
    "Network": "network_data.load",
    "NetworkWarning": "network_data.load",
    "hourly_prices": "network_data.tariffs",
    "list_networks": "network_data.load",
    "load_network": "network_data.load",
    "parse_hours": "network_data.tariffs",
    "parse_months": "network_data.tariffs",
}

__getattr__, __dir__ = lazy_names(__name__, globals(), _MODULE_OF)
