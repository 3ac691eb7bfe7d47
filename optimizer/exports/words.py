"""The words of workbooks and briefs by key, in a language that is asked for, beside those of the maps."""

from __future__ import annotations

from dataclasses import dataclass

from network_data.currency import in_currency
from optimizer.drawing.words import Words as MapWords
from optimizer.words.amounts import in_money_unit
from optimizer.words.tables import read_table


def office_words() -> dict[str, dict[str, str]]:
    """Read the table: key to language to words; what stands in braces is filled in."""
    return read_table("office")


@dataclass(frozen=True)
class Words(MapWords):
    """The words of one language: those of this table, then those of the maps."""

    def __call__(self, key: str, **values: object) -> str:
        """Look up words and fill in values; these are taken as they are, also with braces in them."""
        known = office_words().get(key)
        if known is None:
            return super().__call__(key, **values)
        return in_currency(in_money_unit(known[self.lang]), self.currency).format(**values)

    def name_of(self, kind: str, name: str) -> str:
        """Translate the name of a rule, a limit or an ending; one that is not known stays as it is."""
        known = office_words().get(f"{kind}.{name}")
        return name if known is None else known[self.lang]
