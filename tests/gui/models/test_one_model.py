"""One model: its timeline, the report of a version, two versions compared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QSignalSpy, QTest
from PySide6.QtWidgets import QApplication, QMenu, QMessageBox

from backend.contract import Comparison, Mistake, SkippedFile
from desktop.models.one_model import INITIAL_ROWS, OneModelView
from desktop.theme import Appearance, Theme
from desktop.theme.tokens import DARK, LIGHT
from desktop.widgets.confusion_matrix import MAX_CLASSES, ConfusionMatrix, drawn_classes
from desktop.widgets.pictures import Pictures
from tests.gui.conftest import show
from tests.support.sample_summaries import IMAGE, model, report

BIRDS = model("birds", labels=120, versions=3, served=True)


@pytest.fixture
def view(application: QApplication) -> OneModelView:
    view = show(OneModelView(Pictures()), 1000, 680)
    view.show_model(BIRDS)
    QApplication.processEvents()
    return view


def test_a_model_begins_with_the_report_of_its_live_version(view: OneModelView) -> None:
    selected = QSignalSpy(view.version_selected)
    view.show_model(replace(model("other", versions=2), live_version=1))
    view.show_model(replace(model("other", versions=2), live_version=2))
    assert [selected.at(index) for index in range(selected.count())] == [[1]]


def menu_of(view: OneModelView, row: int) -> QMenu:
    menu = view.rows[row].menu.menu()
    menu.aboutToShow.emit()
    return menu


def matrix_of(classes: int) -> ConfusionMatrix:
    matrix = show(ConfusionMatrix(), 640, 640)
    names = [f"class {number}" for number in range(classes)]
    counts = [[5 if row == column else 0 for column in range(classes)] for row in range(classes)]
    counts[0][1] = 2
    matrix.show_counts(names, counts)
    QApplication.processEvents()
    return matrix


def test_the_timeline_says_how_good_each_version_is_and_what_changed(view: OneModelView) -> None:
    rows = view.rows
    assert [row.heading.text() for row in rows] == ["Version 3", "Version 2", "Version 1"]
    assert [row.state.text() for row in rows] == ["Live", "", ""]
    assert rows[0].accuracy.text() == "91.4% ± 1.2"
    assert rows[0].change.text() == "The same 2 classes"
    assert not rows[0].promote.isVisible()
    assert rows[1].promote.isVisible()


def test_the_live_version_is_selected_first_and_another_by_click_or_key(
    view: OneModelView,
) -> None:
    selected = QSignalSpy(view.version_selected)
    QTest.mouseClick(view.rows[1], Qt.MouseButton.LeftButton, pos=QPoint(40, 20))
    view.rows[2].setFocus()
    QTest.keyClick(view.rows[2], Qt.Key.Key_Return)
    assert [selected.at(index) for index in range(selected.count())] == [[2], [1]]


def test_the_menu_of_a_version_pins_verifies_compares_and_deletes(view: OneModelView) -> None:
    pinned, deleted = QSignalSpy(view.pin_requested), QSignalSpy(view.delete_requested)
    verified, compared = (
        QSignalSpy(view.verify_requested),
        QSignalSpy(view.compare.compare_requested),
    )
    for start in ("Pin", "Verify", "Delete for good", "Compare"):
        menu = menu_of(view, 1)
        next(each for each in menu.actions() if each.text().startswith(start)).trigger()
    (question,) = view.findChildren(QMessageBox)
    assert deleted.count() == 0
    next(each for each in question.buttons() if each.text() == "Delete").click()
    assert (pinned.at(0), verified.at(0), deleted.at(0)) == ([2, True], [2], [2])
    assert compared.at(0) == [3, 2, False]
    assert view.tabs.currentWidget() is view.compare
    texts = [each.text() for each in menu_of(view, 0).actions()]
    assert "Delete (it is live)" in texts


def test_older_versions_are_shown_on_request(view: OneModelView) -> None:
    view.show_model(model("many", versions=INITIAL_ROWS + 5))
    assert len(view.rows) == INITIAL_ROWS
    assert view.older.text() == "Show 5 older"
    view.older.click()
    assert len(view.rows) == INITIAL_ROWS + 5


def test_a_late_report_of_another_version_is_not_shown(view: OneModelView) -> None:
    view.show_report(3, "No report.")
    view.show_report(2, report(["cat", "dog"], [[1, 0], [0, 1]]))
    assert view.report.sentence.text() == "No report."


def test_a_report_shows_accuracy_confusion_mistakes_photos_and_what_was_skipped(
    view: OneModelView,
) -> None:
    found = replace(
        report(["cat", "dog"], [[8, 2], [0, 10]]),
        mistakes=[Mistake(IMAGE, "cat", "dog", 0.93)],
        skipped=[SkippedFile("cat/notes.txt", "not an image"), SkippedFile("cat/.x", "hidden")],
        notes=["The test part is the folder test."],
    )
    view.show_report(3, found)
    shown = view.report
    assert shown.sentence.text() == "90.0% ± 2.0 right of 20 photos, by cross-validation."
    assert shown.notes.text() == "The test part is the folder test."
    assert shown.matrix.accessibleName() == "Confusion matrix: 18 of 20 photos right"
    assert shown.matrix.text() == "cat as dog: 2"
    assert [tile.text for tile in shown.mistakes.tiles] == ["cat, dog 93%"]
    assert shown.bars.model().rowCount() == 2
    assert shown.skipped_note.text() == "1 file: not an image. 1 file: hidden"
    assert "cat/notes.txt" in shown.skipped.toPlainText()


def test_a_cell_lists_its_photos(view: OneModelView) -> None:
    found = replace(
        report(["cat", "dog"], [[8, 2], [0, 10]]), mistakes=[Mistake(IMAGE, "cat", "dog", 0.93)]
    )
    view.show_report(3, found)
    matrix = view.report.matrix
    QApplication.processEvents()
    QTest.mouseClick(
        matrix, Qt.MouseButton.LeftButton, pos=matrix.cell_rect(0, 1).center().toPoint()
    )
    assert view.report.cell_sentence.text() == (
        "2 photos of cat answered dog. The report keeps 1 of them."
    )
    assert [tile.image for tile in view.report.cell_photos.tiles] == [IMAGE]
    QTest.keyClick(matrix, Qt.Key.Key_Down)
    assert view.report.cell_sentence.text() == "10 photos of dog answered dog."
    assert not view.report.cell_photos.isVisible()


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


def test_two_versions_are_compared_side_by_side(view: OneModelView) -> None:
    compare = view.compare
    requested = QSignalSpy(compare.compare_requested)
    compare.compare.click()
    assert requested.at(0) == [2, 3, False]
    compare.show_comparing(True)
    assert not compare.compare.isEnabled()
    compare.show_comparing(False)
    compare.show_comparisons(
        [
            Comparison(IMAGE, "cat", ["dog", "cat"], [0.5, 0.9]),
            Comparison(IMAGE, "cat", ["cat", "dog"], [0.6, 0.7]),
            Comparison(IMAGE, "dog", ["dog", "dog"], [0.6, 0.8]),
        ]
    )
    assert compare.sentence.text() == "2 of 3 answers changed: 1 became right, 1 became wrong."
    assert len(compare.grid.tiles) == 2
    assert compare.grid.tiles[0].text == "cat, v2 dog 50%, v3 cat 90%"
    assert [line.mark for line in compare.grid.tiles[0].lines] == ["", "close", "check"]
    compare.select(3, 2)
    compare.only_changed.click()
    assert len(compare.grid.tiles) == 3
    assert compare.grid.tiles[0].text == "cat, v2 dog 50%, v3 cat 90%"


def test_two_versions_are_compared_on_the_photos_of_the_history(view: OneModelView) -> None:
    compare = view.compare
    view.tabs.setCurrentWidget(compare)
    requested = QSignalSpy(compare.compare_requested)
    compare.compare.click()
    compare.show_comparisons([Comparison(IMAGE, "cat", ["dog", "cat"], [0.5, 0.9])])
    compare.photos.select(True)
    assert list(compare.grid.tiles) == []
    assert compare.note.text() == "See on the photos of the history which answers changed."
    compare.compare.click()
    assert requested.at(1) == [2, 3, True]
    compare.show_comparing(True)
    assert not compare.photos.isEnabled()
    compare.show_comparing(False)
    assert compare.photos.isEnabled()
    compare.show_comparisons([])
    assert compare.note.text() == "There is no photo in the history to compare on."
    compare.show_comparisons([], skipped=2)
    assert compare.note.text() == "None of the photos of the history can be read."
    unlabelled = Comparison(IMAGE, "", ["dog", "cat"], [0.5, 0.9], "/photos/a.png")
    compare.show_comparisons([unlabelled], skipped=1)
    assert compare.sentence.text() == "1 of 1 answer changed. 1 photo cannot be read."
    (tile,) = compare.grid.tiles
    assert (tile.image, tile.text) == (
        Path("/photos/a.png"),
        "Not labelled, v2 dog 50%, v3 cat 90%",
    )


@pytest.mark.parametrize("width", [640, 1000])
def test_the_row_of_the_comparison_fits(view: OneModelView, width: int) -> None:
    view.tabs.setCurrentWidget(view.compare)
    view.resize(width, 480)
    QApplication.processEvents()
    compare = view.compare
    assert view.width() == width
    assert compare.compare.geometry().right() <= compare.width()
    assert compare.photos.width() >= compare.photos.sizeHint().width()


def test_one_version_cannot_be_compared(view: OneModelView) -> None:
    view.show_model(model("new"))
    assert not view.compare.compare.isEnabled()


@pytest.mark.parametrize("width", [680, 1000, 1500])
def test_the_report_needs_no_scrolling_sideways(view: OneModelView, width: int) -> None:
    names = [f"class {number}" for number in range(8)]
    counts = [[5] * 8 for _ in range(8)]
    view.show_report(3, report(names, counts))
    view.resize(width, 480)
    QApplication.processEvents()
    assert view.report.horizontalScrollBar().maximum() == 0


def test_a_version_that_cannot_be_served_says_why(view: OneModelView) -> None:
    newest, *others = BIRDS.versions
    faulty = replace(newest, fault="Version 3 cannot be served.", fault_advice="Promote another.")
    view.show_model(replace(BIRDS, versions=[faulty, *others]))
    QApplication.processEvents()
    rows = view.rows
    assert rows[0].state.text() == "Live, cannot be served"
    assert rows[0].fault.isVisible()
    assert rows[0].fault.text() == "Version 3 cannot be served. Promote another."
    assert "Version 3 cannot be served." in rows[0].accessibleName()
    assert not rows[1].fault.isVisible()
    view.show_model(BIRDS)
    assert not rows[0].fault.isVisible()


@pytest.mark.parametrize("width", [680, 1000])
def test_no_state_of_a_version_makes_its_row_wider_than_the_timeline(
    view: OneModelView, width: int
) -> None:
    newest, *others = BIRDS.versions
    worst = replace(
        newest,
        pinned=True,
        fault="Version 3 of birds cannot be served. Nobody has said that it is trusted.",
        needs_trust=True,
    )
    view.show_model(replace(BIRDS, versions=[worst, *others]))
    view.resize(width, 480)
    QApplication.processEvents()
    shown = view.rows[0].visibleRegion().boundingRect()
    assert (shown.left(), shown.width()) == (0, view.rows[0].width())


def test_a_version_that_nobody_trusts_is_trusted_before_it_is_used(view: OneModelView) -> None:
    newest, *others = BIRDS.versions
    fault = "Version 3 of birds cannot be served. Nobody has said that it is trusted."
    found = replace(newest, live=False, fault=fault, fault_advice="Run `trust`.", needs_trust=True)
    view.show_model(replace(BIRDS, versions=[found, *others]))
    row = view.rows[0]
    assert row.fault.text() == fault  # the button says the rest
    assert row.trust.isVisible()
    assert not row.promote.isVisible()


def test_the_state_of_a_version_follows_the_color_scheme(
    view: OneModelView, application: QApplication
) -> None:
    newest, *others = BIRDS.versions
    view.show_model(replace(BIRDS, versions=[replace(newest, fault="It is damaged."), *others]))
    theme = application.findChild(Theme)
    assert isinstance(theme, Theme)
    state = view.rows[0].state
    assert state.palette().windowText().color().name() == LIGHT.failed
    theme.set_appearance(Appearance.DARK)
    try:
        assert state.palette().windowText().color().name() == DARK.failed
    finally:
        theme.set_appearance(Appearance.LIGHT)
