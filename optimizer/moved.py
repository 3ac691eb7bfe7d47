"""What moved between two plans: which tokens of which workloads changed data center or hour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from optimizer.problem import FloatArray, IntArray

WORKLOAD = ["demand_hub", "workload_class"]
MOVED_COLUMNS = [
    "kind", *WORKLOAD, "from_data_center", "to_data_center", "day", "from_hour", "to_hour", "mtok_per_year", "share",
]  # fmt: skip
TOTAL_COLUMNS = ["kind", "workloads", "mtok_per_year", "share"]
PLACE_COLUMNS = ["data_center", "before_mtok_per_year", "after_mtok_per_year", "change_mtok_per_year"]
# Changed data center in the same hour, hour in the same data center, both; served in only one of the plans.
MOVES = ("data_center", "hour", "data_center_and_hour")
KINDS = (*MOVES, "no_longer_served", "newly_served")
# Below this share of all tokens a row is rounding of a solver.
LEAST_SHARE = 1e-10
_AMOUNT = "mtok_per_year"


@dataclass(frozen=True, eq=False)
class Moved:
    """
    What moved from one plan to another.

    Attributes
    ----------
    rows
        Largest first: kind (`data_center`: in the same hour; `hour`: in the same data center; `data_center_and_hour`;
        `no_longer_served` and `newly_served`: in one of the plans alone), demand_hub, workload_class,
        from_data_center, to_data_center, day, from_hour, to_hour (of work that changed its hour; else "" and NaN),
        mtok_per_year, share (of the first plan's tokens).
    totals
        kind, workloads (how many), mtok_per_year, share.
    data_centers
        data_center, before_mtok_per_year, after_mtok_per_year, change_mtok_per_year: what of `rows` comes in less what
        goes out.
    has_hours
        False where the plans do not have the same time slices: only years are compared then.
    """

    rows: pd.DataFrame
    totals: pd.DataFrame
    data_centers: pd.DataFrame
    has_hours: bool

    @property
    def share(self) -> float:
        """Share of the first plan's tokens that changed data center or hour."""
        return float(self.totals.loc[self.totals["kind"].isin(MOVES), "share"].sum())


def find_moved(before: pd.DataFrame, after: pd.DataFrame) -> Moved:
    """
    Tell what moved between two plans.

    Tokens carry no names. Of a workload, what a data center gives up in an hour goes first to the data centers that
    take over more in that hour, in proportion; then to other hours of the same data center, then to other hours and
    data centers, in the order of the hours. So no more is called moved than must have been.

    Parameters
    ----------
    before, after
        Table `allocation` of the two plans.
    """
    has_hours = _days(before).equals(_days(after))
    first, second = (_volumes(table, has_hours=has_hours) for table in (before, after))
    change = second.sub(first, fill_value=0.0).rename(_AMOUNT).reset_index()
    change = change.sort_values(["day", *WORKLOAD, "hour", "data_center"], ignore_index=True)
    loss = change[change[_AMOUNT] < 0].assign(**{_AMOUNT: lambda t: -t[_AMOUNT]})
    gain = change[change[_AMOUNT] > 0]
    same_hour, loss, gain = _share_out(loss, gain)
    same_place, loss, gain = _in_order(loss, gain, ["day", *WORKLOAD, "data_center"])
    elsewhere, loss, gain = _in_order(loss, gain, ["day", *WORKLOAD])
    total = float(first.sum())
    rows = _rows([same_hour, same_place, elsewhere, _ends(loss, "from"), _ends(gain, "to")], total)
    return Moved(rows, _totals(rows), _places(first, second), has_hours)


def moved_share(before: pd.DataFrame, after: pd.DataFrame) -> float:
    """
    Say which share of the tokens of a plan changed data center or hour.

    Parameters
    ----------
    before, after
        Table `allocation` of the two plans.
    """
    return find_moved(before, after).share


def _days(allocation: pd.DataFrame) -> pd.DataFrame:
    """
    Days of a plan with the hours per year that their slices stand for: what tells slices of one length from another.

    Not the slices themselves: in some of them nothing may be served, and not in the same ones by both plans.
    """
    return allocation[["day", "weight_h"]].drop_duplicates().sort_values(["day", "weight_h"], ignore_index=True)


def _volumes(allocation: pd.DataFrame, *, has_hours: bool) -> pd.Series:
    """Million tokens per year by day, hour, workload and data center; without hours, those of the year."""
    table = allocation.assign(**{_AMOUNT: allocation["mtok_per_h"] * allocation["weight_h"]})
    if not has_hours:
        table = table.assign(day="", hour=0.0)
    volumes: pd.Series = table.groupby(["day", "hour", *WORKLOAD, "data_center"])[_AMOUNT].sum()
    return volumes


def _share_out(loss: pd.DataFrame, gain: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Match losses with gains of the same workload in the same slice, in proportion; returns moves and what is left."""
    keys = ["day", "hour", *WORKLOAD]
    lost, gained = (table.groupby(keys)[_AMOUNT].sum() for table in (loss, gain))
    matched = pd.concat([lost, gained], axis=1, join="inner", keys=["lost", "gained"])
    least = matched.min(axis=1)
    shares = pd.DataFrame({"lost": least / matched["lost"], "gained": least / matched["gained"]})
    pairs = loss.merge(gain, on=keys, suffixes=("_lost", "_gained")).merge(
        matched.assign(least=least).reset_index(), on=keys, validate="many_to_one"
    )
    # Each pair of losing and gaining data center carries its share of both.
    amount = pairs[f"{_AMOUNT}_lost"] * (pairs[f"{_AMOUNT}_gained"] / pairs["gained"])
    amount *= pairs["least"] / pairs["lost"]
    moves = pd.DataFrame(
        {
            **{name: pairs[name] for name in ("day", *WORKLOAD)},
            "from_data_center": pairs["data_center_lost"],
            "to_data_center": pairs["data_center_gained"],
            "from_hour": pairs["hour"],
            "to_hour": pairs["hour"],
            _AMOUNT: amount,
        }
    )
    return moves, _without(loss, shares["lost"], keys), _without(gain, shares["gained"], keys)


def _without(table: pd.DataFrame, taken: pd.Series, keys: list[str]) -> pd.DataFrame:
    """Leave what the share taken of each group leaves."""
    share = taken.reindex(pd.MultiIndex.from_frame(table[keys])).fillna(0.0).to_numpy(float)
    return _some(table.assign(**{_AMOUNT: table[_AMOUNT].to_numpy(float) * (1.0 - share)}))


def _some(table: pd.DataFrame) -> pd.DataFrame:
    return table[table[_AMOUNT] > 0].reset_index(drop=True)


def _in_order(
    loss: pd.DataFrame, gain: pd.DataFrame, keys: list[str]
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Match losses with gains of the same group, first with first; returns moves and what is left."""
    losing, gaining = (table.groupby(keys).indices for table in (loss, gain))
    parts: list[tuple[IntArray, IntArray, FloatArray]] = []
    for key in losing:
        if key not in gaining:
            continue
        out, into = (np.asarray(side[key], dtype=np.int64) for side in (losing, gaining))
        i, j, amount = _first_with_first(loss[_AMOUNT].to_numpy(float)[out], gain[_AMOUNT].to_numpy(float)[into])
        parts.append((out[i], into[j], amount))
    if not parts:
        return _no_moves(), loss, gain
    i, j, amount = (np.concatenate(column) for column in zip(*parts, strict=True))
    moves = pd.DataFrame(
        {
            **{name: loss[name].to_numpy()[i] for name in ("day", *WORKLOAD)},
            "from_data_center": loss["data_center"].to_numpy()[i],
            "to_data_center": gain["data_center"].to_numpy()[j],
            "from_hour": loss["hour"].to_numpy()[i],
            "to_hour": gain["hour"].to_numpy()[j],
            _AMOUNT: amount,
        }
    )
    left = [
        _some(table.assign(**{_AMOUNT: table[_AMOUNT] - np.bincount(at, amount, len(table))}))
        for table, at in ((loss, i), (gain, j))
    ]
    return moves, left[0], left[1]


def _first_with_first(loss: FloatArray, gain: FloatArray) -> tuple[IntArray, IntArray, FloatArray]:
    """Lay losses and gains end to end beside each other: positions in both, and the length of each common piece."""
    lost, gained = np.cumsum(loss), np.cumsum(gain)
    ends = np.unique(np.concatenate([lost, gained]))
    ends = ends[ends <= min(lost[-1], gained[-1])]
    lengths = np.diff(ends, prepend=0.0)
    middles = ends - lengths / 2
    return np.searchsorted(lost, middles), np.searchsorted(gained, middles), lengths


def _no_moves() -> pd.DataFrame:
    names = ["day", *WORKLOAD, "from_data_center", "to_data_center", "from_hour", "to_hour", _AMOUNT]
    return pd.DataFrame(columns=names)


def _ends(left: pd.DataFrame, side: str) -> pd.DataFrame:
    """Rows for what is served in one of the plans alone."""
    other = "to" if side == "from" else "from"
    named = left.rename(columns={"data_center": f"{side}_data_center", "hour": f"{side}_hour"})
    named[f"{other}_data_center"] = ""
    named[f"{other}_hour"] = np.nan
    return named


def _rows(parts: Sequence[pd.DataFrame], total_mtok: float) -> pd.DataFrame:
    filled = [part for part in parts if len(part)]
    if not filled:
        return pd.DataFrame(columns=MOVED_COLUMNS)
    table = pd.concat(filled, ignore_index=True)
    other_place = (table["from_data_center"] != table["to_data_center"]).to_numpy(bool)
    other_hour = (table["from_hour"] != table["to_hour"]).to_numpy(bool)
    gone, came = ((table[f"{side}_data_center"] == "").to_numpy(bool) for side in ("to", "from"))
    kind = np.select(
        [gone, came, other_place & other_hour, other_hour], [KINDS[3], KINDS[4], KINDS[2], KINDS[1]], KINDS[0]
    )
    has_hour = np.isin(kind, ["hour", "data_center_and_hour"])
    table["kind"] = kind
    table["day"] = table["day"].where(has_hour, "")
    for name in ("from_hour", "to_hour"):
        table[name] = table[name].astype(float).where(has_hour)
    keys = [name for name in MOVED_COLUMNS if name not in {_AMOUNT, "share"}]
    sums: pd.DataFrame = table.groupby(keys, dropna=False)[_AMOUNT].sum().reset_index()
    sums["share"] = sums[_AMOUNT] / total_mtok if total_mtok > 0 else np.nan
    sums = sums[~(sums["share"] < LEAST_SHARE)]
    order = [_AMOUNT, *keys]
    return sums.sort_values(order, ascending=[False, *(True for _ in keys)], ignore_index=True)[MOVED_COLUMNS]


def _totals(rows: pd.DataFrame) -> pd.DataFrame:
    found = [
        (kind, len(part[WORKLOAD].drop_duplicates()), float(part[_AMOUNT].sum()), float(part["share"].sum()))
        for kind in KINDS
        for part in (rows[rows["kind"] == kind],)
    ]
    return pd.DataFrame(found, columns=TOTAL_COLUMNS)


def _places(before: pd.Series, after: pd.Series) -> pd.DataFrame:
    sums = pd.concat([v.groupby(level="data_center").sum() for v in (before, after)], axis=1, keys=["before", "after"])
    sums = sums.fillna(0.0).sort_index()
    table = sums.add_suffix("_mtok_per_year").assign(change_mtok_per_year=sums["after"] - sums["before"])
    return table.rename_axis("data_center").reset_index()[PLACE_COLUMNS]
