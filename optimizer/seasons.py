"""Representative days by season: months grouped by how alike their energy prices are."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from network_data.tariffs import MONTHS_PER_YEAR, spell_months
from optimizer.prices import KINDS, PriceCalendar
from optimizer.problem import FloatArray
from scenarios.days import RepresentativeDay, Time

MonthGroup = tuple[int, ...]


def representative_days(time: Time, calendar: PriceCalendar) -> tuple[RepresentativeDay, ...]:
    """
    List the days that stand for the year: the scenario's own, or one for each season, or for its weekdays and weekends.

    Seasons are groups of months whose prices are alike at the data centers of the network, whatever their names. Each
    month belongs to one, and enters its mean price with its days: no month of a tariff is lost. Weights sum to 365
    days.

    Parameters
    ----------
    time
        What the scenario says.
    calendar
        Prices by month.

    Returns
    -------
    tuple of RepresentativeDay
        Named after their months, such as m12_2 and, with weekends, m12_2_weekday and m12_2_weekend.
    """
    if time.days is not None:
        return time.days
    groups = group_months(calendar.price_cny_per_mwh[0].reshape(MONTHS_PER_YEAR, -1), time.seasons or 1)
    kinds = KINDS[1:] if time.weekends else KINDS[:1]
    return tuple(
        RepresentativeDay(
            id=name_season(months) + ("" if kind == "all" else f"_{kind}"),
            months=spell_months(months),
            days_per_year=float(calendar.days[KINDS.index(kind), np.array(months) - 1].sum()),
            kind=kind,
        )
        for months in groups
        for kind in kinds
    )


def group_months(prices: FloatArray, count: int) -> list[MonthGroup]:
    """
    Put the twelve months in groups of like prices.

    Ward's method merges, step by step, the two groups whose union adds least to the squared differences from the
    mean price within groups. If more groups are asked for than there are different months, equal months are split:
    the longest group is halved, in the order of the calendar, until there are enough.

    Parameters
    ----------
    prices
        (12, n) prices of each month; columns that repeat another (data centers of one tariff) count once.
    count
        Groups to make, 1 to 12.

    Returns
    -------
    list of tuple of int
        Months 1 to 12 of each group, ordered by its first month.
    """
    different = np.unique(prices, axis=1)
    _, kind = np.unique(different, axis=0, return_inverse=True)
    kind = kind.reshape(-1)
    if count > kind.max() + 1:
        groups = [tuple(int(month) + 1 for month in np.flatnonzero(kind == k)) for k in range(kind.max() + 1)]
        while len(groups) < count:
            longest = max(sorted(groups), key=len)
            groups.remove(longest)
            in_order = _in_calendar_order(longest)
            half = (len(in_order) + 1) // 2
            groups += [tuple(sorted(in_order[:half])), tuple(sorted(in_order[half:]))]
        return sorted(groups)
    from scipy.cluster.hierarchy import linkage  # slow to import, and most scenarios have one season

    members: dict[int, MonthGroup] = {month: (month + 1,) for month in range(MONTHS_PER_YEAR)}
    merges = linkage(different, method="ward")[: MONTHS_PER_YEAR - count]
    for step, (first, second, *_) in enumerate(merges):
        members[MONTHS_PER_YEAR + step] = tuple(sorted(members.pop(int(first)) + members.pop(int(second))))
    return sorted(members.values())


def name_season(months: MonthGroup) -> str:
    """
    Name a group of months.

    Examples
    --------
    >>> name_season((1, 2, 12)), name_season((3, 4, 5, 9)), name_season(tuple(range(1, 13)))
    ('m12_2', 'm3_5_and_9', 'year')
    """
    if len(months) == MONTHS_PER_YEAR:
        return "year"
    return "m" + spell_months(months).replace("-", "_").replace(";", "_and_")


def _in_calendar_order(months: MonthGroup) -> list[int]:
    """Begin after the longest gap (the last of several), so that December and January stand side by side."""
    around = [*months, months[0] + MONTHS_PER_YEAR]
    gaps = [later - earlier for earlier, later in pairwise(around)]
    start = (len(gaps) - gaps[::-1].index(max(gaps))) % len(months)
    return [*months[start:], *months[:start]]
