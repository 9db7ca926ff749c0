"""A backend is found, started once, and stopped by the program that started it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import AsyncExitStack
from dataclasses import asdict, replace
from http.server import HTTPServer
from pathlib import Path

import psutil
import pytest

from backend.client import BackendClient
from backend.contract import Health
from backend.run_file import BackendRunFile
from desktop.backend_process import LOG_NAME, BackendOptions, ensure_backend
from desktop.backend_supervisor import supervised_backend
from serving.errors import BackendError
from serving.models.repository import ModelRepository
from serving.workspace import Workspace
from tests.support.child_processes import children_running, zombies
from tests.support.sample_images import image_bytes
from tests.support.server_thread import QuietHandler, ServerThread
from tests.support.small_disk import small_disk
from tests.support.tiny_model import install_tiny
from tests.support.waiting import wait_until

ANY_PORT = BackendOptions(port=0)


@pytest.fixture
def workspace(workspace: Workspace) -> Workspace:
    install_tiny(ModelRepository(workspace.models))
    return workspace


async def test_the_first_starts_it_and_the_second_finds_it(workspace: Workspace) -> None:
    first = await ensure_backend(workspace, ANY_PORT)
    try:
        second = await ensure_backend(workspace, ANY_PORT)
        assert (first.started_here, second.started_here) == (True, False)
        assert first.url == second.url
        await second.stop()
        assert (await ensure_backend(workspace, ANY_PORT)).url == first.url
    finally:
        await first.stop()
    assert first.process is not None
    assert first.process.returncode == 0
    assert not workspace.backend_run_file.exists()


async def test_two_that_start_it_at_once_share_one(workspace: Workspace) -> None:
    handles = await asyncio.gather(*(ensure_backend(workspace, ANY_PORT) for _ in range(2)))
    try:
        assert len({handle.url for handle in handles}) == 1
        assert sorted(handle.started_here for handle in handles) == [False, True]
    finally:
        for handle in handles:
            await handle.stop()


class OtherBackend(QuietHandler):
    """Answers as the backend that another program, this one, runs."""

    def do_GET(self) -> None:
        self.answer(json.dumps(asdict(Health("ok", 0, "pets", None, os.getpid()))).encode())


async def test_the_loser_of_a_race_is_waited_for(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loser may live on for a while after the winner answers; it never becomes a zombie."""
    before = zombies()
    server = HTTPServer(("127.0.0.1", 0), OtherBackend)
    with ServerThread(server):
        run_file = json.dumps(
            asdict(BackendRunFile(os.getpid(), f"http://127.0.0.1:{server.server_port}"))
        )
        loser = tmp_path / "loser.py"
        loser.write_text(
            "import pathlib, time\n"
            f"pathlib.Path({str(workspace.backend_run_file)!r}).write_text({run_file!r})\n"
            "time.sleep(120)\n"
        )
        monkeypatch.setattr(
            "desktop.backend_process.module_command", lambda module: [sys.executable, str(loser)]
        )
        handle = await ensure_backend(workspace, ANY_PORT)
    assert not handle.started_here
    assert not children_running(str(loser))
    assert not zombies() - before


async def test_one_that_dies_is_replaced(workspace: Workspace) -> None:
    first = await ensure_backend(workspace, ANY_PORT)
    assert first.process is not None
    first.process.kill()
    assert await first.exited() != 0
    second = await ensure_backend(workspace, ANY_PORT)
    try:
        assert second.started_here
    finally:
        await second.stop()


async def test_one_that_cannot_start_says_why(workspace: Workspace) -> None:
    elsewhere = replace(ANY_PORT, host="192.0.2.1")  # no address of any machine: RFC 5737
    with pytest.raises(BackendError) as raised:
        await ensure_backend(workspace, elsewhere)
    assert "exited while starting" in raised.value.what
    assert str(workspace.logs) in raised.value.advice


async def test_a_disk_that_can_only_be_read_is_said_once_and_over_once_it_is_writable(
    tmp_path: Path,
) -> None:
    urls: list[str] = []
    errors: list[BackendError] = []
    with small_disk(tmp_path / "disk", 8 * 2**20) as disk:
        workspace = Workspace(disk.folder / "workspace").create()
        install_tiny(ModelRepository(workspace.models))
        os.mkfifo(workspace.logs / LOG_NAME)
        async with AsyncExitStack() as stack:
            with disk.read_only():
                await stack.enter_async_context(
                    supervised_backend(
                        workspace,
                        ANY_PORT,
                        on_url=urls.append,
                        on_error=errors.append,
                        required=False,
                    )
                )
                await asyncio.sleep(3)  # in which it is tried again
            await wait_until(lambda: any(urls))
        assert [error.what for error in errors] == [
            "The backend cannot be started: the disk can only be read."
        ]
        assert len(list(workspace.damaged.iterdir())) == 1


async def test_a_full_disk_is_said_before_anything_is_started(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 2**20) as disk:
        workspace = Workspace(disk.folder / "workspace").create()
        (workspace.logs / LOG_NAME).touch()
        disk.fill()
        with pytest.raises(BackendError, match="cannot be started: the disk is full"):
            await ensure_backend(workspace, ANY_PORT)
        assert (workspace.logs / LOG_NAME).read_text() == ""
        assert not [*workspace.run.glob(".*")]


async def test_one_that_hangs_is_ended_and_another_one_has_all_labels(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("desktop.backend_supervisor.MIN_UPTIME_SECONDS", 0.0)
    urls: list[str] = []
    errors: list[BackendError] = []
    recovered = asyncio.Event()
    async with supervised_backend(
        workspace,
        ANY_PORT,
        on_url=urls.append,
        on_error=errors.append,
        on_recovered=recovered.set,
    ) as supervisor:
        assert supervisor.handle is not None
        first = supervisor.handle.pid
        async with BackendClient(urls[0]) as client:
            label = await client.label(image_bytes("red"), "rings")
        monkeypatch.setattr("desktop.backend_supervisor.CHECK_SECONDS", 0.1)
        os.kill(first, signal.SIGSTOP)
        await asyncio.wait_for(recovered.wait(), 60)
        assert supervisor.handle is not None
        assert supervisor.handle.pid != first
        assert [error.what for error in errors] == [
            f"The backend, process {first}, does not answer."
        ]
        async with BackendClient(urls[-1]) as client:
            assert (await client.labels()).total == label.id == 1
    assert not psutil.pid_exists(first)
