"""A disk that refuses everything ends no fleet, and the fleet goes on once that is over."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import psutil
import pytest

from serving.fleet import watcher
from serving.workspace import Workspace
from tests.support.fleet_env import open_fleet_env
from tests.support.small_disk import small_disk


async def test_a_fleet_on_a_read_only_disk_replaces_what_ended_once_it_can_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "RETRY_SECONDS", 0.2)
    with small_disk(tmp_path / "disk", 8 * 2**20) as disk:
        workspace = Workspace(disk.folder / "workspace").create()
        async with open_fleet_env(workspace) as env:
            view = await env.fleet.scale(1)
            process = view.instances[0].instance.process
            assert process is not None
            ended = psutil.Process(process)
            ended.kill()
            await asyncio.to_thread(ended.wait)
            async with AsyncExitStack() as stack:
                with disk.read_only():
                    await stack.enter_async_context(env.running())
                    await env.wait_for_view(lambda view: "can only be read" in view.engine_reason)
                await env.wait_for_view(lambda view: view.ready == 1)
