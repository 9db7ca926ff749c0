from __future__ import annotations

import json
from pathlib import Path

import pytest
from PySide6.QtGui import QColor, QGuiApplication, QImage

from serving.errors import BackendError, FleetUnavailable
from tests.gui.classify.stage import Stage, staged
from tests.gui.conftest import Run
from tests.gui.drops import drop_files
from tests.gui.waiting import until
from tests.unit.desktop.classify.answers import image_file

NOBODY = FleetUnavailable("No instance is ready.", "Start one in Fleet.")


@pytest.fixture
def album(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "album"
    folder.mkdir()
    colours = ("red", "green", "blue", "gold")
    return [image_file(folder / f"{colour}.jpg", colour=colour) for colour in colours]


def test_a_dropped_photo_becomes_bars_on_a_chart(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def act(stage: Stage) -> None:
        assert drop_files(stage.page, album)
        await until(lambda: all(stage.state(path) == "answered" for path in album))
        shown = stage.page.shown()
        assert shown is not None
        assert shown.path == album[0]
        chart = stage.page.pane.chart
        await until(lambda: [score.name for score in chart.scores] == ["cat", "dog", "ship"])
        assert chart.accessibleName() == "cat 80 %, dog 15 %, ship 5 %"

    run(lambda: staged(tmp_path, act))


def test_a_folder_is_dropped_with_one_bad_file(run: Run, tmp_path: Path, album: list[Path]) -> None:
    bad = album[0].parent / "bad.jpg"
    bad.write_bytes(album[0].read_bytes()[:200])
    (album[0].parent / "notes.txt").write_text("hello")

    async def act(stage: Stage) -> None:
        drop_files(stage.page, [album[0].parent])
        await until(lambda: stage.state(bad) == "failed")
        await until(lambda: all(stage.state(path) == "answered" for path in album))
        problem = stage.page.model.photo(str(bad))
        assert problem is not None
        assert problem.problem is not None
        assert problem.problem.what == "The image is damaged or cut off."
        assert [notice.what for notice in stage.notices] == [
            "1 file is not an image and stayed out."
        ]

    run(lambda: staged(tmp_path, act))


def test_text_that_is_dragged_in_is_not_taken(run: Run, tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        assert not drop_files(stage.page, [])

    run(lambda: staged(tmp_path, act))


def test_photos_wait_as_queued_until_they_are_answered(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def act(stage: Stage) -> None:
        stage.model.go.clear()
        drop_files(stage.page, album)
        await until(lambda: stage.model.asked == len(album))
        assert all(stage.state(path) == "queued" for path in album)
        stage.model.go.set()
        await until(lambda: all(stage.state(path) == "answered" for path in album))

    run(lambda: staged(tmp_path, act))


def test_a_cancelled_job_leaves_no_photo_waiting_for_ever(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def act(stage: Stage) -> None:
        stage.model.go.clear()
        drop_files(stage.page, album)
        await until(lambda: stage.model.asked == len(album))
        stage.jobs.running[0].cancel()
        await until(lambda: all(stage.state(path) == "failed" for path in album))
        assert "cancelled" in stage.page.model.photos[0].describe(0.5)

    run(lambda: staged(tmp_path, act))


def test_photos_that_found_no_instance_are_tried_again_when_there_is_one(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def act(stage: Stage) -> None:
        stage.model.error = NOBODY
        drop_files(stage.page, album)
        await until(lambda: all(stage.state(path) == "failed" for path in album))
        stage.model.error = None
        stage.place.fleet_changed(0, None)
        stage.place.fleet_changed(1, 1)
        await until(lambda: all(stage.state(path) == "answered" for path in album))

    run(lambda: staged(tmp_path, act))


def test_a_new_version_answers_the_photo_on_show_at_once_and_the_others_when_asked(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def act(stage: Stage) -> None:
        stage.place.fleet_changed(2, 1)
        drop_files(stage.page, album)
        await until(lambda: all(stage.state(path) == "answered" for path in album))
        stage.page.choose(str(album[1]))
        stage.model.version, stage.model.scores = 2, (("panda", 0.9), ("cat", 0.1))
        stage.place.fleet_changed(2, 2)
        chart = stage.page.pane.chart
        await until(lambda: bool(chart.scores) and chart.scores[0].name == "panda")
        assert len(stage.page.outdated()) == len(album) - 1
        await until(lambda: stage.page.again.text() == "Classify 3 again")
        stage.page.again.click()
        await until(lambda: not stage.page.outdated())
        await until(stage.page.again.isHidden)

    run(lambda: staged(tmp_path, act))


def test_an_old_answer_stays_on_show_while_a_new_one_is_on_its_way(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def act(stage: Stage) -> None:
        drop_files(stage.page, album[:1])
        await until(lambda: stage.state(album[0]) == "answered")
        stage.model.go.clear()
        stage.place.classify_again([str(album[0])])
        await until(lambda: stage.model.asked == 2)
        assert stage.state(album[0]) == "answered"
        assert stage.page.pane.chart.scores
        stage.model.go.set()

    run(lambda: staged(tmp_path, act))


def test_yes_labels_the_photo_with_its_best_class_and_undo_takes_it_back(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def act(stage: Stage) -> None:
        drop_files(stage.page, album)
        await until(lambda: stage.state(album[0]) == "answered")
        await until(stage.page.pane.yes.isVisible)
        stage.page.pane.yes.click()
        await until(lambda: stage.state(album[0]) == "labelled")
        assert stage.labels.given == {1: (album[0].read_bytes(), "cat")}
        await until(stage.page.pane.undo.isVisible)
        assert not stage.page.pane.yes.isVisible()
        stage.page.pane.undo.click()
        await until(lambda: stage.state(album[0]) == "answered")
        assert not stage.labels.given

    run(lambda: staged(tmp_path, act))


def test_several_photos_are_taught_a_new_class_at_once(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def act(stage: Stage) -> None:
        drop_files(stage.page, album)
        await until(lambda: all(stage.state(path) == "answered" for path in album))
        stage.page.gallery.selectAll()
        chooser = stage.page.pane.chooser
        chooser.field.setText("  red   panda ")
        assert "new class" in chooser.hint.text()
        chooser.field.returnPressed.emit()
        await until(lambda: all(stage.state(path) == "labelled" for path in album))
        assert {name for _, name in stage.labels.given.values()} == {"red panda"}
        chooser.field.setText("RED panda")
        assert "new class" not in chooser.hint.text()
        stage.page.undo_requested.emit([])
        await until(lambda: all(stage.state(path) == "answered" for path in album))
        assert not stage.labels.given

    run(lambda: staged(tmp_path, act))


def test_undo_brings_an_earlier_label_back(run: Run, tmp_path: Path, album: list[Path]) -> None:
    async def act(stage: Stage) -> None:
        key = str(album[0])
        await stage.place.classify(album[:1]).result()
        await stage.place.label([key], "lion").result()
        await stage.place.label([key], "tiger").result()
        undone = stage.place.undo([key])
        assert undone is not None
        await undone.result()
        photo = stage.page.model.photo(key)
        assert photo is not None
        assert photo.label == "lion"
        assert [name for _, name in stage.labels.given.values()] == ["lion"]

    run(lambda: staged(tmp_path, act))


def test_a_label_that_could_not_be_kept_is_not_shown_as_kept(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def act(stage: Stage) -> None:
        await stage.place.classify(album[:1]).result()
        stage.labels.error = BackendError("The label could not be written.", "Make room.")
        await stage.place.label([str(album[0])], "tiger").result()
        assert stage.state(album[0]) == "answered"
        assert [notice.what for notice in stage.notices] == ["The label could not be written."]
        assert stage.place.undo([]) is None

    run(lambda: staged(tmp_path, act))


def test_the_gallery_is_there_again_after_a_restart(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def first(stage: Stage) -> None:
        await stage.place.classify(album[:2]).result()
        await stage.place.label([str(album[0])], "tiger").result()
        stage.model.go.clear()
        stage.place.classify(album[2:])
        await until(lambda: len(stage.page.model.photos) == 4)

    async def second(stage: Stage) -> None:
        assert stage.state(album[0]) == "labelled"
        assert stage.state(album[1]) == "answered"
        await until(lambda: all(stage.state(path) == "answered" for path in album[2:]))

    run(lambda: staged(tmp_path, first))
    run(lambda: staged(tmp_path, second))


def test_removed_photos_stay_away_and_their_files_stay(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def first(stage: Stage) -> None:
        await stage.place.classify(album).result()
        stage.page.choose(str(album[1]))
        stage.page.gallery.remove_asked.emit()
        await until(lambda: len(stage.page.model.photos) == 3)
        await until(lambda: not stage.jobs.running)

    async def second(stage: Stage) -> None:
        assert len(stage.page.model.photos) == 3
        assert album[1].exists()

    run(lambda: staged(tmp_path, first))
    run(lambda: staged(tmp_path, second))


def test_a_picture_is_pasted(run: Run, tmp_path: Path) -> None:
    async def act(stage: Stage) -> None:
        image = QImage(32, 24, QImage.Format.Format_RGB32)
        image.fill(QColor("orange"))
        QGuiApplication.clipboard().setImage(image)
        stage.page.paste()
        await until(lambda: len(stage.page.model.photos) == 1)
        (photo,) = stage.page.model.photos
        await until(lambda: stage.state(photo.path) == "answered")
        assert photo.path.is_file()

    run(lambda: staged(tmp_path, act))


def test_what_is_shown_is_exported(run: Run, tmp_path: Path, album: list[Path]) -> None:
    target = tmp_path / "answers.json"

    async def act(stage: Stage) -> None:
        await stage.place.classify(album).result()
        stage.page.search.setText("gold")
        stage.page.export_to(target)
        await until(target.exists)
        assert [Path(record["file"]).name for record in json.loads(target.read_text())] == [
            "gold.jpg"
        ]

    run(lambda: staged(tmp_path, act))
