"""Reads the LP files that Pyomo writes, so that two can be compared whatever the order of their lines."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

SECTIONS = {"min", "max", "s.t.", "bounds", "binary", "general", "end"}
TERM = re.compile(r"^([+-]\S+) (\S+)$")
SIDE = re.compile(r"^(=|<=|>=) (\S+)$")


@dataclass
class LinearProgramFile:
    """
    What an LP file says.

    Attributes
    ----------
    objective
        Coefficient by variable.
    rows
        Row name -> coefficient by variable.
    sides
        Row name -> (sense, right side).
    bounds
        Variable -> the text of its bounds.
    integers
        Variables by section: binary, general.
    """

    objective: dict[str, float] = field(default_factory=dict)
    rows: dict[str, dict[str, float]] = field(default_factory=dict)
    sides: dict[str, tuple[str, float]] = field(default_factory=dict)
    bounds: dict[str, tuple[float, float]] = field(default_factory=dict)
    integers: dict[str, set[str]] = field(default_factory=dict)


def read_lp(text: str) -> LinearProgramFile:
    """
    Read an LP file as Pyomo's writer lays it out: a term a line, a section keyword a line.

    Raises
    ------
    ValueError
        At a line of any other kind.
    """
    out = LinearProgramFile()
    section, row = "", ""
    for raw in text.splitlines():
        line = raw.strip()
        if not line or line.startswith("\\*"):
            continue
        if line.lower() in SECTIONS:
            section = line.lower()
        elif section in ("binary", "general"):
            out.integers.setdefault(section, set()).add(line)
        elif section == "bounds":
            lower, name, upper = re.split(r"\s*<=\s*", line)
            out.bounds[name] = float(lower), float(upper)
        elif line.endswith(":"):
            row = line[:-1]
        elif term := TERM.match(line):
            entries = out.objective if section in ("min", "max") else out.rows.setdefault(row, {})
            if term[2] in entries:
                raise ValueError(f"{row}: {term[2]} comes twice")
            entries[term[2]] = float(term[1])
        elif side := SIDE.match(line):
            out.sides[row] = side[1], float(side[2])
        else:
            raise ValueError(f"not a line of an LP file: {line!r}")
    return out
