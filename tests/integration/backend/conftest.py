"""The backend, in its own process."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from backend.client import BackendClient
from backend.run_file import BackendRunFile
from serving.workspace import Workspace
from tests.support.backend_env import service, worker_script
from tests.support.waiting import TIMEOUT_SECONDS, block_until

__all__ = ["service", "worker_script"]

ROOT = Path(__file__).resolve().parents[3]


PROGRAM = (sys.executable, "-m", "backend")


def arguments(workspace: Workspace, *more: str) -> list[str]:
    return ["--workspace", str(workspace.root), "--engine", "process", "--port", "0", *more]


def command(workspace: Workspace, *more: str) -> list[str]:
    return [*PROGRAM, *arguments(workspace, *more)]


@contextlib.contextmanager
def started(
    workspace: Workspace,
    *more: str,
    under: Sequence[str] = (),
    program: Sequence[str] = PROGRAM,
) -> Iterator[subprocess.Popen[str]]:
    """Start the program, wait until it listens, and end it with SIGTERM.

    `under` is a command that runs the one that follows it, such as `prlimit`; `program` is a
    command that runs the backend in some other way.
    """
    process = subprocess.Popen(
        [*under, *program, *arguments(workspace, *more)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        block_until(lambda: process.poll() is not None or BackendRunFile.read(workspace))
        if process.poll() is not None:
            pytest.fail(f"the backend did not start: {process.communicate()[0]}")
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            pytest.fail("the backend did not end at SIGTERM")


@pytest.fixture
def start() -> Callable[..., AbstractContextManager[subprocess.Popen[str]]]:
    return started


@pytest.fixture
async def client(workspace: Workspace) -> AsyncIterator[BackendClient]:
    """A client of a backend that runs as long as the test."""
    with started(workspace):
        found = await BackendClient.find(workspace)
        assert found is not None
        async with found:
            yield found
