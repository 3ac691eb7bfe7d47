"""`edwc list`, `show` and `keys`: what is built in, what a name stands for, and what a scenario may state."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from network_data.faults import escape_text
from optimizer.cli.help import told
from optimizer.cli.options import EdwcCommand, complete_scenario
from optimizer.cli.output import emit, emit_json
from optimizer.words.columns import ljust
from optimizer.words.fault_texts import retell_description
from optimizer.words.sentences import join, meaning, retell, say

if TYPE_CHECKING:
    from scenarios.keys import Key
    from scenarios.summaries import Summary


@click.command("list", cls=EdwcCommand, short_help="List what is built in, each with a description.")
@click.argument("what", type=click.Choice(("networks", "scenarios", "price-cases")))
def list_built_in(what: str, *, as_json: bool) -> int:
    """List what is built in: networks, scenarios or price cases, each with a description."""
    from network_data import list_networks
    from scenarios import list_price_cases, list_scenarios
    from scenarios.summaries import find_named

    names = {"networks": list_networks, "scenarios": list_scenarios, "price-cases": list_price_cases}[what]()
    found = [find_named(name) for name in names]
    if as_json:
        emit_json(
            [{key: getattr(item, key) for key in ("name", "description", "source", "confidence")} for item in found]
        )
    else:
        emit("\n".join(f"{item.name:24} {escape_text(retell_description(item.description))}" for item in found))
    return 0


def _complete_name(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    from scenarios.summaries import list_names

    found = complete_scenario(ctx, param, incomplete)
    known = {item.value for item in found}
    names = [name for name in list_names() if name.startswith(incomplete) and name not in known]
    return [*found, *map(CompletionItem, names)]


@click.command(cls=EdwcCommand, short_help="Show what a scenario, price case, class or network contains.")
@click.argument("name", shell_complete=_complete_name)
@click.option(
    "--of", "scenario", default="base", metavar="SCENARIO", shell_complete=complete_scenario,
    help="Scenario whose workload classes are meant (default: base).",
)  # fmt: skip
def show(name: str, scenario: str, *, as_json: bool) -> int:
    """
    Show what a scenario, price case, workload class or network contains.

    NAME is a built-in name, the id of a workload class, the YAML file of a scenario or price case, or the folder of a
    network.
    """
    from scenarios.summaries import find_named

    found = find_named(name, scenario)
    if as_json:
        values = {key.name.rpartition(".")[2]: value for key, value in zip(found.keys, found.values, strict=True)}
        emit_json(asdict(found) | {"values": values, "keys": [asdict(key) for key in found.keys]})
    else:
        emit(_describe_summary(found))
    return 0


@click.command(short_help="List the keys of a scenario with unit, default and range.", cls=EdwcCommand)
@click.argument("pattern", default="")
@click.option("--markdown", is_flag=True, help="Write the page docs/keys.md.")
def keys(pattern: str, *, markdown: bool, as_json: bool) -> int:
    """
    List the keys of a scenario file, for `--set` and sweeps too, with unit, default, range and meaning.

    PATTERN is a part of a key, such as `carbon`, or holds a `*`, such as `policy.*`; without it all keys are listed.
    If no key matches, the descriptions are searched.
    """
    from scenarios.keys import find_keys

    found = find_keys(pattern)
    if as_json:
        emit_json([asdict(key) for key in found])
    else:
        emit(_keys_page(found) if markdown else "\n".join(map(_describe_key, found)))
    return 0


# As `scenarios.keys` writes what a number may be.
_NUMBER = re.compile(r"(whole number|number), (above )?(\S+) (to|and below) (\S+)")


def _describe_summary(found: Summary) -> str:
    about = {"description": retell_description(found.description), "source": found.source}
    about |= {"confidence": found.confidence, "file": str(found.file)}
    lines = [f"{told(found.kind)} {escape_text(found.name)}"]
    lines += [f"  {ljust(told(name), 12)}{escape_text(text)}" for name, text in about.items() if text]
    if found.text:
        return "\n".join([*lines, "", *map(escape_text, found.text.rstrip().splitlines())])
    names = [key.name.rpartition(".")[2] for key in found.keys]
    rows = [
        f"  {name} = {escape_text(_with_unit(value, key.unit))}"
        + (key.description and f"\n      {meaning(key.description)}")
        for name, key, value in zip(names, found.keys, found.values, strict=True)
        if value not in {"", found.source}
    ]
    return "\n".join([*lines, "", *rows])


def _describe_key(key: Key) -> str:
    unit = f" [{retell(key.unit)}]" if key.unit else ""
    default = say("required") if key.is_required else say("default {value}", value=_plain(key.default))
    allowed = join([*map(_allowed, key.allowed.split("; ")), default], "; ")
    return f"{key.name}{unit}\n    {allowed}\n    {meaning(key.description)}"


def _allowed(part: str) -> str:
    """Tell a part of what a key may be in the language in force; its choices are written as a scenario writes them."""
    if part.startswith("one of "):
        return say("one of {choices}", choices=join(part.removeprefix("one of ").split(", ")))
    if found := _NUMBER.fullmatch(part):
        kind, above, low, most, high = found.groups()
        least = say("above {low}", low=low) if above else low
        most = (
            say("{least} to {high}", least=least, high=high)
            if most == "to"
            else say("{least} and below {high}", least=least, high=high)
        )
        return say("{kind}, {span}", kind=retell(kind), span=most)
    return retell(part)


def _with_unit(value: Any, unit: str) -> str:
    return f"{_plain(value)} {unit}" if unit and value is not None else _plain(value)


def _plain(value: Any) -> str:
    """Write a value as YAML does."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)


_PAGE_HEAD = """# Keys of a scenario

Made from the schema by `edwc keys --markdown > docs/keys.md`; do not edit. `edwc keys PATTERN` shows the same in a
terminal.

A key is written in a scenario file as nested sections, on the command line with dots: `--set solver.threads=1`, and so
as the parameter of a sweep. Words in capitals stand for an id: a `CLASS` of the scenario, a `REGION` or `ACCELERATOR`
of the network, a name of your own for a `CHANGE`. `[]` stands for each item of a list. What a scenario inherits through
`extends` need not be stated again, required or not; the built-in scenario `base` states all that is required. The
changes of a price case have the keys of `price_changes`.
"""


def _keys_page(found: list[Key]) -> str:
    """Write the page that describes the keys, a table for each section."""
    sections: dict[str, list[Key]] = {}
    for key in found:
        section = key.name.partition(".")[0] if "." in key.name else ""
        sections.setdefault(section.removesuffix("[]"), []).append(key)
    lines = [_PAGE_HEAD.rstrip()]
    for section, members in sections.items():
        title = f"`{section}`" if section else "The scenario"
        lines += ["", f"## {title}", "", "| key | unit | default | values | meaning |", "|---|---|---|---|---|"]
        for key in members:
            default = "required" if key.is_required else f"`{_plain(key.default)}`"
            cells = (f"`{key.name}`", key.unit, default, key.allowed, key.description)
            lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines)
