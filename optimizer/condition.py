"""One condition that every plan must meet, with the numbers by which it fails."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Condition:
    """
    One condition that every plan must meet.

    Attributes
    ----------
    name
        What is compared.
    holds
        Whether it can be met.
    message
        With numbers: by how much it fails, and for whom.
    short_mtok_per_h, short_mw
        What cannot be served in the worst slice, and the IT power that it would take; 0 where it holds.
    short_ms
        How much longer the RTT limit would have to be for the next data center to be in reach; NaN where that is not
        what fails.
    """

    name: str
    holds: bool
    message: str
    short_mtok_per_h: float = 0.0
    short_mw: float = 0.0
    short_ms: float = float("nan")
