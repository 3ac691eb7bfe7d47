"""
The optimum by trying every whole decision and solving the linear rest, written from the problem arrays alone.

Nothing of the model is used: not its rules, not its compiler, not its solver interface. Where the model is clever the
enumeration is plain, so that it proves the cleverness: every link has its limit, every data center its peak, nothing
but closing bounds ties routing to deployment, no row says what others imply.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from brute_outage import Outages
from brute_policy import YearRows, has_new_compute_shares, surcharge_row
from scipy.optimize import linprog

from optimizer.problem.problem import FloatArray, IntArray, PlacementProblem

INFEASIBLE = 2  # scipy.optimize.linprog's status


class TooManyChoicesError(ValueError):
    """The problem is not tiny."""


@dataclass(frozen=True, eq=False)
class Choice:
    """Whole decisions: (D,), (N,), (P,) and the chosen data center of each indivisible workload."""

    is_open: IntArray
    is_deployed: IntArray
    new_pods: IntArray
    data_center_of: dict[int, int]
    cost_cny: float


def cheapest_cost_cny(problem: PlacementProblem, *, most_choices: int) -> float:
    """
    Cost of the best plan in CNY per year; inf if there is none.

    Choices are tried in the order of their own cost, until that and the least any operation costs, with everything
    open and deployed, exceed the best total.

    Raises
    ------
    TooManyChoicesError
        If there are more than `most_choices`.
    """
    operation = Operation(problem)
    least = operation.cost_cny(None)
    if np.isinf(least):
        return least
    choices = list(itertools.islice(every_choice(problem), most_choices + 1))
    if len(choices) > most_choices:
        raise TooManyChoicesError(f"more than {most_choices} choices")
    outages = Outages(problem)
    everything = [np.ones(len(table), np.int64) for table in (problem.data_centers, problem.deployments)]
    if not outages.survived_by(*everything, problem.pools["max_new_pods"].to_numpy()):
        return np.inf
    best = np.inf
    for choice in sorted(choices, key=lambda choice: choice.cost_cny):
        if choice.cost_cny + least >= best:
            break
        total = choice.cost_cny + operation.cost_cny(choice)
        # Only of what would be the best: every outage is a program of its own.
        if total < best and outages.survived_by(choice.is_open, choice.is_deployed, choice.new_pods):
            best = total
    return best


def every_choice(problem: PlacementProblem) -> Iterator[Choice]:
    """Yield every combination of whole decisions that keeps the limits on these decisions alone."""
    centers, pools, deployments = problem.data_centers, problem.pools, problem.deployments
    most_sites = problem.classes["max_sites"].to_numpy()
    deploy_cost = problem.classes["deploy_cny_per_year"].to_numpy()[deployments["class_index"]]
    pod_cost = (pools["pod_cny_per_year"] + pools["site_cny_per_year"]).to_numpy()
    invested, most_invested = (pools["pod_cny"] + pools["site_cny"]).to_numpy(), problem.policy.investment_limit_cny
    single = sorted(set(problem.indivisible_pairs["workload_index"]))
    workload_class = problem.workloads["class_index"].to_numpy()
    deployed_class, deployed_at = (deployments[c].to_numpy() for c in ("class_index", "data_center_index"))
    opening_cost, pool_at = centers["opening_cny_per_year"].to_numpy(), pools["data_center_index"].to_numpy()
    existing, most, least = (pools[c].to_numpy() for c in ("existing_pods", "max_new_pods", "min_pods"))
    for opened in itertools.product((0, 1), repeat=len(centers)):
        is_open = np.array(opened)
        at_pool = is_open[pool_at]
        amounts = [
            range(max(0, lo - have), hi + 1) if here else range(1)
            for here, have, hi, lo in zip(at_pool, existing, most, least, strict=True)
        ]
        purchases = [
            new_pods
            for new_pods in map(np.array, itertools.product(*amounts))
            if (most_invested is None or invested @ new_pods <= most_invested)
            and has_new_compute_shares(problem, new_pods)
        ]
        may_deploy = is_open[deployed_at]
        for deployed in itertools.product(*[range(here + 1) for here in may_deploy]):
            is_deployed = np.array(deployed)
            if (np.bincount(deployed_class, is_deployed, len(most_sites)) > most_sites).any():
                continue
            places = [deployed_at[(is_deployed == 1) & (deployed_class == workload_class[w])].tolist() for w in single]
            fixed = opening_cost @ is_open + deploy_cost @ is_deployed
            for new_pods in purchases:
                cost = float(fixed + pod_cost @ new_pods)
                for chosen in itertools.product(*places):
                    yield Choice(is_open, is_deployed, new_pods, dict(zip(single, chosen, strict=True)), cost)


class Operation:
    """The linear program of routing, processing, switching and waiting, for any choice of the whole decisions."""

    def __init__(self, problem: PlacementProblem) -> None:
        self._problem = problem
        slices, p = len(problem.slices), problem
        sizes = {
            "flow": (slices, len(p.candidates)),
            "shed": (slices, len(p.workloads)),
            "wait": (slices, len(p.workloads)),
            "work": (slices, len(p.processes)),
            "active": (slices, len(p.pools)),
            "peak": (len(p.billing), len(p.data_centers)),
            "contract": (len(p.data_centers),),
        }
        self._at: dict[str, IntArray] = {}
        self._size = 0
        for name, shape in sizes.items():
            self._at[name] = self._size + np.arange(np.prod(shape)).reshape(shape)
            self._size += int(np.prod(shape))
        self._cost = np.zeros(self._size)
        self._equal: list[tuple[FloatArray, float]] = []
        self._at_most: list[tuple[FloatArray, float]] = []
        self._power_rows: list[tuple[int, int]] = []  # (row of `_at_most`, data center)
        self._loaded_rows: list[tuple[int, int]] = []  # (row of `_at_most`, data center)
        self._share_rows: list[tuple[int, int]] = []  # (row of `_at_most`, deployment)
        for t in range(slices):
            self._serve(t)
            self._process(t)
            self._power(t)
            self._links(t)
        months = p.billing["months"].to_numpy()
        charge = 1000.0 * p.data_centers["demand_charge_cny_per_kw_month"].to_numpy()
        basis = p.data_centers["demand_charge_basis"].to_numpy()
        self._cost[self._at["peak"]] = np.outer(months, np.where(basis == "monthly_peak", charge, 0.0))
        opening = p.data_centers["opening_cny_per_mw_year"].to_numpy()
        self._cost[self._at["contract"]] = 12.0 * np.where(basis == "contracted", charge, 0.0) + opening
        centers = len(p.data_centers)
        power = {(n // centers, d): self._at_most[row][0] for n, (row, d) in enumerate(self._power_rows)}
        self._year_rows = list(YearRows(p, self._at, power, self._size))
        # Read once: thousands of choices are tried.
        pools = p.pools
        self._pool_at, self._existing, self._new = (
            pools[c].to_numpy() for c in ("data_center_index", "existing_pods", "max_new_pods")
        )
        self._per_pod = p.accelerators["accelerators_per_pod"].to_numpy()[pools["accelerator_index"]]
        self._deployed_class, self._deployed_at = (
            p.deployments[c].to_numpy() for c in ("class_index", "data_center_index")
        )
        self._min_accelerators = p.classes["min_accelerators"].to_numpy()
        places = (p.candidates["workload_index"], p.candidate_class, p.candidates["data_center_index"])
        self._places = list(zip(*(place.tolist() for place in places), strict=True))
        self._rows = np.array([row for row, _ in self._at_most] + [each.row for each in self._year_rows])
        self._equal_rows = np.array([row for row, _ in self._equal])
        self._equal_to = np.array([amount for _, amount in self._equal])

    def cost_cny(self, choice: Choice | None) -> float:
        """
        Cost of a choice's best operation, inf if it has none.

        None stands for everything at once: all open, deployed and bought, no minimum kept, no workload tied to one
        data center. No choice operates more cheaply.
        """
        return self._least(choice, self._cost, np.inf)

    def least_of(self, choice: Choice, flow_weight: FloatArray, budget_cny: float) -> float:
        """Least sum of flows times (slices, candidates) weights with a choice, for what its operation may cost."""
        objective = np.zeros(self._size)
        objective[self._at["flow"]] = flow_weight
        return self._least(choice, objective, budget_cny)

    def _least(self, choice: Choice | None, objective: FloatArray, budget_cny: float) -> float:
        p = self._problem
        limits = np.array([limit for _, limit in self._at_most])
        upper = np.full(self._size, np.inf)
        upper[self._at["shed"]] = p.shed_limit_mtok_per_h
        upper[self._at["wait"]] = p.backlog_limit_mtok
        centers, new, is_open = len(p.data_centers), self._new, np.ones(len(p.data_centers))
        here = np.ones(len(self._deployed_at), np.bool_)
        if choice is None:
            for row, _ in (*self._share_rows, *self._loaded_rows):
                limits[row] = 0.0
        else:
            is_open, new, here = choice.is_open, choice.new_pods, choice.is_deployed == 1
            for row, deployment in self._share_rows:
                limits[row] *= choice.is_deployed[deployment]
            on = self._min_accelerators[self._deployed_class[here]]
            for row, d in self._loaded_rows:
                limits[row] = -sum(on[self._deployed_at[here] == d])
            upper[self._at["flow"][:, self._is_closed(choice)]] = 0.0
        for row, d in self._power_rows:
            limits[row] *= is_open[d]
        in_place = self._existing * is_open[self._pool_at] + new
        upper[self._at["active"]] = in_place
        standing, installed = 0.0, None
        if choice is not None:
            standing = choice.cost_cny
            installed = np.bincount(self._pool_at, in_place * self._per_pod, centers)
        kept_on = self._min_accelerators[self._deployed_class[here]].astype(float)
        loaded = np.bincount(self._deployed_at[here], kept_on, centers)
        year_limits = [each.limit_for(installed, loaded, standing) for each in self._year_rows]
        rows, most = self._rows, np.append(limits, year_limits)
        if np.isfinite(budget_cny):
            size = float(np.abs(self._cost).max())
            rows, most = np.vstack([rows, self._cost / size]), np.append(most, budget_cny / size)
        answer = linprog(
            objective,
            A_ub=rows,
            b_ub=most,
            A_eq=self._equal_rows,
            b_eq=self._equal_to,
            bounds=np.column_stack([np.zeros(self._size), upper]),
            method="highs",
        )
        if answer.status == INFEASIBLE:
            return np.inf
        assert answer.status == 0, answer.message
        return float(answer.fun)

    def _is_closed(self, choice: Choice) -> list[bool]:
        """Whether each candidate leads to where its class is not deployed, or its workload not assigned."""
        at = zip(self._deployed_class.tolist(), self._deployed_at.tolist(), choice.is_deployed, strict=True)
        deployed = {(k, d) for k, d, here in at if here}
        return [(k, d) not in deployed or choice.data_center_of.get(w, d) != d for w, k, d in self._places]

    def _row(self) -> FloatArray:
        return np.zeros(self._size)

    def _serve(self, t: int) -> None:
        """Serve, shed or keep waiting what arrives; price the way."""
        p, at = self._problem, self._at
        hours = p.slices["weight_h"][t]
        length = 24.0 / (p.slices["day"] == p.slices["day"][t]).sum()
        before = p.slices["previous_index"][t]
        for w, item in enumerate(p.workloads.itertuples()):
            row = self._row()
            row[at["flow"][t, (p.candidates["workload_index"] == w).to_numpy()]] = 1.0
            row[at["shed"][t, w]] = 1.0
            if item.is_deferrable:
                row[at["wait"][t, w]] += 1.0 / length
                row[at["wait"][before, w]] -= 1.0 / length
            self._equal.append((row, p.demand_mtok_per_h[t, w]))
            self._cost[at["shed"][t, w]] = hours * p.shed_penalty_cny_per_mtok
        for r, way in enumerate(p.candidates.itertuples()):
            value = p.classes["latency_cny_per_ms_per_mtok"][p.candidate_class[r]]
            self._cost[at["flow"][t, r]] = hours * (
                value * way.rtt_ms + way.network_cny_per_mtok + way.data_transfer_cny_per_mtok
            )

    def _process(self, t: int) -> None:
        """Each class is processed where it goes, on accelerators that are switched on."""
        p, at = self._problem, self._at
        processes = p.processes
        for n, (k, d) in enumerate(zip(p.deployments["class_index"], p.deployments["data_center_index"], strict=True)):
            row = self._row()
            goes = (p.candidate_class == k) & (p.candidates["data_center_index"] == d).to_numpy()
            here = ((processes["class_index"] == k) & (processes["data_center_index"] == d)).to_numpy()
            row[at["flow"][t, goes]] = 1.0
            row[at["work"][t, here]] = -1.0
            self._equal.append((row, 0.0))
            least = self._row()
            least[at["work"][t, here]] = -1.0
            asked = sum(p.demand_mtok_per_h[t, w] for w, c in enumerate(p.workloads["class_index"]) if c == k)
            self._share_rows.append((len(self._at_most), n))
            self._at_most.append((least, -p.classes["min_share"][k] * asked))
        for q, pool in enumerate(p.pools.itertuples()):
            row = self._row()
            for x in np.flatnonzero(processes["pool_index"] == q):
                row[at["work"][t, x]] = p.accel_h_per_mtok[processes["class_index"][x], pool.accelerator_index]
            size = p.accelerators["accelerators_per_pod"][pool.accelerator_index]
            row[at["active"][t, q]] = -p.utilization_limit_share * size
            self._at_most.append((row, 0.0))

    def _power(self, t: int) -> None:
        """Keep IT power within capacity, facility power within the billed peak; price energy and carbon."""
        p, at = self._problem, self._at
        for d, center in enumerate(p.data_centers.itertuples()):
            power = self._row()
            for q, pool in enumerate(p.pools.itertuples()):
                if pool.data_center_index == d:
                    power[at["active"][t, q]] = p.accelerators["idle_mw_per_pod"][pool.accelerator_index]
            for x, run in enumerate(p.processes.itertuples()):
                if run.data_center_index == d:
                    busy = p.accel_h_per_mtok[run.class_index, run.accelerator_index]
                    power[at["work"][t, x]] = busy * p.accelerators["dynamic_mw_per_accelerator"][run.accelerator_index]
            switched_on = self._row()
            for q, pool in enumerate(p.pools.itertuples()):
                if pool.data_center_index == d:
                    switched_on[at["active"][t, q]] = -p.accelerators["accelerators_per_pod"][pool.accelerator_index]
            self._loaded_rows.append((len(self._at_most), d))
            self._at_most.append((switched_on, 0.0))
            self._power_rows.append((len(self._at_most), d))
            self._at_most.append((power, center.it_capacity_mw))
            billed = center.pue * power
            billed[at["peak"][p.slices["billing_index"][t], d]] = -1.0
            self._at_most.append((billed, 0.0))
            contracted = center.pue * power
            contracted[at["contract"][d]] = -1.0
            self._at_most.append((contracted, 0.0))
            cny_per_mwh = p.energy_price_cny_per_mwh[t, d] + p.carbon_price_cny_per_t * center.carbon_kg_per_kwh
            self._cost += p.slices["weight_h"][t] * center.pue * (cny_per_mwh * power + surcharge_row(p, t, power, at))

    def _links(self, t: int) -> None:
        """Traffic of all routes over a link stays within its capacity."""
        p = self._problem
        for link, capacity in enumerate(p.links["capacity_gbps"]):
            row = self._row()
            over = set(p.route_links["route_index"][p.route_links["link_index"] == link])
            for r, route in enumerate(p.candidates["route_index"]):
                if route in over:
                    row[self._at["flow"][t, r]] = p.classes["gbps_per_mtok_per_h"][p.candidate_class[r]]
            self._at_most.append((row, capacity))
