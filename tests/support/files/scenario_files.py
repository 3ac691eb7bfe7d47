"""A tiny valid scenario of two classes for tests, and what its faults are."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import pytest

from network_data import Fault, InputError
from scenarios import load_scenario

YAML = """\
name: toy
network: china_2026
demand:
  tokens_per_day_trillion: 2
demand_profiles_table: profiles.csv
workload_classes_table: classes.csv
"""
CLASSES = """\
id,name,share_of_tokens,input_tokens,output_tokens,rtt_limit_ms,demand_profile,token_price_cny_per_mtok
chat,Chat,0.75,300,100,80,day,2.0
batch,Batch,0.25,4000,200,,flat,1.0
"""
PROFILES = "hour,day,flat\n" + "".join(f"{hour},{3 if hour < 12 else 1},7\n" for hour in range(24))


class WriteScenario(Protocol):
    """Write the toy scenario with some of its files replaced; returns the YAML file."""

    def __call__(self, yaml: str | bytes = YAML, **tables: str) -> Path: ...


def write_scenario(folder: Path, yaml: str | bytes = YAML, **tables: str) -> Path:
    """
    Write the toy scenario to a folder.

    Parameters
    ----------
    folder
        Where to write it.
    yaml
        Content of `toy.yaml`.
    **tables
        Content of other tables, or of `classes` and `profiles` in place of the toy's own.

    Returns
    -------
    Path
        The YAML file.
    """
    for stem, text in {"classes": CLASSES, "profiles": PROFILES, **tables}.items():
        (folder / f"{stem}.csv").write_text(text, encoding="utf-8")
    path = folder / "toy.yaml"
    path.write_bytes(yaml if isinstance(yaml, bytes) else yaml.encode())
    return path


def faults_of(path: Path | str, *overrides: str) -> tuple[Fault, ...]:
    """Load a scenario that must be refused; returns why, and sees that each fault has a remedy."""
    with pytest.raises(InputError) as caught:
        load_scenario(path, overrides)
    assert all(fault.remedy for fault in caught.value.faults)
    return caught.value.faults


def only_fault(path: Path | str, *overrides: str) -> Fault:
    """Load a scenario that must be refused for a single fault; returns it."""
    faults = faults_of(path, *overrides)
    assert len(faults) == 1, "\n".join(map(str, faults))
    return faults[0]
