"""Files for other programs: the graph with its loads (GraphML) and the model (MPS, LP); PyPSA is beside it."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from network_data.faults import Fault, InputError, escape_text
from optimizer.exports.pypsa_network import write_pypsa
from optimizer.problem.problem import PlacementProblem
from optimizer.runs.folder import replace_when_done
from optimizer.runs.run import Run

_DRAFT_PREFIX = ".edwc-export-"
_NOT_IN_NAME = re.compile(r"[^A-Za-z0-9_.]")
# Readers of LP files take names of up to 255 characters; the rest is for a number.
_LONGEST_NAME = 230


def write_graphml(run: Run, path: Path) -> None:
    """
    Write the fibre graph with what the plan puts on it.

    Nodes are those of the fibre, of `kind` demand_hub or junction, and the data centers; edges are the links (`kind`
    link), and access from each data center to its node where a route of the run shows it. Attributes are the columns of
    the run's tables, without what is not known. A data center with the id of a node is called `data_center/ID`.
    """
    import networkx as nx

    graph = nx.Graph(name=escape_text(f"edwc run {run.name}"))
    for end in ("from", "to"):
        columns = [f"{end}_node", f"{end}_latitude_deg", f"{end}_longitude_deg"]
        for node, latitude, longitude in run.links[columns].itertuples(index=False, name=None):
            place = _attributes({"latitude_deg": latitude, "longitude_deg": longitude})
            graph.add_node(str(node), kind="junction", **place)
    for hub, row in run.demand_hubs.iterrows():
        graph.add_node(str(hub), **{"kind": "demand_hub", **_attributes(row)})
    called = {
        center: str(center) if center not in graph else f"data_center/{center}" for center in run.data_centers.index
    }
    for center, row in run.data_centers.iterrows():
        graph.add_node(called[center], **{"kind": "data_center", **_attributes(row)})
    for link, row in run.links.iterrows():
        own = row.drop([name for name in row.index if name.endswith("_deg")])
        graph.add_edge(str(row["from_node"]), str(row["to_node"]), kind="link", **{"id": str(link), **_attributes(own)})
    for center, node in _nodes_of_centers(run).items():
        if node in graph:
            graph.add_edge(called[center], node, kind="access")
    # Not the writer that needs lxml: the same bytes wherever it is installed or not.
    nx.write_graphml_xml(graph, path, encoding="utf-8", infer_numeric_types=True)


def _nodes_of_centers(run: Run) -> dict[str, str]:
    """Find the node of each data center: the last one of its routes."""
    routes = run.routes.drop_duplicates("data_center")
    ends = (str(nodes).rpartition(">")[2] for nodes in routes["nodes"])
    return {
        center: end for center, end in zip(routes["data_center"], ends, strict=True) if center in run.data_centers.index
    }


def _attributes(row: Mapping[str, Any] | pd.Series) -> dict[str, str | int | float | bool]:
    """Take what GraphML can hold: no missing values, and no characters that XML forbids."""
    found: dict[str, str | int | float | bool] = {}
    for name, value in row.items():
        plain = value.item() if isinstance(value, np.generic) else value
        if isinstance(plain, bool | int) or (isinstance(plain, float) and math.isfinite(plain)):
            found[str(name)] = plain
        elif isinstance(plain, str) and plain:
            found[str(name)] = escape_text(plain)
    return found


def export_model(problem: PlacementProblem, target: Path | str) -> Path:
    """
    Write the model of a problem for another solver.

    Parameters
    ----------
    target
        File to write, `.mps` or `.lp`; an older one is replaced when the new one is complete.

    Returns
    -------
    Path
        The target.

    Raises
    ------
    InputError
        If the ending is none of these, or the folder is not there.
    OSError
        If the file system refuses the write.
    """
    path = Path(target)
    if path.suffix.lower() not in MODEL_SUFFIXES or path.is_dir() or not path.absolute().parent.is_dir():
        remedy = f"Name a file that ends in {' or '.join(MODEL_SUFFIXES)}, in a folder that is there."
        raise InputError(
            [Fault(str(path), None, None, None, "is no file that a model can be written to", remedy)], "the export"
        )
    with replace_when_done(path.resolve(), draft_prefix=_DRAFT_PREFIX) as draft:
        write_model(problem, draft)
    return path


def write_model(problem: PlacementProblem, path: Path) -> None:
    """
    Write the equations of docs/formulation.md for a problem, to minimize CNY per year.

    Columns and rows are called after the variable or equation and its index, such as `Flow.07_00.hub.class.center.r0`:
    letters, digits, `_` and `.`, which both formats take.

    Raises
    ------
    OSError
        If HiGHS, which writes it, cannot.
    """
    import highspy

    from optimizer.model.compile import compile_model
    from optimizer.solvers.highs import new_highs, pass_model

    compiled, highs = compile_model(problem), new_highs()
    pass_model(
        highs, compiled.matrix, cost=compiled.cost, lower=compiled.lower, upper=compiled.upper,
        row_lower=compiled.row_lower, row_upper=compiled.row_upper, is_integer=compiled.is_integer,
    )  # fmt: skip
    program = highs.getLp()
    program.model_name_ = _NOT_IN_NAME.sub("_", problem.name)
    columns, rows = _names(problem)
    program.col_names_, program.row_names_ = columns, rows
    highs.passModel(program)
    if highs.writeModel(str(path)) == highspy.HighsStatus.kError:
        raise OSError(f"HiGHS cannot write {path.name}")


def _names(problem: PlacementProblem) -> tuple[list[str], list[str]]:
    """Name the columns and the rows, in their order in the matrix."""
    from optimizer.model.data import AXIS, model_sets
    from optimizer.model.equations import CONSTRAINTS
    from optimizer.model.pyomo_model import member_labels
    from optimizer.model.vocabulary import LABELS, VARIABLES

    sets, labels = model_sets(problem), member_labels(problem)
    # The nodes on the way, which tell candidates apart there, make long names.
    labels["candidate"] = [
        (*label[:2], f"r{route}")
        for label, route in zip(labels["candidate"], problem.candidates["route_index"], strict=True)
    ]
    slices = [".".join(label) for label in labels["slice"]]

    def members(name: str) -> list[str]:
        kinds = LABELS[name]
        return [
            ".".join(part for kind, at in zip(kinds, row, strict=True) for part in labels[kind][at]).replace("/", ".")
            for row in sets[name].tolist()
        ]

    def block(name: str, index: tuple[str, ...]) -> Iterator[str]:
        inner = [""]
        for part in index:
            if part != AXIS:
                inner = [f"{before}.{member}" for before in inner for member in members(part)]
        outer = [f".{slice_label}" for slice_label in slices] if AXIS in index else [""]
        return (f"{name}{first}{second}" for first in outer for second in inner)

    columns = [name for variable in VARIABLES for name in block(variable.name, variable.index)]
    rows = [name for equation in CONSTRAINTS for name in block(equation.name, equation.over)]
    return _legal(columns), _legal(rows)


def _legal(names: list[str]) -> list[str]:
    """Replace what a file may not hold, and number names that are then the same or too long."""
    plain = [_NOT_IN_NAME.sub("_", name) for name in names]
    count = Counter(plain)
    return [
        name if count[name] == 1 and len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}.n{at}"
        for at, name in enumerate(plain)
    ]


def _write_model_of(run: Run, path: Path) -> None:
    write_model(run.problem, path)


MODEL_SUFFIXES = (".mps", ".lp")

# By ending: what writes a whole run for another program.
PROGRAMS: dict[str, Callable[[Run, Path], None]] = {
    ".graphml": write_graphml,
    ".nc": write_pypsa,
    **dict.fromkeys(MODEL_SUFFIXES, _write_model_of),
}
