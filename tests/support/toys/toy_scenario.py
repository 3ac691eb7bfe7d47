"""The toy network with a scenario of two classes, for tests of assembly: 100 mtok an hour on average."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from network_files import Override, write_toy_network

from network_data import load_network
from optimizer.problem.assemble import assemble_problem
from optimizer.problem.problem import PlacementProblem
from scenarios import load_scenario

CHAT = {
    "name": "Chat",
    "share_of_tokens": 0.6,
    "input_tokens": 300,
    "output_tokens": 100,
    "cache_hit_share": 0.5,
    "demand_profile": "day",
    "token_price_cny_per_mtok": 2.0,
    "revenue_loss_share_per_100ms": 0.01,
    "sequential_calls": 3,
}
BATCH = {
    "name": "Batch",
    "share_of_tokens": 0.4,
    "input_tokens": 400,
    "output_tokens": 0,
    "demand_profile": "flat",
    "token_price_cny_per_mtok": 1.0,
}
# The first half of the day asks for three times as much as the second: factors 1.5 and 0.5.
PROFILES = "hour,day,flat\n" + "".join(f"{hour},{3 if hour < 12 else 1},7\n" for hour in range(24))
CHAT_GBPS = (0.75 * 4 + 0.25 * 150) * 1e6 * 8 / 1e9 / 3600  # 9e-5 Gbps per mtok/h


class ToyScenario:
    """The toy network and a scenario of two classes in a folder; 2,400 million tokens a day, 100 an hour."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(
        self,
        *,
        chat: dict[str, Any] | None = None,
        batch: dict[str, Any] | None = None,
        tables: dict[str, Override] | None = None,
        **keys: Any,
    ) -> PlacementProblem:
        """Assemble, with changes to the classes, the tables and the other keys; slices are equal blocks if unsaid."""
        write_toy_network(self.folder / "net", **(tables or {}))
        (self.folder / "profiles.csv").write_text(PROFILES, encoding="utf-8")
        scenario = {
            "name": "toy",
            "network": "net",
            "demand": {"tokens_per_day_trillion": 0.0024},
            "demand_profiles_table": "profiles.csv",
            "workload_classes": {"chat": CHAT | (chat or {}), "batch": BATCH | (batch or {})},
        }
        keys["time"] = {"slicing": "blocks"} | keys.get("time", {"slices_per_day": 4})
        path = self.folder / "toy.yaml"
        path.write_text(json.dumps(scenario | keys), encoding="utf-8")  # JSON is YAML
        loaded = load_scenario(path)
        return assemble_problem(load_network(loaded.network), loaded)


def reached(problem: PlacementProblem) -> set[tuple[str, str, str]]:
    """(demand hub, class, data center) of every candidate."""
    work = problem.workloads.iloc[problem.candidates["workload_index"]]
    places = problem.data_centers["id"].iloc[problem.candidates["data_center_index"]]
    return set(zip(work["demand_hub"], work["workload_class"], places, strict=True))
