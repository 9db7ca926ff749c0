"""The Learn page on a real (offscreen) screen, fed with what the backend sends."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QSignalSpy, QTest
from PySide6.QtWidgets import QApplication

from backend.contract import (
    ClassCount,
    LabelSummary,
    ModelSummary,
    RunState,
    TrainingRun,
    VersionSummary,
)
from desktop.learn.outbox import OutboxView
from desktop.learn.page import LearnPage, LearnView
from desktop.theme import Appearance, Theme
from desktop.theme.tokens import DARK, LIGHT
from tests.gui.conftest import show

FIFTY = [ClassCount(f"class {number}", 1 + number * 7, number % 5 > 0) for number in range(50)]


def model(versions: int, live: int) -> ModelSummary:
    return ModelSummary(
        "pets",
        live,
        [
            VersionSummary(
                "pets",
                number,
                number == live,
                f"2026-05-01T{number // 60:02}:{number % 60:02}:00+00:00",
                0.9 + number / 10_000,
                "10,000 test files",
                ["cat", "dog"],
                number - 1 or None,
            )
            for number in range(versions, 0, -1)
        ],
    )


def unfinished(state: RunState, progress: float = 0.0, step: str = "") -> TrainingRun:
    return TrainingRun("r", "pets", state, "2026-05-02T00:00:00+00:00", None, progress, step)


@pytest.fixture
def page(application: QApplication) -> LearnPage:
    return show(LearnPage(), 900, 640)


@pytest.fixture
def dark(application: QApplication) -> Iterator[Theme]:
    theme = application.findChild(Theme)
    assert isinstance(theme, Theme)
    yield theme
    theme.set_appearance(Appearance.LIGHT)


def test_before_anything_is_known_it_says_what_it_waits_for(page: LearnPage) -> None:
    page.show_unavailable("The backend cannot be reached. It is tried again.")
    assert page.header.sentence.text() == "The backend cannot be reached. It is tried again."
    assert page.no_versions.text() == "The backend cannot be reached. It is tried again."
    assert not page.learn.isEnabled()


def test_without_labels_it_leads_to_labelling(page: LearnPage) -> None:
    page.show_labels(LabelSummary(0, 0, []))
    page.show_view(LearnView.CLASSES)
    page.classes.no_labels.button.click()
    assert page.view is LearnView.LABEL
    assert not page.learn.isEnabled()


def test_fifty_classes_are_listed_by_their_number_of_labels(page: LearnPage) -> None:
    page.classes.show_classes(FIFTY)
    listed = page.classes.bars.model()
    assert listed.rowCount() == 50
    assert listed.index(0, 0).data() == "class 49"
    described = [listed.index(row, 0).data(Qt.ItemDataRole.AccessibleTextRole) for row in (0, 49)]
    assert described == [
        "class 49: 344 labels",
        "class 0: 1 label, a new class that the live version cannot answer with yet",
    ]
    page.classes.bars.setFocus()
    QTest.keyClick(page.classes.bars, Qt.Key.Key_End)
    assert page.classes.bars.currentIndex().row() == 49


def test_a_count_that_grows_does_not_move_the_list(page: LearnPage) -> None:
    page.classes.show_classes(FIFTY)
    resets = QSignalSpy(page.classes.bars.model().modelReset)
    more = [ClassCount(each.name, each.labels + 1, each.known) for each in FIFTY]
    page.classes.show_classes(more)
    assert resets.count() == 0


def test_the_run_that_goes_on_can_be_watched_and_cancelled_once(page: LearnPage) -> None:
    page.show_labels(LabelSummary(3, 3, [ClassCount("cat", 3, True)]))
    page.show_runs([unfinished(RunState.RUNNING, 0.42, "Fitting the head.")])
    assert page.strip.isVisible()
    assert (page.strip.step.text(), page.strip.share.text()) == ("Fitting the head.", "42%")
    assert page.strip.bar.value() == 420
    assert not page.learn.isEnabled()
    cancelled = QSignalSpy(page.strip.cancel_requested)
    page.strip.cancel.click()
    page.strip.cancel.click()
    assert [cancelled.at(i) for i in range(cancelled.count())] == [["r"]]
    page.show_runs([])
    assert not page.strip.isVisible()
    assert page.learn.isEnabled()


def test_the_live_version_is_marked_and_the_others_can_be_made_live(page: LearnPage) -> None:
    page.show_view(LearnView.VERSIONS)
    page.show_model(model(3, live=2))
    rows = page.versions.rows
    facts = [
        (row.heading.text(), row.state.text(), row.accuracy.text(), row.promote.isVisible())
        for row in rows
    ]
    assert facts == [
        ("Version 3", "", "90%", True),
        ("Version 2", "Live", "90%", False),
        ("Version 1", "", "90%", True),
    ]
    names = [row.promote.accessibleName() for row in rows]
    assert (names[0], names[2]) == ("Use version 3", "Roll back to version 1")
    requested = QSignalSpy(page.versions.promote_requested)
    rows[2].promote.setFocus()
    QTest.keyClick(rows[2].promote, Qt.Key.Key_Space)
    assert requested.at(0) == [1]
    page.versions.show_promoting(True)
    assert not rows[0].promote.isEnabled()


def test_a_new_version_leaves_the_rows_below_as_they_are(page: LearnPage) -> None:
    page.show_view(LearnView.VERSIONS)
    page.show_model(model(3, live=3))
    before = page.versions.rows
    page.show_model(model(4, live=4))
    assert page.versions.rows[1:] == before


def test_labels_that_wait_are_mentioned_only_if_something_holds_them_up(
    page: LearnPage,
) -> None:
    page.show_outbox(OutboxView(pending=1))
    assert not page.notes.isVisible()
    page.show_outbox(OutboxView(pending=1, problem="The backend does not answer."))
    assert page.notes.isVisible()


def test_the_mark_of_the_live_version_follows_the_color_scheme(
    page: LearnPage, dark: Theme
) -> None:
    page.show_view(LearnView.VERSIONS)
    page.show_model(model(1, live=1))
    row = page.versions.rows[0]
    assert row.state.palette().windowText().color().name() == LIGHT.ready
    dark.set_appearance(Appearance.DARK)
    QApplication.processEvents()
    assert row.state.palette().windowText().color().name() == DARK.ready


@pytest.mark.parametrize("width", [700, 900, 1400])
def test_nothing_needs_scrolling_sideways(page: LearnPage, width: int) -> None:
    page.resize(width, 600)
    page.classes.show_classes(FIFTY)
    page.show_view(LearnView.VERSIONS)
    page.show_model(model(3, live=2))
    QApplication.processEvents()
    widest = max(row.minimumSizeHint().width() for row in page.versions.rows)
    assert widest <= page.versions.timeline.viewport().width()
