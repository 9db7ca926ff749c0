"""The real application, started and ended as a person does, with a real fleet and backend."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from backend.client import BackendClient
from backend.run_file import BackendRunFile
from desktop.app import App, Options, run
from desktop.running_window import hand_over
from desktop.settings import OnQuit, Settings
from serving.engines.process import ProcessEngine
from serving.errors import BackendError
from serving.models.repository import ModelRepository
from serving.workspace import Workspace
from tests.conftest import ROOT
from tests.support.sample_images import image_file
from tests.support.tiny_model import install_tiny
from tests.support.waiting import block_until, wait_until
from tests.support.window_state import takes_labels

pytestmark = [pytest.mark.gui, pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture
def workspace(workspace: Workspace) -> Workspace:
    install_tiny(ModelRepository(workspace.models))
    return workspace


async def one_ready(app: App) -> None:
    fleet = await app.fleet
    await wait_until(lambda: fleet.view.ready >= 1)


def test_what_was_started_is_stopped_and_photos_of_that_day_come_back(
    workspace: Workspace, tmp_path: Path
) -> None:
    photo = image_file(tmp_path / "photo.jpg")

    async def first(app: App) -> None:
        app.classify.classify([photo])
        await wait_until(lambda: app.classify_page.pane.chart.text() != "")
        await app.classify.label([str(photo)], "teal").result()

    async def second(app: App) -> None:
        (shown,) = app.classify_page.gallery.photos
        assert shown.label == "teal"
        await one_ready(app)
        outbox = await app.outbox
        await wait_until(lambda: outbox.view.pending == 0)
        backend = await app.backend
        assert (await backend.labels()).total == 1

    run(Options(workspace, engine="process"), first)
    assert asyncio.run(ProcessEngine(workspace).instances()) == []
    assert asyncio.run(BackendClient.find(workspace)) is None
    run(Options(workspace, engine="process"), second)


def test_a_fleet_that_is_kept_is_there_at_once_the_next_time(workspace: Workspace) -> None:
    Settings(workspace.settings).change(engine="process", on_quit=OnQuit.KEEP)
    assert run_until_sigterm(workspace) == 0
    kept = {instance.id for instance in asyncio.run(ProcessEngine(workspace).instances())}
    backend = BackendRunFile.read(workspace)
    assert kept
    assert backend is not None
    seen: set[str] = set()

    async def look(app: App) -> None:
        await one_ready(app)
        seen.update(view.instance.id for view in (await app.fleet).view.instances)
        assert (await (await app.backend).health()).process == backend.pid

    run(Options(workspace, engine="process"), look)
    assert kept <= seen
    assert asyncio.run(ProcessEngine(workspace).instances()) == []
    # The program that started it is gone: this one, which stops, was its only user.
    block_until(lambda: not psutil.pid_exists(backend.pid))


def test_a_backend_that_dies_is_started_again_and_loses_no_label(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("desktop.backend_supervisor.MIN_UPTIME_SECONDS", 0.0)
    photo = image_file(tmp_path / "photo.jpg")

    async def script(app: App) -> None:
        backend = await app.backend
        before = (await backend.health()).process
        os.kill(before, signal.SIGKILL)
        app.classify.classify([photo])
        await wait_until(lambda: app.classify_page.pane.chart.text() != "")
        await app.classify.label([str(photo)], "teal").result()
        outbox = await app.outbox
        await wait_until(lambda: outbox.view.pending == 0)
        assert (await backend.labels()).total == 1
        assert (await backend.health()).process != before

    run(Options(workspace, engine="process"), script)


def test_labels_wait_on_disk_for_a_backend_that_cannot_be_started(
    workspace: Workspace, tmp_path: Path
) -> None:
    photo = image_file(tmp_path / "photo.jpg")
    workspace.backend_database.mkdir(parents=True)

    async def label(app: App) -> None:
        app.classify.classify([photo])
        await wait_until(lambda: app.classify_page.pane.chart.text() != "")
        await app.classify.label([str(photo)], "teal").result()
        outbox = await app.outbox
        assert outbox.view.pending == 1
        with pytest.raises(BackendError):
            await (await app.backend).labels()
        # It is tried again, and comes up once the reason is gone.
        workspace.backend_database.rmdir()
        await wait_until(lambda: outbox.view.pending == 0)
        assert (await (await app.backend).labels()).total == 1

    run(Options(workspace, engine="process"), label)


def test_photos_wait_for_a_fleet_that_was_stopped(workspace: Workspace, tmp_path: Path) -> None:
    photo = image_file(tmp_path / "photo.jpg")

    async def script(app: App) -> None:
        await one_ready(app)
        fleet = await app.fleet
        await fleet.scale(0)
        assert await asyncio.to_thread(hand_over, workspace, [photo])  # as a second start does
        await wait_until(lambda: any(each.failure for each in app.gallery.photos))
        (shown,) = app.classify_page.gallery.photos
        assert shown.failure is not None
        assert shown.failure.what == "The fleet is stopped."
        assert app.window.status.fleet.text().strip() == "Fleet: stopped"
        await fleet.scale(1)
        await wait_until(lambda: app.classify_page.gallery.photos[0].prediction is not None)

    run(Options(workspace, engine="process"), script)


def test_a_signal_quits_in_good_order(workspace: Workspace) -> None:
    Settings(workspace.settings).change(engine="process")
    assert run_until_sigterm(workspace) == 0
    assert asyncio.run(ProcessEngine(workspace).instances()) == []
    assert asyncio.run(BackendClient.find(workspace)) is None


def run_until_sigterm(workspace: Workspace) -> int:
    """Open the window in a process, send SIGTERM once everything runs; return the exit code."""
    process = subprocess.Popen(
        [sys.executable, "-m", "desktop", "--workspace", str(workspace.root)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        block_until(lambda: takes_labels(workspace))
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert b"Traceback" not in output, output.decode()
    return process.returncode
