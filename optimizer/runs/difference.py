"""
The difference of two runs: decisions, tokens that change data center or hour, and the changes that maps show.

Rows are matched by the labels of the network.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
import pandas as pd

from network_data.faults import FaultList, quote_value
from optimizer.problem.problem import FloatArray, IntArray
from optimizer.runs.places import link_volumes, undirected
from optimizer.runs.run import Run

_WORKLOAD = ["demand_hub", "workload_class"]
MOVED_COLUMNS = [
    "kind", *_WORKLOAD, "from_data_center", "to_data_center", "day", "from_hour", "to_hour", "mtok_per_year", "share",
]  # fmt: skip
TOTAL_COLUMNS = ["kind", "workloads", "mtok_per_year", "share"]
PLACE_COLUMNS = ["data_center", "before_mtok_per_year", "after_mtok_per_year", "change_mtok_per_year"]

# Another data center in the same hour, another hour in the same data center, both: these are moves. Served in only one
# of the plans is none: because the demand is lower or higher, or because the plan leaves more or less of it unserved.
MOVES = ("data_center", "hour", "data_center_and_hour")
KINDS = (*MOVES, "less_demand", "more_demand", "no_longer_served", "newly_served")

# Below this share of all tokens (or of the cost) a change is rounding of a solver.
LEAST_DIFFERENCE_SHARE = 1e-9
_LEAST_MOVE_SHARE = 1e-10
_LEAST_USED_SHARE = 1e-6
_LEAST_WORDED_SHARE = 5e-4
_SAME_PLACE_DEG = 1e-9
_LISTED, _LISTED_IDS = 3, 5
_AMOUNT = "mtok_per_year"
_NODES = ["from_node", "to_node"]
_ENDS = ["from_data_center", "to_data_center"]
_MOVE_COLUMNS = ["day", *_WORKLOAD, *_ENDS, "from_hour", "to_hour", _AMOUNT]
_Name = TypeVar("_Name", bound=Hashable)


class RunDifference:
    """
    The change from one run to another; each part is computed on first use.

    Decisions need two plans of problems with the same workloads, data centers, pools and slices; candidates may differ.
    Places need tables of the same network (see `difference_of_runs`); amounts are million tokens on an average day.
    Names are as in the input: escape them before printing.
    """

    def __init__(self, before: Run, after: Run) -> None:
        self.before, self.after = before, after

    # Decisions

    @cached_property
    def opened_and_closed(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Names of data centers."""
        return _differ(*(_open_names(run) for run in (self.before, self.after)))

    @cached_property
    def deployed_and_withdrawn(self) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]:
        """Names of class and data center."""
        return _differ(*(_deployed_names(run) for run in (self.before, self.after)))

    @cached_property
    def pods(self) -> tuple[tuple[str, int], ...]:
        """Change in pods bought by accelerator and data center, "Chip at Place"; largest first."""
        problem = self.before.problem
        more = (np.asarray(self.after.plan.new_pods) - np.asarray(self.before.plan.new_pods)).astype(int)
        chips, centers = problem.accelerators["name"].to_numpy(), problem.data_centers["name"].to_numpy()
        a, d = (problem.pools[name].to_numpy(int) for name in ("accelerator_index", "data_center_index"))
        order = sorted(np.flatnonzero(more).tolist(), key=lambda p: (-abs(more[p]), p))
        return tuple((f"{chips[a[p]]} at {centers[d[p]]}", int(more[p])) for p in order)

    @cached_property
    def moved_share(self) -> float:
        """Share of the tokens that is processed in another data center, over the year."""
        more = np.maximum(_by_place(self.after) - _by_place(self.before), 0.0)
        return float(more.sum() / (self.before.problem.annual_mtok or 1.0))

    @cached_property
    def retimed_share(self) -> float:
        """Share of the tokens that is processed in another time slice."""
        more = np.maximum(self.after.facts.served_mtok_per_h - self.before.facts.served_mtok_per_h, 0.0)
        return float((self.before.problem.weight_h @ more).sum() / (self.before.problem.annual_mtok or 1.0))

    @property
    def kind(self) -> str:
        """`decisions`, or `routing` where only places or hours of tokens change."""
        is_of_decisions = any((*self.opened_and_closed, *self.deployed_and_withdrawn, self.pods))
        return "decisions" if is_of_decisions else "routing"

    def words(self, *, back: bool = False) -> str:
        """
        Describe the change, or its reverse, in one line.

        Deployments in a data center that opens or closes are left out.
        """
        sign = -1 if back else 1
        opened, closed = self.opened_and_closed[::sign]
        new, gone = self.deployed_and_withdrawn[::sign]
        deployed = tuple(f"{k} at {d}" for k, d in new if d not in opened)
        withdrawn = tuple(f"{k} at {d}" for k, d in gone if d not in closed)
        more = [f"{sign * count:,} pods of {name}" for name, count in self.pods if sign * count > 0]
        fewer = [f"{-sign * count:,} pods of {name}" for name, count in self.pods if sign * count < 0]
        parts = [
            _clause(opened, "opens", "open"),
            _clause(closed, "closes", "close"),
            _clause(deployed, "is deployed", "are deployed"),
            _clause(withdrawn, "is withdrawn", "are withdrawn"),
            f"bought in addition: {_list(more)}" if more else "",
            f"not bought: {_list(fewer)}" if fewer else "",
            f"{self.moved_share:.1%} of the tokens move" if self.moved_share > _LEAST_WORDED_SHARE else "",
            f"{self.retimed_share:.1%} of the tokens change hours" if self.retimed_share > _LEAST_WORDED_SHARE else "",
        ]
        return "; ".join(part for part in parts if part) or "the same work on other routes or accelerators"

    # Tokens

    @cached_property
    def token_moves(self) -> TokenMoves:
        """Tokens that change data center or hour."""
        first, second = (run.tables if run.has_tables else run.decisions for run in (self.before, self.after))
        shed = tuple(_shed(tables) for tables in (first, second))
        return find_moves(first["allocation"], second["allocation"], shed=(shed[0], shed[1]))

    @cached_property
    def moves(self) -> pd.DataFrame:
        """
        Tokens of the same workload that move from one data center to another, largest first.

        Columns from_data_center, to_data_center, mtok_per_day. Both runs count as years of the first.
        """
        rows = self.token_moves.rows
        is_move = rows["kind"].isin(MOVES) & (rows["from_data_center"] != rows["to_data_center"])
        moves = rows[is_move].groupby(_ENDS)[_AMOUNT].sum() / self.before.days_per_year
        return _largest_first(moves.rename("mtok_per_day").reset_index())

    @property
    def net_moves(self) -> pd.DataFrame:
        """The moves minus those in the opposite direction between the same two data centers, largest first."""
        back = self.moves.rename(columns=dict(zip(_ENDS, _ENDS[::-1], strict=True)))
        both = self.moves.merge(back, on=_ENDS, how="left", suffixes=("", "_back"))
        net = both[_ENDS].assign(mtok_per_day=both["mtok_per_day"] - both["mtok_per_day_back"].fillna(0.0))
        return _largest_first(net[net["mtok_per_day"] > LEAST_DIFFERENCE_SHARE * self.total_mtok_per_day])

    @property
    def moved_mtok_per_day(self) -> float:
        """Tokens that change their data center."""
        return float(self.moves["mtok_per_day"].sum())

    @property
    def retimed_mtok_per_day(self) -> float:
        """Tokens that change their hour and not their data center."""
        rows = self.token_moves.rows
        return float(rows.loc[rows["kind"] == "hour", _AMOUNT].sum()) / self.before.days_per_year

    @property
    def total_mtok_per_day(self) -> float:
        """Tokens of the run that serves more."""
        return max(float(run.allocation[_AMOUNT].sum()) / run.days_per_year for run in (self.before, self.after))

    # Places and costs

    @cached_property
    def data_centers(self) -> pd.DataFrame:
        """By id: before_mtok_per_day, after_mtok_per_day, change_mtok_per_day, is_opened, is_closed."""
        runs = (self.before, self.after)
        table = _changes(run.data_centers[_AMOUNT] / run.days_per_year for run in runs)
        was_open, is_open = (run.data_centers["is_open"].astype(bool).reindex(table.index) for run in runs)
        return table.assign(is_opened=~was_open & is_open, is_closed=was_open & ~is_open)

    @cached_property
    def flows(self) -> pd.DataFrame:
        """By demand_hub and data_center: the same amounts; pairs that neither run uses are left out."""
        pair = ["demand_hub", "data_center"]
        runs = (self.before, self.after)
        return _changes(run.allocation.groupby(pair)[_AMOUNT].sum() / run.days_per_year for run in runs)

    @cached_property
    def links(self) -> pd.DataFrame:
        """By start and end (in alphabetical order, both directions together): the same amounts."""
        return _changes(_link_totals(run) for run in (self.before, self.after))

    @cached_property
    def costs(self) -> pd.DataFrame:
        """By component: before_cny_per_year, after_cny_per_year, change_cny_per_year."""
        costs = (run.costs.groupby("component")["cny_per_year"].sum() for run in (self.before, self.after))
        return _changes(costs, "cny_per_year")

    @property
    def cost_change_cny_per_year(self) -> float:
        """Cost of the second run less that of the first."""
        return float(self.costs["change_cny_per_year"].sum())

    @property
    def has_same_cost(self) -> bool:
        """Whether no component of the cost differs by more than rounding."""
        least = LEAST_DIFFERENCE_SHARE * float(self.costs["before_cny_per_year"].abs().sum())
        return bool((self.costs["change_cny_per_year"].abs() <= least).all())

    @property
    def has_same_plan(self) -> bool:
        """Whether no data center, flow, link or hour differs by more than rounding."""
        tables = (self.data_centers, self.flows, self.links)
        changed = [float(table["change_mtok_per_day"].abs().max()) for table in tables if len(table)]
        decisions = self.data_centers[["is_opened", "is_closed"]].to_numpy(bool).any()
        largest = max([0.0, *changed, self.moved_mtok_per_day, self.retimed_mtok_per_day])
        return not decisions and largest <= LEAST_DIFFERENCE_SHARE * max(self.total_mtok_per_day, 1e-300)


