"""What a person does with very many photos is done in steps, and ends as if it were one."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QEvent, QObject
from PySide6.QtGui import QPaintEvent
from PySide6.QtWidgets import QApplication

from desktop.classify import find_photos, photo_queue, presenter
from desktop.jobs import JobState
from tests.gui.classify.classify_env import ClassifyEnv, with_classify_env
from tests.gui.conftest import Run
from tests.support.drag_and_drop import drop_files
from tests.support.predictions import answered_photo
from tests.support.waiting import wait_until


@pytest.fixture
def many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Files that are no photos, each of which is more than is done in one step."""
    for module, name in (
        (find_photos, "_FIRST_PART"),
        (find_photos, "_PART"),
        (photo_queue, "_CHANGED_AT_ONCE"),
        (presenter, "_REMOVED_AT_ONCE"),
    ):
        monkeypatch.setattr(module, name, 2)
    files = [tmp_path / "many" / f"{number}.jpg" for number in range(9)]
    files[0].parent.mkdir()
    for file in files:
        file.touch()
    return files


def test_a_large_drop_keeps_its_order_and_can_be_cancelled_and_removed(
    run: Run, tmp_path: Path, many: list[Path]
) -> None:
    async def scenario(env: ClassifyEnv) -> None:
        env.presenter.pause.toggle()
        assert drop_files(env.page, [many[0].parent])
        await wait_until(lambda: len(env.gallery.photos) == len(many))
        assert [photo.path for photo in env.gallery.photos] == many
        assert [photo.added for photo in env.gallery.photos] == sorted(
            (photo.added for photo in env.gallery.photos), reverse=True
        )
        assert env.page.selected_keys() == [str(many[0])]
        (job,) = [job for job in env.jobs.running if job.pause is not None]
        job.cancel()
        await wait_until(lambda: job.state is JobState.CANCELLED)
        assert all(photo.failure and not photo.waiting for photo in env.gallery.photos)
        assert not env.presenter.is_classifying
        env.page.grid.selectAll()
        env.page.remove_action.trigger()
        await wait_until(lambda: not env.gallery.photos)

    run(lambda: with_classify_env(tmp_path, scenario))


def test_a_second_cancelling_leaves_no_photo_waiting(
    run: Run, tmp_path: Path, many: list[Path]
) -> None:
    async def scenario(env: ClassifyEnv) -> None:
        env.gallery.add([answered_photo(file, ("cat", 0.9)) for file in many])
        env.presenter.pause.toggle()
        job = env.presenter.reclassify([str(file) for file in many])
        await wait_until(lambda: all(photo.waiting for photo in env.gallery.photos))
        job.cancel()
        await wait_until(lambda: not env.gallery.photos[0].waiting)
        job.cancel()
        await wait_until(lambda: job.state is JobState.CANCELLED)
        assert not any(photo.waiting for photo in env.gallery.photos)
        assert not env.presenter.is_classifying

    run(lambda: with_classify_env(tmp_path, scenario))


def test_scrolling_and_answers_out_of_sight_paint_what_is_new_alone(
    run: Run, tmp_path: Path
) -> None:
    class Painted(QObject):
        def __init__(self) -> None:
            super().__init__()
            self.heights: list[int] = []

        def eventFilter(self, watched: QObject, event: QEvent) -> bool:
            if isinstance(event, QPaintEvent):
                self.heights.append(event.region().boundingRect().height())
            return False

    async def scenario(env: ClassifyEnv) -> None:
        photos = [answered_photo(Path(f"/album/{n}.jpg"), ("cat", 0.9)) for n in range(400)]
        env.gallery.add(photos)
        grid, thumbnails = env.page.grid, env.page.thumbnails
        painted = Painted()
        grid.viewport().installEventFilter(painted)

        async def settle() -> None:
            """Wait until no tile waits for its picture, which is painted when it comes."""
            await wait_until(lambda: painted.heights)
            await wait_until(lambda: not thumbnails._requested and not thumbnails._decoding)
            QApplication.processEvents()
            painted.heights.clear()

        await wait_until(lambda: grid.verticalScrollBar().maximum() > 0)
        await settle()
        grid.verticalScrollBar().setValue(30)
        QApplication.processEvents()
        tile = grid.visualRect(grid.photo_model.index(0)).height()
        assert 30 <= max(painted.heights) <= tile, "not all that is in sight"
        await settle()
        env.gallery.update_all(photos[300:])
        QApplication.processEvents()
        assert painted.heights == []
        env.gallery.update_all(photos[:100])
        QApplication.processEvents()
        assert painted.heights

    run(lambda: with_classify_env(tmp_path, scenario))
