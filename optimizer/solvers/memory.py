"""How much memory this process and those that it started have taken."""

from __future__ import annotations

import resource
import sys

# Unit of the system's `ru_maxrss`.
_BYTES_PER_UNIT = 1 if sys.platform == "darwin" else 1024
_of_others_units = 0


def note_peak_of_another(ru_maxrss: int) -> None:
    """Take into account what a process that is still running has reported of itself."""
    global _of_others_units  # noqa: PLW0603 - of this process, like what the system counts
    _of_others_units = max(_of_others_units, ru_maxrss)


def peak_memory_mb() -> float:
    """Most memory that this process, or one that it started, has taken, MB."""
    # The system counts those that have ended; solvers wait for the next model, and report theirs.
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    counted_units = max(resource.getrusage(one).ru_maxrss for one in who)
    return max(counted_units, _of_others_units) * _BYTES_PER_UNIT / 1e6
