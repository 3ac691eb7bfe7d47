"""The columns of exported layers: unit and meaning of each, for the documentation and for comments in a database."""

from __future__ import annotations

# Column to (unit, meaning); a dash stands for texts and truth values.
COLUMNS: dict[str, tuple[str, str]] = {
    "id": ("–", "id in the network"),
    "name": ("–", "name"),
    "name_local": ("–", "name in the language of the place"),
    "country": ("–", "country"),
    "province": ("–", "province"),
    "region": ("–", "region"),
    "latitude_deg": ("degrees", "latitude, WGS 84"),
    "longitude_deg": ("degrees", "longitude, WGS 84"),
    "mtok_per_year": ("million tokens per year", "tokens served"),
    "asked_mtok_per_year": ("million tokens per year", "tokens asked for"),
    "token_share": ("share of 1", "share of all tokens"),
    "mean_rtt_ms": ("ms", "round trip, mean over the tokens"),
    "own_region_share": ("share of 1", "share of the hub's tokens served in its own region"),
    "category": ("–", "kind of data center"),
    "is_open": ("–", "whether the plan uses it"),
    "existing_pods": ("pods", "pods of accelerators in place and kept"),
    "new_pods": ("pods", "pods bought"),
    "busy_share": ("share of 1", "accelerator hours in use of those installed"),
    "it_capacity_mw": ("MW", "IT power limit"),
    "peak_it_power_mw": ("MW", "largest IT power in any time slice"),
    "demand_charge_basis": ("–", "what the demand charge is paid on"),
    "contract_mw": ("MW", "power contracted, where the demand charge is paid on that"),
    "pue": ("facility power per IT power", "power usage effectiveness"),
    "energy_mwh_per_year": ("MWh per year", "energy of the facility"),
    "mean_price_cny_per_mwh": ("CNY per MWh", "price of its energy, mean over the energy"),
    "carbon_t_per_year": ("t CO2 per year", "emissions, location-based"),
    "green_power_share": ("share of 1", "energy under contracts for green power"),
    "market_carbon_t_per_year": ("t CO2 per year", "emissions, market-based"),
    "confidence": ("–", "how far its figures can be trusted: official, reported, estimate"),
    "from_node": ("–", "node where the link begins"),
    "to_node": ("–", "node where the link ends"),
    "from_latitude_deg": ("degrees", "latitude of from_node"),
    "from_longitude_deg": ("degrees", "longitude of from_node"),
    "to_latitude_deg": ("degrees", "latitude of to_node"),
    "to_longitude_deg": ("degrees", "longitude of to_node"),
    "length_km": ("km", "length of the fibre"),
    "one_way_ms": ("ms", "delay of the link, one way"),
    "capacity_gbps": ("Gbps", "capacity open to inference"),
    "is_limiting": ("–", "whether its capacity can bind, and so is in the model"),
    "peak_gbps": ("Gbps", "largest load in any time slice, both directions together"),
    "mean_gbps": ("Gbps", "load, mean over the year"),
    "load_share": ("share of 1", "load in its capacity: the largest, or that of the time slice"),
    "mean_load_share": ("share of 1", "load in its capacity, mean over the year"),
    "route": ("number", "route of the run's table `routes`"),
    "demand_hub": ("–", "id of the demand hub"),
    "demand_hub_name": ("–", "its name"),
    "demand_hub_name_local": ("–", "its name in the language of the place"),
    "demand_hub_region": ("–", "its region"),
    "data_center": ("–", "id of the data center"),
    "data_center_name": ("–", "its name"),
    "data_center_name_local": ("–", "its name in the language of the place"),
    "data_center_region": ("–", "its region"),
    "rtt_ms": ("ms", "round trip, mean over the tokens"),
    "classes": ("–", "workload classes that flow here, largest first"),
    "is_local": ("–", "whether the flow stays where it arises; it then has no line"),
    "day": ("–", "representative day"),
    "hour": ("hours after midnight", "begin of the time slice"),
    "slice_begin": ("date and time", "begin of the time slice, on a made-up date: day n of the run is day n of 2000"),
    "slice_end": ("date and time", "last millisecond of the time slice, on the same date"),
    "weight_h": ("hours per year", "hours that the time slice stands for"),
    "mtok_per_h": ("million tokens per hour", "tokens served in the time slice"),
    "load_gbps": ("Gbps", "load in the time slice, both directions together"),
    "it_power_mw": ("MW", "power in the time slice before PUE"),
    "facility_power_mw": ("MW", "power in the time slice after PUE"),
    "price_cny_per_mwh": ("CNY per MWh", "price of energy in the time slice"),
}
_COST_ENDING = "_cny_per_year"


def describe_column(name: str) -> tuple[str, str] | None:
    """
    Look up unit and meaning of a column.

    Parameters
    ----------
    name
        The column.

    Returns
    -------
    tuple or None
        Unit and meaning; None for a column that only a run of another version has.
    """
    known = COLUMNS.get(name)
    if known is None and name.endswith(_COST_ENDING):
        return "CNY per year", f"cost of the component {name.removesuffix(_COST_ENDING)}"
    return known
