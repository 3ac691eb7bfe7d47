"""One run: what was solved, how the solve ended, the plan found, and its tables and numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import pandas as pd
import shapely

from network_data.currency import DEFAULT_CURRENCY, use_currency
from network_data.display import short_html, short_text
from network_data.faults import Fault, FaultList, InputError, suggest
from network_data.load import Network, load_network
from optimizer.checker.check import CheckReport, check_plan
from optimizer.checker.facts import PlanFacts, list_costs
from optimizer.numbers import format_million
from optimizer.problem.assemble import assemble_problem
from optimizer.problem.plan import Plan
from optimizer.problem.problem import PlacementProblem
from optimizer.runs.folder import (
    DAMAGED,
    NEEDS_THIS_VERSION,
    NOT_A_RUN,
    changed_files,
    check_info,
    check_target,
    read_info,
    read_table,
    write_run,
)
from optimizer.runs.metadata import changed_inputs, find_scenario_again, inputs_to_keep, stored_info
from optimizer.runs.plan_tables import (
    FAILOVER_COLUMNS,
    PLAN_COLUMNS,
    UnknownLabelError,
    labelled_decisions,
    plan_from_tables,
)
from optimizer.runs.share_ranges import join_texts, range_text, share_range
from optimizer.sensitivity.price_table import COLUMNS as PRICE_COLUMNS
from optimizer.solvers.control import Progress, Solution, Termination
from optimizer.words.language import current_language
from scenarios.load import load_scenario
from scenarios.schema import Scenario

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from optimizer.exports.office.options import DocumentKind
    from optimizer.infeasibility.relaxations import Condition
    from optimizer.maps.options import ColourBy, MapKind
    from optimizer.near_optimal.alternatives import Alternatives
    from optimizer.near_optimal.ranges import PlanRange
    from optimizer.runs.data_center_price import DataCenterPrice
    from optimizer.runs.verify import VerifyReport
    from optimizer.sensitivity.placement import PlacementExplanation
    from optimizer.uncertainty.result import Uncertainty
    from optimizer.words.language import Lang

RANGES_TABLE = "ranges"
RANGE_COLUMNS = (
    "indicator", "unit", "what", "value", "least_limit", "least_found", "most_found", "most_limit",
    "slack_share", "budget_cny_per_year",
)  # fmt: skip
CASE_KEY = "case"  # of `run.json`: the case of a comparison that a run is of
# What a run must hold to be drawn or exported; further columns travel along as attributes.
_PLACE_COLUMNS = {
    "allocation": (
        "day", "hour", "weight_h", "demand_hub", "workload_class", "data_center", "route", "mtok_per_h", "rtt_ms",
    ),
    "data_centers": ("id", "name", "region", "latitude_deg", "longitude_deg", "is_open", "mtok_per_year"),
    "demand_hubs": ("id", "name", "region", "latitude_deg", "longitude_deg", "mtok_per_year"),
    "links": (
        "id", "from_node", "to_node", "from_latitude_deg", "from_longitude_deg", "to_latitude_deg",
        "to_longitude_deg", "load_share",
    ),
    "routes": ("route", "demand_hub", "data_center", "nodes", "coordinates"),
    "costs": ("component", "data_center", "cny_per_year"),
}  # fmt: skip
# What only exports by time slice need; runs of older versions have none of these.
_SLICE_COLUMNS = {
    "links_by_slice": ("day", "hour", "weight_h", "link", "load_gbps"),
    "data_centers_by_slice": ("day", "hour", "weight_h", "data_center", "mtok_per_h"),
}
_KEYS = {"data_centers": "id", "demand_hubs": "id", "links": "id", "routes": "route"}
_LARGEST_DEG = {"latitude_deg": 90.0, "longitude_deg": 180.0}


class Run:
    """
    A scenario with its result.

    Just solved, everything is in memory. Opened from a folder, each part is read once, on first use.

    Parameters
    ----------
    info
        Content of `run.json`.
    folder
        Where the run is stored; None for one that is only in memory.
    tables
        Its tables by name, as they are stored; None = those of the folder.
    inputs
        Scenario, network, problem and plan; None = read from the folder.
    solution
        How the solve ended; None = as `run.json` says.
    failure
        Of an infeasible problem, the first necessary condition that fails; None if none of them does.
    case
        Id and label of the case that the run is of; None = as `run.json` says, else the scenario's name.
    """

    def __init__(  # noqa: PLR0913 - each is a part of what a run is
        self,
        info: Mapping[str, Any],
        *,
        folder: Path | None = None,
        tables: Mapping[str, pd.DataFrame] | None = None,
        inputs: RunInputs | None = None,
        solution: Solution | None = None,
        failure: Condition | None = None,
        case: tuple[str, str] | None = None,
    ) -> None:
        self.info, self.folder, self.failure = dict(info), folder, failure
        self._given, self._inputs, self._solution, self._case = tables, inputs, solution, case

    @classmethod
    def of_plan(
        cls, problem: PlacementProblem, plan: Plan, *, name: str = "plan", bound_cny_per_year: float = -math.inf
    ) -> Self:
        """
        Make a run of a problem and a plan alone: it can be compared, but has no tables.

        Parameters
        ----------
        problem, plan
            The problem and a plan for it.
        name
            Its id and label.
        bound_cny_per_year
            Proved lower bound; minus infinity where there is none.
        """
        inputs = RunInputs(None, None, problem, plan)
        return cls({"bound_cny_per_year": bound_cny_per_year}, inputs=inputs, case=(name, name))

    def _key_facts(self) -> dict[str, object]:
        facts: dict[str, object] = {"ended": str(self.termination)}
        if self.has_plan:
            facts["cost"] = f"{format_million(self.cost_cny_per_year)} million {self.currency} a year"
            facts["gap"] = f"{self.gap:.2%}" if math.isfinite(self.gap) else "not proved"
            facts["open data centers"] = self.summary.get("open_data_centers", "unknown")
        if self.folder is not None:
            facts["stored in"] = self.folder
        return facts

    def __repr__(self) -> str:
        return short_text("Run", self.label, self._key_facts())

    def _repr_html_(self) -> str:
        return short_html("Run", self.label, self._key_facts())

    # What was solved

    @cached_property
    def inputs(self) -> RunInputs:
        """Scenario, network, problem and plan; those of a stored run are read anew, and refused if they changed."""
        return _read_inputs(self) if self._inputs is None else self._inputs

    @property
    def scenario(self) -> Scenario:
        """The scenario."""
        if self.inputs.scenario is None:
            raise ValueError("this run was made from a problem alone: it has no scenario")
        return self.inputs.scenario

    @property
    def network(self) -> Network:
        """The network."""
        if self.inputs.network is None:
            raise ValueError("this run was made from a problem alone: it has no network")
        return self.inputs.network

    @property
    def problem(self) -> PlacementProblem:
        """The problem that scenario and network make."""
        return self.inputs.problem

    @property
    def plan(self) -> Plan:
        """The decisions."""
        if self.inputs.plan is None:
            raise ValueError("this run has no plan: see `termination`")
        return self.inputs.plan

    @cached_property
    def lost_inputs(self) -> str:
        """Why the inputs of a stored run cannot be loaded any more; empty where they can."""
        try:
            _ = self.inputs
        except InputError as error:
            return "; ".join(f"{fault.file} {fault.problem}" for fault in error.faults)
        return ""

    @cached_property
    def slices(self) -> pd.DataFrame:
        """Time slices: day, hour, weight_h; without the inputs, those in which anything runs."""
        if self.lost_inputs:
            flows = self.allocation[["day", "hour", "weight_h"]]
            return flows.drop_duplicates(["day", "hour"], ignore_index=True)
        return self.problem.slices[["day", "hour", "weight_h"]]

    # How the solve ended

    @property
    def name(self) -> str:
        """Of the scenario; else of the folder."""
        scenario = self.info.get("scenario")
        named = scenario.get("name") if isinstance(scenario, Mapping) else scenario
        return str(named or ("run" if self.folder is None else self.folder.resolve().name))

    @property
    def case_id(self) -> str:
        """Id of the case that the run is of; else the name."""
        return self._case[0] if self._case is not None else str(self._stored_case.get("id", self.name))

    @property
    def label(self) -> str:
        """Label of the case that the run is of; else the name."""
        return self._case[1] if self._case is not None else str(self._stored_case.get("label", self.name))

    @property
    def _stored_case(self) -> Mapping[str, Any]:
        case = self.info.get(CASE_KEY)
        return case if isinstance(case, Mapping) else {}

    @cached_property
    def solution(self) -> Solution:
        """How the solve ended, with the plan."""
        if self._solution is not None:
            return self._solution
        info = self.info
        progress = tuple(
            Progress(p["seconds"], _or(p["incumbent_cny"], math.inf), _or(p["bound_cny"], -math.inf), p["phase"])
            for p in info.get("progress") or ()
        )
        plan = self.plan if self.has_plan else None
        method, seconds = str(info.get("method")), dict(info.get("seconds") or {})
        cost, bound = self.cost_cny_per_year, self.bound_cny_per_year
        return Solution(self.termination, plan, cost, bound, method, seconds, progress)

    @property
    def termination(self) -> Termination:
        """Why the solver stopped."""
        return Termination(self.info["termination"]) if self._solution is None else self._solution.termination

    @property
    def has_plan(self) -> bool:
        """Whether a plan was found; only runs with one are stored."""
        return self._inputs is None or self._inputs.plan is not None

    @property
    def cost_cny_per_year(self) -> float:
        """Cost of the plan; infinite without one."""
        return _or(self.info.get("objective_cny_per_year"), math.inf)

    @property
    def full_cost_cny_per_year(self) -> float:
        """Cost of the plan with the accelerators in place that it uses (see `checker.full_cost`); NaN if not known."""
        return _or(self.summary.get("full_cost_cny_per_year"), math.nan)

    @property
    def bound_cny_per_year(self) -> float:
        """Proved lower bound on the cost of any plan; minus infinity where none is known."""
        return _or(self.info.get("bound_cny_per_year"), -math.inf)

    @property
    def gap(self) -> float:
        """(cost - bound) / cost; infinite where there is no plan or no bound."""
        return _or(self.info.get("mip_rel_gap"), math.inf)

    @property
    def exit_code(self) -> int:
        """0 solved within the gap, 2 infeasible, 3 stopped with a plan, 4 stopped without one."""
        if self.termination == Termination.INFEASIBLE:
            return 2
        if not self.has_plan:
            return 4
        return 0 if self.termination == Termination.OPTIMAL else 3

    # Numbers of the plan

    @property
    def summary(self) -> dict[str, Any]:
        """
        Numbers of the plan (see `results.summarize`); null in `run.json` is read as NaN.

        Where `range` has been run on it, least_region_share and most_region_share are what is proved of the regions.
        """
        found = dict(self.info.get("summary") or {})
        known = {name: share_range(self.ranges, name) for name in found.get("region_share", {})}
        if proved := {name: one for name, one in known.items() if one is not None}:
            found["least_region_share"] = {name: one[0] for name, one in proved.items()}
            found["most_region_share"] = {name: one[1] for name, one in proved.items()}
            found["share_range"] = join_texts(map(range_text, known.values()))
        return {name: math.nan if value is None and name != "green_share" else value for name, value in found.items()}

    @property
    def baselines(self) -> list[dict[str, Any]]:
        """Plans of rules beside it (see `results.compare_baselines`)."""
        return list(self.info.get("baselines") or ())

    @property
    def limits_cny_per_year(self) -> dict[str, float]:
        """What each kind of limit costs at the margin, largest first; empty where that was not computed."""
        return dict(self.info.get("limit_values_cny_per_year") or {})

    @cached_property
    def check(self) -> CheckReport:
        """The plan, checked anew against the problem by the independent checker."""
        return check_plan(self.problem, self.plan)

    @cached_property
    def facts(self) -> PlanFacts:
        """Quantities that follow from the plan."""
        return PlanFacts(self.problem, self.plan)

    @cached_property
    def component_cny(self) -> pd.Series:
        """CNY per year by component of the cost, by the independent checker, in the order of the objective."""
        return list_costs(self.facts).groupby("component", sort=False)["cny_per_year"].sum()

    @property
    def checked_cost_cny(self) -> float:
        """Cost of the plan by the independent checker, CNY per year."""
        return math.fsum(self.component_cny)

    # Tables

    @cached_property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        """All tables as they are stored, by name."""
        if self._given is not None:
            return self._given
        if self.folder is None:
            raise ValueError("this run was made from a problem alone: it has no tables")
        return _StoredTables(self.folder)

    @property
    def has_tables(self) -> bool:
        """Whether there are tables; a run that was made from a problem alone has none."""
        return self._given is not None or self.folder is not None

    @cached_property
    def decisions(self) -> dict[str, pd.DataFrame]:
        """The decisions with labels, without zeros: see `labelled_decisions`."""
        return labelled_decisions(self.problem, self.plan)

    @property
    def allocation(self) -> pd.DataFrame:
        """Tokens by time slice, workload and route; `mtok_per_year` is the rate times the slice's hours per year."""
        return self._places["allocation"]

    @property
    def data_centers(self) -> pd.DataFrame:
        """Data centers by id: where they are, what runs there, what it costs."""
        return self._places["data_centers"]

    @property
    def demand_hubs(self) -> pd.DataFrame:
        """Demand hubs by id."""
        return self._places["demand_hubs"]

    @property
    def links(self) -> pd.DataFrame:
        """Links by id, with their load."""
        return self._places["links"]

    @property
    def routes(self) -> pd.DataFrame:
        """Routes by number; `points` has (longitude_deg, latitude_deg) of each node on the way."""
        return self._places["routes"]

    @property
    def costs(self) -> pd.DataFrame:
        """Cost by component and data center, CNY per year."""
        return self._places["costs"]

    @property
    def shadow_prices(self) -> pd.DataFrame:
        """What one more unit of each limit would save; empty where that was not computed."""
        return self.tables.get("shadow_prices", pd.DataFrame(columns=PRICE_COLUMNS))

    @cached_property
    def workloads(self) -> pd.DataFrame:
        """Workloads, the most costly at the margin first (see `placement.list_workloads`)."""
        from optimizer.sensitivity.placement import list_workloads

        self.require_whole()
        return list_workloads(self.tables["allocation"], self.shadow_prices)

    @cached_property
    def slice_tables(self) -> dict[str, pd.DataFrame]:
        """
        `links_by_slice` and `data_centers_by_slice`, sorted by time slice.

        Raises
        ------
        InputError
            If a table is missing, as in runs of older versions, or does not fit the others.
        """
        faults = FaultList(self._subject)
        tables = {name: _checked_table(self.tables, name, columns, faults) for name, columns in _SLICE_COLUMNS.items()}
        faults.raise_if_any()
        _check_known(tables["links_by_slice"], "links_by_slice", "link", self.links.index, faults)
        centers = tables["data_centers_by_slice"]
        _check_known(centers, "data_centers_by_slice", "data_center", self.data_centers.index, faults)
        faults.raise_if_any()
        return tables

    @property
    def has_slice_tables(self) -> bool:
        """Whether the run has tables by time slice; those of older versions do not."""
        return all(name in self.tables for name in _SLICE_COLUMNS)

    def hourly(self, data_center: str) -> pd.DataFrame:
        """
        Show what a data center does in each time slice.

        Parameters
        ----------
        data_center
            Its id.

        Returns
        -------
        DataFrame
            Indexed by day and hour: weight_h, mtok_per_h, power, price and so on.

        Raises
        ------
        InputError
            If the run has no such data center, or does not store its hours.
        """
        if data_center not in self.data_centers.index:
            known = list(map(str, self.data_centers.index))
            remedy = f"Use one of {', '.join(known)}.{suggest(data_center, known)}"
            raise InputError([Fault("data_center", None, None, None, "is not in this run", remedy)], self._subject)
        table = self.slice_tables["data_centers_by_slice"]
        own = table[table["data_center"] == data_center]
        return own.drop(columns="data_center").set_index(["day", "hour"])

    @cached_property
    def days_per_year(self) -> float:
        """Days that the time slices of the allocation stand for."""
        slices = self.allocation.drop_duplicates(["day", "hour"])
        # A plan that serves nothing has no slices here: avoid 0 / 0.
        return float(slices["weight_h"].sum()) / 24.0 or 1.0

    @property
    def currency(self) -> str:
        """ISO 4217 code of all amounts of money; names of numbers say `cny` whatever it is."""
        return str(self._of_network("currency") or DEFAULT_CURRENCY)

    @property
    def regions(self) -> tuple[str, ...]:
        """Regions of data centers and demand hubs, in the order in which they get their colours."""
        found = sorted({*map(str, self.data_centers["region"]), *map(str, self.demand_hubs["region"])})
        stated = self._of_network("regions")
        first = [region for region in stated if region in found] if isinstance(stated, list) else []
        return tuple(dict.fromkeys([*first, *found]))

    def _of_network(self, key: str) -> Any:
        network = self.info.get("network")
        return network.get(key) if isinstance(network, Mapping) else None

    @property
    def basemap(self) -> Path | None:
        """File with the outlines of the run's network; None where it has none."""
        if self.folder is None:
            return self.network.basemap
        stored = self._of_network("basemap")
        return self.folder / Path(stored) if stored else None  # a run may have moved; its folder is where paths start

    # What can be done with it

    def why(self, workload: str) -> PlacementExplanation:
        """
        Explain why a workload is served where it is.

        Parameters
        ----------
        workload
            `demand_hub/workload_class`, either first.

        Returns
        -------
        PlacementExplanation
            Prices hold at the margin of the plan, with its whole-numbered decisions; what forcing costs is exact.

        Raises
        ------
        InputError
            If the run has no such workload, or its inputs have changed.
        """
        from optimizer.sensitivity.placement import explain_placement

        return explain_placement(self.problem, self.plan, self.scenario, workload)

    def price(self, data_center: str) -> DataCenterPrice:
        """
        Say what a data center does, pays, what limits it, and what one more pod and megawatt there is worth.

        Parameters
        ----------
        data_center
            Its id, or its name.

        Returns
        -------
        DataCenterPrice
            With what the work it does would cost elsewhere; of a closed one, with what opening it could save.

        Raises
        ------
        InputError
            If the run has no such data center.
        """
        from optimizer.runs.data_center_price import price_data_center

        return price_data_center(self, data_center)

    def prices(self) -> list[DataCenterPrice]:
        """Say what `price` says of every data center, most tokens first, without what opening could save."""
        from optimizer.runs.data_center_price import price_data_centers

        order = self.data_centers.sort_values("mtok_per_year", ascending=False, kind="stable").index
        return price_data_centers(self, order)

    def verify(self) -> VerifyReport:
        """Derive every cost and every limit again from inputs and decisions (see `verify.verify_run`)."""
        from optimizer.runs.verify import verify_run

        return verify_run(self)

    @property
    def ranges(self) -> pd.DataFrame:
        """Ranges of indicators over near-optimal plans, as `range` left them; empty where that was not computed."""
        return self.tables.get(RANGES_TABLE, pd.DataFrame(columns=RANGE_COLUMNS)) if self.has_tables else pd.DataFrame()

    def range(
        self, of: Sequence[str] = (), *, slack: float | None = None, time_limit_s: float = math.inf, keep: bool = True
    ) -> PlanRange:
        """
        Find and prove between what indicators lie over all plans that cost no more than (1 + slack) of this one.

        Parameters
        ----------
        of
            Such as west_share, carbon, tokens@PLACE; none = those of every summary (see `ranges.find_ranges`).
        slack
            Share of the cost; None = the gap of the run.
        time_limit_s
            Seconds for all of them together.
        keep
            Keep the table with the run, in its folder if it has one, where summary and report find it.

        Returns
        -------
        PlanRange
            Its table, its text, and the plans that were found.

        Raises
        ------
        InputError
            Naming what is no indicator, or a slack that is no share.
        """
        from optimizer.near_optimal.ranges import find_ranges

        found = find_ranges(self, of, slack=slack, time_limit_s=time_limit_s)
        if keep:
            self.keep_table(RANGES_TABLE, found.merged_into(self.ranges))
        return found

    def alternatives(self, *, slack: float = 0.03, count: int = 8, time_limit_s: float = math.inf) -> Alternatives:
        """
        Find plans within a budget that serve the tokens elsewhere as far as possible.

        Parameters
        ----------
        slack
            Share of the cost that an alternative may cost more.
        count
            Alternatives to find.
        time_limit_s
            Seconds for all of them together.

        Returns
        -------
        Alternatives
            Their runs, and which data centers are in all, some and none of them.
        """
        from optimizer.near_optimal.alternatives import find_alternatives

        return find_alternatives(self, slack=slack, count=count, time_limit_s=time_limit_s)

    def keep_table(self, name: str, table: pd.DataFrame) -> None:
        """Add a table to the run, or replace it; in the folder too, where the run is stored."""
        self.__dict__["tables"] = {**dict(self.tables), name: table}
        self._given = self.tables
        if self.folder is not None:
            self.save(self.folder)

    def map(  # noqa: PLR0913 - options, keyword-only
        self,
        file: Path | str | None = None,
        *,
        kind: MapKind = "allocation",
        lang: Lang | None = None,
        against: Run | Path | str | None = None,
        basemap: Path | Literal["run", "none"] = "run",
        basemap_credit: str = "",
        colour_by: ColourBy = "region",
        size_px: tuple[int, int] = (1600, 1200),
    ) -> Figure:
        """
        Draw a map; a notebook shows what is returned.

        Parameters
        ----------
        file
            Where to write it, `.png` or `.svg`; None writes nothing.
        kind, lang, against, basemap, basemap_credit, colour_by, size_px
            What it shows and how: see `MapOptions`.

        Returns
        -------
        Figure
            The map.

        Raises
        ------
        InputError
            If an option is out of range or the run does not store what the map shows.
        """
        from optimizer.maps.draw import draw_map
        from optimizer.maps.options import MapOptions

        lang = lang or current_language()
        options = MapOptions(kind, against, lang, basemap, basemap_credit, colour_by, size_px)
        if file is not None:
            from optimizer.exports.export import export_run

            export_run(self, file, maps=options)
        return draw_map(self, options).figure

    def export(
        self,
        target: Path | str,
        *,
        layer: str | None = None,
        per_slice: bool = False,
        folder_format: str | None = None,
        lang: Lang | None = None,
    ) -> Path:
        """
        Write layers, tables, a map, a workbook or the report, as the ending of the target says: see `export_run`.

        Parameters
        ----------
        target
            File or folder to write.
        layer, per_slice, folder_format
            Which layers or table: see `GisOptions`.
        lang
            Language of a map, a workbook (`.xlsx`), a brief, or in which the report opens; None = that of `EDWC_LANG`.
        """
        from optimizer.exports.export import export_run
        from optimizer.exports.layers import GisOptions
        from optimizer.maps.options import MapOptions

        maps = MapOptions(lang=lang or current_language())
        return export_run(self, target, gis=GisOptions(layer, per_slice, folder_format), maps=maps)

    def brief(
        self, file: Path | str, *, lang: Lang | None = None, basemap: Path | Literal["run", "none"] = "run"
    ) -> Path:
        """
        Write a brief of two pages: question, answer with its range, map, cost and saving, what decides it, caveats.

        Parameters
        ----------
        file
            File to write, `.pdf`, `.docx` or `.pptx`.
        lang
            Its language; None = that of `EDWC_LANG`.
        basemap
            Outlines behind its map: see `MapOptions`.

        Raises
        ------
        InputError
            If the ending is another, or the library that writes it is not installed.
        """
        from optimizer.exports.export import export_run
        from optimizer.maps.options import MapOptions

        maps = MapOptions(lang=lang or current_language(), basemap=basemap)
        return export_run(self, file, maps=maps, document="brief")

    def report(
        self, file: Path | str, *, lang: Lang | None = None, uncertainty: Uncertainty | Path | str | None = None
    ) -> Path:
        """
        Write the report, one page that needs no network.

        Parameters
        ----------
        file
            File to write, `.html`; or `.pdf`, printed by a browser of this machine.
        lang
            Language in which the page opens, and in which it is printed; None = that of `EDWC_LANG`.
        uncertainty
            What `edwc uncertainty` found of the scenario, or its folder, for a section on it.

        Raises
        ------
        InputError
            If that is of another problem than the run.
        """
        from optimizer.exports.export import export_run
        from optimizer.maps.options import MapOptions

        document: DocumentKind | None = "report" if Path(file).suffix.lower() == ".pdf" else None
        maps = MapOptions(lang=lang or current_language())
        return export_run(self, file, maps=maps, document=document, uncertainty=uncertainty)

    def save(self, folder: Path | str) -> Path:
        """
        Write the run to a folder, completely or not at all.

        Parameters
        ----------
        folder
            Folder to write; an older run there is replaced.

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        InputError
            If something else stands there, or the run has no plan.
        """
        if not self.has_plan:
            raise InputError([Fault("the run", None, None, None, "has no plan", "Save runs with a plan.")], "the run")
        target = check_target(folder)
        info = stored_info(self.info, self.scenario, self.network, target)
        kept = inputs_to_keep(self.scenario)
        self.folder = write_run(target, info, dict(self.tables), basemap=self.basemap, inputs=kept)
        self.info = info
        return self.folder

    def require_whole(self) -> None:
        """
        Check that everything is there that the plan is rebuilt from.

        Raises
        ------
        InputError
            Naming all that is missing, unreadable or of another version.
        """
        if self._given is not None or self.folder is None:
            return
        faults = FaultList("the run folder")
        check_info(self.info, faults)
        faults.raise_if_any()
        for name in self.info["files"]:
            if not (self.folder / name).is_file():
                faults.add(name, "is missing", DAMAGED)
        listed = {Path(name).stem for name in self.info["files"] if name.endswith(".parquet")}
        for name in sorted(listed | set(PLAN_COLUMNS) | {"costs"}):
            table = _read(self.tables, name, faults)
            if table is None:
                continue
            for column in (PLAN_COLUMNS | FAILOVER_COLUMNS).get(name, ()):
                if column not in table:
                    faults.add(f"{name}.parquet", "a column is missing", DAMAGED, column=column)
        faults.raise_if_any()

    def require_places(self) -> None:
        """
        Check that everything is there that maps and layers are made of.

        Raises
        ------
        InputError
            Naming all that is missing, out of range, or does not fit together.
        """
        _ = self._places

    @cached_property
    def changed_files(self) -> tuple[str, ...]:
        """Files of the run folder whose content is not what was written."""
        return () if self.folder is None or self._given is not None else changed_files(self.folder, self.info)

    @property
    def _subject(self) -> str:
        return "the run" if self.folder is None else f"run folder {self.folder}"

    @cached_property
    def _places(self) -> dict[str, pd.DataFrame]:
        """Read the tables of places, links and flows, and check that they fit together."""
        faults = FaultList(self._subject)
        tables = {name: _checked_table(self.tables, name, columns, faults) for name, columns in _PLACE_COLUMNS.items()}
        faults.raise_if_any()
        for name, key in _KEYS.items():
            _check_unique(tables[name], name, key, faults)
            tables[name] = tables[name].set_index(key)
        for name in ("allocation", "routes"):
            for column, target in (("demand_hub", "demand_hubs"), ("data_center", "data_centers"), ("route", "routes")):
                if column in tables[name]:
                    _check_known(tables[name], name, column, tables[target].index, faults)
        points = pd.Series(_route_points(tables["routes"], faults), index=tables["routes"].index, dtype=object)
        faults.raise_if_any()
        flows = tables["allocation"]
        tables["allocation"] = flows.assign(mtok_per_year=flows["mtok_per_h"] * flows["weight_h"])
        return tables | {"routes": tables["routes"].assign(points=points)}


