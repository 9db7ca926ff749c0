"""A backend is found, started once, and stopped by whoever started it."""

from __future__ import annotations

import asyncio

import pytest

from desktop.backend_process import ensure_backend
from serving.errors import BackendError
from serving.workspace import Workspace


async def test_the_first_starts_it_and_the_second_finds_it(workspace: Workspace) -> None:
    first = await ensure_backend(workspace, port=0)
    try:
        second = await ensure_backend(workspace, port=0)
        assert (first.started_here, second.started_here) == (True, False)
        assert first.url == second.url
        await second.stop()
        assert (await ensure_backend(workspace, port=0)).url == first.url
    finally:
        await first.stop()
    assert first.process is not None
    assert first.process.returncode == 0
    assert not workspace.backend_run_file.exists()


async def test_two_that_start_it_at_once_share_one(workspace: Workspace) -> None:
    handles = await asyncio.gather(*(ensure_backend(workspace, port=0) for _ in range(2)))
    try:
        assert len({handle.url for handle in handles}) == 1
        assert sorted(handle.started_here for handle in handles) == [False, True]
    finally:
        for handle in handles:
            await handle.stop()


async def test_one_that_dies_is_replaced(workspace: Workspace) -> None:
    first = await ensure_backend(workspace, port=0)
    assert first.process is not None
    first.process.kill()
    assert await first.exited() != 0
    second = await ensure_backend(workspace, port=0)
    try:
        assert second.started_here
    finally:
        await second.stop()


async def test_one_that_cannot_start_says_why(workspace: Workspace) -> None:
    workspace.backend_database.mkdir()
    with pytest.raises(BackendError) as raised:
        await ensure_backend(workspace, port=0)
    assert "ended as it started" in raised.value.what
    assert str(workspace.logs) in raised.value.advice
