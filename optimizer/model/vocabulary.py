"""
The model's vocabulary: every set, parameter and variable with its index, unit and meaning, declared once.

What the rules of the formulation are made of: the model they read, and how one is registered.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["continuous", "integer", "binary"]


@dataclass(frozen=True)
class SetDeclaration:
    """A set of index tuples; with `owner`, a family of sets, one per member of the owner."""

    name: str
    dimen: int
    meaning: str
    owner: str | None = None


@dataclass(frozen=True)
class ParameterDeclaration:
    """A number for every member of the product of its sets."""

    name: str
    index: tuple[str, ...]
    unit: str
    meaning: str
    is_position: bool = False


@dataclass(frozen=True)
class VariableDeclaration:
    """A decision for every member of the product of its sets; `upper` names the parameter that bounds it."""

    name: str
    index: tuple[str, ...]
    unit: str
    meaning: str
    kind: Kind = "continuous"
    upper: str | None = None


SETS = (
    SetDeclaration("SLICES", 1, "time slices t"),
    SetDeclaration("BILLING", 1, "billing periods b"),
    SetDeclaration("CLASSES", 1, "workload classes k"),
    SetDeclaration("WORKLOADS", 1, "workloads w"),
    SetDeclaration("DATA_CENTERS", 1, "data centers d"),
    SetDeclaration("ACCELERATORS", 1, "accelerators a"),
    SetDeclaration("LINKS", 1, "links"),
    SetDeclaration("CANDIDATES", 1, "candidates r"),
    SetDeclaration("URGENT", 1, "workloads served in the hour they arise"),
    SetDeclaration("DEFERRABLE", 1, "workloads that may wait inside their window"),
    SetDeclaration("INDIVISIBLE", 1, "workloads that must use a single data center"),
    SetDeclaration("PAIRS", 2, "(w, d) joined by a candidate"),
    SetDeclaration("INDIVISIBLE_PAIRS", 2, "(w, d) of indivisible workloads"),
    SetDeclaration("DEPLOYMENTS", 2, "(k, d) joined by a candidate"),
    SetDeclaration("MIN_SHARE_DEPLOYMENTS", 2, "(k, d) of classes with a minimum share"),
    SetDeclaration("LOADED_DATA_CENTERS", 1, "data centers that a class with a least number of accelerators reaches"),
    SetDeclaration("LIMITED_CLASSES", 1, "classes with fewer sites allowed than data centers reached"),
    SetDeclaration("POOLS", 2, "(d, a) with accelerators present or purchasable"),
    SetDeclaration("MIN_PODS_POOLS", 2, "(d, a) with a minimum number of pods"),
    SetDeclaration("PROCESSES", 3, "(k, d, a) in which class k can be processed"),
    SetDeclaration("LIMITING_LINKS", 1, "links whose capacity some plan could exceed"),
    SetDeclaration("PEAK_BILLED", 1, "data centers that pay a demand charge on the peak of each billing period"),
    SetDeclaration("CONTRACT_BILLED", 1, "data centers that pay a demand charge on contracted power"),
    SetDeclaration("REGIONS", 1, "regions g with a least share of the tokens"),
    SetDeclaration("GREEN_GOALS", 1, "one member where a green share is demanded, else none"),
    SetDeclaration("GREEN_CENTERS", 1, "data centers that count towards a green share"),
    SetDeclaration("CARBON_CAPS", 1, "one member where emissions are capped, else none"),
    SetDeclaration("BUSY_CENTERS", 1, "data centers with a least utilization"),
    SetDeclaration("INVESTMENT_LIMITS", 1, "one member where investment is limited, else none"),
    SetDeclaration("SPENDING_LIMITS", 1, "one member where yearly spending is limited, else none"),
    SetDeclaration("CANDIDATES_OF_WORKLOAD", 1, "candidates of w", owner="WORKLOADS"),
    SetDeclaration("CANDIDATES_OF_PAIR", 1, "candidates of (w, d)", owner="PAIRS"),
    SetDeclaration("CANDIDATES_OF_DEPLOYMENT", 1, "candidates of class k to d", owner="DEPLOYMENTS"),
    SetDeclaration("CANDIDATES_OF_LINK", 1, "candidates whose route uses the link", owner="LIMITING_LINKS"),
    SetDeclaration("ACCELERATORS_OF", 1, "accelerators of d", owner="DATA_CENTERS"),
    SetDeclaration("ACCELERATORS_OF_DEPLOYMENT", 1, "accelerators of d that process class k", owner="DEPLOYMENTS"),
    SetDeclaration("CLASSES_OF_POOL", 1, "classes processed on (d, a)", owner="POOLS"),
    SetDeclaration("PROCESSES_OF", 2, "(k, a) processed in d", owner="DATA_CENTERS"),
    SetDeclaration("CLASSES_AT", 1, "classes that reach d", owner="GREEN_CENTERS"),
    SetDeclaration("PROCESSES_OF_REGION", 3, "(k, d, a) processed in region g", owner="REGIONS"),
    SetDeclaration("LOADED_CLASSES_OF", 1, "classes that keep accelerators on at d", owner="LOADED_DATA_CENTERS"),
    SetDeclaration("SITES_OF_CLASS", 1, "data centers that class k can reach", owner="LIMITED_CLASSES"),
    SetDeclaration("SITES_OF_WORKLOAD", 1, "data centers that w can use", owner="INDIVISIBLE"),
    SetDeclaration("OUTAGES", 1, "outages o to survive: a data center that fails, in a slice that asks for much"),
    SetDeclaration("CALLS", 2, "(o, w) work that must not wait in o, of w and all with the same class and reach"),
    SetDeclaration("REROUTES", 2, "(o, r) candidates of calls to data centers that do not fail"),
    SetDeclaration("OUTAGE_DEPLOYMENTS", 3, "(o, k, d) that may take over"),
    SetDeclaration("OUTAGE_PROCESSES", 4, "(o, k, d, a) in which what is taken over can be processed"),
    SetDeclaration("OUTAGE_POOLS", 3, "(o, d, a) that may take over"),
    SetDeclaration("OUTAGE_CENTERS", 2, "(o, d) that may take over"),
    SetDeclaration("OUTAGE_LINKS", 2, "(o, l) limiting links that reroutes cross"),
    SetDeclaration("REROUTES_OF_CALL", 1, "candidates that may take over the call", owner="CALLS"),
    SetDeclaration("REROUTES_TO", 1, "candidates of class k to d in o", owner="OUTAGE_DEPLOYMENTS"),
    SetDeclaration("OUTAGE_CLASSES_OF", 1, "classes that (d, a) may take over in o", owner="OUTAGE_POOLS"),
    SetDeclaration("OUTAGE_PROCESSES_OF", 2, "(k, a) that d may take over in o", owner="OUTAGE_CENTERS"),
    SetDeclaration("REROUTES_OVER", 1, "candidates over the link in o", owner="OUTAGE_LINKS"),
    SetDeclaration("REACHES", 1, "workloads that must not wait, of a class those that reach least"),
    SetDeclaration("SITES_IN_REACH", 1, "data centers in reach of w", owner="REACHES"),
)
PARAMETERS = (
    ParameterDeclaration("weight_h", ("SLICES",), "h/year", "hours per year of a slice"),
    ParameterDeclaration("slice_h", ("SLICES",), "h", "length of a slice"),
    ParameterDeclaration("previous", ("SLICES",), "-", "the slice before, cyclic over its day", is_position=True),
    ParameterDeclaration("billing_of", ("SLICES",), "-", "billing period of a slice", is_position=True),
    ParameterDeclaration("billed_months", ("BILLING",), "months/year", "months billed on this period's peak"),
    ParameterDeclaration("contract_months", (), "months/year", "months that contracted power is paid in"),
    ParameterDeclaration("class_of", ("WORKLOADS",), "-", "class of a workload", is_position=True),
    ParameterDeclaration("class_of_candidate", ("CANDIDATES",), "-", "class of a candidate", is_position=True),
    ParameterDeclaration("demand_mtok_per_h", ("WORKLOADS", "SLICES"), "mtok/h", "arrivals"),
    ParameterDeclaration("class_demand_mtok_per_h", ("CLASSES", "SLICES"), "mtok/h", "arrivals of a class"),
    ParameterDeclaration("servable_mtok_per_h", ("WORKLOADS", "SLICES"), "mtok/h", "most that can be served"),
    ParameterDeclaration("shed_limit_mtok_per_h", ("WORKLOADS", "SLICES"), "mtok/h", "most that may be shed"),
    ParameterDeclaration("backlog_limit_mtok", ("WORKLOADS", "SLICES"), "mtok", "most that may wait"),
    ParameterDeclaration("accel_h_per_mtok", ("CLASSES", "ACCELERATORS"), "h/mtok", "busy accelerator-hours"),
    ParameterDeclaration("utilization_limit_share", (), "-", "busy share of an active accelerator's time"),
    ParameterDeclaration("accelerators_per_pod", ("ACCELERATORS",), "1/pod", "accelerators in a pod"),
    ParameterDeclaration("idle_mw_per_pod", ("ACCELERATORS",), "MW/pod", "IT power of an active, idle pod"),
    ParameterDeclaration("dynamic_mw_per_accelerator", ("ACCELERATORS",), "MW", "more IT power when busy"),
    ParameterDeclaration("existing_pods", ("DATA_CENTERS", "ACCELERATORS"), "pods", "pods in place"),
    ParameterDeclaration("max_new_pods", ("DATA_CENTERS", "ACCELERATORS"), "pods", "pods that can be bought"),
    ParameterDeclaration("min_pods", ("DATA_CENTERS", "ACCELERATORS"), "pods", "fewest pods if open"),
    ParameterDeclaration("it_capacity_mw", ("DATA_CENTERS",), "MW", "IT power capacity"),
    ParameterDeclaration("pue", ("DATA_CENTERS",), "-", "facility power per IT power"),
    ParameterDeclaration("max_sites", ("CLASSES",), "-", "data centers a class may use"),
    ParameterDeclaration("min_share", ("CLASSES",), "-", "smallest share of a class at a deployment"),
    ParameterDeclaration("min_accelerators", ("CLASSES",), "accelerators", "kept switched on where deployed"),
    ParameterDeclaration("gbps_per_mtok_per_h", ("CLASSES",), "Gbps h/mtok", "traffic of a class"),
    ParameterDeclaration("link_capacity_gbps", ("LINKS",), "Gbps", "capacity open to inference"),
    ParameterDeclaration("energy_price_cny_per_mwh", ("DATA_CENTERS", "SLICES"), "CNY/MWh", "energy price"),
    ParameterDeclaration("demand_charge_cny_per_mw_month", ("DATA_CENTERS",), "CNY/MW/month", "demand charge"),
    ParameterDeclaration("carbon_cny_per_mwh", ("DATA_CENTERS",), "CNY/MWh", "carbon price of facility energy"),
    ParameterDeclaration("latency_cny_per_mtok", ("CANDIDATES",), "CNY/mtok", "value of the round trip"),
    ParameterDeclaration("network_cny_per_mtok", ("CANDIDATES",), "CNY/mtok", "transport over the route"),
    ParameterDeclaration("data_transfer_cny_per_mtok", ("CANDIDATES",), "CNY/mtok", "price of data that leaves home"),
    ParameterDeclaration("pod_cny_per_year", ("DATA_CENTERS", "ACCELERATORS"), "CNY/year", "annualized new pod"),
    ParameterDeclaration("site_cny_per_year", ("DATA_CENTERS", "ACCELERATORS"), "CNY/year", "building for it"),
    ParameterDeclaration("opening_cny_per_year", ("DATA_CENTERS",), "CNY/year", "running an open data center"),
    ParameterDeclaration("deploy_cny_per_year", ("CLASSES",), "CNY/year", "keeping a class deployed"),
    ParameterDeclaration("shed_penalty_cny_per_mtok", (), "CNY/mtok", "penalty of an unserved token"),
    ParameterDeclaration("year_share", ("SLICES",), "-", "share of the year's hours"),
    ParameterDeclaration("min_region_share", ("REGIONS",), "-", "least share of the tokens"),
    ParameterDeclaration("green_power_share", ("DATA_CENTERS",), "-", "share of energy under green power contracts"),
    ParameterDeclaration("min_green_share", ("GREEN_GOALS",), "-", "least share of green energy"),
    ParameterDeclaration("carbon_t_per_mwh", ("DATA_CENTERS",), "t/MWh", "average factor of the grid"),
    ParameterDeclaration("carbon_cap_t_per_h", ("CARBON_CAPS",), "t/h", "most emissions, mean of the year"),
    ParameterDeclaration("min_utilization_share", (), "-", "least busy share of the year"),
    ParameterDeclaration("investment_mcny", ("DATA_CENTERS", "ACCELERATORS"), "million CNY", "new pod, up front"),
    ParameterDeclaration("investment_limit_mcny", ("INVESTMENT_LIMITS",), "million CNY", "most investment"),
    ParameterDeclaration("spending_limit_mcny", ("SPENDING_LIMITS",), "million CNY/year", "most spending"),
    ParameterDeclaration("workload_of_candidate", ("CANDIDATES",), "-", "workload of a candidate", is_position=True),
    ParameterDeclaration("center_of_candidate", ("CANDIDATES",), "-", "its data center", is_position=True),
    ParameterDeclaration("call_mtok_per_h", ("OUTAGES", "WORKLOADS"), "mtok/h", "work of a call"),
)
VARIABLES = (
    VariableDeclaration("Flow", ("CANDIDATES", "SLICES"), "mtok/h", "tokens routed"),
    VariableDeclaration("Shed", ("WORKLOADS", "SLICES"), "mtok/h", "tokens not served", upper="shed_limit_mtok_per_h"),
    VariableDeclaration(
        "Backlog", ("DEFERRABLE", "SLICES"), "mtok", "tokens waiting at the end", upper="backlog_limit_mtok"
    ),
    VariableDeclaration("Work", ("PROCESSES", "SLICES"), "mtok/h", "tokens processed"),
    VariableDeclaration("Active", ("POOLS", "SLICES"), "pods", "pods switched on"),
    VariableDeclaration("NewPods", ("POOLS",), "pods", "pods bought", kind="integer", upper="max_new_pods"),
    VariableDeclaration("Open", ("DATA_CENTERS",), "0/1", "data center used", kind="binary"),
    VariableDeclaration("Deploy", ("DEPLOYMENTS",), "0/1", "class deployed in data center", kind="binary"),
    VariableDeclaration("Assign", ("INDIVISIBLE_PAIRS",), "0/1", "single assignment", kind="binary"),
    VariableDeclaration("Peak", ("PEAK_BILLED", "BILLING"), "MW", "facility power that is billed"),
    VariableDeclaration("Contract", ("CONTRACT_BILLED",), "MW", "facility power that is contracted for the year"),
    VariableDeclaration("Reroute", ("REROUTES",), "-", "share of a call that is taken over"),
    VariableDeclaration("OutageWork", ("OUTAGE_PROCESSES",), "mtok/h", "tokens processed in an outage"),
)

# Pyomo's component access is dynamic: `m` is a model with the components of `declarations`, results are expressions.
Model = Any
Expression = Any


@dataclass(frozen=True)
class Equation:
    """A constraint family: its rule, the sets it runs over, and its number in docs/formulation.md."""

    rule: Callable[..., Expression]
    over: tuple[str, ...]
    number: str

    @property
    def name(self) -> str:
        """Name of the rule, and of the Pyomo component and the matrix rows made from it."""
        return self.rule.__name__
