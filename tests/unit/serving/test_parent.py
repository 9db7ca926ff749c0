"""A child ends with its parent, even if that is killed, unless it was asked to stay."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from serving.parent import EXIT_WITHOUT_PARENT, ParentPipe
from serving.process_identity import is_running, process_identity
from tests.conftest import ROOT
from tests.support.waiting import block_until

CHILD = """
import subprocess, sys, time, os
from serving.parent import PARENT_PIPE_FLAG, end_with_parent
descriptor = int(sys.argv[1].removeprefix(PARENT_PIPE_FLAG + "="))
grandchild = subprocess.Popen(["sleep", "600"], stdout=subprocess.DEVNULL, start_new_session=True)
end_with_parent(descriptor, lambda: {end}, grace_seconds=0.2)
print(os.getpid(), grandchild.pid, flush=True)
time.sleep(600)
"""
PARENT = """
import subprocess, sys, time
from serving.parent import ParentPipe
pipe = ParentPipe()
child = subprocess.Popen([sys.executable, "-c", sys.argv[1], *pipe.arguments],
                         pass_fds=pipe.inherited)
pipe.started()
others = [
    subprocess.Popen(["sleep", "600"], stdout=subprocess.DEVNULL, start_new_session=True)
]
for stays in {stays}:
    pipe.keep_running(stays)
print(others[0].pid, flush=True)
time.sleep(600)
"""


def start_both(stays: list[bool], end: str = "None") -> tuple[subprocess.Popen[str], list[int]]:
    """Start a parent with a child and, of each, a program that runs on; returns their ids."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT.format(stays=stays), CHILD.format(end=end)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert parent.stdout is not None
    lines = [parent.stdout.readline().split() for _ in range(2)]
    child, *others = sorted((int(pid) for line in lines for pid in line), key=_is_sleep)
    return parent, [child, *others]


def _is_sleep(pid: int) -> bool:
    return Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"sleep")


def end(parent: subprocess.Popen[str], pids: list[int]) -> None:
    parent.kill()
    parent.wait()
    assert parent.stdout is not None
    parent.stdout.close()
    for pid in pids:
        if process_identity(pid):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("stays", [[], [False], [True, False]])
def test_a_child_ends_with_its_parent(number: signal.Signals, stays: list[bool]) -> None:
    """Although a program that each of both started runs on."""
    parent, (child, *others) = start_both(stays)
    try:
        assert process_identity(child)
        parent.send_signal(number)
        parent.wait()
        block_until(lambda: not process_identity(child))
        assert all(process_identity(other) for other in others)
    finally:
        end(parent, [child, *others])


def test_one_that_does_not_end_in_good_order_exits() -> None:
    parent, (child, *others) = start_both([], end="time.sleep(0)")
    try:
        parent.kill()
        parent.wait()
        block_until(lambda: not process_identity(child))
    finally:
        end(parent, [child, *others])


def test_a_child_that_was_asked_to_stay_stays(tmp_path: Path) -> None:
    """It is the pipe that ends it: one that was asked to stay reads the end and goes on."""
    program = tmp_path / "child.py"
    program.write_text(
        textwrap.dedent(
            """
            import sys, threading, time
            from serving.parent import end_with_parent
            end_with_parent(int(sys.argv[1].partition("=")[2]), lambda: print("ends", flush=True))
            watching = [each for each in threading.enumerate() if each.name == "parent"]
            for each in watching:
                each.join()
            print("stays", flush=True)
            """
        )
    )
    with ParentPipe() as pipe:
        child = subprocess.Popen(
            [sys.executable, str(program), *pipe.arguments],
            pass_fds=pipe.inherited,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            text=True,
        )
        pipe.started()
        pipe.keep_running(True)
    assert child.communicate(timeout=60)[0] == "stays\n"


def test_a_child_with_a_pipe_as_its_standard_input_ends_with_it() -> None:
    program = (
        "import os, time\n"
        "from serving.parent import EXIT_WITHOUT_PARENT, end_with_parent\n"
        "end_with_parent(0, lambda: os._exit(EXIT_WITHOUT_PARENT))\n"
        "time.sleep(600)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, cwd=ROOT)
    assert child.stdin is not None
    child.stdin.write(b"what a parent writes does not end it")
    child.stdin.flush()
    child.stdin.close()
    assert child.wait(60) == EXIT_WITHOUT_PARENT


def test_a_child_that_is_gone_does_not_hurt_its_parent() -> None:
    with ParentPipe() as pipe:
        pipe.started()
        pipe.keep_running(True)
        pipe.started()
        pipe.close()
        pipe.keep_running(False)


def test_an_identity_outlives_no_process() -> None:
    child = subprocess.Popen(["sleep", "600"])
    identity = process_identity(child.pid)
    assert is_running(child.pid, identity)
    assert not is_running(os.getpid(), identity)
    child.kill()
    block_until(lambda: not is_running(child.pid, identity))  # a zombie does not run
    child.wait()
    assert process_identity(child.pid) == ""
    assert not is_running(child.pid, "")
