"""Two versions compared: on labelled photos, and on those of the history."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtTest import QSignalSpy
from PySide6.QtWidgets import QApplication

from backend.contract import (
    Comparison,
)
from desktop.versions.view import VersionsView
from tests.support.sample_summaries import IMAGE, model, version


def test_two_versions_are_compared_side_by_side(view: VersionsView) -> None:
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


def test_two_versions_are_compared_on_the_photos_of_the_history(view: VersionsView) -> None:
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
    unreadable = Comparison("", "", [], [], "/photos/b.png", "It is gone.")
    compare.show_comparisons([unreadable, unreadable])
    assert compare.note.text() == "None of the photos of the history can be read."
    unlabelled = Comparison(IMAGE, "", ["dog", "cat"], [0.5, 0.9], "/photos/a.png")
    compare.show_comparisons([unlabelled, unreadable])
    assert compare.sentence.text() == "1 of 1 answer changed. 1 photo cannot be read."
    assert compare.unreadable.toPlainText() == "/photos/b.png    It is gone."
    (tile,) = compare.grid.tiles
    assert (tile.image, tile.text) == (
        Path("/photos/a.png"),
        "Not labelled, v2 dog 50%, v3 cat 90%",
    )


@pytest.mark.parametrize("width", [640, 1000])
def test_the_row_of_the_comparison_fits(view: VersionsView, width: int) -> None:
    view.tabs.setCurrentWidget(view.compare)
    view.resize(width, 480)
    QApplication.processEvents()
    compare = view.compare
    assert view.width() == width
    assert compare.compare.geometry().right() <= compare.width()
    assert compare.photos.width() >= compare.photos.sizeHint().width()


def test_one_version_cannot_be_compared(view: VersionsView) -> None:
    view.show_model(model("new"))
    assert not view.compare.compare.isEnabled()


def test_the_live_version_is_named_in_the_lists_when_another_goes_live(view: VersionsView) -> None:
    first, second = view.compare.first, view.compare.second
    versions = [version("birds", number) for number in (3, 2)]
    view.compare.show_versions(versions, live=3)
    view.compare.show_versions(versions, live=2)
    assert [first.itemText(row) for row in range(first.count())] == ["v3", "v2, live"]
    assert (first.currentData(), second.currentData()) == (2, 3)