def difference_of_runs(before: Run, after: Run) -> RunDifference:
    """
    Compare two runs of one network by place.

    Parameters
    ----------
    before, after
        Runs with the same data centers, demand hubs and links at the same places. Scenario, prices and time slices may
        differ.

    Raises
    ------
    InputError
        If the networks differ, naming what is in one of them alone or lies elsewhere.
    """
    _check_same_network(before, after)
    return RunDifference(before, after)


@dataclass(frozen=True, eq=False)
class TokenMoves:
    """Tokens that change data center or hour from one plan to another."""

    # MOVED_COLUMNS, largest first. kind: see KINDS; day, from_hour and to_hour of work that changed its hour, else ""
    # and NaN; share of the first plan's tokens
    rows: pd.DataFrame
    totals: pd.DataFrame  # TOTAL_COLUMNS; workloads is their number
    data_centers: pd.DataFrame  # PLACE_COLUMNS
    has_hours: bool  # False where the plans have different time slices: only years are compared then

    @property
    def share(self) -> float:
        """Share of the first plan's tokens that changed data center or hour."""
        return float(self.totals.loc[self.totals["kind"].isin(MOVES), "share"].sum())


def find_moves(
    before: pd.DataFrame, after: pd.DataFrame, *, shed: tuple[pd.Series, pd.Series] | None = None
) -> TokenMoves:
    """
    Find the tokens that change data center or hour between two plans.

    Single tokens cannot be traced. What a data center loses of a workload in an hour is matched first with the gains of
    other data centers in that hour, in proportion; then with other hours of the same data center; then with other hours
    and data centers, in the order of the hours. This finds the fewest moves that explain the change.

    Parameters
    ----------
    before, after
        Table `allocation` of the two plans.
    shed
        What each plan leaves unserved, mtok per year by demand_hub and workload_class; None = nothing, so that whatever
        is served in one plan alone is a difference of demand.
    """
    has_hours = _days(before).equals(_days(after))
    first, second = (_volumes(table, has_hours=has_hours) for table in (before, after))
    change = second.sub(first, fill_value=0.0).rename(_AMOUNT).reset_index()
    change = change.sort_values(["day", *_WORKLOAD, "hour", "data_center"], ignore_index=True)
    loss = change[change[_AMOUNT] < 0].assign(**{_AMOUNT: lambda t: -t[_AMOUNT]})
    gain = change[change[_AMOUNT] > 0]
    same_hour, loss, gain = _share_out(loss, gain)
    same_place, loss, gain = _in_order(loss, gain, ["day", *_WORKLOAD, "data_center"])
    elsewhere, loss, gain = _in_order(loss, gain, ["day", *_WORKLOAD])
    total = float(first.sum())
    more_shed = pd.Series(dtype=float) if shed is None else shed[1].sub(shed[0], fill_value=0.0)
    alone = [_one_sided(loss, "from", more_shed), _one_sided(gain, "to", -more_shed)]
    rows = _rows([same_hour, same_place, elsewhere, *(part for parts in alone for part in parts)], total)
    return TokenMoves(rows, _totals(rows), _places(first, second), has_hours)


