"""What a run file says is believed only of a process of ours that listens where it says."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from backend.run_file import BackendRunFile, backend_lock
from serving.workspace import Workspace
from tests.support.damage import DAMAGES, Damage

SERVE = """
import os, socket, sys
if sys.argv[1] == "nobody": os.setuid(65534)
with socket.create_server(("127.0.0.1", 0)) as listener:
    print(listener.getsockname()[1], flush=True)
    sys.stdin.read()
"""


@contextmanager
def listening(user: str = "") -> Iterator[tuple[int, int]]:
    """Yield the process id and the port of a program that listens."""
    command = [sys.executable, "-c", SERVE, user]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield process.pid, int(process.stdout.readline())
        finally:
            process.kill()


def test_a_process_of_ours_that_listens_there_is_believed() -> None:
    with listening() as (pid, port):
        for scheme in ("http", "https"):
            assert BackendRunFile(pid, f"{scheme}://127.0.0.1:{port}").is_ours()


def test_any_other_address_is_not_believed() -> None:
    with listening() as (pid, port), socket.create_server(("127.0.0.1", 0)) as other:
        for url in (
            f"http://127.0.0.1:{other.getsockname()[1]}",  # another process
            f"http://127.0.0.2:{port}",
            f"http://192.0.2.1:{port}",  # another machine
            f"http://localhost.example:{port}",
            f"http://127.0.0.1@192.0.2.1:{port}",
            f"file://127.0.0.1:{port}",
            "http://127.0.0.1",
            "http://127.0.0.1:0",
            "http://127.0.0.1:99999",
            "http://[::1",
            "",
        ):
            assert not BackendRunFile(pid, url).is_ours(), url
        for wrong in (0, 1, -1, 2**40, os.getppid()):
            assert not BackendRunFile(wrong, f"http://127.0.0.1:{port}").is_ours(), wrong


def test_one_that_listens_everywhere_is_believed_on_loopback_alone() -> None:
    with socket.create_server(("0.0.0.0", 0)) as listener:
        port = listener.getsockname()[1]
        assert BackendRunFile(os.getpid(), f"http://127.0.0.1:{port}").is_ours()
        assert not BackendRunFile(os.getpid(), f"http://192.0.2.1:{port}").is_ours()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_a_process_of_another_user_is_not_believed() -> None:
    with listening("nobody") as (pid, port):
        assert not BackendRunFile(pid, f"http://127.0.0.1:{port}").is_ours()


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_run_file_keeps_no_backend_from_starting(
    workspace: Workspace, damage: Damage
) -> None:
    damage(workspace.backend_run_file)
    assert BackendRunFile.read(workspace) is None
    with backend_lock(workspace):
        BackendRunFile(12, "http://127.0.0.1:1").write(workspace)
        assert BackendRunFile.read(workspace) == BackendRunFile(12, "http://127.0.0.1:1")
        damage(workspace.backend_run_file)
    assert BackendRunFile.read(workspace) is None
