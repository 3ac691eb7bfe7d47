"""
What a scenario may say: every key with its type, unit, range, default and description.

This is the one place for each option: loader, error messages, JSON Schema and docs read it here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, ValidationInfo, field_validator

from network_data.currency import DEFAULT_CURRENCY
from network_data.display import short_html, short_text
from network_data.faults import Fault
from scenarios.days import RepresentativeDay, Time
from scenarios.field_types import Currency, FilePath, Id, NonNegative, Prose, Section, Share, fault
from scenarios.fleet import Fleet
from scenarios.latency import Latency
from scenarios.market_value import MarketValue
from scenarios.network_changes import NetworkChange
from scenarios.policy import Policy
from scenarios.price_changes import PriceCase, PriceChange, PriceStep
from scenarios.price_series import PriceSeries
from scenarios.resilience import Resilience
from scenarios.workload_class import WorkloadClass

__all__ = [
    "Costs",
    "Demand",
    "Fleet",
    "Latency",
    "MarketValue",
    "NetworkChange",
    "NetworkUse",
    "Policy",
    "RepresentativeDay",
    "Resilience",
    "Routing",
    "Scenario",
    "ScenarioKeys",
    "Solver",
    "Time",
    "WorkloadClass",
    "WorkloadDemand",
]


class Demand(Section):
    """How many tokens are asked for: a national total spread by weights, or a table of workloads."""

    tokens_per_day_trillion: Annotated[float, Field(gt=0, le=1e6)] | None = Field(
        None,
        description="all tokens asked for per day, in trillion (10^12) tokens, spread over demand hubs by "
        "demand_weight and over classes by share_of_tokens; null if workloads_table is given",
    )
    workloads_table: FilePath | None = Field(
        None,
        validate_default=True,
        description="CSV table with columns demand_hub, workload_class, mtok_per_day (million tokens per "
        "day); null if tokens_per_day_trillion is given",
    )

    @field_validator("workloads_table")
    @classmethod
    def _exactly_one(cls, table: str | None, info: ValidationInfo) -> str | None:
        if "tokens_per_day_trillion" in info.data:
            total = info.data["tokens_per_day_trillion"]
            remedy = "Give one of tokens_per_day_trillion and workloads_table; set the other to null."
            if total is not None and table is not None:
                raise fault("demand is given twice", remedy)
            if total is None and table is None:
                raise fault("no demand is given", remedy)
        return table


class Routing(Section):
    """Which routes are offered, and how latency follows from length."""

    routes_per_pair: Annotated[int, Field(ge=1, le=100)] = Field(
        1,
        description="routes kept per demand hub and data center, shortest first",
        json_schema_extra={"unit": "routes"},
    )
    max_links: Annotated[int, Field(ge=1, le=10_000)] | None = Field(
        None, description="most links in a route; null = no limit", json_schema_extra={"unit": "links"}
    )
    # Light in vacuum takes 3.336 us per km: less than that is an error of unit.
    fibre_us_per_km: Annotated[float, Field(ge=3.3, le=20)] = Field(
        4.9, description="one-way delay of light in fibre, in microseconds per km"
    )
    link_overhead_ms: Annotated[float, Field(ge=0, le=1_000)] = Field(
        0.1, description="one-way delay of the equipment of a link, in ms, where the link gives no one_way_ms"
    )


class NetworkUse(Section):
    """How much of the network inference may use."""

    link_share: Annotated[float, Field(gt=0, le=1)] = Field(
        0.05, description="share of each link's capacity that is open to inference traffic, 0 to 1"
    )


class Costs(Section):
    """Prices that no table of the network carries."""

    carbon_price_cny_per_t: NonNegative = Field(0.0, description="price of carbon, in CNY per tonne of CO2")
    shed_penalty_cny_per_mtok: NonNegative | None = Field(
        None,
        description="penalty for tokens not served, in CNY per million tokens; null = all must be served",
    )
    data_transfer_cny_per_gb: NonNegative = Field(
        0.0, description="price of data that leaves the demand hub's province or region, in CNY per GB"
    )
    data_transfer_scope: Literal["province", "region"] = Field(
        "province", description="what data has to leave to cost data_transfer_cny_per_gb"
    )


class Solver(Section):
    """How the problem is solved, and when to stop."""

    method: Literal["auto", "whole", "decomposed"] = Field(
        "auto", description="whole = one model; decomposed = per time slice; auto = by size"
    )
    mip_rel_gap: Share = Field(
        0.01,
        description="stop when the plan is proved within this share of the optimum (0.01 = 1 %)",
        json_schema_extra={"unit": "share"},
    )
    time_limit_s: Annotated[float, Field(gt=0, le=1e9)] = Field(120.0, description="stop after this many seconds")
    threads: Annotated[int, Field(ge=1, le=1_024)] = Field(
        2, description="processor threads to use", json_schema_extra={"unit": "threads"}
    )
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = Field(1, description="random seed of the solver")


class ScenarioKeys(Section):
    """What is asked of a network: the keys of a scenario file."""

    name: Id = Field(description="name of the scenario; not inherited through extends")
    description: Prose = Field("", description="what the scenario shows; not inherited through extends")
    extends: FilePath | None = Field(
        None,
        description="scenario this one builds on: a built-in name, or a file relative to this one. Mappings "
        "merge key by key, everything else replaces",
    )
    network: FilePath = Field(description="built-in network, or a network folder relative to this file")
    currency: Currency = Field(
        DEFAULT_CURRENCY,
        description="ISO 4217 code of all amounts of money in the scenario and its tables, such as EUR; that of its "
        "network, or the two are refused together",
    )
    demand: Demand = Field(description="how many tokens are asked for")
    workload_classes_table: FilePath | None = Field(
        None, description="CSV table of workload classes, relative to this file: id and the keys of a class"
    )
    workload_classes: Annotated[dict[Id, WorkloadClass], Field(min_length=1)] = Field(
        description="workload classes by id: added to the table's, or changed key by key",
        json_schema_extra={"each": "CLASS"},
    )
    drop_classes: tuple[Id, ...] = Field((), description="ids of classes to leave out, as a list")
    demand_profiles_table: FilePath = Field(
        description="CSV table of daily profiles, relative to this file: hour (0 to 23) and one column per "
        "profile, at least 0; each is scaled to a mean of 1"
    )
    time: Time = Field(Time(), description="the year as representative days and slices")
    price_series_table: FilePath | None = Field(
        None,
        description="CSV or Parquet table of hourly energy prices for one year, relative to this file: time (hours "
        "of the network's clock, 2025-01-01T00:00) and a column in CNY per MWh for each tariff or data center that it "
        "replaces",
    )
    price_cases: Annotated[tuple[FilePath, ...], Field(max_length=1_000)] = Field(
        (),
        description="price cases to apply, in this order, as a list: built-in names, or files relative to this one",
    )
    price_changes: dict[Id, PriceChange] = Field(
        {},
        description="changes of prices by id, applied in this order, after the price cases",
        json_schema_extra={"each": "CHANGE"},
    )
    network_changes: dict[Id, NetworkChange] = Field(
        {},
        description="changes of numbers in the tables of the network by id, applied in this order",
        json_schema_extra={"each": "CHANGE"},
    )
    ranges_table: FilePath | None = Field(
        None,
        description="CSV table of ranges, relative to this file: between what keys of the scenario may lie, for "
        "`edwc uncertainty`; no plan depends on it",
    )
    routing: Routing = Field(Routing(), description="which routes are offered")
    latency: Latency = Field(Latency(), description="what the time to the first token is spent on")
    fleet: Fleet = Field(Fleet(), description="what is done with the accelerators")
    network_use: NetworkUse = Field(NetworkUse(), description="how much of the network inference may use")
    costs: Costs = Field(Costs(), description="prices that no table of the network carries")
    market_value: MarketValue | None = Field(
        None,
        description="what the market is said to pay for a million tokens; a run states its cost beside it; null = "
        "not stated",
    )
    policy: Policy = Field(Policy(), description="demands on the plan as a whole")
    resilience: Resilience = Field(Resilience(), description="which failures the plan must survive")
    solver: Solver = Field(Solver(), description="how the problem is solved")


class WorkloadDemand(NamedTuple):
    """One row of an explicit workloads table; `row` is its line in the file."""

    demand_hub: str
    workload_class: str
    mtok_per_day: float
    row: int


class Scenario(ScenarioKeys):
    """
    A scenario as loaded: the keys of its file, its tables, and where all of it came from.

    In a loaded scenario `network` is the built-in name or the folder found, and `workload_classes` holds the
    table with the file's changes applied.
    """

    profiles: dict[str, tuple[float, ...]] = Field(
        description="24 hourly factors with mean 1, by profile id", repr=False
    )
    workloads: tuple[WorkloadDemand, ...] | None = Field(
        description="explicit demand in million tokens per day, or None", repr=False
    )
    workloads_path: Path | None = Field(description="file that workloads were read from, or None")
    price_series: PriceSeries | None = Field(None, description="hourly energy prices, or None", repr=False)
    loaded_price_cases: tuple[PriceCase, ...] = Field((), description="price cases to apply, in order", repr=False)
    price_steps: tuple[PriceStep, ...] = Field((), description="price_changes with their places, in order", repr=False)
    ranges_path: Path | None = Field(None, description="file of ranges_table, or None; not read here", repr=False)
    source_path: Path = Field(description="scenario file that was asked for")
    file_hashes: dict[str, str] = Field(
        description="SHA-256 of every file read, by file name relative to the scenario's folder; built-in "
        "files start with scenarios/",
        repr=False,
    )
    file_paths: dict[str, Path] = Field(description="where each of these files was read, by the same names", repr=False)
    overrides: tuple[str, ...] = Field(description="key=value overrides that were applied")
    warnings: tuple[Fault, ...] = Field((), description="what is allowed but hardly meant", repr=False)

    def _key_facts(self) -> dict[str, object]:
        tokens, table = self.demand.tokens_per_day_trillion, self.workloads_path
        cases, overrides = ", ".join(case.name for case in self.loaded_price_cases), " ".join(self.overrides)
        facts = {
            "demand": f"{tokens:g} trillion tokens a day" if table is None else table.name,
            "network": Path(self.network).name,
            "workload classes": len(self.workload_classes),
            "time slices per day": self.time.slices_per_day,
            "price cases": cases,
            "overrides": overrides,
        }
        return {label: value for label, value in facts.items() if value}

    def __repr__(self) -> str:
        return short_text("Scenario", self.name, self._key_facts())

    def __str__(self) -> str:
        return repr(self)

    def _repr_html_(self) -> str:
        return short_html("Scenario", self.name, self._key_facts())
