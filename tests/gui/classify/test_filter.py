"""Sorting and filtering the gallery, by mouse and by keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from desktop.classify.gallery import Gallery
from desktop.classify.gallery_query import Facet, Query, Sort
from desktop.classify.gallery_view import GalleryLayout
from desktop.classify.page import ClassifyPage
from desktop.classify.view_menu import ViewMenu
from tests.gui.classify.test_page import CAT, FAILED, LABELLED, UNSURE
from tests.gui.conftest import Run, show
from tests.support.waiting import wait_until

Key = Qt.Key
CONTROL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def page(application: QApplication, run: Run) -> Iterator[ClassifyPage]:
    made = ClassifyPage(Gallery(0.5))
    made.gallery.add([CAT, UNSURE, LABELLED, FAILED])
    show(made, 1000, 640)
    made.activateWindow()
    run(lambda: wait_until(made.grid.isVisible))
    made.grid.setFocus()
    yield made
    made.filter_panel.close()
    made.thumbnails.close()


def names(page: ClassifyPage) -> list[str]:
    return [photo.name for photo in page.grid.shown.photos]


def selected(page: ClassifyPage) -> list[str]:
    return [photo.name for photo in page.grid.selected_photos]


def rows_of(page: ClassifyPage) -> list[str]:
    model = page.filter_panel.list.model()
    role = Qt.ItemDataRole.AccessibleTextRole
    return [str(model.index(row, 0).data(role)) for row in range(model.rowCount())]


def test_the_mouse_filters_by_state_and_class(page: ClassifyPage) -> None:
    QTest.mouseClick(page.header.filter, Qt.MouseButton.LeftButton)
    panel = page.filter_panel
    assert panel.isVisible()
    assert rows_of(page) == [
        "Queued: 0 photos",
        "Answered: 1 photo",
        "Unsure: 1 photo",
        "Labelled: 1 photo",
        "Failed: 1 photo",
    ]
    middle = panel.list.visualRect(panel.list.model().index(2, 0)).center()
    QTest.mouseClick(panel.list.viewport(), Qt.MouseButton.LeftButton, pos=middle)
    assert names(page) == ["blur.jpg"]
    assert rows_of(page)[2] == "Unsure: 1 photo, checked"
    assert page.header.filter.text() == "Filter (1)"
    assert page.header.filter.accessibleName() == "Filter: Unsure"
    assert page.header.sentence.text() == "1 of 4: Unsure"
    QTest.mouseClick(panel.list.viewport(), Qt.MouseButton.LeftButton, pos=middle)
    assert len(names(page)) == 4


def test_keys_alone_filter_and_leave(page: ClassifyPage) -> None:
    QTest.keyClick(page.grid, Key.Key_F, CONTROL | SHIFT)
    panel = page.filter_panel
    assert panel.isVisible()
    QTest.keyClick(panel.list, Key.Key_Right)
    assert rows_of(page) == ["cat: 2 photos", "dog: 1 photo", "No class: 1 photo"]
    assert panel.list.accessibleName() == "Class of the photos"
    QTest.keyClick(panel.list, Key.Key_Down)
    QTest.keyClick(panel.list, Key.Key_Space)
    assert names(page) == ["tabby.jpg", "lion.jpg"]
    QTest.keyClick(panel.list, Key.Key_Down)
    QTest.keyClick(panel.list, Key.Key_Return)
    assert names(page) == ["tabby.jpg", "blur.jpg", "lion.jpg"]
    QTest.keyClick(panel.list, Key.Key_Escape)
    assert not panel.isVisible()
    assert page.header.sentence.text() == "3 of 4: cat, dog"


def test_a_value_is_found_among_many(page: ClassifyPage) -> None:
    page.gallery.add(
        [
            CAT.__class__(Path(f"/album {number}/a.jpg"), "a.jpg", 1.0, CAT.prediction)
            for number in range(30)
        ]
    )
    QTest.mouseClick(page.header.filter, Qt.MouseButton.LeftButton)
    panel = page.filter_panel
    assert not panel.field.isVisible()
    panel.show_facet(Facet.FOLDER)
    assert panel.field.isVisible()
    QTest.keyClicks(panel.field, "ALBUM 17")
    assert rows_of(page) == ["/album 17: 1 photo"]
    QTest.keyClick(panel.list, Key.Key_Down)
    QTest.keyClick(panel.list, Key.Key_Space)
    assert [photo.key for photo in page.grid.shown.photos] == ["/album 17/a.jpg"]


def test_what_nothing_matches_is_left_with_one_button(page: ClassifyPage) -> None:
    QTest.keyClicks(page.header.search, "nothing like it")
    assert page.content.show_all.isVisible()
    QTest.mouseClick(page.content.show_all, Qt.MouseButton.LeftButton)
    assert page.header.search.text() == ""
    assert len(names(page)) == 4
    assert page.grid.isVisible()


def test_a_filter_keeps_what_is_selected_and_still_shown(page: ClassifyPage) -> None:
    page.grid.selectAll()
    page.set_query(Query().with_values(Facet.CLASS, ["cat"]))
    assert selected(page) == ["tabby.jpg", "lion.jpg"]
    assert page.pane.name.text() == "2 photos selected"
    page.set_query(Query().with_values(Facet.CLASS, ["dog"]))
    assert selected(page) == []
    assert page.pane.name.text() == "No photo selected"


def test_an_order_keeps_the_photo_that_is_shown(page: ClassifyPage) -> None:
    page.select(UNSURE.key)
    menu = page.header.view.menu()
    assert isinstance(menu, ViewMenu)
    menu.sorts[Sort.NAME].trigger()
    assert names(page) == ["blur.jpg", "cut.jpg", "lion.jpg", "tabby.jpg"]
    assert selected(page) == ["blur.jpg"]
    assert page.grid.currentIndex().row() == 0
    menu.sorts[Sort.NEWEST].trigger()
    assert names(page) == ["tabby.jpg", "blur.jpg", "lion.jpg", "cut.jpg"]
    assert page.grid.currentIndex().row() == 1


def test_the_list_has_a_row_for_each_photo(page: ClassifyPage) -> None:
    page.select(UNSURE.key)
    QTest.keyClick(page.grid, Key.Key_L, CONTROL)
    grid = page.grid
    tops = [grid.visualRect(grid.model().index(row, 0)).top() for row in range(4)]
    assert tops == sorted(set(tops))
    assert selected(page) == ["blur.jpg"]
    QTest.keyClick(grid, Key.Key_Down)
    assert selected(page) == ["lion.jpg"]
    picture = grid.viewport().grab().toImage()
    QTest.keyClick(grid, Key.Key_G, CONTROL)
    assert grid.visualRect(grid.model().index(1, 0)).top() == tops[0]
    assert grid.viewport().grab().toImage() != picture
    menu = page.header.view.menu()
    assert isinstance(menu, ViewMenu)
    assert menu.layouts[GalleryLayout.GRID].isChecked()


def test_all_of_a_class_are_selected_by_a_key(page: ClassifyPage) -> None:
    page.select(CAT.key)
    QTest.keyClick(page.grid, Key.Key_A, CONTROL | SHIFT)
    assert selected(page) == ["tabby.jpg", "lion.jpg"]
    page.set_query(Query().with_text("tabby"))
    QTest.keyClick(page.grid, Key.Key_A, CONTROL | SHIFT)
    assert selected(page) == ["tabby.jpg"]


def test_only_exceptions_have_a_word(page: ClassifyPage) -> None:
    page.select(CAT.key)
    assert not page.pane.badge.isVisible()
    page.select(UNSURE.key)
    assert page.pane.badge.text == "Unsure"
