"""The backend runs whatever became of its files and its disk, and goes on by itself."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import psutil
import pytest

from backend.client import BackendClient, BackendRefused
from backend.repair import examine
from backend.run_file import BackendRunFile, backend_lock
from serving.models.repository import ModelRepository
from serving.workspace import Workspace
from tests.integration.backend.conftest import ROOT, command
from tests.support.damage import DAMAGES
from tests.support.sample_images import image_bytes
from tests.support.small_disk import SmallDisk, small_disk
from tests.support.tiny_model import install_tiny
from tests.support.waiting import wait_until

Start = Callable[..., AbstractContextManager[subprocess.Popen[str]]]


@pytest.fixture
def workspace(workspace: Workspace) -> Workspace:
    install_tiny(ModelRepository(workspace.models))
    return workspace


async def found(workspace: Workspace) -> BackendClient:
    client: BackendClient | None = None

    async def is_found() -> bool:
        nonlocal client
        client = await BackendClient.find(workspace)
        return client is not None

    await wait_until(is_found)
    assert client is not None
    return client


@pytest.mark.parametrize("name", ["a folder", "a pipe", "garbage"])
async def test_it_starts_with_a_damaged_database_and_goes_on_once_that_is_repaired(
    workspace: Workspace, start: Start, name: str
) -> None:
    DAMAGES[name](workspace.backend_database)
    with start(workspace) as process:
        async with await found(workspace) as client:
            with pytest.raises(BackendRefused, match=r"is damaged: .*doctor --repair") as refused:
                await client.label(image_bytes("red"), "red")
            assert refused.value.status == 503
            result = await asyncio.to_thread(examine, workspace, repair=True)
            assert (result["problems"], result["not_repaired"]) == ([], [])

            async def is_labelled() -> bool:
                return (await client.label(image_bytes("red"), "red", key="k")).class_name == "red"

            await wait_until(is_labelled)
            assert (await client.labels()).total == 1
        process.terminate()
        output = await asyncio.to_thread(process.communicate)
    assert "Traceback" not in output[0]
    assert output[0].count("is damaged") <= 3


@pytest.mark.parametrize("name", ["garbage", "a pipe"])
async def test_it_says_again_where_it_is_when_that_was_damaged(
    workspace: Workspace, start: Start, name: str
) -> None:
    with start(workspace):
        before = BackendRunFile.read(workspace)
        DAMAGES[name](workspace.backend_run_file)
        await wait_until(lambda: BackendRunFile.read(workspace) == before)


async def url_of(pid: int) -> str:
    """Return where a backend answers that was not able to say it; empty until it does."""
    for connection in psutil.Process(pid).net_connections("tcp4"):
        if connection.status == psutil.CONN_LISTEN:
            async with BackendClient(f"http://127.0.0.1:{connection.laddr.port}") as client:
                return client.url if await client.is_alive(timeout_seconds=5) else ""
    return ""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", 8 * 2**20) as disk:
        yield disk


async def test_it_starts_on_a_full_disk_and_goes_on_once_there_is_room(
    disk: SmallDisk,
) -> None:
    workspace = Workspace(disk.folder / "workspace").create()
    install_tiny(ModelRepository(workspace.models))
    log = workspace.logs / "backend.log"  # on the same disk, so it cannot print either
    with backend_lock(workspace), log.open("wb") as output:  # the file that it locks is there
        disk.fill()
        process = await asyncio.create_subprocess_exec(
            *command(workspace), cwd=ROOT, stdout=output, stderr=output
        )
    try:
        async with BackendClient(await wait_until(lambda: url_of(process.pid))) as client:
            with pytest.raises(BackendRefused, match="the disk is full"):
                await client.label(image_bytes("red"), "red", key="k")
        assert process.returncode is None
        assert log.read_text() == ""
        disk.make_room()
        async with await found(workspace) as client:

            async def is_labelled() -> bool:
                return (await client.label(image_bytes("red"), "red", key="k")).id == 1

            await wait_until(is_labelled)
    finally:
        process.terminate()
        await process.wait()
    assert "The disk can be used again." in log.read_text()
    assert "Traceback" not in log.read_text()


async def test_a_disk_that_is_full_for_a_while_loses_nothing(disk: SmallDisk, start: Start) -> None:
    workspace = Workspace(disk.folder / "workspace").create()
    install_tiny(ModelRepository(workspace.models))
    with start(workspace) as process:
        async with await found(workspace) as client:
            await client.label(image_bytes("red"), "red", key="1")
            disk.fill()
            for number in range(3):
                with pytest.raises(BackendRefused, match="the disk is full"):
                    await client.label(image_bytes("blue"), "blue", key=f"full {number}")
            disk.make_room()
            await client.label(image_bytes("blue"), "blue", key="2")
            assert (await client.labels()).total == 2
        process.terminate()
        output = await asyncio.to_thread(process.communicate)
    assert "Traceback" not in output[0]
