"""What an analysis that chooses its own cases finds: tables with the files they go to, and facts beside them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import pandas as pd

from optimizer.runs.share_ranges import share_columns

_SHARE = "region_share."


class SearchResult(ABC):
    """A dataclass of tables and facts; break-even maps, frontiers and returns on latency are of this kind."""

    SUFFIX_OF: ClassVar[Mapping[str, str]]  # what the file of each table has after `stem`
    PLANS_IN: ClassVar[str]  # the table whose rows show regional shares of plans

    @property
    @abstractmethod
    def stem(self) -> str:
        """Name that the files of all tables begin with."""

    @abstractmethod
    def to_text(self) -> str:
        """Describe the result for a reader, in lines of plain text."""

    @abstractmethod
    def plot(self, target: Path | str, *, changes: Sequence[str] = ()) -> Path:
        """Draw the result into a file, `.png` or `.svg`, with what the scenario was changed in; returns the file."""

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Tables by the name of the file they go to."""
        return {f"{self.stem}{suffix}": getattr(self, name) for name, suffix in self.SUFFIX_OF.items()}

    def with_ranges(self, ranges: Mapping[str, pd.DataFrame]) -> Self:
        """Say beside the regional shares between what they lie, with the ranges (`Run.ranges`) that cases have."""
        table = getattr(self, self.PLANS_IN)
        regions = [name.removeprefix(_SHARE) for name in map(str, table) if name.startswith(_SHARE)]
        if not regions:
            return self
        cases = list(map(str, table["case"]))
        if "plan_of" in table:  # the plan of another case: what costs about as little there need not be one here
            own = table["plan_of"] == table["case"]
            ranges = {case: ranges[case] for case in set(table["case"][own]) & ranges.keys()}
            cases = ["" if plan == "" else case for case, plan in zip(cases, table["plan_of"], strict=True)]
        # The fields of a subclass are not known here.
        return replace(self, **{self.PLANS_IN: table.assign(**share_columns(cases, regions, ranges))})  # type: ignore[type-var]

    def facts(self) -> dict[str, Any]:
        """Everything that is no table, ready for JSON: a number that is not finite becomes a text."""
        own = {item.name: getattr(self, item.name) for item in fields(self) if item.name not in self.SUFFIX_OF}  # type: ignore[arg-type]
        return {n: str(v) if isinstance(v, float) and not math.isfinite(v) else v for n, v in own.items()}

    @classmethod
    def from_tables(cls, stem: str, facts: Mapping[str, Any], read_table: Callable[[str], pd.DataFrame]) -> Self:
        """
        Put a result together again from its files.

        Parameters
        ----------
        facts
            From `facts`, by way of JSON.
        """
        own = {n: tuple(v) if isinstance(v, list) else v for n, v in facts.items()}
        own = {n: float(v) if v in {"inf", "-inf", "nan"} else v for n, v in own.items()}
        return cls(**own, **{name: read_table(f"{stem}{suffix}") for name, suffix in cls.SUFFIX_OF.items()})
