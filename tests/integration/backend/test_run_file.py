"""One backend a workspace, and a file that says where."""

from __future__ import annotations

import subprocess
import sys

import pytest

from backend.run_file import AlreadyRunning, BackendRunFile, backend_lock
from serving.workspace import Workspace

HOLD = """
import sys
from pathlib import Path
from backend.run_file import BackendRunFile, backend_lock
from serving.workspace import Workspace
workspace = Workspace(Path(sys.argv[1]))
with backend_lock(workspace):
    BackendRunFile(12345, "http://127.0.0.1:4321").write(workspace)
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_backend_is_refused_and_pointed_to_the_first(workspace: Workspace) -> None:
    command = [sys.executable, "-c", HOLD, str(workspace.root)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(AlreadyRunning, match=r"http://127.0.0.1:4321 \(process 12345\)"),
            backend_lock(workspace),
        ):
            pass
        assert BackendRunFile.read(workspace) == BackendRunFile(12345, "http://127.0.0.1:4321")
        holder.kill()
    with backend_lock(workspace):
        assert BackendRunFile.read(workspace) is None, "a crashed backend's address was kept"


def test_the_run_file_is_removed_with_the_backend(workspace: Workspace) -> None:
    with backend_lock(workspace):
        BackendRunFile(1, "http://127.0.0.1:1").write(workspace)
    assert not workspace.backend_run_file.exists()
    with backend_lock(workspace):
        pass
