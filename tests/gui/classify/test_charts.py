"""The charts of many photos, the way from a class to its photos, and one photo seen large."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QGuiApplication, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from desktop.classify.gallery import Gallery
from desktop.classify.page import ClassifyPage
from tests.gui.classify.test_page import CAT, FAILED, LABELLED, UNSURE
from tests.gui.conftest import Run, show
from tests.support.predictions import answered_photo
from tests.support.sample_images import image_file
from tests.support.waiting import wait_until

Key = Qt.Key
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def page(application: QApplication, run: Run) -> Iterator[ClassifyPage]:
    made = ClassifyPage(Gallery(0.5))
    made.gallery.add([CAT, UNSURE, LABELLED, FAILED])
    show(made, 1000, 720)
    made.activateWindow()
    run(lambda: wait_until(made.grid.isVisible))
    made.grid.setFocus()
    yield made
    made.thumbnails.close()


def names(page: ClassifyPage) -> list[str]:
    return [photo.name for photo in page.grid.shown.photos]


def test_charts_are_of_the_selection_and_of_all_photos_without_one(
    page: ClassifyPage, run: Run
) -> None:
    charts = page.pane.charts
    run(lambda: wait_until(charts.isVisible))
    assert charts.text() == "cat 2, dog 1"
    assert charts.confidence.accessibleName() == (
        "Photos by confidence: 30 to 40%: 1 (1 unsure), 60 to 70%: 1, 90 to 100%: 1"
    )
    assert not charts.time.isVisible(), "no photo has a date"
    page.select(CAT.key)
    assert not charts.isVisible()
    assert page.pane.chart.isVisible()
    QTest.keyClick(page.grid, Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    assert charts.isVisible()
    assert charts.text() == "cat 1, dog 1"
    assert charts.classes.accessibleName() == "Photos by class: cat 1, dog 1"


def test_a_class_in_the_charts_leads_to_its_photos(page: ClassifyPage, run: Run) -> None:
    bars = page.pane.charts.classes
    run(lambda: wait_until(bars.isVisible))
    QTest.mouseClick(bars.viewport(), LEFT, pos=bars.visualRect(bars.model().index(1, 0)).center())
    assert names(page) == ["blur.jpg"]
    assert page.header.sentence.text() == "1 of 4: dog"
    page.set_query(page.grid.shown.query.without_filter())
    page.grid.selectAll()
    bars.setFocus()
    QTest.keyClick(bars, Key.Key_Home)
    QTest.keyClick(bars, Key.Key_Return)
    assert names(page) == ["tabby.jpg", "lion.jpg"]


def test_a_class_of_one_photo_leads_to_its_photos(page: ClassifyPage) -> None:
    page.select(CAT.key)
    chart = page.pane.chart
    QTest.mouseClick(chart, LEFT, pos=chart.row_rects(1)[1].center().toPoint())
    assert names(page) == ["blur.jpg"]
    page.select(UNSURE.key)
    chart.setFocus()
    QTest.keyClick(chart, Key.Key_Down)
    assert chart.accessibleDescription() == "cat 29%"
    QTest.keyClick(chart, Key.Key_Return)
    assert names(page) == ["tabby.jpg", "lion.jpg"]


def test_keys_read_the_columns_one_by_one(page: ClassifyPage) -> None:
    page.grid.selectAll()
    confidence = page.pane.charts.confidence
    confidence.setFocus()
    for _ in range(4):
        QTest.keyClick(confidence, Key.Key_Right)
    assert confidence.accessibleDescription() == "30 to 40%: 1, 1 unsure"


def test_charts_are_copied_as_a_table_and_as_a_picture(page: ClassifyPage) -> None:
    page.grid.selectAll()
    charts = page.pane.charts
    QTest.mouseClick(charts.copy_table, LEFT)
    assert QGuiApplication.clipboard().text().startswith("Class\tPhotos\tShare\ncat\t2\t50%\n")
    QTest.mouseClick(charts.copy_picture, LEFT)
    picture = QGuiApplication.clipboard().image()
    assert picture.width() >= 200
    middle = picture.width() // 2
    assert len({picture.pixel(middle, y) for y in range(picture.height())}) > 3


def test_the_unsure_part_of_a_column_looks_different(page: ClassifyPage) -> None:
    page.grid.selectAll()
    chart = page.pane.charts.confidence
    picture, ratio = chart.grab().toImage(), chart.devicePixelRatioF()

    def colors(place: int) -> set[int]:
        box = chart.column_rect(place)
        middle = round(box.center().x() * ratio)
        return {
            picture.pixel(middle, y)
            for y in range(round((box.top() + 4) * ratio), round((box.bottom() - 4) * ratio))
        }

    assert len(colors(9)) == 1, "sure: one colour"
    assert len(colors(3)) > 1, "unsure: hatched"


def test_a_photo_is_zoomed_moved_and_left(page: ClassifyPage, run: Run, tmp_path: Path) -> None:
    files = [image_file(tmp_path / f"{name}.png", form="PNG") for name in ("one", "two")]
    page.gallery.add([answered_photo(file, ("cat", 0.9)) for file in files])
    page.select(str(files[0]))
    QTest.mouseClick(page.pane.view, LEFT)
    zoomed = page.zoomed
    assert zoomed.isVisible()
    assert zoomed.geometry() == page.rect()
    fits = 2.0
    run(lambda: wait_until(lambda: zoomed.scale == fits))
    QTest.keyClick(zoomed, Key.Key_Plus)
    assert zoomed.scale == pytest.approx(2.5)
    middle = QPointF(zoomed.rect().center())
    wheel = QWheelEvent(
        middle,
        zoomed.mapToGlobal(middle),
        QPoint(),
        QPoint(0, 120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(zoomed, wheel)
    assert zoomed.scale == pytest.approx(3.125)
    QTest.keyClick(zoomed, Key.Key_0)
    assert zoomed.scale == fits
    QTest.keyClick(zoomed, Key.Key_Right)
    assert zoomed.accessibleName().startswith("Photo two.png")
    assert page.selected_keys() == [str(files[1])]
    QTest.keyClick(zoomed, Key.Key_Escape)
    assert not zoomed.isVisible()
    assert page.grid.hasFocus()
    QTest.keyClick(page.grid, Key.Key_Z)
    assert zoomed.isVisible()
