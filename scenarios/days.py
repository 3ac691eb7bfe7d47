"""What a scenario may say of time: representative days, seasons, weekends, slices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from network_data.tariffs import DAYS_IN_MONTH, MONTHS_PER_YEAR, format_months, parse_months
from scenarios.field_types import Id, Section, Text, fault

DayKind = Literal["all", "weekday", "weekend"]
DAYS_PER_YEAR = (365, 366)
DAY_SUM_TOLERANCE = 1e-6
# Days that stand for some months must be about as many as these months have: 91.25 for each quarter is fine.
MONTH_SUM_TOLERANCE_SHARE = 0.1
MONTH_SUM_TOLERANCE_DAYS = 3.0


class RepresentativeDay(Section):
    """A day that stands for many days of the year."""

    id: Id = Field(description="name of the day")
    months: Text = Field(description='months the day stands for, such as "1-12", "3-5;9-11" or "12-2"')
    days_per_year: Annotated[float, Field(gt=0, le=366)] = Field(description="days of the year it stands for")
    kind: DayKind = Field(
        "all", description="days of the week that it stands for: all, weekday (Monday to Friday) or weekend"
    )

    @field_validator("months", mode="before")
    @classmethod
    def _single_month(cls, months: object) -> object:
        # `months: 7` is a number in YAML, and plainly means July.
        return str(months) if isinstance(months, int) and not isinstance(months, bool) else months

    @field_validator("months")
    @classmethod
    def _readable_months(cls, months: str) -> str:
        try:
            parse_months(months)
        except ValueError as error:
            raise fault(f"not a list of months: {error}", 'Write months such as "1-12" or "12-2;6".') from error
        return months

    @property
    def month_numbers(self) -> tuple[int, ...]:
        """Months the day stands for, 1 to 12, ascending."""
        return parse_months(self.months)


def _check_days(days: tuple[RepresentativeDay, ...] | None) -> tuple[RepresentativeDay, ...] | None:
    if days is None:
        return None
    problems = []
    twice = [day for day, count in Counter(day.id for day in days).items() if count > 1]
    if twice:
        problems.append(f"id used twice: {', '.join(twice)}")
    problems += _find_missing_months(days)
    total = sum(day.days_per_year for day in days)
    if min(abs(total - length) for length in DAYS_PER_YEAR) > DAY_SUM_TOLERANCE:
        problems.append(f"days_per_year sum to {total:g}")
    elif not problems:
        problems += _find_wrong_sums(days)
    if problems:
        remedy = "Every month needs a day for its weekdays and its weekends, and the days must sum to 365 or 366."
        raise fault("; ".join(problems), remedy)
    return days


def _find_missing_months(days: Sequence[RepresentativeDay]) -> list[str]:
    """Months that no day stands for, or none for their weekdays or weekends."""
    covered = {
        kind: {month for day in days if day.kind in ("all", kind) for month in day.month_numbers}
        for kind in ("weekday", "weekend")
    }
    year = set(range(1, MONTHS_PER_YEAR + 1))
    weekday, weekend = covered["weekday"], covered["weekend"]
    found = (
        ("month", year - weekday - weekend),
        ("the weekdays of month", weekend - weekday),
        ("the weekends of month", weekday - weekend),
    )
    return [f"no day stands for {what} {', '.join(map(str, sorted(gap)))}" for what, gap in found if gap]


def _find_wrong_sums(days: Sequence[RepresentativeDay]) -> list[str]:
    """Months whose days are far more or fewer than they have, and weekends that outnumber weekdays."""
    problems = []
    for months in _separate(day.month_numbers for day in days):
        have = sum(DAYS_IN_MONTH[month - 1] for month in months)
        mine = [day for day in days if months.issuperset(day.month_numbers)]
        total = sum(day.days_per_year for day in mine)
        if abs(total - have) > max(MONTH_SUM_TOLERANCE_DAYS, MONTH_SUM_TOLERANCE_SHARE * have):
            problems.append(f"the days of months {format_months(months)} sum to {total:g}; these months have {have:g}")
        work, rest = (sum(day.days_per_year for day in mine if day.kind == kind) for kind in ("weekday", "weekend"))
        if rest > work:
            problems.append(f"in months {format_months(months)} there are {rest:g} weekend days and {work:g} weekdays")
    return problems


def _separate(groups: Iterable[tuple[int, ...]]) -> list[set[int]]:
    """Join groups that share a month until none do."""
    apart: list[set[int]] = []
    for group in groups:
        joined = set(group)
        for other in [other for other in apart if other & joined]:
            joined |= other
            apart.remove(other)
        apart.append(joined)
    return apart


Days = Annotated[tuple[RepresentativeDay, ...], Field(min_length=1, max_length=366)]


class Time(Section):
    """The year as representative days, cut into slices."""

    days: Annotated[Days | None, AfterValidator(_check_days)] = Field(
        None,
        description="representative days; together they stand for 365 or 366 days and for every month. null = one "
        "average day, or what seasons and weekends say",
    )
    seasons: Annotated[int, Field(ge=1, le=MONTHS_PER_YEAR)] | None = Field(
        None,
        description="number of groups that the months are put in by how alike their energy prices are, each a "
        "representative day; null = 1. Not together with days",
        json_schema_extra={"unit": "groups of months"},
    )
    weekends: bool = Field(
        default=False,
        description="true = a weekday and a weekend day for each season. Not together with days, which have a kind",
    )
    slices_per_day: Literal[1, 2, 3, 4, 6, 8, 12, 24] = Field(
        24,
        description="time slices per day, a divisor of 24; below 24, hours are put together as slicing says",
        json_schema_extra={"unit": "slices per day"},
    )
    slicing: Literal["peaks", "blocks"] = Field(
        "peaks",
        description="how hours become fewer slices: peaks = runs of like hours, and hours in which the need for "
        "accelerators peaks stay alone, so that capacity is sized for them; blocks = equal blocks from midnight on, "
        "which average peaks away",
    )

    @field_validator("seasons")
    @classmethod
    def _days_or_seasons(cls, seasons: int | None, info: ValidationInfo) -> int | None:
        if seasons is not None and info.data.get("days") is not None:
            raise fault("days and seasons are both given", "Give one of the two; set the other to null.")
        return seasons

    @field_validator("weekends")
    @classmethod
    def _days_have_a_kind(cls, weekends: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - a field's value
        if weekends and info.data.get("days") is not None:
            remedy = "Give days with kind weekday and weekend, or set days to null."
            raise fault("weekends does not go with explicit days", remedy)
        return weekends
