"""The table of shadow prices: its columns, how a row is made, and the sentences that people read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from optimizer.numbers import format_cny
from optimizer.words.sentences import retell, say, term

# Below a yuan a year, a value is rounding of the solver.
LEAST_VALUE_CNY = 1.0
COLUMNS = ["kind", "id", "unit", "value", "marginal_value", "step", "holds_to", "sentence"]


@dataclass(frozen=True)
class Price:
    """Value of one more step of a limit, CNY per year."""

    value: float  # Of the full step, solved again; negative if it costs, NaN if it leaves no plan
    marginal: float  # Of the first small part of it, from the duals: never less than the value
    holds_steps: float | None = None  # Number of steps up to which each saves about as much; None where not known


def price_row(kind: str, ids: Sequence[str], unit: str, price: Price, step: float, sentence: str) -> dict[str, Any]:
    """Make a row of the table."""
    holds = np.nan if price.holds_steps is None else price.holds_steps * step
    values = (kind, "/".join(ids), unit, price.value, price.marginal, step, holds, sentence)
    return dict(zip(COLUMNS, values, strict=True))


def price_sentence(what: str, value_cny: float, holds_steps: float | None = None) -> str:
    """Say what one more step ("1 MW more of IT power at West") saves a year; `holds_steps` as in `Price`."""
    if np.isnan(value_cny):
        return f"{what} would leave no plan with what is open, deployed and bought"
    if value_cny <= -LEAST_VALUE_CNY:
        return f"{what} would cost {format_cny(-value_cny)} a year"
    if value_cny < LEAST_VALUE_CNY:
        return f"{what} is worth nothing in this plan"
    until = f" (each of {holds_steps:g} about as much)" if holds_steps is not None and holds_steps > 1 else ""
    return f"{what} is worth {format_cny(value_cny)} a year{until}"


def top_prices(table: pd.DataFrame, count: int = 6, each: int = 2) -> pd.DataFrame:
    """Choose the limits of which one more unit saves most, a few of each kind."""
    limits = table[(table["kind"] != "token") & (table["value"] >= LEAST_VALUE_CNY)]
    limits = limits.sort_values("value", ascending=False, kind="stable")
    return limits[limits.groupby("kind").cumcount() < each].head(count).reset_index(drop=True)


def price_lines(table: pd.DataFrame) -> list[str]:
    """Lines on the saving of one more unit of the scarcest limits, and on the cost of tokens."""
    sentences = map(retell, top_prices(table)["sentence"])
    lines = [f"  {sentence[0].upper()}{sentence[1:]}" for sentence in sentences]
    classes = table[(table["kind"] == "token") & ~table["id"].astype(str).str.contains("/")].sort_values("value")
    if len(classes):
        least, most = classes.iloc[0], classes.iloc[-1]
        lines.append(
            "  "
            + say(
                "1 million tokens more cost {least:.4f} CNY ({first}) to {most:.4f} CNY ({last})",
                least=least["value"],
                first=term(least["id"]),
                most=most["value"],
                last=term(most["id"]),
            )
        )
    head = say("At the margin, with what is open, deployed and bought held as it is:")
    return [head, *lines] if lines else []
