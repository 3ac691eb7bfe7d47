"""The plan of a stored run with the problem it belongs to, assembled anew from the run's inputs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from network_data.faults import FaultList
from network_data.load import Network, load_network
from optimizer.assemble import assemble_problem
from optimizer.plan import Plan
from optimizer.plan_tables import UnknownLabelError, plan_from_tables
from optimizer.problem import PlacementProblem
from optimizer.run_folder import StoredRun, read_stored_run
from optimizer.run_info import find_scenario_again
from scenarios.load import load_scenario
from scenarios.schema import Scenario


@dataclass(frozen=True, eq=False)
class StoredPlan:
    """
    A stored run, ready to be asked about.

    Attributes
    ----------
    stored
        What the run folder holds.
    scenario, network, problem
        Its inputs, read anew.
    plan
        Its decisions.
    """

    stored: StoredRun
    scenario: Scenario
    network: Network
    problem: PlacementProblem
    plan: Plan


def read_stored_plan(run_folder: Path | str) -> StoredPlan:
    """
    Read a run and assemble its problem again.

    Parameters
    ----------
    run_folder
        Folder of a run.

    Raises
    ------
    InputError
        If the folder is not a run that can be read, or its inputs are gone or not what they were.
    """
    stored = read_stored_run(run_folder)
    told = stored.info["scenario"]
    overrides = [str(text) for text in told.get("overrides") or ()]
    scenario = load_scenario(find_scenario_again(told, stored.folder), overrides)
    network = load_network(scenario.network)
    faults = FaultList(f"run {stored.folder.name}")
    for was, now in (
        (told.get("file_hashes"), scenario.file_hashes),
        (stored.info["network"].get("file_hashes"), network.file_hashes),
    ):
        before = was if isinstance(was, dict) else {}
        for name in sorted({*before, *now}):
            if before.get(name) != now.get(name):
                faults.add(name, "is not what it was when the run was made", "Solve again, or put the file back.")
    faults.raise_if_any()
    problem = assemble_problem(network, scenario)
    try:
        plan = plan_from_tables(problem, stored.tables)
    except UnknownLabelError as error:
        for line in str(error).splitlines():
            faults.add(stored.folder.name, line, "Solve again: the run folder is damaged.")
        raise faults.error() from error
    return StoredPlan(stored, scenario, network, problem, plan)
