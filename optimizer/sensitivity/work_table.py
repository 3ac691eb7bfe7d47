"""The table `work_elsewhere`: its columns, and what may keep work out of a data center; reading it loads no solver."""

from __future__ import annotations

WORK_COLUMNS = ["data_center", "other", "kept_out_by", "mtok_per_year", "here_cny_per_mtok", "there_cny_per_mtok"]

# Rules and decisions that keep work out of a data center, before any limit does; limits have kinds of their own
# (`vocabulary.Obstacle`). NOTHING: the work might move, or moves, at the same cost.
RESIDENCY, RTT_LIMIT, SECOND_ROUTE, CLOSED, NOT_DEPLOYED, SINGLE_PLACE, NOTHING = (
    "residency", "rtt_limit", "second_route", "closed", "not_deployed", "indivisible", "none",
)  # fmt: skip
