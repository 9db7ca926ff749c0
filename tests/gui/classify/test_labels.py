"""Labels that are given on the Classify page, and taking them back."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from serving.errors import BackendError
from serving.models.card import ModelCard
from tests.gui.classify.classify_env import NOBODY, ClassifyEnv, with_classify_env
from tests.gui.conftest import Run
from tests.support.drag_and_drop import drop_files
from tests.support.predictions import MODEL
from tests.support.waiting import wait_until


def test_yes_labels_the_photo_with_its_best_class_and_undo_takes_it_back(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def scenario(env: ClassifyEnv) -> None:
        drop_files(env.page, album)
        await wait_until(lambda: env.state(album[0]) == "answered")
        await wait_until(env.page.pane.label_box.yes.isVisible)
        env.page.pane.label_box.yes.click()
        await wait_until(lambda: env.state(album[0]) == "labelled")
        assert env.labels.accepted == {1: (album[0].read_bytes(), "cat")}
        await wait_until(env.page.pane.label_box.undo.isVisible)
        assert not env.page.pane.label_box.yes.isVisible()
        env.page.pane.label_box.undo.click()
        await wait_until(lambda: env.state(album[0]) == "answered")
        assert not env.labels.accepted

    run(lambda: with_classify_env(tmp_path, scenario))


def shown_answer(env: ClassifyEnv) -> str:
    """Return the key of the photo in the pane, once it has an answer."""
    photo = env.page.shown_photo()
    return photo.key if photo is not None and photo.prediction else ""


def test_a_number_key_labels_the_shown_photo_with_that_class(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def scenario(env: ClassifyEnv) -> None:
        await env.presenter.classify(album[:2]).result()
        env.page.select(str(album[1]))
        await wait_until(lambda: shown_answer(env) == str(album[1]))
        QTest.keyClick(env.page.grid, Qt.Key.Key_2)
        await wait_until(lambda: env.state(album[1]) == "labelled")
        assert env.labels.accepted == {1: (album[1].read_bytes(), "dog")}
        QTest.keyClick(env.page.grid, Qt.Key.Key_3, Qt.KeyboardModifier.AltModifier)
        QTest.keyClick(env.page.grid, Qt.Key.Key_4)
        await wait_until(lambda: not env.jobs.running)
        assert len(env.labels.accepted) == 1, "the answer has three classes only"
        shifted = QKeyEvent(
            QEvent.Type.KeyPress, Qt.Key.Key_3, Qt.KeyboardModifier.ShiftModifier, "3"
        )
        QApplication.sendEvent(env.page.grid, shifted)
        await wait_until(lambda: len(env.labels.accepted) == 2)
        assert env.labels.accepted[2] == (album[1].read_bytes(), "ship")

    run(lambda: with_classify_env(tmp_path, scenario))


def test_yes_labels_all_selected_photos_though_the_first_has_no_answer(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def scenario(env: ClassifyEnv) -> None:
        await env.presenter.classify(album[1:]).result()
        env.model.error = NOBODY
        await env.presenter.classify(album[:1]).result()
        env.page.grid.selectAll()
        assert env.page.grid.selected_photos[0].prediction is None
        env.page.pane.label_box.yes.click()
        await wait_until(lambda: len(env.labels.accepted) == len(album))
        assert {name for _, name in env.labels.accepted.values()} == {"cat"}

    run(lambda: with_classify_env(tmp_path, scenario))


def test_several_photos_are_taught_a_new_class_at_once(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def scenario(env: ClassifyEnv) -> None:
        drop_files(env.page, album)
        await wait_until(lambda: all(env.state(path) == "answered" for path in album))
        env.page.grid.selectAll()
        chooser = env.page.pane.label_box.chooser
        chooser.field.setText("  red   panda ")
        assert "new class" in chooser.hint.text()
        chooser.field.returnPressed.emit()
        await wait_until(lambda: all(env.state(path) == "labelled" for path in album))
        assert {name for _, name in env.labels.accepted.values()} == {"red panda"}
        chooser.field.setText("RED panda")
        assert "new class" not in chooser.hint.text()
        env.page.undo_action.trigger()
        await wait_until(lambda: all(env.state(path) == "answered" for path in album))
        assert not env.labels.accepted

    run(lambda: with_classify_env(tmp_path, scenario))


def test_enter_on_a_part_of_a_name_labels_as_the_class_that_is_marked(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def scenario(env: ClassifyEnv) -> None:
        drop_files(env.page, album)
        await wait_until(lambda: all(env.state(path) == "answered" for path in album))
        env.presenter.set_card(MODEL, ModelCard(MODEL, ("cat", "dog")))
        env.page.grid.selectAll()
        chooser = env.page.pane.label_box.chooser
        await wait_until(lambda: chooser.known.names == ("cat", "dog"))
        QTest.keyClicks(chooser.field, "do")
        popup = chooser.field.completer().popup()
        assert popup is not None
        QTest.keyClick(popup, Qt.Key.Key_Return)
        await wait_until(lambda: all(env.state(path) == "labelled" for path in album))
        assert {name for _, name in env.labels.accepted.values()} == {"dog"}
        assert len(env.labels.accepted) == len(album)

    run(lambda: with_classify_env(tmp_path, scenario))


def test_undo_brings_an_earlier_label_back(run: Run, tmp_path: Path, album: list[Path]) -> None:
    async def scenario(env: ClassifyEnv) -> None:
        key = str(album[0])
        await env.presenter.classify(album[:1]).result()
        await env.presenter.label([key], "lion").result()
        await env.presenter.label([key], "tiger").result()
        undone = env.presenter.undo([key])
        assert undone is not None
        await undone.result()
        photo = env.gallery.photo(key)
        assert photo is not None
        assert photo.label == "lion"
        assert [name for _, name in env.labels.accepted.values()] == ["lion"]

    run(lambda: with_classify_env(tmp_path, scenario))


def test_a_label_that_could_not_be_kept_is_not_shown_as_kept(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def scenario(env: ClassifyEnv) -> None:
        await env.presenter.classify(album[:1]).result()
        env.labels.error = BackendError("The label could not be written.", "Make room.")
        await env.presenter.label([str(album[0])], "tiger").result()
        assert env.state(album[0]) == "answered"
        assert [notice.what for notice in env.notices] == ["The label could not be written."]
        assert env.presenter.undo([]) is None

    run(lambda: with_classify_env(tmp_path, scenario))
