"""
Published results, and what the model makes of the same question.

`published.csv` has a row for each figure: low and high (blank where open), tolerance as a share of them, the places and
numbers that the question names (`inputs`), and a sentence on why ours is what it is. Our figures are worked out here,
from the tables and from plans solved for the purpose; none is stored. `role` says what a row is worth: `test`;
`circular`, where our inputs were made from the same publication; or `context`, where the two differ in more than the
model.
"""

from __future__ import annotations

import csv
import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd

from network_data.load import Network, load_network
from network_data.session import keep_files, table_content
from optimizer.checker.facts import PlanFacts
from optimizer.problem.assemble import assemble_problem
from optimizer.problem.demand import home_region
from optimizer.problem.fleet import annuity_share
from optimizer.problem.problem import PlacementProblem
from optimizer.problem.routing import fibre_graph, merge_links
from optimizer.runs.run import Run
from optimizer.runs.solve import solve_scenario
from optimizer.solvers.greedy import Baseline, evaluate_baselines
from optimizer.units import HOURS_PER_YEAR
from scenarios.load import load_scenario
from scenarios.schema import Scenario

PUBLISHED_FILE = Path(__file__).with_name("published.csv")
BASE = "base"
QUICK = ("time.slices_per_day=2", "time.slicing=blocks", "solver.mip_rel_gap=0.03", "solver.time_limit_s=600")
POINTS = 100.0


@dataclass(frozen=True)
class PublishedFigure:
    """
    A row of `published.csv`.

    Attributes
    ----------
    result : int
        Number of the publication in the list.
    figure : str
        Id of the figure.
    quantity, unit : str
        What it is.
    low, high : float
        Published range; infinite where open.
    tolerance_share : float
        How far outside ours may be, as a share of the nearer end.
    role : str
        `test`, `circular` or `context`.
    inputs : dict
        Places and numbers that the question names.
    why, source, read_as : str
        Why ours is what it is; where theirs is from, and how that was read: abstract, press or evaluation.
    """

    result: int
    figure: str
    quantity: str
    unit: str
    low: float
    high: float
    tolerance_share: float
    role: str
    inputs: dict[str, str]
    why: str
    source: str
    read_as: str

    def holds(self, ours: float) -> bool:
        """Whether a figure of ours is in the published range, with its tolerance; NaN is not."""
        below, above = (self.tolerance_share * abs(end) if math.isfinite(end) else 0.0 for end in (self.low, self.high))
        return self.low - below <= ours <= self.high + above


def published_figures() -> list[PublishedFigure]:
    """Read `published.csv`."""
    with PUBLISHED_FILE.open(encoding="utf-8", newline="") as text:
        return [
            PublishedFigure(
                result=int(row["result"]),
                figure=row["figure"],
                quantity=row["quantity"],
                unit=row["unit"],
                low=float(row["low"] or -math.inf),
                high=float(row["high"] or math.inf),
                tolerance_share=float(row["tolerance"]),
                role=row["role"],
                inputs=dict(part.split("=", 1) for part in row["inputs"].split(";") if part),
                why=row["why"],
                source=row["source"],
                read_as=row["read_as"],
            )
            for row in csv.DictReader(text)
        ]


