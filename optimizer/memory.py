"""The most memory that a solve has taken, in this process and in those that it starts."""

from __future__ import annotations

import resource
import sys

_of_others_mb = 0.0


def note_peak_of_another(megabytes: float) -> None:
    """
    Take in what a process that is still running has said of itself.

    Parameters
    ----------
    megabytes
        The most that it has taken so far, MB.
    """
    global _of_others_mb  # noqa: PLW0603 - of this process, like what the system counts
    _of_others_mb = max(_of_others_mb, megabytes)


def peak_memory_mb() -> float:
    """Measure the most memory that this process, or one that it started, has taken, MB."""
    bytes_per_unit = 1 if sys.platform == "darwin" else 1024
    # The system counts those that have ended; solvers wait for the next model, and tell themselves.
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    counted_mb = max(resource.getrusage(one).ru_maxrss for one in who) * bytes_per_unit / 1e6
    return max(counted_mb, _of_others_mb)
