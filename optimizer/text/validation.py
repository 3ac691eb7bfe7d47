"""A validation as text for the terminal, and as the page docs/validation.md."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from optimizer.numbers import format_number

if TYPE_CHECKING:
    from optimizer.validation.validation import Validation

_RESULT = {True: "pass", False: "miss"}
_NO_DIGITS_FROM = 100.0
_PAGE_HEAD = """\
# What the model gives beside published results

Written by `make validation` (`{command}`){size}.
Every figure of ours is worked out when the command runs, from the tables and from plans that it solves; none is stored.
Misses stay. `circular`: our inputs were made from the same publication. `context`: the two differ in more than the
model. Sources read as abstract or press were not read in full. Tolerances are our judgement, most of them made with
both figures in sight: read the distance, not the word.
"""
_OPTIMA_HEAD = """\
## Known optima, and the plans behind the figures

Hand-worked problems, and capacitated warehouse problems of the OR-Library (Beasley 1988, *European Journal of
Operational Research* 33, 314 to 325), typed in from the published tables and written in native tables as
[facility_location.md](facility_location.md) says. Found: cost and bound within 1e-6 of the known optimum. Verified:
every cost and limit of the plan derived again from its inputs, as by `edwc verify`.
"""


def describe_validation(found: Validation) -> str:
    """Describe a validation: a line for each figure, why under each miss, and what it comes to."""
    lines = ["Published results" + _size(found), f"{'':<6}{'published':>18}{'ours':>12}  figure"]
    for row in found.published.to_dict("records"):
        role = "" if row["role"] == "test" else f" ({row['role']})"
        name = f"{row['result']}. {row['quantity']}, {row['unit']}{role}"
        lines.append(f"{_RESULT[row['passed']]:<6}{_range_of(row):>18}{_figure(row['ours']):>12}  {name}")
        if not row["passed"]:
            lines.append(f"{'':<38}{row['why']}")
    lines += ["", "Known optima and plans", f"{'':<6}{'known, CNY':>18}{'ours, CNY':>18}  problem"]
    for row in found.optima.to_dict("records"):
        known = "–" if math.isnan(row["known_cny"]) else f"{row['known_cny']:,.2f}"
        lines.append(f"{_RESULT[row['passed']]:<6}{known:>18}{row['ours_cny']:>18,.2f}  {row['problem']}")
    return "\n".join([*lines, "", *summarize_validation(found)])


def summarize_validation(found: Validation) -> list[str]:
    """Say in sentences what a validation comes to."""
    table, optima = found.published, found.optima
    tests = table[table["role"] == "test"]
    circular = int((table["role"] == "circular").sum())
    known = optima[optima["known_cny"].notna()]
    of_tests = f"{int(tests['passed'].sum())} of {len(tests)} figures that test the model agree with what was published"
    context = int((table["role"] == "context").sum())
    found_optima = f"{int(known['passed'].sum())} of {len(known)} known optima were found"
    return [
        f"{of_tests}; {context} more are context, {circular} is circular and proves nothing.",
        f"{found_optima}, {int(optima['verified'].sum())} of {len(optima)} plans verified.",
    ]


def validation_markdown(found: Validation) -> str:
    """Write the page docs/validation.md."""
    columns = ("Result", "Figure", "Published", "Ours", "Tolerance", "", "Why", "Source, and how it was read")
    rows = [
        (
            str(row["result"]),
            f"{row['quantity']}, {row['unit']}",
            _range_of(row),
            _figure(row["ours"]),
            f"{row['tolerance_share']:.0%}",
            _RESULT[row["passed"]] + ("" if row["role"] == "test" else f", {row['role']}"),
            row["why"],
            f"{row['source']} ({row['read_as']})",
        )
        for row in found.published.to_dict("records")
    ]
    optima = [
        (
            row["problem"],
            "–" if math.isnan(row["known_cny"]) else f"{row['known_cny']:,.3f}",
            f"{row['ours_cny']:,.3f}",
            _RESULT[row["passed"]],
            "yes" if row["verified"] else "NO",
            row["why"],
        )
        for row in found.optima.to_dict("records")
    ]
    command = f"edwc validate{' --full' if found.is_full else ''} --out docs/validation.md"
    head = _PAGE_HEAD.format(command=command, size=_size(found))
    summary = [f"- {line}" for line in summarize_validation(found)]
    known = ("Problem", "Known optimum, CNY", "Ours, CNY", "", "Verified", "How it is known")
    parts = [head, *summary, "", "## Published results", "", *_table(columns, rows), "", _OPTIMA_HEAD]
    return "\n".join([*parts, *_table(known, optima), ""])


def validation_json(found: Validation) -> dict[str, Any]:
    """Write a validation as `edwc validate --json` does."""
    return {
        "is_sound": found.is_sound,
        "is_full": found.is_full,
        "overrides": list(found.overrides),
        "published": found.published.to_dict("records"),
        "optima": found.optima.to_dict("records"),
    }


def _size(found: Validation) -> str:
    return ", at full size" if found.is_full else f", the base scenario with {', '.join(found.overrides)}"


def _range_of(row: Mapping[Hashable, Any]) -> str:
    low, high = row["published_low"], row["published_high"]
    if math.isinf(low):
        return f"at most {_figure(high)}"
    if math.isinf(high):
        return f"at least {_figure(low)}"
    return _figure(low) if low == high else f"{_figure(low)} to {_figure(high)}"


def _figure(value: float) -> str:
    """Write a figure with three digits that count."""
    if math.isnan(value):
        return "–"
    if abs(value) >= _NO_DIGITS_FROM:
        return format_number(value, 0)
    return f"{value:.3g}" if abs(value) >= 1e-3 else f"{value:.1g}" if value else "0"  # noqa: PLR2004 - digits


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [columns, ["---"] * len(columns), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines]
