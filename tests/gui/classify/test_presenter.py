from __future__ import annotations

import asyncio
import errno
import json
import os
from pathlib import Path

import pytest
from PySide6.QtCore import QEvent, QMimeData, Qt, QUrl
from PySide6.QtGui import QColor, QGuiApplication, QImage, QKeyEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from desktop.classify import history, presenter
from serving.errors import BackendError, FleetUnavailable
from serving.models.card import ModelCard
from tests.gui.classify.classify_env import ClassifyEnv, with_classify_env
from tests.gui.conftest import Run
from tests.support.drag_and_drop import drop_files
from tests.support.predictions import MODEL
from tests.support.sample_images import image_file
from tests.support.waiting import wait_until

NOBODY = FleetUnavailable("No instance is ready.", "Start one in Fleet.")


@pytest.fixture
def album(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "album"
    folder.mkdir()
    colors = ("red", "green", "blue", "gold")
    return [image_file(folder / f"{color}.jpg", color=color) for color in colors]


def test_a_dropped_photo_becomes_bars_on_a_chart(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def scenario(env: ClassifyEnv) -> None:
        assert drop_files(env.page, album)
        await wait_until(lambda: all(env.state(path) == "answered" for path in album))
        shown = env.page.shown_photo()
        assert shown is not None
        assert shown.path == album[0]
        chart = env.page.pane.chart
        await wait_until(lambda: [score.name for score in chart.scores] == ["cat", "dog", "ship"])
        assert chart.accessibleName() == "cat 80%, dog 15%, ship 5%"

    run(lambda: with_classify_env(tmp_path, scenario))


def test_embeddings_are_passed_on_and_not_kept(run: Run, tmp_path: Path, album: list[Path]) -> None:
    async def scenario(env: ClassifyEnv) -> None:
        drop_files(env.page, album[:2])
        await wait_until(lambda: all(env.state(path) == "answered" for path in album[:2]))
        await wait_until(lambda: not env.presenter.is_classifying)
        passed_on = {path: answer.embedding for path, answer in env.answers.items()}
        assert passed_on == dict.fromkeys(album[:2], b"1234")
        kept = [photo.prediction for photo in env.gallery.photos]
        assert [answer.embedding for answer in kept if answer] == [None, None]

    run(lambda: with_classify_env(tmp_path, scenario))


def test_a_folder_is_dropped_with_one_bad_file(run: Run, tmp_path: Path, album: list[Path]) -> None:
    bad = album[0].parent / "bad.jpg"
    bad.write_bytes(album[0].read_bytes()[:200])
    (album[0].parent / "notes.txt").write_text("hello")

    async def scenario(env: ClassifyEnv) -> None:
        drop_files(env.page, [album[0].parent])
        await wait_until(lambda: env.state(bad) == "failed")
        await wait_until(lambda: all(env.state(path) == "answered" for path in album))
        failure = env.gallery.photo(str(bad))
        assert failure is not None
        assert failure.failure is not None
        assert failure.failure.what == "The image is damaged or cut off."
        assert [notice.what for notice in env.notices] == ["Skipped 1 file: it is not an image."]

    run(lambda: with_classify_env(tmp_path, scenario))


def test_text_that_is_dragged_in_is_not_taken(run: Run, tmp_path: Path) -> None:
    async def scenario(env: ClassifyEnv) -> None:
        assert not drop_files(env.page, [])

    run(lambda: with_classify_env(tmp_path, scenario))


def test_names_that_are_no_text_are_classified_removed_and_remembered(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    names = (b"caf\xe9.jpg", b"\xff.jpg", b"\x80\x81 b.jpg")
    odd = [image_file(album[0].parent / os.fsdecode(name)) for name in names]

    async def first(env: ClassifyEnv) -> None:
        assert drop_files(env.page, [*odd, album[0]])
        await wait_until(lambda: all(env.state(path) == "answered" for path in (*odd, album[0])))
        env.page.grid.grab()
        env.page.select(str(odd[1]))
        QTest.keyClick(env.page.grid, Qt.Key.Key_Delete)
        await wait_until(lambda: len(env.gallery.photos) == 3)
        assert env.notices == []

    async def second(env: ClassifyEnv) -> None:
        assert {photo.path for photo in env.gallery.photos} == {odd[0], odd[2], album[0]}
        await env.presenter.label([str(odd[0])], "tiger").result()
        assert env.state(odd[0]) == "labelled"

    run(lambda: with_classify_env(tmp_path, first))
    run(lambda: with_classify_env(tmp_path, second))


@pytest.mark.parametrize("count", [1, 3, 5])
def test_locked_folders_cost_no_photo_and_are_said(
    run: Run, tmp_path: Path, album: list[Path], monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    scandir = os.scandir
    for number in range(count):
        (album[0].parent / f"locked {number}").mkdir()

    def refuse(path: str | os.PathLike[str]) -> object:
        # Root may read everything, so that no mode locks a folder to the tests there.
        if Path(path).name.startswith("locked"):
            raise PermissionError(errno.EACCES, "Permission denied", os.fspath(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)

    async def scenario(env: ClassifyEnv) -> None:
        await env.presenter.classify([album[0].parent]).result()
        assert all(env.state(path) == "answered" for path in album)
        assert len(env.notices) == (count if count <= 3 else 1)
        if count == 5:
            assert env.notices[0].what.startswith("5 folders cannot be read. The folder locked 0 ")
            assert len(env.notices[0].details.splitlines()) == 5

    run(lambda: with_classify_env(tmp_path, scenario))


def test_addresses_that_are_no_files_cost_no_photo_and_are_said(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def scenario(env: ClassifyEnv) -> None:
        data = QMimeData()
        photo = QUrl(f"file://localhost{album[0]}")
        others = ("https://example.org/a.jpg", "trash:///b.jpg", "file://")
        data.setUrls([photo, *map(QUrl, others)])
        assert env.page.intake.accepts(data)
        assert env.page.intake.take(data)
        await wait_until(lambda: env.state(album[0]) == "answered")
        assert len(env.notices) == 3
        assert all(notice.advice for notice in env.notices)
        text = QMimeData()
        text.setText(str(album[1]))
        assert env.page.intake.take(text)
        assert "as text" in env.notices[-1].what
        assert len(env.gallery.photos) == 1

    run(lambda: with_classify_env(tmp_path, scenario))


def test_photos_wait_as_queued_until_they_are_answered(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def scenario(env: ClassifyEnv) -> None:
        env.model.released.clear()
        drop_files(env.page, album)
        await wait_until(lambda: env.model.request_count == len(album))
        assert all(env.state(path) == "queued" for path in album)
        env.model.released.set()
        await wait_until(lambda: all(env.state(path) == "answered" for path in album))

    run(lambda: with_classify_env(tmp_path, scenario))


def test_a_cancelled_job_leaves_no_photo_waiting_for_ever(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def scenario(env: ClassifyEnv) -> None:
        env.model.released.clear()
        drop_files(env.page, album)
        await wait_until(lambda: env.model.request_count == len(album))
        env.jobs.running[0].cancel()
        await wait_until(lambda: all(env.state(path) == "failed" for path in album))
        assert "cancelled" in env.gallery.photos[0].describe(0.5)

    run(lambda: with_classify_env(tmp_path, scenario))


def test_photos_that_found_no_instance_are_tried_again_when_there_is_one(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def scenario(env: ClassifyEnv) -> None:
        env.model.error = NOBODY
        drop_files(env.page, album)
        await wait_until(lambda: all(env.state(path) == "failed" for path in album))
        env.model.error = None
        env.presenter.fleet_changed(0, MODEL, None)
        env.presenter.fleet_changed(1, MODEL, 1)
        await wait_until(lambda: all(env.state(path) == "answered" for path in album))

    run(lambda: with_classify_env(tmp_path, scenario))


def test_a_new_version_answers_the_shown_photo_at_once_and_others_on_request(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def scenario(env: ClassifyEnv) -> None:
        env.presenter.fleet_changed(2, MODEL, 1)
        drop_files(env.page, album)
        await wait_until(lambda: all(env.state(path) == "answered" for path in album))
        env.page.select(str(album[1]))
        env.model.version, env.model.scores = 2, (("panda", 0.9), ("cat", 0.1))
        env.presenter.fleet_changed(2, MODEL, 2)
        chart = env.page.pane.chart
        await wait_until(lambda: bool(chart.scores) and chart.scores[0].name == "panda")
        assert len(env.gallery.outdated()) == len(album) - 1
        await wait_until(lambda: env.page.header.reclassify.accessibleName() == "Classify 3 again")
        env.page.header.reclassify.click()
        await wait_until(lambda: not env.gallery.outdated())
        await wait_until(env.page.header.reclassify.isHidden)

    run(lambda: with_classify_env(tmp_path, scenario))


def test_another_model_answers_the_shown_photo_and_learns_its_label(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def scenario(env: ClassifyEnv) -> None:
        env.presenter.set_card(MODEL, ModelCard(MODEL, ("cat", "dog")))
        env.presenter.set_card("birds", ModelCard("birds", ("wren", "robin")))
        env.presenter.fleet_changed(1, MODEL, 1)
        drop_files(env.page, album[:2])
        await wait_until(lambda: all(env.state(path) == "answered" for path in album[:2]))
        env.page.select(str(album[0]))
        chooser = env.page.pane.label_box.chooser
        assert chooser.known.names == ("cat", "dog")
        env.model.name, env.model.scores = "birds", (("wren", 0.9),)
        env.presenter.fleet_changed(1, "birds", 1)
        await wait_until(lambda: env.page.pane.source.text().startswith("birds v1"))
        await wait_until(lambda: chooser.known.names == ("wren", "robin"))
        await env.presenter.label([str(album[0]), str(album[1])], "wren").result()
        assert env.labels.models == ["birds", MODEL]

    run(lambda: with_classify_env(tmp_path, scenario))


def test_without_a_class_the_empty_page_says_what_to_do(run: Run, tmp_path: Path) -> None:
    async def scenario(env: ClassifyEnv) -> None:
        env.presenter.fleet_changed(1, "birds", 1)
        env.presenter.set_card("birds", ModelCard("birds", ()))
        assert env.page.note.text().startswith("birds knows no class yet. Label photos")

    run(lambda: with_classify_env(tmp_path, scenario))


def test_an_old_answer_stays_on_show_while_a_new_one_is_on_its_way(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def scenario(env: ClassifyEnv) -> None:
        drop_files(env.page, album[:1])
        await wait_until(lambda: env.state(album[0]) == "answered")
        env.model.released.clear()
        env.presenter.reclassify([str(album[0])])
        await wait_until(lambda: env.model.request_count == 2)
        assert env.state(album[0]) == "answered"
        assert env.page.pane.chart.scores
        env.model.released.set()

    run(lambda: with_classify_env(tmp_path, scenario))


def test_a_late_answer_to_an_older_request_is_dropped(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def scenario(env: ClassifyEnv) -> None:
        key = str(album[0])
        env.model.released = older_released = asyncio.Event()
        older = env.presenter.classify(album[:1])
        await wait_until(lambda: env.model.request_count == 1)
        env.model.version, env.model.released = 2, asyncio.Event()
        env.model.released.set()
        await env.presenter.reclassify([key]).result()
        older_released.set()
        await older.result()
        photo = env.gallery.photo(key)
        assert photo is not None
        assert photo.prediction is not None
        assert photo.prediction.version == 2

    run(lambda: with_classify_env(tmp_path, scenario))


def test_cancelling_an_older_request_leaves_the_newer_one_waiting(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def scenario(env: ClassifyEnv) -> None:
        env.model.released.clear()
        older = env.presenter.classify(album[:1])
        await wait_until(lambda: env.model.request_count == 1)
        newer = env.presenter.reclassify([str(album[0])])
        await wait_until(lambda: env.model.request_count == 2)
        older.cancel()
        await wait_until(lambda: older not in env.jobs.running)
        assert env.state(album[0]) == "queued"
        env.model.released.set()
        await newer.result()
        assert env.state(album[0]) == "answered"

    run(lambda: with_classify_env(tmp_path, scenario))


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


def test_a_number_key_labels_the_shown_photo_with_that_class(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def scenario(env: ClassifyEnv) -> None:
        await env.presenter.classify(album[:2]).result()
        env.page.select(str(album[1]))
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


def test_a_failed_photo_is_tried_again_from_the_pane(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def scenario(env: ClassifyEnv) -> None:
        env.model.error = NOBODY
        await env.presenter.classify(album[:1]).result()
        env.model.error = None
        env.page.pane.failure.reclassify.click()
        await wait_until(lambda: env.state(album[0]) == "answered")

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


def test_the_gallery_is_there_again_after_a_restart(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def first(env: ClassifyEnv) -> None:
        await env.presenter.classify(album[:2]).result()
        await env.presenter.label([str(album[0])], "tiger").result()
        env.model.released.clear()
        env.presenter.classify(album[2:])
        await wait_until(lambda: len(env.gallery.photos) == 4)

    async def second(env: ClassifyEnv) -> None:
        assert env.state(album[0]) == "labelled"
        assert env.state(album[1]) == "answered"
        await wait_until(lambda: all(env.state(path) == "answered" for path in album[2:]))

    run(lambda: with_classify_env(tmp_path, first))
    run(lambda: with_classify_env(tmp_path, second))


def test_a_long_history_comes_page_by_page_and_a_photo_dropped_meanwhile_keeps_its_label(
    run: Run, tmp_path: Path, album: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def first(env: ClassifyEnv) -> None:
        for photo in album:
            await env.presenter.classify([photo]).result()
        await env.presenter.label([str(album[0])], "tiger").result()

    async def second(env: ClassifyEnv) -> None:
        dropped = env.presenter.classify([album[0]])  # while the pages are read
        await wait_until(lambda: len(env.gallery.photos) == 4)
        await dropped.result()
        assert [photo.path for photo in env.gallery.photos] == album[::-1]
        assert env.state(album[0]) == "labelled"
        assert env.notices == []

    async def third(env: ClassifyEnv) -> None:
        assert [photo.path for photo in env.gallery.photos] == album[:1:-1]
        (notice,) = env.notices
        assert notice.what == (
            "The gallery keeps the newest 2 photos, so it left out 2 older ones."
            " Files and labels stay."
        )

    run(lambda: with_classify_env(tmp_path, first))
    monkeypatch.setattr(history, "PAGE", 1)
    monkeypatch.setattr(presenter, "PAGE", 1)
    run(lambda: with_classify_env(tmp_path, second))
    monkeypatch.setattr(history, "PAGE", 100)
    monkeypatch.setattr(presenter, "PAGE", 100)
    monkeypatch.setattr(history, "MAX_PHOTOS", 2)
    monkeypatch.setattr(presenter, "MAX_PHOTOS", 2)
    run(lambda: with_classify_env(tmp_path, third))


def test_removed_photos_stay_away_and_their_files_stay(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def first(env: ClassifyEnv) -> None:
        await env.presenter.classify(album).result()
        env.page.select(str(album[1]))
        QTest.keyClick(env.page.grid, Qt.Key.Key_Delete)
        await wait_until(lambda: len(env.gallery.photos) == 3)
        await wait_until(lambda: not env.jobs.running)

    async def second(env: ClassifyEnv) -> None:
        assert len(env.gallery.photos) == 3
        assert album[1].exists()

    run(lambda: with_classify_env(tmp_path, first))
    run(lambda: with_classify_env(tmp_path, second))


def test_a_picture_is_pasted(run: Run, tmp_path: Path) -> None:
    async def scenario(env: ClassifyEnv) -> None:
        image = QImage(32, 24, QImage.Format.Format_RGB32)
        image.fill(QColor("orange"))
        QGuiApplication.clipboard().setImage(image)
        env.page.intake.paste()
        await wait_until(lambda: len(env.gallery.photos) == 1)
        (photo,) = env.gallery.photos
        await wait_until(lambda: env.state(photo.path) == "answered")
        assert photo.path.is_file()

    run(lambda: with_classify_env(tmp_path, scenario))


def test_what_is_shown_is_exported(run: Run, tmp_path: Path, album: list[Path]) -> None:
    target = tmp_path / "answers.json"

    async def scenario(env: ClassifyEnv) -> None:
        await env.presenter.classify(album).result()
        env.page.header.search.setText("gold")
        env.page.export_requested.emit(target)
        await wait_until(target.exists)
        assert [Path(record["file"]).name for record in json.loads(target.read_text())] == [
            "gold.jpg"
        ]

    run(lambda: with_classify_env(tmp_path, scenario))
