"""What was asked for when the window was closed or killed is answered at its next start."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from desktop.classify.intake_store import IntakeStore
from desktop.widgets.job_line import JobLine, describe
from tests.gui.classify.classify_env import ClassifyEnv, with_classify_env
from tests.gui.conftest import Run
from tests.support.classify_killed import ANSWERED
from tests.support.drag_and_drop import drop_files
from tests.support.sample_images import image_file
from tests.support.waiting import wait_until

pytestmark = pytest.mark.gui


@pytest.mark.slow
@pytest.mark.parametrize("point", ["looking", "answering"])
def test_a_killed_window_goes_on_with_a_folder(run: Run, tmp_path: Path, point: str) -> None:
    album = tmp_path / "album"
    album.mkdir()
    photos = [image_file(album / f"{number:02}.jpg") for number in range(20)]
    killed = subprocess.run(
        [sys.executable, "-m", "tests.support.classify_killed", point, str(tmp_path), str(album)],
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    left = 20 if point == "looking" else 20 - ANSWERED

    async def next_start(env: ClassifyEnv) -> None:
        await wait_until(lambda: all(env.state(photo) == "answered" for photo in photos))
        assert env.model.request_count == left
        assert [photo.path for photo in env.gallery.photos] == photos
        said = "not all photos were answered" if point == "looking" else f"{left} photos had"
        (notice,) = [each for each in env.notices if each.action == "Stop it"]
        assert said in notice.what
        store = IntakeStore(env.history.database)
        await wait_until(store_is_empty(store))

    async def start_after_that(env: ClassifyEnv) -> None:
        await wait_until(lambda: len(env.gallery.photos) == 20)
        assert env.model.request_count == 0
        assert env.notices == []

    run(lambda: with_classify_env(tmp_path, next_start))
    run(lambda: with_classify_env(tmp_path, start_after_that))


def store_is_empty(store: IntakeStore):  # type: ignore[no-untyped-def]
    async def is_empty() -> bool:
        return not await store.unfinished()

    return is_empty


def test_going_on_can_be_stopped_for_good(run: Run, tmp_path: Path, album: list[Path]) -> None:
    async def closed_meanwhile(env: ClassifyEnv) -> None:
        assert drop_files(env.page, album)
        await wait_until(lambda: len(env.gallery.photos) == 4)

    async def stopped(env: ClassifyEnv) -> None:
        await wait_until(lambda: env.model.request_count > 0)
        (notice,) = env.notices
        assert notice.act is not None
        notice.act()
        await wait_until(lambda: all(env.state(photo) == "failed" for photo in album))
        assert env.model.request_count <= 4

    async def not_again(env: ClassifyEnv) -> None:
        assert all(env.state(photo) == "failed" for photo in album)
        assert env.notices == []
        assert env.model.request_count == 0

    for scenario in (closed_meanwhile, stopped, not_again):
        run(partial(with_classify_env, tmp_path, scenario, answers=False))


def test_photos_that_were_to_be_answered_again_are(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def closed_meanwhile(env: ClassifyEnv) -> None:
        await env.presenter.classify(album).result()
        env.model.released.clear()
        env.presenter.reclassify([str(album[1])])
        await wait_until(lambda: env.model.request_count == 5)

    async def next_start(env: ClassifyEnv) -> None:
        await wait_until(lambda: env.model.request_count == 1)
        await wait_until(lambda: not env.presenter.is_classifying)
        assert all(env.state(photo) == "answered" for photo in album)

    run(lambda: with_classify_env(tmp_path, closed_meanwhile))
    run(lambda: with_classify_env(tmp_path, next_start))


def test_classifying_is_paused_and_goes_on(run: Run, tmp_path: Path, album: list[Path]) -> None:
    async def scenario(env: ClassifyEnv) -> None:
        line = JobLine(env.jobs)
        line.show()
        env.presenter.pause.set_paused(True)
        assert drop_files(env.page, album)
        await wait_until(lambda: line.pause.isVisible())
        assert env.model.request_count == 0
        await wait_until(lambda: line.text.endswith("classified, paused"))
        assert line.pause.accessibleName() == "Go on"
        QTest.mouseClick(line.pause, Qt.MouseButton.LeftButton)
        await wait_until(lambda: all(env.state(photo) == "answered" for photo in album))
        env.model.released.clear()
        job = env.presenter.reclassify([str(album[0])])
        await wait_until(lambda: line.pause.isVisible())
        QTest.mouseClick(line.pause, Qt.MouseButton.LeftButton)
        assert env.presenter.pause.paused
        assert "paused" in describe(job)
        line.close()

    run(lambda: with_classify_env(tmp_path, scenario))
