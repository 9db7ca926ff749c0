"""What the menu of the Classify page does with many photos: sort, retry, classify again, pause."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtGui import QAction

from desktop.classify.history import History
from desktop.classify.intake_store import IntakeStore
from desktop.classify.move_records import MoveRecord
from desktop.classify.page import ClassifyPage
from tests.gui.classify.classify_env import NOBODY, ClassifyEnv, with_classify_env
from tests.gui.conftest import Run
from tests.support.waiting import wait_until

pytestmark = pytest.mark.gui


def action(page: ClassifyPage, text: str) -> QAction:
    (found,) = [each for each in page.actions() if each.text() == text]
    return found


def test_photos_are_moved_into_folders_of_their_classes_and_back(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def scenario(env: ClassifyEnv) -> None:
        await env.presenter.classify(album).result()
        await env.presenter.label([str(album[0])], "lynx").result()
        env.page.sort_requested.emit(tmp_path / "sorted", True)
        await wait_until(lambda: any(each.action == "Undo" for each in env.notices))
        (notice,) = [each for each in env.notices if each.action == "Undo"]
        assert notice.what == "4 photos moved into 2 folders in sorted."
        assert not any(path.exists() for path in album)
        assert env.state(tmp_path / "sorted" / "lynx" / "red.jpg") == "labelled"
        assert env.state(tmp_path / "sorted" / "cat" / "gold.jpg") == "answered"
        assert len(env.gallery.photos) == 4
        assert notice.act is not None
        notice.act()
        await wait_until(lambda: all(env.state(path) for path in album))
        assert all(path.exists() for path in album)
        assert len(env.gallery.photos) == 4

    async def next_start(env: ClassifyEnv) -> None:
        assert {photo.path for photo in env.gallery.photos} == set(album)
        assert env.state(album[0]) == "labelled"

    run(lambda: with_classify_env(tmp_path, scenario))
    run(lambda: with_classify_env(tmp_path, next_start))


def test_photos_are_moved_back_after_the_next_start(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def scenario(env: ClassifyEnv) -> None:
        await env.presenter.classify(album).result()
        assert not env.page.files_menu.move_back.isVisible()
        env.page.sort_requested.emit(tmp_path / "sorted", True)
        await wait_until(lambda: any(each.action == "Undo" for each in env.notices))
        await wait_until(lambda: env.page.files_menu.move_back.isVisible())

    async def next_start(env: ClassifyEnv) -> None:
        await env.presenter.wait_until_loaded()
        undo = env.page.files_menu.move_back
        await wait_until(undo.isVisible)
        assert undo.text() == "Move 4 photos back"
        undo.trigger()
        await wait_until(lambda: all(env.state(path) == "answered" for path in album))
        assert all(path.exists() for path in album)
        await wait_until(lambda: not env.jobs.running)
        assert not undo.isVisible()
        assert len(env.gallery.photos) == 4

    run(lambda: with_classify_env(tmp_path, scenario))
    run(lambda: with_classify_env(tmp_path, next_start))


def test_a_killed_move_is_followed_at_the_next_start(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def scenario(env: ClassifyEnv) -> None:
        await env.presenter.classify(album).result()

    moved = tmp_path / "sorted" / "cat" / album[0].name

    async def next_start(env: ClassifyEnv) -> None:
        await wait_until(lambda: env.state(moved) == "answered")
        assert env.state(album[0]) == ""
        assert len(env.gallery.photos) == 4

    async def leave_request() -> None:
        async with History(tmp_path / "desktop.sqlite") as history:
            await IntakeStore(history.database).add(album, 0.0)

    run(lambda: with_classify_env(tmp_path, scenario))
    # As a window does that ends right after the last answer.
    run(leave_request)
    MoveRecord(tmp_path / "moves" / "000001.jsonl").note(album[0], moved)
    moved.parent.mkdir(parents=True)
    album[0].rename(moved)
    run(lambda: with_classify_env(tmp_path, next_start))


def test_selected_photos_are_copied_into_folders(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def scenario(env: ClassifyEnv) -> None:
        await env.presenter.classify(album).result()
        env.page.grid.select_all(map(str, album[:2]))
        env.page.sort_requested.emit(tmp_path / "sorted", False)
        await wait_until(lambda: any("2 photos copied" in each.what for each in env.notices))
        copies = sorted(path.name for path in (tmp_path / "sorted" / "cat").iterdir())
        assert copies == sorted(path.name for path in album[:2])
        assert {photo.path for photo in env.gallery.photos} == set(album)

    run(lambda: with_classify_env(tmp_path, scenario))


def test_failed_and_shown_photos_are_classified_again(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def scenario(env: ClassifyEnv) -> None:
        await env.presenter.classify(album[:2]).result()
        action(env.page, "Classify failed again").trigger()
        assert env.notices[-1].what == "No photo failed."
        env.model.error = NOBODY
        await env.presenter.classify(album[2:]).result()
        env.model.error, env.model.version = None, 2
        asked = env.model.request_count
        action(env.page, "Classify failed again").trigger()
        await wait_until(lambda: all(env.state(path) == "answered" for path in album))
        assert env.model.request_count == asked + 2
        action(env.page, "Classify all shown again").trigger()

        def versions() -> list[int]:
            return [each.prediction.version for each in env.gallery.photos if each.prediction]

        await wait_until(lambda: versions() == [2] * 4)
        pause = action(env.page, "Pause classifying")
        pause.trigger()
        assert env.presenter.pause.paused
        assert pause.text() == "Go on classifying"
        pause.trigger()
        assert not env.presenter.pause.paused

    run(lambda: with_classify_env(tmp_path, scenario))
