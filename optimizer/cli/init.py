"""`edwc init`: write a network and a scenario to begin with into a new folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from network_data.faults import FaultList, escape_text, suggest
from optimizer.cli.options import EdwcCommand, complete_folder
from optimizer.cli.output import emit, emit_json
from optimizer.words.sentences import say

_DRAFT_PREFIX = ".edwc-init-"
_EXAMPLES = {"river": "own_network", "europe": "own_europe"}  # by name, the folder in `scenarios`


@click.command(cls=EdwcCommand, short_help="Write a small network and scenario of your own to begin with.")
@click.argument("folder", shell_complete=complete_folder)
@click.option("--copy", "network", metavar="NETWORK", help="Copy a built-in network, such as china_2026, to change it.")
@click.option(
    "--example", type=click.Choice(tuple(_EXAMPLES)), default="river",
    help="Which small network: an invented river (default), or six European metros, in EUR and several time zones.",
)  # fmt: skip
def init(folder: str, network: str | None, example: str, *, as_json: bool) -> int:
    """
    Write a network and a scenario of your own into FOLDER, which must not exist yet.

    Without --copy it is a small network whose tables explain their columns, with a scenario that solves in seconds.
    """
    from optimizer.runs.folder import replace_when_done

    target = Path(folder).absolute()
    _check(target, network)
    target.parent.mkdir(parents=True, exist_ok=True)
    with replace_when_done(target, draft_prefix=_DRAFT_PREFIX) as draft:
        draft.mkdir()
        name = _write_example(draft, example) if network is None else _copy_network(draft, network)
    scenario, run = Path(folder) / f"{name}.yaml", Path(folder) / "runs" / name
    commands = [
        f"edwc check {scenario}",
        f"edwc solve {scenario} --out {run}",
        f"edwc export {run} --to {run / 'map.png'}",
    ]
    if as_json:
        emit_json({"folder": str(target), "scenario": str(target / f"{name}.yaml"), "commands": commands})
    else:
        wrote = say(
            "wrote {folder}: the tables of a network, and the scenario {name}.yaml. Next:",
            folder=escape_text(folder),
            name=name,
        )
        emit("\n".join([wrote, *(f"  {escape_text(command)}" for command in commands)]))
    return 0


def _check(target: Path, network: str | None) -> None:
    """Check that nothing would be overwritten, and that the network to copy is built in."""
    from network_data import list_networks

    faults = FaultList("edwc init")
    if target.exists() or target.is_symlink():
        faults.add("FOLDER", "exists already, and nothing is overwritten", "Name a new folder.", value=str(target))
    if network is not None and network not in list_networks():
        remedy = f"Built-in networks: {', '.join(list_networks())}.{suggest(network, list_networks())}"
        faults.add("--copy", "there is no such built-in network", remedy, value=network)
    faults.raise_if_any()


def _write_example(draft: Path, example: str) -> str:
    """Write a network of docs/own_network.md, with a comment above each table that explains its columns."""
    from network_data.currency import in_currency
    from network_data.load import load_network
    from network_data.schema import load_schema
    from scenarios.keys import find_keys
    from scenarios.sources import BUILT_IN_FOLDER

    shutil.copytree(BUILT_IN_FOLDER / _EXAMPLES[example], draft, dirs_exist_ok=True)
    (scenario,) = draft.glob("*.yaml")
    _put_above(scenario, ["`edwc keys` explains every key, also those left out here."])
    (profiles,) = draft.glob("*.csv")
    _put_above(profiles, [key.description for key in find_keys("demand_profiles_table")])
    currency = load_network(draft / scenario.stem).currency
    schema = {
        table: {in_currency(name, currency): attribute for name, attribute in attributes.items()}
        for table, attributes in load_schema().items()
    }
    for path in sorted((draft / scenario.stem).glob("*.csv")):
        attributes = schema[path.stem]
        given = path.read_text(encoding="utf-8").partition("\n")[0].split(",")
        units = {
            name: f" [{in_currency(attributes[name].unit, currency)}]" if attributes[name].unit else ""
            for name in given
        }
        comments = [f"{name}{units[name]}: {attributes[name].description}" for name in given]
        others = [name for name in attributes if name not in given]
        _put_above(path, [*comments, f"Columns that may be added: {', '.join(others)}."])
    return scenario.stem


def _put_above(path: Path, comments: list[str]) -> None:
    text = path.read_text(encoding="utf-8")
    path.write_text("".join(f"# {comment}\n" for comment in comments) + text, encoding="utf-8")


def _copy_network(draft: Path, network: str) -> str:
    """Copy a built-in network, and write a scenario that runs the network's own scenario on the copy."""
    from network_data.load import BUILT_IN_FOLDER
    from scenarios import list_scenarios, load_scenario

    shutil.copytree(BUILT_IN_FOLDER / network, draft / network)
    known = ((name, load_scenario(name)) for name in list_scenarios())
    base = next(name for name, scenario in known if scenario.network == network and scenario.extends is None)
    (draft / f"own_{network}.yaml").write_text(
        f"# `edwc show {base}` prints what is inherited, `edwc keys` explains every key.\n"
        f"name: own_{network}\n"
        f"description: Scenario {base} on a copy of the network {network}\n"
        f"extends: {base}\n"
        f"network: ./{network}  # the folder beside this file; without ./ it would be the built-in network\n",
        encoding="utf-8",
    )
    return f"own_{network}"
