"""The report of a version: accuracy, confusion matrix, mistakes and what was skipped."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QSignalSpy, QTest
from PySide6.QtWidgets import QApplication

from backend.contract import (
    Mistake,
    PhotoAnswer,
    SkippedFile,
)
from desktop import theme
from desktop.versions.view import VersionsView
from desktop.widgets.confusion_matrix import MAX_CLASSES, ConfusionMatrix, drawn_classes
from tests.gui.conftest import show
from tests.support.sample_summaries import IMAGE, report
from tests.support.waiting import block_until


def matrix_of(classes: int) -> ConfusionMatrix:
    matrix = show(ConfusionMatrix(), 640, 640)
    names = [f"class {number}" for number in range(classes)]
    counts = [[5 if row == column else 0 for column in range(classes)] for row in range(classes)]
    counts[0][1] = 2
    matrix.show_counts(names, counts)
    QApplication.processEvents()
    return matrix


def test_a_late_report_of_another_version_is_not_shown(view: VersionsView) -> None:
    view.show_report(3, "No report.")
    view.show_report(2, report(["cat", "dog"], [[1, 0], [0, 1]]))
    assert view.report.sentence.text() == "No report."


def test_a_report_shows_accuracy_confusion_mistakes_photos_and_what_was_skipped(
    view: VersionsView,
) -> None:
    found = replace(
        report(["cat", "dog"], [[8, 2], [0, 10]]),
        mistakes=[Mistake(IMAGE, "cat", "dog", 0.93)],
        skipped=[SkippedFile("cat/notes.txt", "not an image"), SkippedFile("cat/.x", "hidden")],
        notes=["The test part is the folder test."],
    )
    view.show_report(3, found)
    shown = view.report
    assert shown.sentence.text() == (
        "Version 3: 90.0% ± 2.0 right of 20 photos, by cross-validation."
    )
    assert shown.notes.text() == "The test part is the folder test."
    assert shown.matrix.accessibleName() == "Confusion matrix: 18 of 20 photos right"
    assert shown.matrix.text() == "cat as dog: 2"
    assert [tile.text for tile in shown.mistakes.tiles] == ["cat, dog 93%"]
    assert shown.bars.model().rowCount() == 2
    assert shown.skipped_note.text() == "1 file: not an image. 1 file: hidden"
    assert "cat/notes.txt" in shown.skipped.toPlainText()


def test_a_cell_lists_its_photos_once_they_are_there(view: VersionsView) -> None:
    view.show_report(3, report(["cat", "dog"], [[8, 2], [0, 10]]))
    requested = QSignalSpy(view.cell_selected)
    matrix = view.report.matrix
    QApplication.processEvents()
    QTest.mouseClick(
        matrix, Qt.MouseButton.LeftButton, pos=matrix.cell_rect(0, 1).center().toPoint()
    )
    assert view.report.cell_sentence.text() == "2 photos of cat answered dog."
    assert requested.at(0) == [3, "cat", "dog"]
    view.show_cell(3, "cat", "dog", [PhotoAnswer(IMAGE, "cat", "dog", 0.93)])
    assert view.report.cell_sentence.text() == (
        "2 photos of cat answered dog. The first 1 is shown."
    )
    assert [tile.text for tile in view.report.cell_photos.tiles] == ["cat, dog 93%"]
    QTest.keyClick(matrix, Qt.Key.Key_Down)
    assert requested.at(1) == [3, "dog", "dog"]
    view.show_cell(3, "cat", "dog", [PhotoAnswer(IMAGE, "cat", "dog", 0.93)])  # too late
    assert view.report.cell_sentence.text() == "10 photos of dog answered dog."
    assert not view.report.cell_photos.isVisible()
    view.show_cell(3, "dog", "dog", [PhotoAnswer(IMAGE, "dog", "dog", 0.99)] * 10)
    assert view.report.cell_photos.tiles[0].text == "dog 99%"


def test_the_photos_of_a_cell_stand_beside_the_matrix_where_there_is_room(
    view: VersionsView,
) -> None:
    view.show_report(3, report(["cat", "dog"], [[8, 2], [0, 10]]))
    matrix, photos = view.report.matrix, view.report.cell_photos
    view.resize(1300, 700)
    QApplication.processEvents()
    QTest.keyClick(matrix, Qt.Key.Key_Return)
    view.show_cell(3, "cat", "cat", [PhotoAnswer(IMAGE, "cat", "cat", 0.93)])
    QApplication.processEvents()
    assert photos.mapTo(view, QPoint()).x() > matrix.mapTo(view, QPoint()).x() + matrix.width()
    view.resize(680, 480)
    QApplication.processEvents()
    assert photos.mapTo(view, QPoint()).y() > matrix.mapTo(view, QPoint()).y() + matrix.height()


def test_a_cell_that_is_opened_in_a_small_window_is_scrolled_to(view: VersionsView) -> None:
    view.resize(680, 360)
    view.show_report(3, report(["cat", "dog", "cow", "owl"], [[3] * 4] * 4))
    QApplication.processEvents()
    bar = view.report.verticalScrollBar()
    QTest.keyClick(view.report.matrix, Qt.Key.Key_Right)
    view.show_cell(3, "cat", "cat", [PhotoAnswer(IMAGE, "cat", "cat", 0.93)] * 3)
    QTest.qWait(100)
    assert bar.value() == 0, "a person who walks through the cells goes on seeing them"
    QTest.keyClick(view.report.matrix, Qt.Key.Key_Return)
    block_until(lambda: (QApplication.processEvents(), bar.value())[1] > 0)


def test_a_cell_without_photos_asks_for_none(view: VersionsView) -> None:
    view.show_report(3, report(["cat", "dog"], [[8, 2], [0, 10]]))
    requested = QSignalSpy(view.cell_selected)
    view.report.matrix.cell_selected.emit("dog", "cat")
    assert view.report.cell_sentence.text() == "0 photos of dog answered cat."
    assert requested.count() == 0


@pytest.mark.parametrize("classes", [2, 10, 50])
def test_every_cell_of_a_matrix_can_be_hit(application: QApplication, classes: int) -> None:
    matrix = matrix_of(classes)
    selected = QSignalSpy(matrix.cell_selected)
    last = matrix.cell_rect(classes - 1, classes - 1)
    assert last.width() >= 10
    matrix.resize(matrix.width(), matrix.heightForWidth(matrix.width()))
    QTest.mouseClick(matrix, Qt.MouseButton.LeftButton, pos=last.center().toPoint())
    name = f"class {classes - 1}"
    assert selected.at(0) == [name, name]


def test_of_many_classes_those_with_the_most_mistakes_are_drawn(application: QApplication) -> None:
    counts = [[5 if row == column else 0 for column in range(80)] for row in range(80)]
    counts[70][75] = 9
    drawn = drawn_classes(counts)
    assert len(drawn) == MAX_CLASSES
    assert {70, 75} <= set(drawn)
    assert drawn == sorted(drawn)


@pytest.mark.parametrize("width", [680, 1000, 1500])
def test_the_report_needs_no_scrolling_sideways(view: VersionsView, width: int) -> None:
    names = [f"class {number}" for number in range(8)]
    counts = [[5] * 8 for _ in range(8)]
    view.show_report(3, report(names, counts))
    view.resize(width, 480)
    QApplication.processEvents()
    assert view.report.horizontalScrollBar().maximum() == 0


def test_photos_in_a_panel_have_its_colour_behind_them(view: VersionsView) -> None:
    found = replace(
        report(["cat", "dog"], [[8, 2], [0, 10]]), mistakes=[Mistake(IMAGE, "cat", "dog", 0.93)]
    )
    view.show_report(3, found)
    QApplication.processEvents()
    grid = view.report.mistakes
    picture = grid.viewport().grab().toImage()
    beside = picture.pixelColor(picture.width() - 1, picture.height() - 1)
    assert beside.name() == theme.tokens().raised