class OurFigures:
    """
    What the model says, worked out on demand; what several figures need is solved once.

    Parameters
    ----------
    overrides
        Changes to the base scenario, such as fewer time slices.
    """

    def __init__(self, overrides: tuple[str, ...] = QUICK) -> None:
        self.overrides = overrides
        self.runs: dict[str, Run] = {}
        self._days: dict[tuple[str, ...], tuple[float, float]] = {}

    def work_out(self, published: PublishedFigure) -> float:
        """Work out our figure beside a published one; NaN where the model knows no such thing."""
        return _WORKED_OUT[published.figure](self, published.inputs)

    @cached_property
    def scenario(self) -> Scenario:
        """The base scenario, in full."""
        return load_scenario(BASE)

    @cached_property
    def network(self) -> Network:
        """Its network."""
        return load_network(self.scenario.network)

    @cached_property
    def problem(self) -> PlacementProblem:
        """The problem of the base scenario, in full; it is not solved."""
        return assemble_problem(self.network, self.scenario)

    @cached_property
    def base(self) -> Run:
        """The base scenario, solved with the overrides."""
        return self.solve(BASE, BASE, *self.overrides)

    @cached_property
    def at_home(self) -> Baseline:
        """All of its work in the region where most demand is."""
        problem = self.base.problem
        return next(
            one for one in evaluate_baselines(problem, home_region(problem, self.network)) if one.id == "home_region"
        )

    def solve(self, name: str, scenario: str | Path, *overrides: str) -> Run:
        """Solve a scenario and remember the run."""
        self.runs[name] = run = solve_scenario(scenario, overrides)
        if not run.has_plan:
            raise AssertionError(f"{name} has a plan: {run.termination}")
        return run

    def price_cny_per_mwh(self, region: str) -> np.ndarray[Any, np.dtype[np.float64]]:
        """(T,) mean energy price of the data centers of a region."""
        inside = (self.problem.data_centers["region"] == region).to_numpy(bool)
        return np.asarray(self.problem.energy_price_cny_per_mwh[:, inside].mean(axis=1))

    def _accelerator(self, name: str) -> dict[str, Any]:
        """Row of the table of accelerators."""
        return {str(column): value for column, value in self.network.accelerators.loc[name].items()}

    # ------------------------------------------------------------ moving work

    def carbon_change(self, inputs: Mapping[str, str], *, with_pue: bool) -> float:
        """Change of the carbon of an hour of work by a move, location-based, as a share."""
        centers = self.network.data_centers.loc[[inputs["from"], inputs["to"]]]
        carbon = self.network.grids["carbon_kg_per_kwh"].reindex(centers["grid"]).to_numpy(float)
        before, after = carbon * (centers["pue"].to_numpy(float) if with_pue else 1.0)
        return float(after / before - 1.0)

    def energy_saved(self, _: Mapping[str, str]) -> float:
        """Share of the facility energy of a token that the plan saves against all work at home."""
        home = self.at_home.report
        ours = self.base.summary["energy_mwh_per_year"] / self.base.summary["mtok_per_year"]
        return 1.0 - float(ours / (home.energy_mwh_per_year.sum() / home.mtok_per_year))

    def benefit_over_capital(self, inputs: Mapping[str, str]) -> float:
        """Energy cost that a move saves at full load, over the capital a year of one more accelerator and its site."""
        pool = self.problem.pools.iloc[0]
        chip = self._accelerator(str(self.problem.accelerators["id"].iloc[int(pool["accelerator_index"])]))
        pods = float(chip["accelerators_per_pod"])
        capital_cny = (float(pool["pod_cny_per_year"]) + float(pool["site_cny_per_year"])) / pods
        cost = []
        for region in (inputs["from"], inputs["to"]):
            inside = self.network.data_centers["region"] == region
            pue = self.network.data_centers.loc[inside, "pue"].mean()
            cost.append(float(self.price_cny_per_mwh(region).mean() * pue))
        mwh = float(chip["full_power_w"]) / 1e6 * HOURS_PER_YEAR
        return mwh * (cost[0] - cost[1]) / capital_cny

    def carbon_ratio(self, _: Mapping[str, str]) -> float:
        """Carbon saved with PUE and green power over what grid factors alone save, against all work at home."""
        home, facts, summary = self.at_home.report, PlanFacts(self.base.problem, self.at_home.plan), self.base.summary
        it_mwh = float((self.base.problem.weight_h @ home.it_power_mw).sum())
        home_pue = float(home.energy_mwh_per_year.sum()) / it_mwh
        home_t = float(home.carbon_t_per_year.sum())
        green = float(facts.market_carbon_t_per_year.sum()) - summary["market_carbon_t_per_year"]
        alone = home_t - summary["carbon_t_per_year"] * home_pue / summary["mean_pue"]
        return float(green / alone)

    def carbon_saved_kt(self, _: Mapping[str, str]) -> float:
        """Carbon that the plan saves against all work at home, location-based, in kt a year."""
        return float(self.at_home.report.carbon_t_per_year.sum() - self.base.summary["carbon_t_per_year"]) / 1e3

    # ------------------------------------------------------------ a published day of one provider

    def day(self, inputs: Mapping[str, str], utilization_limit: float) -> tuple[float, float]:
        """Solve a day of one class on one accelerator; returns mean and peak of the pods in use."""
        key = (*sorted(inputs.values()), str(utilization_limit))
        if key not in self._days:
            run = self.solve(f"day at {utilization_limit:g}", self._write_day(inputs, utilization_limit))
            pods = run.plan.active_pods.sum(axis=1)
            weight = run.problem.weight_h
            self._days[key] = float(weight @ pods / weight.sum()), float(pods.max())
        return self._days[key]

    def _write_day(self, inputs: Mapping[str, str], utilization_limit: float) -> Path:
        """Write the day as a scenario on a network with one data center."""
        center, chip = inputs["data_center"], inputs["accelerator"]
        pools = self.network.pools.iloc[:1].assign(data_center=center, accelerator=chip, existing_pods=1_000.0)
        network = self.network.with_tables(data_centers=self.network.data_centers.loc[[center]], pools=pools)
        given, cached, out = (float(inputs[name]) for name in ("input_mtok", "cached_mtok", "output_mtok"))
        demand = {"demand_hub": [inputs["hub"]], "workload_class": ["day"], "mtok_per_day": [given + out]}
        profile = pd.DataFrame({"hour": range(24), "day": self.scenario.profiles[inputs["profile"]]})
        lines = [
            "name: published_day",
            f'network: "{network.folder}"',
            "demand: {workloads_table: demand.csv}",
            "demand_profiles_table: profile.csv",
            "workload_classes:",
            f"  day: {{name: Day, input_tokens: {given}, output_tokens: {out}, cache_hit_share: {cached / given},",
            "    demand_profile: day, token_price_cny_per_mtok: 0}",
            f"fleet: {{accelerators: [{chip}], utilization_limit: {utilization_limit}, rate_basis: fleet_average,",
            "    allow_purchase: false}",
            "solver: {mip_rel_gap: 1.0e-6, time_limit_s: 60, threads: 1}",
        ]
        files = {"demand.csv": table_content(pd.DataFrame(demand)), "profile.csv": table_content(profile)}
        return keep_files(files | {"day.yaml": "\n".join(lines).encode()}) / "day.yaml"

    def accelerator_hour(self, inputs: Mapping[str, str]) -> float:
        """Capital of an accelerator and energy at full load, USD per hour."""
        chip = self._accelerator(inputs["accelerator"])
        share = annuity_share(self.scenario.fleet.interest_rate, float(chip["lifetime_years"]))
        at = self.problem.data_centers.index[self.problem.data_centers["id"] == inputs["data_center"]]
        pue, price = self.problem.data_centers["pue"][at], self.problem.energy_price_cny_per_mwh[:, at].mean()
        energy_cny = float(chip["full_power_w"]) / 1e6 * float(pue.iloc[0]) * float(price)
        return (float(chip["price_cny"]) * share / HOURS_PER_YEAR + energy_cny) / float(inputs["cny_per_usd"])

    # ------------------------------------------------------------ fibre

    @cached_property
    def _graph(self) -> nx.Graph:
        routing = self.scenario.routing
        return fibre_graph(self.network, merge_links(self.network, routing, link_share=1.0))

    def _ways_ms(self, inputs: Mapping[str, str]) -> dict[str, dict[str, float]]:
        """One-way latency from the node of each data center of a category to every node."""
        centers = self.network.data_centers
        nodes = dict.fromkeys(centers.loc[centers["category"] == inputs["category"], "node"])
        return {node: nx.single_source_dijkstra_path_length(self._graph, node, weight="one_way_ms") for node in nodes}

    def between_clusters_ms(self, inputs: Mapping[str, str]) -> float:
        """Longest of the shortest one-way latencies between data centers of a category."""
        ways = self._ways_ms(inputs)
        return max(ways[first][second] for first, second in itertools.combinations(ways, 2))

    def cities_in_reach(self, inputs: Mapping[str, str]) -> float:
        """Share of the demand hubs with a data center of a category within a one-way latency."""
        ways, limit_ms = self._ways_ms(inputs), float(inputs["limit_ms"])
        hubs = self.network.nodes.index[self.network.nodes["kind"] == "demand_hub"]
        return float(np.mean([min(way.get(hub, math.inf) for way in ways.values()) <= limit_ms for hub in hubs]))

    # ------------------------------------------------------------ energy of a request, hours, sorting

    def prompt_wh(self, inputs: Mapping[str, str], *, whole_stack: bool) -> float:
        """Energy of a request of a class at full load: with server and PUE, or at the rated power of the chip."""
        item = self.scenario.workload_classes[inputs["workload_class"]]
        k = self.problem.classes["id"].tolist().index(inputs["workload_class"])
        a = self.problem.accelerators["id"].tolist().index(inputs["accelerator"])
        hours = float(self.problem.accel_h_per_mtok[k, a]) * (item.input_tokens + item.output_tokens) / 1e6
        chip = self._accelerator(inputs["accelerator"])
        if not whole_stack:
            return hours * float(chip["tdp_w"])
        return hours * float(chip["full_power_w"]) * float(self.base.summary["mean_pue"])

    def flexible_eur_per_mwh(self, inputs: Mapping[str, str]) -> float:
        """Cost of a MWh of all load when a point of it moves from the hours of demand to the cheapest hour, EUR."""
        price = self.price_cny_per_mwh(inputs["region"])
        load = self.problem.demand_mtok_per_h.sum(axis=1)
        saved_cny = float(load @ price / load.sum()) - float(price.min())
        return -saved_cny / POINTS / float(inputs["cny_per_eur"])

    def saving_over_sorting(self, inputs: Mapping[str, str]) -> float:
        """Compare the optimum with the rule that fills the cheapest energy first, in a problem of prices alone."""
        kept = inputs["workload_class"]
        centers = self.network.data_centers.assign(opening_cny_per_year=0.0, demand_charge_cny_per_kw_month=0.0)
        network = self.network.with_tables(data_centers=centers)
        others = [name for name in self.scenario.workload_classes if name != kept]
        run = self.solve(
            "prices alone",
            BASE,
            f"network={network.folder}",
            f"drop_classes=[{', '.join(others)}]",
            f"workload_classes.{kept}.share_of_tokens=1.0",
            f"workload_classes.{kept}.deploy_cny_per_year=0",
            f"workload_classes.{kept}.deferrable_h=0",
            "demand.tokens_per_day_trillion=20",
            "fleet.allow_purchase=false",
            *self.overrides,
            "solver.mip_rel_gap=0.0001",
        )
        rule = next(one for one in run.baselines if one["id"] == "cheapest_energy")
        return float(rule["saving_share"]) if rule["is_feasible"] else math.nan


