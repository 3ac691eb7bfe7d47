"""Optimal capacitated facility location by trying everything; of the package it knows how an instance is written."""

from __future__ import annotations

from itertools import product

import numpy as np
import scipy.optimize

from optimizer.validation.facility_files import FacilityInstance


def optimal_cost(instance: FacilityInstance) -> float:
    """
    Give the least total cost, infinite where demand cannot be served.

    Parameters
    ----------
    instance
        At most a few facilities and customers: every subset or every assignment is tried.
    """
    return _best_assignment(instance) if instance.is_single_sourced else _best_subset(instance)


def _best_assignment(instance: FacilityInstance) -> float:
    """Try every way to give each customer one facility."""
    opening, capacity, demand, cost = _arrays(instance)
    customers = np.arange(len(demand))
    best = np.inf
    for chosen in product(range(len(capacity)), repeat=len(demand)):
        facility = np.array(chosen)
        load = np.bincount(facility, demand, len(capacity))
        if (load <= capacity + 1e-9).all():
            used = np.unique(facility)
            best = min(best, float(cost[facility, customers].sum() + opening[used].sum()))
    return best


def _best_subset(instance: FacilityInstance) -> float:
    """Try every set of open facilities, each with its transportation problem."""
    opening, capacity, demand, cost = _arrays(instance)
    best = np.inf
    for is_open in product((False, True), repeat=len(capacity)):
        used = np.flatnonzero(is_open)
        if capacity[used].sum() >= demand.sum():
            best = min(best, float(opening[used].sum()) + _transport(capacity[used], demand, cost[used]))
    return best


def _transport(capacity: np.ndarray, demand: np.ndarray, cost: np.ndarray) -> float:
    """Least cost of serving all demand; variables are the shares of each customer's demand, facility by facility."""
    facilities, customers = cost.shape
    result = scipy.optimize.linprog(
        cost.reshape(-1),
        A_ub=np.kron(np.eye(facilities), demand),
        b_ub=capacity,
        A_eq=np.tile(np.eye(customers), facilities),
        b_eq=np.ones(customers),
        bounds=(0, None),
    )
    return float(result.fun) if result.success else np.inf


def _arrays(instance: FacilityInstance) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    return (
        np.array(instance.opening_cost, dtype=float),
        np.array(instance.capacity, dtype=float),
        np.array(instance.demand, dtype=float),
        np.array(instance.assignment_cost, dtype=float),
    )
