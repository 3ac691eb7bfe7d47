"""
Equation (11) as Pyomo rules: whichever single data center fails, the others can take over what must not wait.

Nothing here costs anything: an outage is rare, and what it needs is that open data centers, deployments and pods are
there. So pods are simply on as the work needs them, and the rules tie the outages to `Open`, `Deploy` and `NewPods`
alone, not to what is routed in normal operation.
"""

from __future__ import annotations

from typing import Any

from optimizer.equation import Equation, Expression, Model


def serve_in_outage(m: Model, o: Any, w: Any) -> Expression:
    r"""
    Serve in an outage, all of it, what must not wait.

    .. math:: \sum_{r \in R_{ow}} v_{or} = 1 \qquad \forall (o, w) \tag{11a}
    """
    return sum(m.Reroute[o, r] for r in m.REROUTES_OF_CALL[o, w]) == 1


def take_over_where_deployed(m: Model, o: Any, r: Any) -> Expression:
    r"""
    Take over only where the class is deployed.

    .. math:: v_{or} \le x_{k(r)d(r)} \qquad \forall (o, r) \tag{11b}
    """
    return m.Reroute[o, r] <= m.Deploy[m.class_of_candidate[r], m.center_of_candidate[r]]


def process_what_is_taken_over(m: Model, o: Any, k: Any, d: Any) -> Expression:
    r"""
    Process what is taken over.

    .. math:: \sum_{r \in R_{okd}} D_{ow(r)}\, v_{or} = \sum_a z_{okda} \qquad \forall (o, k, d) \tag{11c}
    """
    taken = sum(m.call_mtok_per_h[o, m.workload_of_candidate[r]] * m.Reroute[o, r] for r in m.REROUTES_TO[o, k, d])
    return taken == sum(m.OutageWork[o, k, d, a] for a in m.ACCELERATORS_OF[d])


def limit_accelerators_in_outage(m: Model, o: Any, d: Any, a: Any) -> Expression:
    r"""
    Keep busy accelerator time within what all installed pods offer.

    .. math:: \sum_k \tau_{ka}\, z_{okda} \le \eta\, n_a \left(E_{da} y_d + n^{new}_{da}\right)
              \qquad \forall (o, d, a) \tag{11d}
    """
    busy = sum(m.accel_h_per_mtok[k, a] * m.OutageWork[o, k, d, a] for k in m.OUTAGE_CLASSES_OF[o, d, a])
    installed = m.existing_pods[d, a] * m.Open[d] + m.NewPods[d, a]
    return busy <= m.utilization_limit_share * m.accelerators_per_pod[a] * installed


def limit_it_power_in_outage(m: Model, o: Any, d: Any) -> Expression:
    r"""
    Keep IT power within capacity, with as many pods on as the work needs.

    .. math:: \sum_{k,a} \left(\frac{p^{idle}_a}{\eta\, n_a} + p^{dyn}_a\right) \tau_{ka}\, z_{okda} \le \bar P_d\, y_d
              \qquad \forall (o, d) \tag{11e}
    """
    idle_mw = sum(
        m.idle_mw_per_pod[a] / (m.utilization_limit_share * m.accelerators_per_pod[a])
        * m.accel_h_per_mtok[k, a] * m.OutageWork[o, k, d, a]
        for k, a in m.OUTAGE_PROCESSES_OF[o, d]
    )  # fmt: skip
    dynamic_mw = sum(
        m.dynamic_mw_per_accelerator[a] * m.accel_h_per_mtok[k, a] * m.OutageWork[o, k, d, a]
        for k, a in m.OUTAGE_PROCESSES_OF[o, d]
    )
    return idle_mw + dynamic_mw <= m.it_capacity_mw[d] * m.Open[d]


def limit_link_traffic_in_outage(m: Model, o: Any, link: Any) -> Expression:
    r"""
    Keep the traffic on a link within the capacity open to inference.

    .. math:: \sum_{r \in R_{ol}} g_{k(r)} D_{ow(r)}\, v_{or} \le \bar G_l \qquad \forall (o, l) \tag{11f}
    """
    traffic_gbps = sum(
        m.gbps_per_mtok_per_h[m.class_of_candidate[r]]
        * m.call_mtok_per_h[o, m.workload_of_candidate[r]] * m.Reroute[o, r]
        for r in m.REROUTES_OVER[o, link]
    )  # fmt: skip
    return traffic_gbps <= m.link_capacity_gbps[link]


def stand_in_two_places(m: Model, w: Any) -> Expression:
    r"""
    Deploy a class in two data centers in reach of each workload that must not wait.

    .. math:: \sum_{d \in D_w} x_{k(w)d} \ge 2 \qquad \forall w \in W^{reach} \tag{11g}

    Notes
    -----
    For whole :math:`x` this follows from (11a) and (11b). It is here because it is much stronger where a solver lets
    :math:`x` be a fraction, and because one row says what those of all failures say together.
    """
    return sum(m.Deploy[m.class_of[w], d] for d in m.SITES_IN_REACH[w]) >= 2  # noqa: PLR2004 - the equation's own number


RESILIENCE_CONSTRAINTS = (
    Equation(serve_in_outage, ("CALLS",), "11a"),
    Equation(take_over_where_deployed, ("REROUTES",), "11b"),
    Equation(process_what_is_taken_over, ("OUTAGE_DEPLOYMENTS",), "11c"),
    Equation(limit_accelerators_in_outage, ("OUTAGE_POOLS",), "11d"),
    Equation(limit_it_power_in_outage, ("OUTAGE_CENTERS",), "11e"),
    Equation(limit_link_traffic_in_outage, ("OUTAGE_LINKS",), "11f"),
    Equation(stand_in_two_places, ("REACHES",), "11g"),
)
