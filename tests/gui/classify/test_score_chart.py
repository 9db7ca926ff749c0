"""The bars of one photo: what they say, to eyes, to a screen reader and to a spreadsheet."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QAccessible, QContextMenuEvent, QGuiApplication, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMenu, QWidget

from desktop.classify.score_chart import ScoreChart
from desktop.widgets.column_chart import ColumnChart
from serving.predict.prediction import Score
from tests.gui.conftest import show

SCORES = (Score("a very long name of a class that no row can show in full", 0.4), Score("dog", 0.3))
REASON = QContextMenuEvent.Reason


@pytest.fixture
def chart(application: QApplication) -> ScoreChart:
    made = show(ScoreChart(), 300, 200)
    made.show_scores(SCORES, label="dog", unsure=True)
    return made


def spoken(widget: QWidget) -> str:
    """Return the name that a screen reader gets."""
    return QAccessible.queryAccessibleInterface(widget).text(QAccessible.Text.Name)


def bar_colors(chart: ScoreChart, row: int) -> set[str]:
    picture = chart.grab().toImage()
    _, track = chart.row_rects(row)
    middle = int(track.center().y())
    return {picture.pixelColor(x, middle).name() for x in range(4, int(track.width() * 0.25))}


def choose(chart: ScoreChart, text: str) -> None:
    """Choose from the menu that the menu key opens."""
    middle = chart.rect().center()
    event = QContextMenuEvent(REASON.Keyboard, middle, chart.mapToGlobal(QPoint(middle)))
    QApplication.sendEvent(chart, event)
    menu = chart.findChild(QMenu)
    assert menu is not None
    action = next(each for each in menu.actions() if each.text() == text)
    QTest.mouseClick(menu, Qt.MouseButton.LeftButton, pos=menu.actionGeometry(action).center())


def test_a_screen_reader_gets_names_in_full_scores_label_and_unsure(chart: ScoreChart) -> None:
    assert spoken(chart) == (
        "Unsure, a very long name of a class that no row can show in full 40%, dog 30% (your label)"
    )
    chart.show_scores(())
    assert spoken(chart) == "No scores yet"


def test_an_unsure_answer_is_hatched(chart: ScoreChart) -> None:
    unsure = bar_colors(chart, 0)
    chart.show_scores(SCORES)
    sure = bar_colors(chart, 0)
    assert len(sure) == 1
    assert len(unsure) > 1
    assert not sure & unsure


def test_the_class_that_a_person_gave_has_a_mark(chart: ScoreChart) -> None:
    def ink() -> QImage:
        line, _ = chart.row_rects(1)
        return chart.grab(line.toRect()).toImage()

    labelled = ink()
    chart.show_scores(SCORES, unsure=True)
    assert ink() != labelled


def test_the_chart_copies_as_a_table_and_as_a_picture(chart: ScoreChart) -> None:
    choose(chart, "Copy table")
    assert QGuiApplication.clipboard().text().splitlines() == [
        "Class\tScore\tLabelled",
        "a very long name of a class that no row can show in full\t0.4000\t",
        "dog\t0.3000\tyes",
    ]
    choose(chart, "Copy picture")
    assert QGuiApplication.clipboard().image().width() >= 300


def test_a_screen_reader_gets_the_columns(application: QApplication) -> None:
    columns = show(ColumnChart("Photos by confidence"), 300, 100)
    columns.show_columns([("0 to 10%", 2, 1), ("10 to 20%", 4, 0)], "0 to 10%: 2, 10 to 20%: 4")
    assert spoken(columns) == "Photos by confidence: 0 to 10%: 2, 10 to 20%: 4"
    columns.setFocus()
    QTest.keyClick(columns, Qt.Key.Key_Right)
    description = QAccessible.queryAccessibleInterface(columns).text(QAccessible.Text.Description)
    assert description == "0 to 10%: 2, 1 unsure"
