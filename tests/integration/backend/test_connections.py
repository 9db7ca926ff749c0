"""Connections that are left unfinished keep nobody out, however few files may be open."""

from __future__ import annotations

import asyncio
import resource
import select
import socket
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest

from backend.run_file import BackendRunFile
from serving.models.repository import ModelRepository
from serving.workspace import Workspace
from tests.support import slow_clients
from tests.support.backend_env import backend_on_thread
from tests.support.sample_images import painting
from tests.support.slow_clients import unfinished
from tests.support.tiny_model import install_tiny
from tests.support.waiting import TIMEOUT_SECONDS

Start = Callable[..., AbstractContextManager[subprocess.Popen[str]]]
FEW_FILES = 64


@pytest.fixture
def workspace(workspace: Workspace) -> Workspace:
    install_tiny(ModelRepository(workspace.models))
    return workspace


@pytest.mark.parametrize("files", [FEW_FILES, 1024])
@pytest.mark.parametrize("kind", ["HEAD", "BODY", "FORM", "CHUNKS", "EVENTS", "WHOLE"])
def test_unfinished_requests_keep_nobody_out(
    workspace: Workspace, start: Start, kind: str, files: int
) -> None:
    with start(workspace, under=["prlimit", f"--nofile={files}"]) as process:
        running = BackendRunFile.read(workspace)
        assert running is not None
        port = int(running.url.rpartition(":")[2])
        count = 80 if files == FEW_FILES else 300
        with unfinished(port, [getattr(slow_clients, kind)] * count):
            for _ in range(3):
                assert httpx.get(f"{running.url}/health", timeout=TIMEOUT_SECONDS).is_success
            labels = httpx.get(f"{running.url}/labels", timeout=TIMEOUT_SECONDS)
            assert labels.json()["total"] == 0  # the database opens files
        assert process.poll() is None


@pytest.mark.parametrize("kind", ["BODY", "EVENTS"])
def test_files_that_become_few_keep_nobody_out(
    workspace: Workspace, start: Start, kind: str
) -> None:
    with start(workspace) as process:
        running = BackendRunFile.read(workspace)
        assert running is not None
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (FEW_FILES, FEW_FILES))
        port = int(running.url.rpartition(":")[2])
        with unfinished(port, [getattr(slow_clients, kind)] * 80):
            for _ in range(3):
                assert httpx.get(f"{running.url}/labels", timeout=TIMEOUT_SECONDS).is_success


HALF_OPEN = (b"", slow_clients.HEAD, slow_clients.BODY, slow_clients.FORM, slow_clients.CHUNKS)
"""What clients have sent by the time that they fall silent; of a handshake, nothing."""


async def test_40_photos_are_answered_beside_200_half_open_connections(
    workspace: Workspace, worker_script: Path
) -> None:
    photos = [painting("red", number) for number in range(40)]
    with backend_on_thread(workspace, worker_script) as address:
        port = int(address.rpartition(":")[2])
        with unfinished(port, HALF_OPEN * 40) as half_open:
            assert len(half_open) == 200
            async with httpx.AsyncClient(
                base_url=address,
                timeout=TIMEOUT_SECONDS,
                trust_env=False,
                limits=httpx.Limits(max_connections=20),
            ) as client:
                requests = [client.post("/classify", content=photo) for photo in photos]
                answers = await asyncio.gather(*requests)
            still_open = [each for each in half_open if not ended(each)]
    assert [answer.status_code for answer in answers] == [200] * 40, answers[0].text
    assert {answer.json()["scores"][0]["name"] for answer in answers} == {"cat"}
    assert len(still_open) == 200  # and nobody was sent away for the photos' sake


def ended(connection: socket.socket) -> bool:
    """Whether the server has closed a connection, or said anything on it."""
    return bool(select.select([connection], [], [], 0)[0])
