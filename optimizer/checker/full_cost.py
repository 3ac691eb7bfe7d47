"""What a plan costs in full: beside what it decides, the accelerators that stand there anyway and those left idle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.checker.facts import PlanFacts, numbers_of
from optimizer.problem.problem import FloatArray

# Part-time pods are counted up to whole ones; what a solver leaves over is none.
_ROUNDING_PODS = 1e-6


@dataclass(frozen=True)
class FullCost:
    """
    The two costs of a plan, CNY per year, and what lies between them.

    Attributes
    ----------
    decision_cny
        What the plan decides: the objective.
    used_stock_cny
        Annualized price of the accelerators in place that the plan switches on at any time.
    spare_energy_cny
        Energy of the pods left idle, at the share of their idle power that the scenario states; 0 where they are off.
    whole_stock_cny
        Annualized price of all accelerators in place that are open to inference.
    accelerators_in_use
        Accelerators of the pods that are on at the peak of their pool, or new.
    accelerators_in_stock
        Accelerators in place that are open to inference.
    """

    decision_cny: float
    used_stock_cny: float
    spare_energy_cny: float
    whole_stock_cny: float
    accelerators_in_use: float
    accelerators_in_stock: float

    @property
    def total_cny(self) -> float:
        """Full cost: with the accelerators in use."""
        return self.decision_cny + self.used_stock_cny + self.spare_energy_cny

    @property
    def with_whole_stock_cny(self) -> float:
        """Full cost if the whole stock is paid for."""
        return self.decision_cny + self.whole_stock_cny + self.spare_energy_cny


@dataclass(frozen=True)
class SpareDraw:
    """What pods that are not needed would draw if they idled all the time: means over the year, and sums of it."""

    accelerators: float
    facility_mw: float
    mwh_per_year: float
    cny_per_year: float


def pods_in_use(f: PlanFacts) -> FloatArray:
    r"""(P,) whole pods on in the slice in which most are, no fewer than are new: max(ceil(max_t b), n_new)."""
    on = np.ceil(f.plan.active_pods.max(axis=0, initial=0.0) - _ROUNDING_PODS)
    return np.asarray(np.maximum(on, f.plan.new_pods))


def full_cost(f: PlanFacts, decision_cny: float) -> FullCost:
    r"""
    Add to the objective what it takes as given: "Full cost" in docs/formulation.md.

    .. math:: F = Z + \sum_p C_p \left(\max(\lceil \max_t b_{pt} \rceil, n^{new}_p) - n^{new}_p\right) + \sigma S

    Parameters
    ----------
    decision_cny
        The objective :math:`Z`, in which new pods are paid for.

    Notes
    -----
    :math:`C_p` is the annualized price of a pod, :math:`b` pods switched on, :math:`S` the energy bill of spare pods
    that idle and :math:`\sigma` the share of their idle power that they draw. Buildings that stand are not counted.
    """
    used, existing = pods_in_use(f), f.pool_column("existing_pods")
    price = f.pool_column("pod_cny_per_year")
    return FullCost(
        decision_cny=decision_cny,
        used_stock_cny=float(price @ (used - f.plan.new_pods)),
        spare_energy_cny=f.problem.spare_power_share * spare_draw(f).cny_per_year,
        whole_stock_cny=float(price @ existing),
        accelerators_in_use=float(used @ f.accelerators_per_pod),
        accelerators_in_stock=float(existing @ f.accelerators_per_pod),
    )


def spare_draw(f: PlanFacts) -> SpareDraw:
    """
    Work out what the pods that are not switched on would draw idle, each at its own PUE and the prices of its hours.

    Notes
    -----
    Pods in place count whether their data center is used or not, and so do new ones. A demand charge on this power is
    not part of it, nor a carbon price.
    """
    problem, hours = f.problem, float(f.problem.weight_h.sum())
    spare = (f.pool_column("existing_pods") + f.plan.new_pods - f.plan.active_pods).clip(min=0.0)
    idle_mw = numbers_of(problem.accelerators, "idle_mw_per_pod")[f.pool_accelerator]
    power = spare * idle_mw * f.data_center_column("pue")[f.pool_data_center]
    price = problem.energy_price_cny_per_mwh[:, f.pool_data_center]
    if "energy_surcharge_cny_per_mwh" in problem.pools:
        price = price + f.pool_column("energy_surcharge_cny_per_mwh")
    mwh = float((problem.weight_h @ power).sum())
    return SpareDraw(
        accelerators=float(problem.weight_h @ (spare @ f.accelerators_per_pod)) / hours if hours else 0.0,
        facility_mw=mwh / hours if hours else 0.0,
        mwh_per_year=mwh,
        cny_per_year=float((problem.weight_h[:, None] * price * power).sum()),
    )
