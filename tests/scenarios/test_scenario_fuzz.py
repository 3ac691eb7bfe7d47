"""Scenarios: whatever a file, table or option holds, the loader returns a scenario or raises InputError."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scenario_files import YAML, write_scenario

from network_data import InputError
from scenarios import Scenario, load_scenario

KEY_PATHS = [
    "name",
    "network",
    "demand",
    "demand.workloads_table",
    "workload_classes",
    "workload_classes.chat",
    "time.days",
    "time.seasons",
    "time.weekends",
    "price_series_table",
    "workload_classes_table",
    "demand_profiles_table",
    "drop_classes",
    "fleet.accelerators",
    "solver.time_limit_s",
]
PLAIN = st.text(max_size=200)
YAML_LIKE = st.lists(
    st.sampled_from(["name", "extends", "demand", "a", ":", ": ", "\n", "\n  ", "- ", "[", "]", "{", "}", ","])
    | st.sampled_from(["'", '"', "\\", "&a ", "*a", "!!int ", "|", ">", "#", "?", "%YAML 1.1", "---", "\0", "."])
    | st.sampled_from(["1e999", ".nan", "null", "true", "base", "toy.csv", "\ud800", "\x85", "\ufeff"]),
    max_size=40,
).map("".join)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tail=PLAIN | YAML_LIKE, has_head=st.booleans())
def test_any_yaml_loads_or_raises_input_error(tmp_path: Path, tail: str, *, has_head: bool) -> None:
    content = ((YAML if has_head else "") + tail).encode("utf-8", "surrogatepass")
    assert_loads_or_refuses(write_scenario(tmp_path, content))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.binary(max_size=100) | st.text(alphabet='a1,"\n\r\0;-.\ufeff', max_size=60).map(str.encode))
@pytest.mark.parametrize("table", ["classes", "profiles", "workloads"])
def test_any_table_loads_or_raises_input_error(tmp_path: Path, table: str, text: bytes) -> None:
    yaml = YAML.replace("tokens_per_day_trillion: 2", "workloads_table: workloads.csv")
    path = write_scenario(tmp_path, yaml, workloads="demand_hub,workload_class,mtok_per_day\nmetro_a,chat,1\n")
    (tmp_path / f"{table}.csv").write_bytes(text)
    assert_loads_or_refuses(path)


TIMES = ["2025-01-01T00:00", "2025-01-01T01:00", "0001-01-01", "9999-12-31T23:00", "2024-02-29T00:00+08:00", "T", ""]
CELLS = st.sampled_from([*TIMES, "1", "-1e308", "nan", "time", "a", '"']) | st.text(max_size=8)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.lists(CELLS, min_size=1, max_size=3).map(",".join), max_size=5), has_head=st.booleans())
def test_any_price_series_loads_or_raises_input_error(tmp_path: Path, rows: list[str], *, has_head: bool) -> None:
    path = write_scenario(tmp_path, YAML + "price_series_table: prices.csv\n")
    text = "\n".join(["time,a", *rows] if has_head else rows)
    (tmp_path / "prices.csv").write_bytes(text.encode("utf-8", "surrogatepass"))
    assert_loads_or_refuses(path)


@settings(max_examples=150, deadline=None)
@given(override=PLAIN | st.builds("{}={}".format, st.sampled_from(KEY_PATHS), PLAIN | YAML_LIKE))
def test_any_override_loads_or_raises_input_error(override: str) -> None:
    assert_loads_or_refuses("base", override)


def assert_loads_or_refuses(path: Path | str, *overrides: str) -> None:
    result: Scenario | InputError
    try:
        result = load_scenario(path, overrides)
    except InputError as error:
        result = error
    if isinstance(result, InputError):
        assert result.faults
        assert str(result).replace("\n", "").isprintable()
