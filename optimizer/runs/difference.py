"""
What moved between two plans: which tokens of which workloads changed data center or hour.

What two plans of like problems do differently: whole decisions first, then where and when tokens are processed.

What two runs of one network do differently: data centers, flows, links and moves, matched by their labels.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pandas as pd

from network_data.faults import FaultList, quote_value
from optimizer.problem.problem import FloatArray, IntArray
from optimizer.runs.places import link_volumes, undirected
from optimizer.runs.run import Run

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


_Name = TypeVar("_Name", bound=Hashable)
_LISTED = 3

# Less than this share of all tokens is a rounding error.
_LEAST_SHARE = 1e-6
_LEAST_TOLD = 5e-4


@dataclass(frozen=True)
class PlanChange:
    """
    From one plan to another. Names are as in the input: escape them before they are printed.

    Attributes
    ----------
    opened, closed
        Data centers.
    deployed, withdrawn
        (class, data center).
    pods
        Pods bought more (or fewer, negative) by accelerator and place, "Chip at Place"; largest first.
    moved_share
        Share of the tokens that is processed in another data center, over the year.
    retimed_share
        Share of the tokens that is processed in another time slice.
    """

    opened: tuple[str, ...]
    closed: tuple[str, ...]
    deployed: tuple[tuple[str, str], ...]
    withdrawn: tuple[tuple[str, str], ...]
    pods: tuple[tuple[str, int], ...]
    moved_share: float
    retimed_share: float

    @property
    def is_of_decisions(self) -> bool:
        """Whether a whole decision changes, not only routing or hours."""
        return any((self.opened, self.closed, self.deployed, self.withdrawn, self.pods))

    @property
    def kind(self) -> str:
        """Decisions, or routing where only places or hours of tokens change."""
        return "decisions" if self.is_of_decisions else "routing"

    def reversed(self) -> PlanChange:
        """Turn it round."""
        pods = tuple((name, -count) for name, count in self.pods)
        return PlanChange(
            self.closed, self.opened, self.withdrawn, self.deployed, pods, self.moved_share, self.retimed_share
        )

    def words(self) -> str:
        """Say it in one line; deployments where a data center opens or closes go without saying."""
        deployed = tuple(f"{k} at {d}" for k, d in self.deployed if d not in self.opened)
        withdrawn = tuple(f"{k} at {d}" for k, d in self.withdrawn if d not in self.closed)
        more = [f"{count:,} pods of {name}" for name, count in self.pods if count > 0]
        fewer = [f"{-count:,} pods of {name}" for name, count in self.pods if count < 0]
        parts = [
            _spell(self.opened, "opens", "open"),
            _spell(self.closed, "closes", "close"),
            _spell(deployed, "is deployed", "are deployed"),
            _spell(withdrawn, "is withdrawn", "are withdrawn"),
            f"bought in addition: {_list(more)}" if more else "",
            f"not bought: {_list(fewer)}" if fewer else "",
            f"{self.moved_share:.1%} of the tokens move" if self.moved_share > _LEAST_TOLD else "",
            f"{self.retimed_share:.1%} of the tokens change hours" if self.retimed_share > _LEAST_TOLD else "",
        ]
        return "; ".join(part for part in parts if part) or "the same work on other routes or accelerators"


def plan_change(before: Run, after: Run) -> PlanChange:
    """
    Compare two plans.

    Parameters
    ----------
    before, after
        Plans of problems with the same workloads, data centers, pools and slices; candidates may differ.
    """
    opened, closed = _differ(_open_names(before), _open_names(after))
    deployed, withdrawn = _differ(_deployed_names(before), _deployed_names(after))
    total = before.facts.problem.annual_mtok or 1.0
    weight = before.problem.weight_h
    moved = np.maximum(_by_place(after) - _by_place(before), 0.0).sum() / total
    more = np.maximum(after.facts.served_mtok_per_h - before.facts.served_mtok_per_h, 0.0)
    return PlanChange(
        opened, closed, deployed, withdrawn, _pods(before, after), float(moved), float((weight @ more).sum() / total)
    )


def open_centers(case: Run) -> list[int]:
    """
    Find the data centers that a plan uses or pays for.

    One that is open at no cost and does nothing counts only where others may fail.

    Parameters
    ----------
    case
        The plan.
    """
    problem = case.problem
    is_used = _by_place(case).sum(axis=0) > _LEAST_SHARE * problem.annual_mtok
    costs = problem.data_centers["opening_cny_per_year"].to_numpy(float) > 0
    counts = (case.plan.is_open > 0) & (is_used | costs | (len(problem.outages) > 0))
    return [int(d) for d in np.flatnonzero(counts)]


def region_shares(case: Run) -> dict[str, float]:
    """
    Share of the tokens processed in each region of data centers.

    Parameters
    ----------
    case
        The plan.
    """
    by_center = _by_place(case).sum(axis=0)
    region = case.problem.data_centers["region"].to_numpy(str)
    total = float(by_center.sum()) or 1.0
    return {str(name): float(by_center[region == name].sum()) / total for name in sorted(set(region.tolist()))}


def _open_names(case: Run) -> list[str]:
    names = case.problem.data_centers["name"].to_numpy()
    return [str(names[d]) for d in open_centers(case)]


def _by_place(case: Run) -> np.ndarray:
    """(W, D) tokens of each workload processed in each data center, mtok a year."""
    problem = case.problem
    out = np.zeros((len(problem.workloads), len(problem.data_centers)))
    candidates = problem.candidates
    at = candidates["workload_index"].to_numpy(int), candidates["data_center_index"].to_numpy(int)
    np.add.at(out, at, problem.weight_h @ case.plan.flow_mtok_per_h)
    return out


def _deployed_names(case: Run) -> list[tuple[str, str]]:
    problem, members = case.problem, case.problem.deployments
    k, d = members["class_index"].to_numpy(int), members["data_center_index"].to_numpy(int)
    is_used = problem.weight_h @ case.facts.routed_mtok_per_h > _LEAST_SHARE * problem.annual_mtok
    costs = problem.classes["deploy_cny_per_year"].to_numpy(float)[k] > 0
    counts = (case.plan.is_deployed > 0) & (is_used | costs | (len(problem.outages) > 0))
    classes, centers = problem.classes["name"].to_numpy(), problem.data_centers["name"].to_numpy()
    return [(str(classes[k[n]]), str(centers[d[n]])) for n in np.flatnonzero(counts).tolist()]


def _pods(before: Run, after: Run) -> tuple[tuple[str, int], ...]:
    problem = before.problem
    more = (np.asarray(after.plan.new_pods) - np.asarray(before.plan.new_pods)).astype(int)
    chips, centers = problem.accelerators["name"].to_numpy(), problem.data_centers["name"].to_numpy()
    a, d = problem.pools["accelerator_index"].to_numpy(int), problem.pools["data_center_index"].to_numpy(int)
    order = sorted(np.flatnonzero(more).tolist(), key=lambda p: (-abs(more[p]), p))
    return tuple((f"{chips[a[p]]} at {centers[d[p]]}", int(more[p])) for p in order)


def _differ(before: list[_Name], after: list[_Name]) -> tuple[tuple[_Name, ...], tuple[_Name, ...]]:
    """Names that are new, and names that are gone."""
    return (
        tuple(name for name in after if name not in set(before)),
        tuple(name for name in before if name not in set(after)),
    )


def _spell(names: tuple[str, ...], one: str, many: str) -> str:
    return f"{_list(names)} {one if len(names) == 1 else many}" if names else ""


def _list(names: list[str] | tuple[str, ...]) -> str:
    shown = list(names[:_LISTED])
    if len(names) > _LISTED:
        shown.append(f"{len(names) - _LISTED} more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


# Below this share of all tokens (or of the cost) a change is rounding of a solver.
LEAST_DIFFERENCE_SHARE = 1e-9
_SAME_PLACE_DEG = 1e-9
_LISTED_IDS = 5
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

    before: Run
    after: Run
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
        least = LEAST_DIFFERENCE_SHARE * self.total_mtok_per_day
        order = ["mtok_per_day", *pairs]
        return net[net["mtok_per_day"] > least].sort_values(order, ascending=[False, True, True], ignore_index=True)

    @property
    def has_same_plan(self) -> bool:
        """Whether no data center, flow, link or hour differs by more than rounding."""
        tables = (self.data_centers, self.flows, self.links)
        changed = [float(table["change_mtok_per_day"].abs().max()) for table in tables if len(table)]
        decisions = self.data_centers[["is_opened", "is_closed"]].to_numpy(bool).any()
        largest = max([0.0, *changed, self.moved_mtok_per_day, self.retimed_mtok_per_day])
        return not decisions and largest <= LEAST_DIFFERENCE_SHARE * max(self.total_mtok_per_day, 1e-300)

    @property
    def cost_change_cny_per_year(self) -> float:
        """Cost of the second run less that of the first."""
        return float(self.costs["change_cny_per_year"].sum())

    @property
    def has_same_cost(self) -> bool:
        """Whether no component of the cost differs by more than rounding."""
        least = LEAST_DIFFERENCE_SHARE * float(self.costs["before_cny_per_year"].abs().sum())
        return bool((self.costs["change_cny_per_year"].abs() <= least).all())


def difference_of_runs(before: Run, after: Run) -> RunDifference:
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


def _link_totals(run: Run) -> pd.Series:
    volumes = link_volumes(run, pd.Series("", index=run.allocation.index))
    totals = volumes["mtok_per_day"].groupby(undirected(volumes)).sum()
    index = pd.MultiIndex.from_tuples(list(totals.index), names=["start", "end"])
    return pd.Series(totals.to_numpy(float), index=index) if len(totals) else pd.Series(dtype=float)


def _check_same_network(before: Run, after: Run) -> None:
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
                problem = f"{len(alone)} {kind} are in this run alone: {_list_ids(alone)}"
                faults.add(f"{run.folder}/{name}.parquet", problem, remedy, column="id")
        shared = first.index.intersection(second.index)
        apart = (first.loc[shared, columns] - second.loc[shared, columns]).abs().max(axis=1) > _SAME_PLACE_DEG
        if name == "links":
            apart |= (first.loc[shared, ends] != second.loc[shared, ends]).any(axis=1)
        if apart.any():
            moved = sorted(map(str, shared[apart.to_numpy(bool)]))
            problem = f"{len(moved)} {kind} lie elsewhere in the other run: {_list_ids(moved)}"
            faults.add(f"{after.folder}/{name}.parquet", problem, remedy)
    faults.raise_if_any()


def _list_ids(ids: list[str]) -> str:
    more = f" and {len(ids) - _LISTED_IDS} more" if len(ids) > _LISTED_IDS else ""
    return ", ".join(quote_value(name) for name in ids[:_LISTED_IDS]) + more
