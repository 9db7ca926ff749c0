"""Folders whose photos are classified as they arrive, and drops that get a class at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QDialogButtonBox, QFileDialog, QLineEdit

from tests.gui.classify.classify_env import ClassifyEnv, with_classify_env
from tests.gui.conftest import Run
from tests.support.drag_and_drop import drop_files
from tests.support.sample_images import image_file
from tests.support.waiting import wait_until

pytestmark = pytest.mark.gui


def test_photos_are_classified_as_they_arrive_also_after_a_restart(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    folder = album[0].parent

    async def first(env: ClassifyEnv) -> None:
        assert not env.page.watch_strip.isVisible()
        choose_folder(env, "Watch a folder…", folder)
        await wait_until(lambda: all(env.state(path) == "answered" for path in album))
        strip = env.page.watch_strip
        await wait_until(lambda: strip.text.text().endswith("new photos; 4 photos came."))
        assert strip.isVisible()
        assert strip.text.text().startswith("Watching album ")
        late = image_file(folder / "late.jpg")
        await wait_until(lambda: env.state(late) == "answered")
        env.page.select(str(album[0]))
        QTest.keyClick(env.page.grid, Qt.Key.Key_Delete)
        await wait_until(lambda: len(env.gallery.photos) == 4)

    async def second(env: ClassifyEnv) -> None:
        new = folder / "while closed.jpg"
        await wait_until(lambda: env.state(new) == "answered")
        assert env.state(album[0]) == ""  # removed photos do not come back
        assert env.model.request_count == 1
        (action,) = env.page.watch_strip.menu.actions()
        action.trigger()
        await wait_until(lambda: not env.page.watch_strip.isVisible())
        await wait_until(lambda: not env.presenter.watched.folders and not running(env))

    async def third(env: ClassifyEnv) -> None:
        assert env.presenter.watched.folders == []

    run(lambda: with_classify_env(tmp_path, first))
    image_file(folder / "while closed.jpg")
    run(lambda: with_classify_env(tmp_path, second))
    run(lambda: with_classify_env(tmp_path, third))


def choose_folder(env: ClassifyEnv, menu_entry: str, folder: Path) -> None:
    """Choose an entry of the menu, and then `folder` in the dialog that it opens."""
    (action,) = [each for each in env.page.actions() if each.text() == menu_entry]
    action.trigger()
    (dialog,) = env.page.findChildren(QFileDialog)
    field, buttons = dialog.findChild(QLineEdit), dialog.findChild(QDialogButtonBox)
    assert isinstance(field, QLineEdit)
    assert isinstance(buttons, QDialogButtonBox)
    field.setText(str(folder))  # typed, it would be completed
    QTest.mouseClick(buttons.buttons()[0], Qt.MouseButton.LeftButton)


def running(env: ClassifyEnv) -> bool:
    return any(job.title.startswith(("Watch", "Stop watching")) for job in env.jobs.running)


def test_a_folder_that_is_gone_is_said_and_followed_once_it_is_back(
    run: Run, tmp_path: Path, album: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = album[0].parent
    monkeypatch.setattr("desktop.classify.watched_folders.RETRY_SECONDS", 0.05)

    async def scenario(env: ClassifyEnv) -> None:
        env.presenter.watched.add(folder)
        await wait_until(lambda: all(env.state(photo) == "answered" for photo in album))
        folder.rename(tmp_path / "away")
        await wait_until(lambda: env.page.watch_strip.text.text().startswith("album cannot be"))
        (notice,) = env.notices
        assert notice.advice == "Bring it back, or stop watching it."
        image_file(tmp_path / "away" / "new.jpg")
        (tmp_path / "away").rename(folder)
        await wait_until(lambda: env.state(folder / "new.jpg") == "answered")
        assert env.model.request_count == 5

    run(lambda: with_classify_env(tmp_path, scenario))


def test_a_dropped_folder_gets_a_class_at_once_and_that_is_undone(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def scenario(env: ClassifyEnv) -> None:
        strip = env.page.drop_strip
        assert drop_files(env.page, [album[0].parent])
        await wait_until(strip.isVisible)
        assert strip.label.text() == "Label all “album”"
        await wait_until(lambda: not env.presenter.is_classifying)
        QTest.mouseClick(strip.label, Qt.MouseButton.LeftButton)
        assert not strip.isVisible()
        await wait_until(lambda: all(env.state(path) == "labelled" for path in album))
        assert {name for _, name in env.labels.accepted.values()} == {"album"}
        await wait_until(lambda: any(each.action == "Undo" for each in env.notices))
        (notice,) = [each for each in env.notices if each.action == "Undo"]
        assert notice.what == "4 photos are labelled album."
        assert notice.act is not None
        notice.act()
        await wait_until(lambda: all(env.state(path) == "answered" for path in album))
        assert env.labels.accepted == {}

    run(lambda: with_classify_env(tmp_path, scenario))


def test_dropped_files_are_selected_to_be_labelled(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def scenario(env: ClassifyEnv) -> None:
        strip = env.page.drop_strip
        assert drop_files(env.page, album[:1])
        await wait_until(lambda: env.state(album[0]) == "answered")
        assert not strip.isVisible()  # of one photo the pane asks
        assert drop_files(env.page, album[1:])
        await wait_until(strip.isVisible)
        assert not strip.label.isVisible()
        QTest.mouseClick(strip.select, Qt.MouseButton.LeftButton)
        assert set(env.page.selected_keys()) == set(map(str, album[1:]))
        field = env.page.pane.label_box.chooser.field
        QTest.keyClicks(field, "otter")
        QTest.keyClick(field, Qt.Key.Key_Return)
        await wait_until(lambda: all(env.state(path) == "labelled" for path in album[1:]))
        assert env.state(album[0]) == "answered"

    run(lambda: with_classify_env(tmp_path, scenario))
