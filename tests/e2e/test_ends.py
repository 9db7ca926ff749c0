"""However a program of a workspace ends, nothing is left that nobody asked to stay."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from desktop.workspace_processes import BACKEND, WORKER, workspace_processes
from serving.process_identity import process_identity
from serving.workspace import Workspace
from tests.support.command_line import CommandLine
from tests.support.sample_images import gradient
from tests.support.waiting import block_until
from tests.support.workspace_programs import WorkspacePrograms, workspace_programs


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[WorkspacePrograms]:
    with workspace_programs(tmp_path) as made:
        yield made


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=5, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.mark.parametrize(
    "number",
    # CommandLine.serving, which other tests use, ends it with SIGINT, too.
    [signal.SIGHUP, signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.long)],
)
def test_serve_ends_at_each_signal_also_if_more_follow(
    programs: WorkspacePrograms, number: signal.Signals
) -> None:
    serve = programs.start_serve("--port", "0")
    assert programs.left() == ["backend", "instance"]
    while serve.process.poll() is None:
        serve.process.send_signal(number)
        time.sleep(0.05)
    assert serve.process.wait(60) == 0
    assert "Traceback" not in serve.messages
    assert programs.left() == []


def test_serve_under_nohup_outlives_its_terminal(programs: WorkspacePrograms) -> None:
    serve = programs.start_serve("--port", "0", nohup=True)
    serve.process.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    assert serve.process.poll() is None
    assert answers(serve.url)
    serve.process.send_signal(signal.SIGTERM)
    assert serve.process.wait(60) == 0


def test_after_a_kill_the_backend_ends_and_the_next_one_says_what_is_left(
    programs: WorkspacePrograms,
) -> None:
    serve = programs.start_serve("--port", "0", instances=2)
    serve.process.kill()
    serve.process.wait()
    block_until(lambda: programs.left() == ["instance", "instance"])
    assert not programs.space.backend_run_file.exists()
    following = programs.start_serve("--port", "0", instances=2)
    assert (
        f"servery serve (process {serve.process.pid}) ended without stopping anything. "
        "2 instances still ran and are used.\n"
    ) in following.messages
    following.process.terminate()
    assert following.process.wait(60) == 0
    # It stops them in place of the one that was killed.
    assert programs.left() == []


def test_one_that_joined_takes_over_and_keeps_the_address(programs: WorkspacePrograms) -> None:
    first = programs.start_serve("--port", "0")
    second = programs.start_serve()
    assert second.url == first.url
    assert f"it is run by servery serve (process {first.process.pid})." in second.messages
    first.process.kill()
    first.process.wait()
    block_until(lambda: programs.run_file.get("owner_pid") == second.process.pid)
    assert answers(first.url)
    second.process.terminate()
    assert second.process.wait(60) == 0
    assert programs.left() == []


@pytest.mark.long
def test_two_that_notice_at_once_share_one_backend(programs: WorkspacePrograms) -> None:
    first, second, third = (programs.start_serve(*options) for options in (["--port=0"], [], []))
    first.process.kill()
    first.process.wait()
    block_until(
        lambda: programs.run_file.get("owner_pid") in (second.process.pid, third.process.pid)
    )
    block_until(lambda: answers(first.url))
    block_until(lambda: programs.left().count("backend") == 1)
    # One of them ends: the other one is there in its place, or was already.
    second.process.terminate()
    second.process.wait(60)
    block_until(lambda: programs.run_file.get("owner_pid") == third.process.pid)
    assert programs.left() == ["backend", "instance"]
    third.process.terminate()
    assert third.process.wait(60) == 0
    assert programs.left() == []


def test_an_address_that_cannot_be_had_is_refused(programs: WorkspacePrograms) -> None:
    serve = programs.start_serve("--port", "0")
    for options in (["--port", "9"], ["--host", "127.0.0.2"]):
        refused = programs.run("serve", *options)
        assert refused.returncode == 1
        assert f"It is run by servery serve (process {serve.process.pid})." in refused.stderr
        assert "Traceback" not in refused.stderr
    joined = programs.start_serve("--port", "0", "--host", "127.0.0.1")
    assert joined.url == serve.url


def test_a_taken_port_is_refused_where_it_was_asked_for(programs: WorkspacePrograms) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = programs.run("serve", "--port", str(port))
    assert refused.returncode == 1
    assert f"Port {port} of 127.0.0.1 cannot be used" in refused.stderr
    assert programs.left() == []


def test_stop_ends_everything_and_may_be_repeated(programs: WorkspacePrograms) -> None:
    serve = programs.start_serve("--port", "0", instances=2)
    stopped = programs.run("stop")
    assert stopped.returncode == 0, stopped.stderr
    assert f"Stopped: servery serve (process {serve.process.pid})" in stopped.stdout
    assert serve.process.wait(60) == 0
    assert programs.left() == []
    again = programs.run("stop")
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout == f"Nothing runs in the workspace {programs.workspace}.\n"
    assert programs.json("fleet", "status")["wanted"] == 0


@pytest.mark.parametrize(
    "run_file",
    [
        pytest.param("", marks=pytest.mark.long),
        '{"pid": OTHER, "url": "http://127.0.0.1:1"}',
        pytest.param("[", marks=pytest.mark.long),
        pytest.param("{}", marks=pytest.mark.long),
    ],
)
def test_stop_ends_what_hangs_and_nobody_else(programs: WorkspacePrograms, run_file: str) -> None:
    """Also where the run file is damaged, or names a process that is somebody else's by now."""
    serve = programs.start_serve("--port", "0")
    other = subprocess.Popen(["sleep", "600"])
    try:
        for pid in (serve.process.pid, programs.run_file["pid"]):
            os.kill(pid, signal.SIGSTOP)
        programs.space.backend_run_file.write_text(run_file.replace("OTHER", str(other.pid)))
        stopped = programs.run("stop")
        assert stopped.returncode == 0, stopped.stderr
        assert programs.left() == []
        assert process_identity(other.pid)
    finally:
        other.kill()
        other.wait()


def test_stop_makes_no_workspace(programs: WorkspacePrograms, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    result = programs.run("--workspace", str(nowhere), "stop")
    assert (result.returncode, nowhere.exists()) == (0, False)


@pytest.mark.slow
def test_a_command_whose_backend_is_killed_ends_and_so_does_the_training(tmp_path: Path) -> None:
    shell = CommandLine(tmp_path)
    (tmp_path / "photo.jpg").write_bytes(gradient())
    labelled = shell.run("label", "photo.jpg", "zebra")
    assert labelled.returncode == 0, labelled.stderr
    workspace = Workspace(shell.workspace)
    training = shell.start("train", "--wait")
    try:
        found = block_until(
            lambda: (
                {each.kind: each for each in workspace_processes(workspace)}
                if any(each.kind == WORKER for each in workspace_processes(workspace))
                else {}
            )
        )
        os.kill(found[BACKEND].pid, signal.SIGKILL)
        _, stderr = training.communicate(timeout=60)
    finally:
        training.kill()
        training.communicate()
    assert training.returncode == 1
    assert "servery: The backend ended before this command did. Labels are kept." in stderr
    assert "Traceback" not in stderr
    block_until(lambda: not workspace_processes(workspace))
