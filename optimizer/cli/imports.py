"""`edwc import`: write a network folder from a file of another program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from network_data.faults import escape_text
from optimizer.cli.options import EdwcCommand, complete_file, complete_folder
from optimizer.cli.output import emit, emit_json
from optimizer.imports.source_graph import CAPACITY_UNITS, ImportOptions, Note
from optimizer.words.columns import ljust
from optimizer.words.sentences import join_some, retell, say, titled

_ITEMS_SHOWN = 6
_PLAIN = ImportOptions()


@click.command("import", cls=EdwcCommand, short_help="Write a network folder from GraphML, SNDlib, topohub or PyPSA.")
@click.argument("source", metavar="FILE", shell_complete=complete_file)
@click.option(
    "--out", metavar="FOLDER", required=True, shell_complete=complete_folder, help="Folder to write; a new one."
)
@click.option(
    "--data-centers", metavar="NODE,...",
    help="Nodes with a data center, by name or id (default: the best-connected).",
)  # fmt: skip
@click.option(
    "--sites",
    type=int,
    metavar="N",
    default=_PLAIN.sites,
    show_default=True,
    help="Data centers, where none are named.",
)
@click.option(
    "--places", metavar="TABLE", shell_complete=complete_file,
    help="Table with columns name, latitude_deg, longitude_deg, and if known population_million, demand_weight, "
    "country, province, region.",
)  # fmt: skip
@click.option(
    "--capacity-unit",
    type=click.Choice(tuple(CAPACITY_UNITS)),
    help="Unit of capacities that the file states without one.",
)
@click.option(
    "--capacity-gbps",
    type=float,
    metavar="GBPS",
    default=_PLAIN.capacity_gbps,
    show_default=True,
    help="Of links without one.",
)
@click.option(
    "--route-factor", type=float, metavar="FACTOR", default=_PLAIN.route_factor, show_default=True,
    help="Length of fibre in great circles, where the file has no length.",
)  # fmt: skip
@click.option("--swap-coordinates", is_flag=True, help="The file has latitude where longitude belongs.")
def import_command(
    source: str, out: str, *, data_centers: str | None, places: str | None, as_json: bool, **given: Any
) -> int:
    """
    Write a network folder, and a scenario for it, from a file of another program.

    FILE is GraphML (Topology Zoo), an SNDlib network (XML or native text), topohub JSON, a PyPSA network (.nc, or a
    folder of CSV tables), or a table of links (.csv) with --places. What the file does not say is assumed, printed, and
    written to ASSUMPTIONS.md in the folder.
    """
    from optimizer.imports.network_folder import ASSUMPTIONS_FILE, import_network

    names = tuple(name.strip() for name in (data_centers or "").split(",") if name.strip())
    options = ImportOptions(data_centers=names, places=None if places is None else Path(places), **given)
    found = import_network(source, out, options=options)
    scenario, run = Path(out) / found.scenario.name, Path(out) / "runs" / "first"
    commands = [f"edwc check {scenario}", f"edwc solve {scenario} --out {run}"]
    if as_json:
        notes = [note._asdict() for note in found.notes]
        emit_json({"folder": str(found.folder), "scenario": str(found.scenario), "notes": notes, "commands": commands})
        return 0
    lines = [say("wrote {file}: a network, a scenario, and {notes}", file=escape_text(out), notes=ASSUMPTIONS_FILE)]
    lines += [f"  {ljust(retell(note.kind), 8)}  {_tell(note)}" for note in found.notes]
    emit("\n".join([*lines, say("Next:"), *(f"  {escape_text(command)}" for command in commands)]))
    return 0


def _tell(note: Note) -> str:
    """Write a note as a sentence, with the first of its items."""
    text = titled(retell(escape_text(note.text)))
    items = join_some([escape_text(item) for item in note.items], _ITEMS_SHOWN)
    return say("{text}: {items}.", text=text, items=items) if items else say("{text}.", text=text)