_WORKED_OUT: dict[str, Callable[[OurFigures, Mapping[str, str]], float]] = {
    "carbon_grid_first": lambda ours, inputs: ours.carbon_change(inputs, with_pue=False),
    "carbon_first": lambda ours, inputs: ours.carbon_change(inputs, with_pue=True),
    "carbon_grid_second": lambda ours, inputs: ours.carbon_change(inputs, with_pue=False),
    "carbon_second": lambda ours, inputs: ours.carbon_change(inputs, with_pue=True),
    "energy_saved": OurFigures.energy_saved,
    "benefit_over_capital": OurFigures.benefit_over_capital,
    "nodes_mean": lambda ours, inputs: ours.day(inputs, 1.0)[0],
    "nodes_peak": lambda ours, inputs: ours.day(inputs, 1.0)[1],
    "nodes_peak_headroom": lambda ours, inputs: ours.day(inputs, ours.scenario.fleet.utilization_limit)[1],
    "accelerator_hour": OurFigures.accelerator_hour,
    "between_clusters_ms": OurFigures.between_clusters_ms,
    "cities_in_reach": OurFigures.cities_in_reach,
    "carbon_ratio": OurFigures.carbon_ratio,
    "prompt_full_wh": lambda ours, inputs: ours.prompt_wh(inputs, whole_stack=True),
    "prompt_chip_wh": lambda ours, inputs: ours.prompt_wh(inputs, whole_stack=False),
    "flexible_eur_per_mwh": OurFigures.flexible_eur_per_mwh,
    "carbon_saved_kt": OurFigures.carbon_saved_kt,
    "curtailment_absorbed": lambda ours, inputs: math.nan,  # noqa: ARG005 - no counterpart in the model
    "saving_over_sorting": OurFigures.saving_over_sorting,
}
