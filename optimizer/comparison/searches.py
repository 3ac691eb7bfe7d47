"""What an analysis that chooses its own cases finds: tables with the files they go to, and facts beside them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar, Self

import pandas as pd


class SearchResult(ABC):
    """A dataclass of tables and facts; break-even maps, frontiers and returns on latency are of this kind."""

    SUFFIX_OF: ClassVar[Mapping[str, str]]  # what the file of each table has after `stem`

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
