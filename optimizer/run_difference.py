"""What two runs of one network do differently: data centers, flows, links and moves, matched by their labels."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from network_data.faults import FaultList, quote_value
from optimizer.geo import RunTables
from optimizer.map_flows import link_volumes, undirected
from optimizer.moved import MOVES, find_moved

# Below this share of all tokens (or of the cost) a change is rounding of a solver.
LEAST_SHARE = 1e-9
_SAME_PLACE_DEG = 1e-9
_LISTED = 5
_AMOUNT = "mtok_per_year"
_PAIR = ["demand_hub", "data_center"]
_COLUMNS = ["before_mtok_per_day", "after_mtok_per_day", "change_mtok_per_day"]


@dataclass(frozen=True, eq=False)
class RunDifference:
    """
    From one run to another. Amounts are million tokens a day of the mean day.

    Attributes
    ----------
    before, after
        The runs.
    data_centers
        By id: before_mtok_per_day, after_mtok_per_day, change_mtok_per_day, is_opened, is_closed.
    flows
        By demand_hub and data_center: the same amounts; pairs that neither run uses are left out.
    links
        By start and end (in alphabetical order, both directions together): the same amounts.
    moves
        from_data_center, to_data_center, mtok_per_day: tokens of the same workload that one data center gives up and
        another takes over, largest first.
    retimed_mtok_per_day
        Tokens that change their hour and not their data center.
    costs
        By component: before_cny_per_year, after_cny_per_year, change_cny_per_year.
    total_mtok_per_day
        Tokens of the run that serves more.
    """

    before: RunTables
    after: RunTables
    data_centers: pd.DataFrame
    flows: pd.DataFrame
    links: pd.DataFrame
    moves: pd.DataFrame
    retimed_mtok_per_day: float
    costs: pd.DataFrame
    total_mtok_per_day: float

    @property
    def moved_mtok_per_day(self) -> float:
        """Tokens that change their data center."""
        return float(self.moves["mtok_per_day"].sum())

    @property
    def net_moves(self) -> pd.DataFrame:
        """The moves less what goes the other way between the same two data centers, largest first."""
        pairs = ["from_data_center", "to_data_center"]
        back = self.moves.rename(columns=dict(zip(pairs, pairs[::-1], strict=True)))
        both = self.moves.merge(back, on=pairs, how="left", suffixes=("", "_back"))
        net = both[pairs].assign(mtok_per_day=both["mtok_per_day"] - both["mtok_per_day_back"].fillna(0.0))
        least = LEAST_SHARE * self.total_mtok_per_day
        order = ["mtok_per_day", *pairs]
        return net[net["mtok_per_day"] > least].sort_values(order, ascending=[False, True, True], ignore_index=True)

    @property
    def has_same_plan(self) -> bool:
        """Whether no data center, flow, link or hour differs by more than rounding."""
        tables = (self.data_centers, self.flows, self.links)
        changed = [float(table["change_mtok_per_day"].abs().max()) for table in tables if len(table)]
        decisions = self.data_centers[["is_opened", "is_closed"]].to_numpy(bool).any()
        largest = max([0.0, *changed, self.moved_mtok_per_day, self.retimed_mtok_per_day])
        return not decisions and largest <= LEAST_SHARE * max(self.total_mtok_per_day, 1e-300)

    @property
    def cost_change_cny_per_year(self) -> float:
        """Cost of the second run less that of the first."""
        return float(self.costs["change_cny_per_year"].sum())

    @property
    def has_same_cost(self) -> bool:
        """Whether no component of the cost differs by more than rounding."""
        least = LEAST_SHARE * float(self.costs["before_cny_per_year"].abs().sum())
        return bool((self.costs["change_cny_per_year"].abs() <= least).all())


def difference_of_runs(before: RunTables, after: RunTables) -> RunDifference:
    """
    Hold one run against another.

    Parameters
    ----------
    before, after
        Runs of the same network: the same data centers, demand hubs and links at the same places. Scenario, prices and
        time slices may differ.

    Returns
    -------
    RunDifference
        What differs.

    Raises
    ------
    InputError
        If the networks differ, naming what is in one of them alone or has moved.
    """
    _check_same_network(before, after)
    centers = _changes(*(run.data_centers[_AMOUNT] / run.days_per_year for run in (before, after)))
    is_open = [run.data_centers["is_open"].astype(bool).reindex(centers.index) for run in (before, after)]
    centers = centers.assign(is_opened=~is_open[0] & is_open[1], is_closed=is_open[0] & ~is_open[1])
    flows = _changes(*(run.allocation.groupby(_PAIR)[_AMOUNT].sum() / run.days_per_year for run in (before, after)))
    links = _changes(*(_link_totals(run) for run in (before, after)))
    # Positions of moves come from tokens per year of either run, so both count as years of the first.
    moved = find_moved(before.allocation, after.allocation).rows
    days = before.days_per_year
    is_move = moved["kind"].isin(MOVES) & (moved["from_data_center"] != moved["to_data_center"])
    pairs = ["from_data_center", "to_data_center"]
    moves = (moved[is_move].groupby(pairs)[_AMOUNT].sum() / days).rename("mtok_per_day").reset_index()
    moves = moves.sort_values(["mtok_per_day", *pairs], ascending=[False, True, True], ignore_index=True)
    costs = _changes(*(run.costs.groupby("component")["cny_per_year"].sum() for run in (before, after)))
    return RunDifference(
        before,
        after,
        centers,
        flows,
        links,
        moves,
        float(moved.loc[moved["kind"] == "hour", _AMOUNT].sum()) / days,
        costs.rename(columns=lambda name: name.replace("mtok_per_day", "cny_per_year")),
        max(float(run.allocation[_AMOUNT].sum()) / run.days_per_year for run in (before, after)),
    )


def _changes(before: pd.Series, after: pd.Series) -> pd.DataFrame:
    table = pd.concat([before, after], axis=1, keys=_COLUMNS[:2]).fillna(0.0).sort_index()
    table[_COLUMNS[2]] = table[_COLUMNS[1]] - table[_COLUMNS[0]]
    return table


def _link_totals(run: RunTables) -> pd.Series:
    volumes = link_volumes(run, pd.Series("", index=run.allocation.index))
    totals = volumes["mtok_per_day"].groupby(undirected(volumes)).sum()
    index = pd.MultiIndex.from_tuples(list(totals.index), names=["start", "end"])
    return pd.Series(totals.to_numpy(float), index=index) if len(totals) else pd.Series(dtype=float)


def _check_same_network(before: RunTables, after: RunTables) -> None:
    faults = FaultList("the difference of two runs")
    remedy = "Compare runs of the same network."
    place = ["longitude_deg", "latitude_deg"]
    ends = ["from_node", "to_node"]
    for kind, name, columns in (
        ("data centers", "data_centers", place),
        ("demand hubs", "demand_hubs", place),
        ("links", "links", [f"{end}_{column}" for end in ("from", "to") for column in place]),
    ):
        first, second = getattr(before, name), getattr(after, name)
        for table, other, run in ((first, second, before), (second, first, after)):
            alone = sorted(map(str, table.index.difference(other.index)))
            if alone:
                problem = f"{len(alone)} {kind} are in this run alone: {_list(alone)}"
                faults.add(f"{run.folder}/{name}.parquet", problem, remedy, column="id")
        shared = first.index.intersection(second.index)
        apart = (first.loc[shared, columns] - second.loc[shared, columns]).abs().max(axis=1) > _SAME_PLACE_DEG
        if name == "links":
            apart |= (first.loc[shared, ends] != second.loc[shared, ends]).any(axis=1)
        if apart.any():
            moved = sorted(map(str, shared[apart.to_numpy(bool)]))
            problem = f"{len(moved)} {kind} lie elsewhere in the other run: {_list(moved)}"
            faults.add(f"{after.folder}/{name}.parquet", problem, remedy)
    faults.raise_if_any()


def _list(ids: list[str]) -> str:
    more = f" and {len(ids) - _LISTED} more" if len(ids) > _LISTED else ""
    return ", ".join(quote_value(name) for name in ids[:_LISTED]) + more