def _days(allocation: pd.DataFrame) -> pd.DataFrame:
    """
    Days of a plan with the hours per year of their slices, which tells slices of different lengths apart.

    Not the slices themselves: a plan may serve nothing in some of them.
    """
    return allocation[["day", "weight_h"]].drop_duplicates().sort_values(["day", "weight_h"], ignore_index=True)


def _volumes(allocation: pd.DataFrame, *, has_hours: bool) -> pd.Series:
    """Million tokens per year by day, hour, workload and data center; without hours, those of the year."""
    table = allocation.assign(**{_AMOUNT: allocation["mtok_per_h"] * allocation["weight_h"]})
    if not has_hours:
        table = table.assign(day="", hour=0.0)
    volumes: pd.Series = table.groupby(["day", "hour", *_WORKLOAD, "data_center"])[_AMOUNT].sum()
    return volumes


def _share_out(loss: pd.DataFrame, gain: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Match losses with gains of the same workload in the same slice, in proportion; returns moves and what is left."""
    keys = ["day", "hour", *_WORKLOAD]
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
    names = {"data_center_lost": "from_data_center", "data_center_gained": "to_data_center", "hour": "from_hour"}
    moves = pairs.assign(to_hour=pairs["hour"], **{_AMOUNT: amount}).rename(columns=names)[_MOVE_COLUMNS]
    return moves, _without(loss, shares["lost"], keys), _without(gain, shares["gained"], keys)


def _without(table: pd.DataFrame, taken: pd.Series, keys: list[str]) -> pd.DataFrame:
    """Subtract from each group the share that was matched."""
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
        lost, gained = (np.asarray(side[key], dtype=np.int64) for side in (losing, gaining))
        i, j, amount = _first_with_first(loss[_AMOUNT].to_numpy(float)[lost], gain[_AMOUNT].to_numpy(float)[gained])
        parts.append((lost[i], gained[j], amount))
    if not parts:
        return pd.DataFrame(), loss, gain
    i, j, amount = (np.concatenate(column) for column in zip(*parts, strict=True))
    out, into = (table.iloc[at].reset_index(drop=True) for table, at in ((loss, i), (gain, j)))
    moves = out.rename(columns={"hour": "from_hour", "data_center": "from_data_center"}).assign(
        to_data_center=into["data_center"], to_hour=into["hour"], **{_AMOUNT: amount}
    )[_MOVE_COLUMNS]
    left = [
        _some(table.assign(**{_AMOUNT: table[_AMOUNT] - np.bincount(at, amount, len(table))}))
        for table, at in ((loss, i), (gain, j))
    ]
    return moves, left[0], left[1]


def _first_with_first(loss: FloatArray, gain: FloatArray) -> tuple[IntArray, IntArray, FloatArray]:
    """Match losses with gains in their order: positions in both, and the amount of each match."""
    lost, gained = np.cumsum(loss), np.cumsum(gain)
    ends = np.unique(np.concatenate([lost, gained]))
    ends = ends[ends <= min(lost[-1], gained[-1])]
    lengths = np.diff(ends, prepend=0.0)
    middles = ends - lengths / 2
    return np.searchsorted(lost, middles), np.searchsorted(gained, middles), lengths


def _shed(tables: Mapping[str, pd.DataFrame]) -> pd.Series:
    """Sum up what a plan leaves unserved, mtok per year by workload; nothing where its run does not store it."""
    if "unserved" not in tables:
        return pd.Series(dtype=float, index=pd.MultiIndex.from_tuples([], names=_WORKLOAD))
    unserved, hours = tables["unserved"], tables["allocation"][["day", "hour", "weight_h"]].drop_duplicates()
    table = unserved[unserved["shed_mtok_per_h"] > 0].merge(hours, on=["day", "hour"], how="left")
    # A slice in which nothing at all is served has no row in the allocation.
    amounts = table["shed_mtok_per_h"] * table["weight_h"].fillna(hours["weight_h"].mean())
    shed: pd.Series = amounts.groupby([table[name] for name in _WORKLOAD]).sum()
    return shed


def _one_sided(left: pd.DataFrame, side: str, more_shed: pd.Series) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows for what is served in one of the plans alone: that of other demand, and that left unserved by the other."""
    other = "to" if side == "from" else "from"
    named = left.rename(columns={"data_center": f"{side}_data_center", "hour": f"{side}_hour"})
    named[[f"{other}_data_center", f"{other}_hour"]] = "", np.nan
    workloads = pd.MultiIndex.from_frame(named[_WORKLOAD])
    total = named.groupby(_WORKLOAD)[_AMOUNT].transform("sum").to_numpy(float)
    shed = (
        np.clip(more_shed.reindex(workloads).fillna(0.0).to_numpy(float), 0.0, total) if len(more_shed) else 0.0 * total
    )
    share = np.divide(shed, total, out=np.zeros_like(total), where=total > 0)
    return (
        _some(named.assign(**{_AMOUNT: named[_AMOUNT] * (1.0 - share)}, is_shed=False)),
        _some(named.assign(**{_AMOUNT: named[_AMOUNT] * share}, is_shed=True)),
    )


def _rows(parts: Sequence[pd.DataFrame], total_mtok: float) -> pd.DataFrame:
    filled = [part for part in parts if len(part)]
    if not filled:
        return pd.DataFrame(columns=MOVED_COLUMNS)
    table = pd.concat(filled, ignore_index=True)
    other_place = (table["from_data_center"] != table["to_data_center"]).to_numpy(bool)
    other_hour = (table["from_hour"] != table["to_hour"]).to_numpy(bool)
    gone, came = ((table[f"{side}_data_center"] == "").to_numpy(bool) for side in ("to", "from"))
    is_shed = table["is_shed"].fillna(value=0).to_numpy(bool) if "is_shed" in table else np.zeros(len(table), bool)
    kind = np.select(
        [gone & is_shed, came & is_shed, gone, came, other_place & other_hour, other_hour],
        [*KINDS[5:], *KINDS[3:5], KINDS[2], KINDS[1]],
        KINDS[0],
    )
    has_hour = np.isin(kind, ["hour", "data_center_and_hour"])
    table["kind"] = kind
    table["day"] = table["day"].where(has_hour, "")
    for name in ("from_hour", "to_hour"):
        table[name] = table[name].astype(float).where(has_hour)
    keys = [name for name in MOVED_COLUMNS if name not in {_AMOUNT, "share"}]
    sums: pd.DataFrame = table.groupby(keys, dropna=False)[_AMOUNT].sum().reset_index()
    sums["share"] = sums[_AMOUNT] / total_mtok if total_mtok > 0 else np.nan
    sums = sums[~(sums["share"] < _LEAST_MOVE_SHARE)]
    order = [_AMOUNT, *keys]
    return sums.sort_values(order, ascending=[False, *(True for _ in keys)], ignore_index=True)[MOVED_COLUMNS]


def _totals(rows: pd.DataFrame) -> pd.DataFrame:
    parts = ((kind, rows[rows["kind"] == kind]) for kind in KINDS)
    found = [
        (kind, len(part[_WORKLOAD].drop_duplicates()), part[_AMOUNT].sum(), part["share"].sum()) for kind, part in parts
    ]
    return pd.DataFrame(found, columns=TOTAL_COLUMNS)


def _places(before: pd.Series, after: pd.Series) -> pd.DataFrame:
    table = _changes((volumes.groupby(level="data_center").sum() for volumes in (before, after)), _AMOUNT)
    return table.rename_axis("data_center").reset_index()


def open_centers(run: Run) -> list[int]:
    """
    Find the data centers that a plan uses or pays for.

    One that is open at no cost and does nothing counts only where others may fail.
    """
    problem = run.problem
    is_used = _by_place(run).sum(axis=0) > _LEAST_USED_SHARE * problem.annual_mtok
    costs = problem.data_centers["opening_cny_per_year"].to_numpy(float) > 0
    counts = (run.plan.is_open > 0) & (is_used | costs | (len(problem.outages) > 0))
    return [int(d) for d in np.flatnonzero(counts)]


def region_shares(run: Run) -> dict[str, float]:
    """Share of the tokens processed in each region of data centers."""
    by_center = _by_place(run).sum(axis=0)
    region = run.problem.data_centers["region"].to_numpy(str)
    total = float(by_center.sum()) or 1.0
    return {str(name): float(by_center[region == name].sum()) / total for name in sorted(set(region.tolist()))}


def _open_names(run: Run) -> list[str]:
    names = run.problem.data_centers["name"].to_numpy()
    return [str(names[d]) for d in open_centers(run)]


def _by_place(run: Run) -> np.ndarray:
    """(W, D) tokens of each workload processed in each data center, mtok a year."""
    problem = run.problem
    out = np.zeros((len(problem.workloads), len(problem.data_centers)))
    at = tuple(problem.candidates[name].to_numpy(int) for name in ("workload_index", "data_center_index"))
    np.add.at(out, at, problem.weight_h @ run.plan.flow_mtok_per_h)
    return out


def _deployed_names(run: Run) -> list[tuple[str, str]]:
    problem, members = run.problem, run.problem.deployments
    k, d = members["class_index"].to_numpy(int), members["data_center_index"].to_numpy(int)
    is_used = problem.weight_h @ run.facts.routed_mtok_per_h > _LEAST_USED_SHARE * problem.annual_mtok
    costs = problem.classes["deploy_cny_per_year"].to_numpy(float)[k] > 0
    counts = (run.plan.is_deployed > 0) & (is_used | costs | (len(problem.outages) > 0))
    classes, centers = problem.classes["name"].to_numpy(), problem.data_centers["name"].to_numpy()
    return [(str(classes[k[n]]), str(centers[d[n]])) for n in np.flatnonzero(counts).tolist()]


def _differ(before: list[_Name], after: list[_Name]) -> tuple[tuple[_Name, ...], tuple[_Name, ...]]:
    """Names that are new, and names that are gone."""
    return (
        tuple(name for name in after if name not in set(before)),
        tuple(name for name in before if name not in set(after)),
    )


def _clause(names: tuple[str, ...], one: str, many: str) -> str:
    return f"{_list(names)} {one if len(names) == 1 else many}" if names else ""


def _list(names: list[str] | tuple[str, ...]) -> str:
    shown = list(names[:_LISTED])
    if len(names) > _LISTED:
        shown.append(f"{len(names) - _LISTED} more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def _changes(amounts: Iterable[pd.Series], unit: str = "mtok_per_day") -> pd.DataFrame:
    """Set two series side by side, with their difference."""
    table = pd.concat(list(amounts), axis=1, keys=["before", "after"]).fillna(0.0).sort_index()
    return table.assign(change=table["after"] - table["before"]).add_suffix(f"_{unit}")


def _largest_first(moves: pd.DataFrame) -> pd.DataFrame:
    return moves.sort_values(["mtok_per_day", *_ENDS], ascending=[False, True, True], ignore_index=True)


def _link_totals(run: Run) -> pd.Series:
    volumes = link_volumes(run, pd.Series("", index=run.allocation.index))
    totals = volumes["mtok_per_day"].groupby(undirected(volumes)).sum()
    index = pd.MultiIndex.from_tuples(list(totals.index), names=["start", "end"])
    return pd.Series(totals.to_numpy(float), index=index) if len(totals) else pd.Series(dtype=float)


def _check_same_network(before: Run, after: Run) -> None:
    faults = FaultList("the difference of two runs")
    remedy, place = "Compare runs of the same network.", ["longitude_deg", "latitude_deg"]
    for kind, name, columns in (
        ("data centers", "data_centers", place),
        ("demand hubs", "demand_hubs", place),
        ("links", "links", [f"{end}_{column}" for end in ("from", "to") for column in place]),
    ):
        first, second = getattr(before, name), getattr(after, name)
        for table, other, run in ((first, second, before), (second, first, after)):
            alone = sorted(map(str, table.index.difference(other.index)))
            if alone:
                problem = f"{len(alone)} {kind} are in this run alone: {_list_ids(alone)}"
                faults.add(f"{run.folder}/{name}.parquet", problem, remedy, column="id")
        shared = first.index.intersection(second.index)
        apart = (first.loc[shared, columns] - second.loc[shared, columns]).abs().max(axis=1) > _SAME_PLACE_DEG
        if name == "links":
            apart |= (first.loc[shared, _NODES] != second.loc[shared, _NODES]).any(axis=1)
        if apart.any():
            moved = sorted(map(str, shared[apart.to_numpy(bool)]))
            problem = f"{len(moved)} {kind} lie elsewhere in the other run: {_list_ids(moved)}"
            faults.add(f"{after.folder}/{name}.parquet", problem, remedy)
    faults.raise_if_any()


def _list_ids(ids: list[str]) -> str:
    more = f" and {len(ids) - _LISTED_IDS} more" if len(ids) > _LISTED_IDS else ""
    return ", ".join(quote_value(name) for name in ids[:_LISTED_IDS]) + more