@dataclass(frozen=True, eq=False)
class RunInputs:
    """Scenario, network, problem and plan of a run."""

    scenario: Scenario | None  # None for a run that was made from a problem alone, as the network
    network: Network | None
    problem: PlacementProblem
    plan: Plan | None  # None if none was found


def open_run(folder: Path | str, *, case: tuple[str, str] | None = None) -> Run:
    """
    Open a stored run; its tables and inputs are read on first use.

    Parameters
    ----------
    folder
        Folder of a run.
    case
        Id and label that the run has in a comparison; None = its own.

    Raises
    ------
    InputError
        If there is no run.
    """
    faults = FaultList(f"run folder {folder}")
    info = read_info(Path(folder), faults)
    faults.raise_if_any()
    run = Run(info, folder=Path(folder), case=case)
    use_currency(run.currency)
    return run


class _StoredTables(Mapping[str, pd.DataFrame]):
    """The tables of a run folder, each read on first use."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._read = folder, dict[str, pd.DataFrame]()

    def __getitem__(self, name: str) -> pd.DataFrame:
        if name not in self._read:
            faults = FaultList(f"run folder {self._folder}")
            table = read_table(self._folder, name, faults)
            faults.raise_if_any()
            if table is None:
                raise KeyError(name)
            self._read[name] = table
        return self._read[name]

    def __contains__(self, name: object) -> bool:
        return name in self._read or (self._folder / f"{name}.parquet").is_file()

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(path.stem for path in self._folder.glob("*.parquet")))

    def __len__(self) -> int:
        return len(list(iter(self)))


def _read_inputs(run: Run) -> RunInputs:
    """Read the inputs of a stored run again, check that they have not changed, and rebuild the plan."""
    run.require_whole()
    scenario, network = load_inputs(run)
    faults = FaultList(f"run {run.name}")
    for (_, name), how in changed_inputs(run.info, scenario, network).items():
        if how:
            faults.add(name, "is not what it was when the run was made", "Solve again, or put the file back.")
    faults.raise_if_any()
    problem = assemble_problem(network, scenario)
    try:
        plan = plan_from_tables(problem, run.tables)
    except UnknownLabelError as error:
        for line in str(error).splitlines():
            faults.add(run.name, line, DAMAGED)
        raise faults.error() from error
    return RunInputs(scenario, network, problem, plan)


def load_inputs(run: Run) -> tuple[Scenario, Network]:
    """
    Load scenario and network of a stored run from where they are now, changed or not.

    Raises
    ------
    InputError
        If they are not there any more, or at fault.
    """
    if run.folder is None:
        raise ValueError("the run is not stored")
    stored = run.info["scenario"]
    overrides = [str(text) for text in stored.get("overrides") or ()]
    scenario = load_scenario(find_scenario_again(stored, run.folder), overrides)
    return scenario, load_network(scenario.network)


def _or(value: Any, otherwise: float) -> float:
    return float(value) if isinstance(value, int | float) else otherwise


def _read(tables: Mapping[str, pd.DataFrame], name: str, faults: FaultList) -> pd.DataFrame | None:
    try:
        return tables.get(name)
    except InputError as error:
        faults.extend(error.faults)
        return None


def _checked_table(
    tables: Mapping[str, pd.DataFrame], name: str, columns: Sequence[str], faults: FaultList
) -> pd.DataFrame:
    """Read a table, and check that its columns are there, finite and in range."""
    file, count = f"{name}.parquet", len(faults)
    table = _read(tables, name, faults)
    if table is None:
        if len(faults) == count:
            faults.add(file, "is missing", NEEDS_THIS_VERSION if name in _SLICE_COLUMNS else NOT_A_RUN)
        return pd.DataFrame()
    for column in columns:
        if column not in table:
            faults.add(file, "a column is missing", NEEDS_THIS_VERSION, column=column)
            continue
        if not pd.api.types.is_numeric_dtype(table[column]):
            continue
        numbers = table[column].to_numpy(float)
        largest = next((limit for ending, limit in _LARGEST_DEG.items() if column.endswith(ending)), np.inf)
        bad = ~np.isfinite(numbers) | (np.abs(numbers) > largest)
        if bad.any():
            first = int(np.argmax(bad))
            text = f"row {first} (of {int(bad.sum())}) is not finite or out of range"
            faults.add(file, text, DAMAGED, column=column, value=numbers[first])
    return table


def _check_unique(table: pd.DataFrame, name: str, key: str, faults: FaultList) -> None:
    twice = table[key][table[key].duplicated()]
    if len(twice):
        faults.add(f"{name}.parquet", "is used twice", "Solve again.", column=key, value=twice.iloc[0])


def _check_known(table: pd.DataFrame, name: str, column: str, known: pd.Index, faults: FaultList) -> None:
    unknown = table[column][~table[column].isin(known)]
    if len(unknown):
        problem = "is not known to the run's other tables"
        faults.add(f"{name}.parquet", problem, "Solve again.", column=column, value=unknown.iloc[0])


def _route_points(routes: pd.DataFrame, faults: FaultList) -> list[tuple[tuple[float, float], ...]]:
    points: list[tuple[tuple[float, float], ...]] = []
    for route, nodes, text in zip(routes.index, routes["nodes"], routes["coordinates"], strict=True):
        geometry = shapely.from_wkt(text, on_invalid="ignore")
        found = () if geometry is None else tuple((float(x), float(y)) for x, y in shapely.get_coordinates(geometry))
        # A route that stays at its node is written as a point, as a line needs two.
        if len(found) != len(nodes.split(">")):
            problem = f"route {route} has {len(found)} coordinates, but nodes {nodes}"
            faults.add("routes.parquet", problem, DAMAGED, column="coordinates", value=text)
        points.append(found)
    return points
