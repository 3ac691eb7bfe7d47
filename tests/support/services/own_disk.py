"""Commands where a folder is a disk of its own: a real one, a tmpfs in a mount namespace."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from far_cluster import ROOT, own_mounts

# Runs commands one after the other in one process, and tells of each how it ended and what it wrote.
_SEVERAL = """
import contextlib, io, json, os, sys
from optimizer.cli.main import main
found = []
for arguments in json.loads(sys.argv[1]):
    if arguments[0] == "fill":
        with open(arguments[1], "wb") as file:
            file.write(bytes(int(arguments[2])))
        continue
    if arguments[0] == "remove":
        os.remove(arguments[1])
        continue
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(arguments)
    found.append([code, out.getvalue(), err.getvalue()])
print(json.dumps([found, sorted(os.listdir(sys.argv[2]))]))
"""
_MOUNT = 'mount -t tmpfs -o "$1" none "$2" && shift 2 && exec "$@"'


def on_disk(disk: Path, options: str, commands: list[list[str]], **env: str) -> tuple[list[list[Any]], list[str]]:
    """
    Run commands where a folder is a disk of its own; returns code, stdout and stderr of each, and its files.

    `fill FILE BYTES` and `remove FILE` stand between commands that find less or more room.
    """
    disk.mkdir()
    command = [*own_mounts(), "sh", "-c", _MOUNT, "sh", options, str(disk)]
    command += [sys.executable, "-c", _SEVERAL, json.dumps(commands), str(disk)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT), **env}
    )
    assert done.returncode == 0, done.stderr
    found, left = json.loads(done.stdout.splitlines()[-1])
    return found, left
