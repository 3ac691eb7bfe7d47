"""What a price case, or a scenario itself, may change of prices: each change with its selection and its amount."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from network_data.currency import DEFAULT_CURRENCY
from network_data.tariffs import parse_hours, parse_months
from scenarios.field_types import Currency, FilePath, Id, Prose, Section, Text, fault
from scenarios.price_series import PriceSeries

# Beyond any price of electricity, carbon or tokens; with it, a chain of changes stays finite.
LARGEST_PRICE = 1e6
PLACE_SELECTORS = ("data_centers", "provinces", "regions", "tariffs", "select")
TIME_SELECTORS = ("periods", "months", "hours")
OPERATIONS = ("replace", "scale", "add", "move_period")

What = Literal["energy_price", "flat_price", "demand_charge", "carbon_price", "token_price"]
Confidence = Literal["official", "reported", "estimate"]
# By what is changed: the selectors that mean something there, and the least that may be put in its place.
_SELECTORS: dict[str, tuple[str, ...]] = {
    "energy_price": (*PLACE_SELECTORS, *TIME_SELECTORS),
    "flat_price": (*PLACE_SELECTORS, "months"),
    "demand_charge": PLACE_SELECTORS,
    "carbon_price": (),
    "token_price": ("workload_classes",),
}
_MAY_BE_NEGATIVE = ("energy_price", "flat_price")


def _single_month(months: object) -> object:
    # `months: 7` is a number in YAML, and plainly means July.
    return str(months) if isinstance(months, int) and not isinstance(months, bool) else months


def _readable_months(months: str) -> str:
    try:
        parse_months(months)
    except ValueError as error:
        raise fault(f"not a list of months: {error}", 'Write months such as "7-8" or "12-2;6".') from error
    return months


def _readable_hours(hours: str) -> str:
    try:
        parse_hours(hours)
    except ValueError as error:
        raise fault(f"not a list of hours: {error}", 'Write hours such as "10-16" or "22-6;11.5-13".') from error
    return hours


def _no_name_twice(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise fault("a name is listed twice", "List each name once.")
    return names


Names = Annotated[tuple[Text, ...], Field(min_length=1, max_length=1_000), AfterValidator(_no_name_twice)]
Months = Annotated[Text, BeforeValidator(_single_month), AfterValidator(_readable_months)]
Hours = Annotated[Text, AfterValidator(_readable_hours)]
Amount = Annotated[float, Field(ge=-LARGEST_PRICE, le=LARGEST_PRICE)]
Factor = Annotated[float, Field(ge=0, le=1_000)]


class PeriodMove(Section):
    """Move a period of time-of-use tariffs, such as the valley, to other hours of the day."""

    periods: Names = Field(
        ("valley", "deep_valley"), description="periods to move, as one: the hours they go to take their mean price"
    )
    to_hours: Hours = Field(description='hours of the day they go to, such as "11-17" or "0-6;23-24"')
    leaves: Text = Field("flat", description="period whose mean price the hours take that are left")
    keep_mean: bool = Field(
        default=False,
        description="true = one amount is added to all hours of a month so that the mean price of its days stays; "
        "false = it changes as dear hours become cheap and cheap ones dear",
    )


class PriceChange(Section):
    """One change of prices: what is changed, where and when, and how."""

    what: What = Field(
        description="what is changed: energy_price (CNY per MWh, what is paid in the end), flat_price (CNY per MWh, "
        "carried to each period by the formula of the tariff), demand_charge (CNY per kW and month), carbon_price (CNY "
        "per tonne of CO2) or token_price (CNY per million tokens, which values latency)"
    )
    replace: Amount | None = Field(
        None,
        description="number to put in place, in CNY per unit of what is changed",
        json_schema_extra={"unit": "CNY per unit of what is changed"},
    )
    scale: Factor | None = Field(
        None,
        description="factor to multiply with, 0 or more; 1.1 adds a share of 0.1",
        json_schema_extra={"unit": "factor"},
    )
    add: Amount | None = Field(
        None,
        description="number to add, in CNY per unit of what is changed; may be negative",
        json_schema_extra={"unit": "CNY per unit of what is changed"},
    )
    move_period: PeriodMove | None = Field(
        None, description="periods of the tariffs to move to other hours; only with energy_price"
    )
    data_centers: Names | None = Field(None, description="ids of data centers, as a list; null = all")
    provinces: Names | None = Field(None, description="provinces of data centers, as a list; null = all")
    regions: Names | None = Field(None, description="regions of data centers, as a list; null = all")
    tariffs: Names | None = Field(None, description="ids of the tariffs of data centers, as a list; null = all")
    select: Text | None = Field(
        None, description="one name of a region, province, data center, tariff or period, as sweeps write it"
    )
    periods: Names | None = Field(None, description="periods of the tariffs, such as peak, as a list; null = all")
    months: Months | None = Field(None, description='months, such as "7-8" or "12-2"; null = all')
    hours: Hours | None = Field(None, description='hours of the day, such as "10-16"; null = all')
    workload_classes: Names | None = Field(
        None, description="ids of workload classes, as a list, of a token_price; null = all"
    )
    accelerators: Names | None = Field(
        None,
        description="ids of accelerators, as a list, whose pods pay `add` on top of the energy_price of their data "
        "center, in all hours; null = it is changed whatever the accelerator",
    )
    source: Prose = Field("", description="where the figure comes from")
    confidence: Confidence | None = Field(
        None, description="kind of the figure; null = that of the price case, in a scenario an estimate"
    )

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        problems = []
        given = [name for name in OPERATIONS if getattr(self, name) is not None]
        if len(given) != 1:
            problems.append(f"{' and '.join(given) if given else 'none'} of {', '.join(OPERATIONS)} given, not one")
        selectors = (*PLACE_SELECTORS, *TIME_SELECTORS, "workload_classes", "accelerators")
        allowed = _SELECTORS[self.what]
        if self.accelerators is not None and self.what == "energy_price":
            allowed = (*PLACE_SELECTORS, "accelerators")
            if self.add is None:
                problems.append("accelerators goes with add alone")
        if self.move_period is not None:
            allowed = (*PLACE_SELECTORS, "months")
            if self.what != "energy_price":
                problems.append(f"move_period does not go with {self.what}")
        problems += [
            f"{name} does not select {'what is moved' if self.move_period else f'a {self.what}'}"
            for name in selectors
            if getattr(self, name) is not None and name not in allowed
        ]
        if self.replace is not None and self.replace < 0 and self.what not in _MAY_BE_NEGATIVE:
            problems.append(f"a {self.what} of {self.replace:g} is negative")
        if problems:
            usable = ", ".join(allowed) or "none"
            remedy = f"Give one of {', '.join(OPERATIONS)}; selectors that mean something here: {usable}."
            raise fault("; ".join(problems), remedy)
        return self


class PriceCaseKeys(Section):
    """A named change of prices: the keys of a price-case file."""

    name: Id = Field(description="name of the price case")
    description: Prose = Field("", description="what the price case changes, and what it stands for")
    source: Prose = Field("", description="where its figures come from")
    confidence: Confidence | None = Field(None, description="kind of its figures; null = not stated, an estimate")
    currency: Currency = Field(
        DEFAULT_CURRENCY,
        description="ISO 4217 code of its amounts, that of the scenarios it goes with; one that only scales or moves "
        "prices goes with any",
    )
    hourly_series_table: FilePath | None = Field(
        None,
        description="CSV or Parquet table of hourly energy prices for one year, relative to this file: time (hours "
        "of the network's clock, 2025-01-01T00:00) and a column in CNY per MWh for each tariff or data center that it "
        "replaces; applied before the changes",
    )
    changes: dict[Id, PriceChange] = Field(
        {}, description="changes by id, applied in the order of the file", json_schema_extra={"each": "CHANGE"}
    )


class PriceStep(NamedTuple):
    """
    A change with where it was written.

    `column` is its key, dotted; `rows` are the lines of its own keys, and of "" for the change itself.
    """

    change: PriceChange
    confidence: str | None
    file: str
    column: str
    rows: dict[str, int | None]


class PriceCase(PriceCaseKeys):
    """A price case as loaded: the keys of its file, its hourly series, and its changes with their places."""

    series: PriceSeries | None = Field(None, description="hourly energy prices, or None", repr=False)
    steps: tuple[PriceStep, ...] = Field((), description="the changes, in order, with their places", repr=False)
    source_path: Path = Field(description="file of the price case")

    @property
    def states_amounts(self) -> bool:
        """Whether it holds any amount of money, and not only factors."""
        return self.series is not None or any(
            change.replace is not None or change.add is not None for change in self.changes.values()
        )
