"""A backend that is killed in the middle of an export or import of labels leaves all or nothing."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path

import pytest

from backend.client import BackendClient
from backend.contract import LabelFormat
from backend.store.store import Store
from serving.errors import BackendError
from serving.models.repository import ModelRepository
from serving.workspace import Workspace
from tests.support.many_labels import COUNT, add_labels
from tests.support.tiny_model import TINY_MODEL, install_tiny
from tests.support.waiting import TIMEOUT_SECONDS, wait_until

Start = Callable[..., AbstractContextManager[subprocess.Popen[str]]]


@asynccontextmanager
async def opened(workspace: Workspace) -> AsyncIterator[Store]:
    store = Store(workspace)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def found(workspace: Workspace) -> AsyncIterator[BackendClient]:
    # What the killed one said of itself is there until the next one has started.
    client = await wait_until(lambda: BackendClient.find(workspace))
    assert client is not None
    async with client:
        yield client


@asynccontextmanager
async def killed(start: Start, workspace: Workspace, point: str) -> AsyncIterator[BackendClient]:
    """A client of a backend that is killed at `point` of what the block asks it to do."""
    program = (sys.executable, "-m", "tests.support.label_files_killed", point)
    with start(workspace, program=program) as process:
        async with found(workspace) as client:
            with pytest.raises(BackendError):
                yield client
        assert await asyncio.to_thread(process.wait, TIMEOUT_SECONDS) == -signal.SIGKILL


@pytest.mark.slow
async def test_labels_are_whole_or_absent(
    workspace: Workspace, start: Start, tmp_path: Path
) -> None:
    install_tiny(ModelRepository(workspace.models))
    async with opened(workspace) as store:
        await add_labels(store, TINY_MODEL)
        before = await store.exchange.labels(TINY_MODEL)
    target = tmp_path / "out" / "labels"
    async with killed(start, workspace, "photos are written") as client:
        await client.export_labels(TINY_MODEL, target, LabelFormat.CSV)
    assert not target.exists()
    fresh = Workspace(tmp_path / "fresh").create()
    install_tiny(ModelRepository(fresh.models))
    with start(workspace):
        async with found(workspace) as client:
            await client.export_labels(TINY_MODEL, target, LabelFormat.CSV)
    # What the killed one left beside it is gone.
    assert [path.name for path in target.parent.iterdir()] == ["labels"]
    async with killed(start, fresh, "photos are read") as client:
        await client.import_labels(TINY_MODEL, target)
    async with opened(fresh) as store:
        assert await store.exchange.labels(TINY_MODEL) == []
    with start(fresh):
        async with found(fresh) as client:
            assert (await client.import_labels(TINY_MODEL, target)).labels == COUNT
    async with opened(fresh) as store:
        assert await store.exchange.labels(TINY_MODEL) == before
