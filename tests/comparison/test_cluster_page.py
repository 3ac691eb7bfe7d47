"""The page on clusters: its commands start one on this machine, and a comparison is solved there."""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from commands import edwc as run_edwc
from distributed import Client
from documents import ROOT, read_page
from documents import commands as shown_commands

import edwc

PAGE = "docs/cluster.md"
PROGRAMS = Path(sys.executable).parent


def blocks(language: str) -> list[str]:
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```$", read_page(PAGE), re.MULTILINE | re.DOTALL)
    return found


@contextmanager
def started(words: list[str], folder: Path, **environment: str) -> Iterator[None]:
    """Start a program of this environment, and end it with all that it has started."""
    variables = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    with subprocess.Popen(
        [str(PROGRAMS / words[0]), *words[1:]], cwd=folder, env=variables, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield
        finally:
            process.terminate()  # a nanny ends its workers


@pytest.fixture
def address() -> str:
    """Find a port that is free here, in place of the usual one."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{listening.getsockname()[1]}"


def test_commands_of_the_page_start_a_cluster_that_solves(address: str, toy_sweep: Path, tmp_path: Path) -> None:
    port = address.rpartition(":")[2]
    scheduler, worker = ([word.replace("8786", port) for word in words] for words in shown_commands(PAGE, "dask"))
    (compare,) = (words for words in shown_commands(PAGE, "edwc") if "--scheduler" in words)
    assert f"$ {' '.join(compare)}\n" in read_page(PAGE)  # with Kubernetes it is the same
    (resource,) = map(yaml.safe_load, blocks("yaml"))
    (container,) = resource["spec"]["worker"]["spec"]["containers"]
    name, in_pod = "a-pod", {"DASK_SCHEDULER_ADDRESS": f"tcp://{address}"}  # as the operator sets them
    pod = [word.replace("$(DASK_WORKER_NAME)", name) for word in container["args"]]
    in_pod |= {entry["name"]: entry["value"] for entry in container["env"]}
    out = tmp_path / "out"
    with ExitStack() as cluster:
        cluster.enter_context(started(scheduler, tmp_path))
        cluster.enter_context(started(worker, tmp_path))
        cluster.enter_context(started(pod, tmp_path, **in_pod))
        with Client(f"tcp://{address}", timeout=60, set_as_default=False) as client:
            client.wait_for_workers(3, timeout=60)
            names = {entry["name"] for entry in client.scheduler_info()["workers"].values()}
        assert name in names
        places = {"base": str(toy_sweep), "runs/sweep": str(out), "price.west=0.8:1.2:0.1": "price.west=0.8,1.2"}
        words = [places.get(word, word.replace("127.0.0.1:8786", address)) for word in compare[1:]]
        run_edwc(*words)
    stored = json.loads((out / "comparison.json").read_text(encoding="utf-8"))
    assert [case["status"] for case in stored["cases"]] == ["solved"] * 3


def test_resource_for_kubernetes_is_whole() -> None:
    (resource,) = map(yaml.safe_load, blocks("yaml"))
    assert (resource["apiVersion"], resource["kind"]) == ("kubernetes.dask.org/v1", "DaskCluster")
    (scheduler,) = resource["spec"]["scheduler"]["spec"]["containers"]
    named = {port["name"]: port["containerPort"] for port in scheduler["ports"]}
    service = resource["spec"]["scheduler"]["service"]
    assert {port["targetPort"]: port["port"] for port in service["ports"]} == named
    assert service["selector"]["dask.org/cluster-name"] == resource["metadata"]["name"]
    assert scheduler["readinessProbe"]["httpGet"]["port"] in named


def test_script_for_slurm_names_what_there_is() -> None:
    (script,) = blocks("python")
    calls: dict[str, dict[str | None, Any]] = {
        ast.unparse(call.func): {keyword.arg: keyword.value for keyword in call.keywords}
        for call in ast.walk(ast.parse(script))
        if isinstance(call, ast.Call)
    }
    known = inspect.signature(edwc.compare).parameters
    assert set(calls["edwc.compare"]) <= set(known)
    job = {name: ast.literal_eval(value) for name, value in calls["SLURMCluster"].items()}
    assert job["cores"] == job["processes"]
    # The options that each job gives to its workers are those of the worker that the test above starts.
    (worker,) = (words for words in shown_commands(PAGE, "dask") if words[1] == "worker")
    assert " ".join(job["worker_extra_args"]) in " ".join(worker)
