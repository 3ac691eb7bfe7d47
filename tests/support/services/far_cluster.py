"""A Dask cluster whose workers see none of this process's files, as on machines of their own."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[3]
# A worker gets an empty file system in place of a folder, and a working directory of its own there.
_ALONE = 'mount -t tmpfs none "$1" && mkdir "$1/far" && cd "$1/far" && shift && exec "$@"'
_WAIT_S = 60.0


class FarCluster:
    """
    A scheduler, and workers that are started one by one.

    Parameters
    ----------
    hidden
        Folder that workers do not see: each has an empty one in its place.
    """

    def __init__(self, hidden: Path) -> None:
        self._hidden = hidden
        self._folder = Path(tempfile.mkdtemp(prefix="far-cluster-"))
        self.workers: dict[str, subprocess.Popen[bytes]] = {}
        file = self._folder / "scheduler.json"
        module = ["distributed.cli.dask_scheduler", "--port", "0", "--host", "127.0.0.1", "--no-dashboard"]
        self._hub = self._start([sys.executable, "-m", *module, "--scheduler-file", str(file)])
        try:
            self.address = self._told_address(file)
        except BaseException:
            self.__exit__(None, None, None)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in list(self.workers):
            self.end_worker(name)
        self._hub.kill()
        self._hub.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def add_worker(self, name: str, *, code: Path = ROOT) -> subprocess.Popen[bytes]:
        """Start a worker, without a nanny that would start it again; it may run other code than this process."""
        module = ["distributed.cli.dask_worker", self.address, "--nthreads", "1", "--no-nanny", "--no-dashboard"]
        command = [sys.executable, "-m", *module, "--name", name, "--memory-limit", "0"]
        alone = [*own_mounts(), "sh", "-c", _ALONE, "sh", str(self._hidden)]
        self.workers[name] = self._start([*alone, *command], code=code)
        return self.workers[name]

    def end_worker(self, name: str) -> None:
        """Kill a worker, if it is not dead yet."""
        self.workers[name].kill()
        self.workers.pop(name).wait()

    def end_workers(self) -> None:
        """Kill all workers."""
        for name in list(self.workers):
            self.end_worker(name)

    def _told_address(self, file: Path) -> str:
        """Wait for the scheduler's file, which is there before its text is."""
        deadline = time.monotonic() + _WAIT_S
        while not (file.is_file() and (told := file.read_text(encoding="utf-8")).endswith("\n}")):
            assert self._hub.poll() is None, "the scheduler did not start"
            assert time.monotonic() < deadline, "the scheduler does not start"
            time.sleep(0.05)
        return str(json.loads(told)["address"])

    def _start(self, command: list[str], *, code: Path = ROOT) -> subprocess.Popen[bytes]:
        options: dict[str, Any] = {"cwd": self._folder, "env": {**os.environ, "PYTHONPATH": str(code)}}
        return subprocess.Popen(command, stderr=subprocess.DEVNULL, **options)


def own_mounts() -> list[str]:
    """Find the command that gives a process mounts of its own; a machine that forbids them fails the test."""
    found = ""
    for command in (["unshare", "--mount"], ["unshare", "--mount", "--map-root-user"]):
        done = subprocess.run([*command, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False)
        if done.returncode == 0:
            return command
        found = done.stderr.decode().strip()
    raise AssertionError(f"workers cannot be kept from seeing our files ({found}): allow mount namespaces here")


class MemoryGroup:
    """A control group of Linux, whose processes the kernel kills when they need more memory than its limit."""

    def __init__(self, folder: Path, names: tuple[str, str]) -> None:
        self._folder, (self._used, self._limit) = folder, names

    def add(self, pid: int) -> None:
        """Put a process into the group."""
        (self._folder / "cgroup.procs").write_text(str(pid), encoding="ascii")

    def limit_to_what_is_used(self, *, and_mb: int) -> None:
        """Allow that much more than is used now."""
        used = int((self._folder / self._used).read_text(encoding="ascii"))
        (self._folder / self._limit).write_text(str(used + (and_mb << 20)), encoding="ascii")


@contextmanager
def memory_group() -> Iterator[MemoryGroup]:
    """Make a control group for memory; a machine that forbids it fails the test."""
    top, names = Path("/sys/fs/cgroup"), ("memory.current", "memory.max")
    if (top / "memory").is_dir():  # the first version has a tree for each resource
        top, names = top / "memory", ("memory.usage_in_bytes", "memory.limit_in_bytes")
    folder = top / f"edwc-test-{secrets.token_hex(4)}"
    try:
        folder.mkdir()
        assert (folder / names[1]).is_file(), "there is no limit of memory in it"
    except (OSError, AssertionError) as error:
        raise AssertionError(f"no control group for memory can be made here ({error}): allow {top}") from error
    try:
        yield MemoryGroup(folder, names)
    finally:
        folder.rmdir()
