"""Connections that are left unfinished keep nobody out, however few files may be open."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager

import httpx
import pytest

from backend.run_file import BackendRunFile
from serving.models.repository import ModelRepository
from serving.workspace import Workspace
from tests.support import slow_clients
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
