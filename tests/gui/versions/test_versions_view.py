"""One model: its timeline, and what each version says of itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QSignalSpy, QTest
from PySide6.QtWidgets import QApplication, QMenu, QMessageBox

from backend.contract import (
    AuditAction,
    AuditEntry,
    CanarySummary,
    ConfusedClasses,
    Decision,
    ModelSummary,
    RolloutSummary,
    Rule,
    RunState,
    TrainingRun,
)
from desktop.theme import Appearance, Theme
from desktop.theme.tokens import DARK, LIGHT
from desktop.versions.run_row import RunRow
from desktop.versions.timeline_list import INITIAL_ROWS
from desktop.versions.view import VersionsView
from serving.models.canary import CanaryPhase
from tests.gui.versions.conftest import BIRDS
from tests.support.sample_summaries import IMAGE, model


def test_a_model_begins_with_the_report_of_its_live_version(view: VersionsView) -> None:
    selected = QSignalSpy(view.version_selected)
    view.show_model(replace(model("other", versions=2), live_version=1))
    view.show_model(replace(model("other", versions=2), live_version=2))
    assert [selected.at(index) for index in range(selected.count())] == [[1]]


def test_a_view_that_nobody_sees_follows_the_live_version(view: VersionsView) -> None:
    selected = QSignalSpy(view.version_selected)
    view.show_model(replace(model("other", versions=2), live_version=1))
    view.hide()
    view.show_model(replace(model("other", versions=3), live_version=3))
    view.show()
    view.show_model(replace(model("other", versions=3), live_version=2))
    assert [selected.at(index) for index in range(selected.count())] == [[1], [3]]


def menu_of(view: VersionsView, row: int) -> QMenu:
    menu = view.rows[row].menu.menu()
    menu.aboutToShow.emit()
    return menu


def test_the_timeline_says_how_good_each_version_is_and_what_changed(view: VersionsView) -> None:
    rows = view.rows
    assert [row.heading.text() for row in rows] == ["Version 3", "Version 2", "Version 1"]
    assert [row.state.text() for row in rows] == ["Live", "", ""]
    assert rows[0].accuracy.text() == "91.4% ± 1.2"
    assert rows[0].change.text() == "The same 2 classes"
    assert not rows[0].promote.isVisible()
    assert rows[1].promote.isVisible()


def test_the_live_version_is_selected_first_and_another_by_click_or_key(
    view: VersionsView,
) -> None:
    selected = QSignalSpy(view.version_selected)
    QTest.mouseClick(view.rows[1], Qt.MouseButton.LeftButton, pos=QPoint(40, 20))
    view.rows[2].setFocus()
    QTest.keyClick(view.rows[2], Qt.Key.Key_Return)
    assert [selected.at(index) for index in range(selected.count())] == [[2], [1]]


def test_the_menu_of_a_version_pins_verifies_compares_and_deletes(view: VersionsView) -> None:
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


def test_older_versions_are_shown_on_request(view: VersionsView) -> None:
    view.show_model(model("many", versions=INITIAL_ROWS + 5))
    assert len(view.rows) == INITIAL_ROWS
    assert view.timeline.older.text() == "Show 5 older"
    view.timeline.older.click()
    assert len(view.rows) == INITIAL_ROWS + 5


HELD_BACK = TrainingRun(
    "r",
    "birds",
    RunState.SUCCEEDED,
    "2026-05-10T11:00:00+00:00",
    version=3,
    decision=Decision.HELD_BACK,
    rule=Rule.NEW_NOT_LEARNED,
    decided_by="gate",
    not_promoted_because="It cannot tell wrens from robins.",
    confused=[ConfusedClasses("wren", "robin", [IMAGE])],
)


def test_a_version_that_was_held_back_says_why_and_is_one_click_from_live(
    view: VersionsView,
) -> None:
    view.show_model(live(BIRDS, 2))
    view.show_runs([HELD_BACK])
    row = view.rows[0]
    assert row.state.text() == "Held back"
    assert row.held_back.text() == "It cannot tell wrens from robins."
    assert row.promote.text() == "Use it anyway"
    promoted = QSignalSpy(view.promote_requested)
    row.promote.click()
    assert promoted.at(0) == [3]
    view.show_report(2, "No report.")
    row.confused.click()
    view.show_report(3, "No report.")
    assert view.report.confused_sentence.text() == "It cannot tell apart: wren and robin."
    assert [tile.text for tile in view.report.confused.tiles] == ["wren or robin"]
    # Once somebody uses it, it is live, and nothing is held against it.
    view.show_model(BIRDS)
    assert (view.rows[0].state.text(), view.rows[0].held_back.text()) == ("Live", "")


def test_a_version_that_was_used_anyway_and_replaced_is_not_held_back(view: VersionsView) -> None:
    view.show_model(live(BIRDS, 2))
    view.show_runs([HELD_BACK])
    view.show_audit(
        [
            entry(3, AuditAction.ROLLED_BACK, 2, Rule.PERSON),
            entry(2, AuditAction.PROMOTED, 3, Rule.PERSON),
            entry(1, AuditAction.HELD_BACK, 3, Rule.NEW_NOT_LEARNED),
        ]
    )
    assert view.rows[0].state.text() == ""
    assert view.rows[0].promote.text() == "Use this version"
    assert view.history.texts == ["entry 3", "entry 2", "entry 1"]


def test_a_canary_that_lost_says_so(view: VersionsView) -> None:
    view.show_model(live(BIRDS, 2))
    view.show_audit(
        [
            entry(2, AuditAction.PINNED, 3, Rule.PERSON),  # which says nothing of how it was
            entry(1, AuditAction.HELD_BACK, 3, Rule.CANARY_AGREEMENT),
        ]
    )
    assert view.rows[0].state.text() == "Held back"
    assert view.rows[0].held_back.text() == "entry 1"


def entry(number: int, what: AuditAction, version: int, rule: Rule) -> AuditEntry:
    moment = f"2026-05-10T11:00:0{number}+00:00"
    return AuditEntry(moment, "ada", what, version, rule, f"entry {number}")


def live(shown: ModelSummary, number: int) -> ModelSummary:
    versions = [replace(each, live=each.number == number) for each in shown.versions]
    return replace(shown, versions=versions, live_version=number)


CANARY = CanarySummary(
    model="birds",
    version=3,
    stable=2,
    share=0.1,
    started="2026-05-10T11:00:00+00:00",
    by="ada",
    phase=CanaryPhase.RUNNING,
    sentence="It answers 10% of the requests.",
    seconds_left=80_000,
    requests=60,
    photos=50,
    agreements=45,
    agreement_low=0.71,
    agreement_high=0.98,
    required_agreement=0.8,
    canary_failures=1,
    canary_milliseconds=12.0,
    stable_milliseconds=11.0,
)


def test_a_canary_says_how_it_stands_and_a_person_ends_it(view: VersionsView) -> None:
    view.show_model(replace(live(BIRDS, 2), canary=CANARY))
    assert view.canary.isVisible()
    assert view.canary.heading.text() == "Version 3 beside version 2"
    assert view.canary.sentence.text() == "It answers 10% of the requests."
    assert view.canary.facts.text() == (
        "Compared: 60 requests   Agreement required: 80%   Failed: v3 1, v2 0"
        "   An answer: v3 12 ms, v2 11 ms   Ends within: 23 h"
    )
    assert view.canary.bar.accessibleName() == (
        "Agreement 90%, between 71% and 98%; 80% is required"
    )
    assert view.rows[0].state.text() == "Canary, 10%"
    promoted, ended = QSignalSpy(view.promote_requested), QSignalSpy(view.end_canary_requested)
    view.canary.promote.click()
    view.canary.end.click()
    assert (promoted.at(0), ended.at(0)) == ([3], [3])
    view.show_promoting(True)
    assert not view.canary.end.isEnabled()
    view.show_model(live(BIRDS, 3))
    assert not view.canary.isVisible()


def test_the_menu_tries_a_version_while_no_other_is_tried(view: VersionsView) -> None:
    requested = QSignalSpy(view.canary_requested)

    def choose(row: int) -> bool:
        menu = menu_of(view, row)
        found = next(each for each in menu.actions() if each.text().startswith("Try it"))
        found.trigger()
        return found.isEnabled()

    view.show_model(live(BIRDS, 2))
    assert choose(0)
    assert requested.at(0) == [3]
    assert not choose(1)  # the live one
    view.show_model(replace(live(BIRDS, 2), canary=CANARY))
    assert not choose(2)


def test_it_says_where_the_live_version_is_until_it_is_everywhere(view: VersionsView) -> None:
    waiting = RolloutSummary("birds", 3, ["a"], ["b"], [], False, "Live on 1 of 2 instances.")
    view.show_rollout(waiting)
    assert (view.rollout.isVisible(), view.rollout.text()) == (True, "Live on 1 of 2 instances.")
    view.show_rollout(replace(waiting, live=["a", "b"], waiting=[], everywhere=True))
    assert not view.rollout.isVisible()


def test_runs_without_a_version_are_on_the_timeline(view: VersionsView) -> None:
    failed = TrainingRun(
        "f", "birds", RunState.FAILED, "2026-06-01T00:00:00+00:00", step="It cannot learn."
    )
    view.show_runs([failed])
    row = view.timeline.rows[0]
    assert isinstance(row, RunRow)
    assert (row.state.text(), row.outcome.text()) == ("Failed", "It cannot learn.")


def test_a_version_that_cannot_be_served_says_why(view: VersionsView) -> None:
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
    view: VersionsView, width: int
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


def test_a_version_that_nobody_trusts_is_trusted_before_it_is_used(view: VersionsView) -> None:
    newest, *others = BIRDS.versions
    fault = "Version 3 of birds cannot be served. Nobody has said that it is trusted."
    found = replace(newest, live=False, fault=fault, fault_advice="Run `trust`.", needs_trust=True)
    view.show_model(replace(BIRDS, versions=[found, *others]))
    row = view.rows[0]
    assert row.fault.text() == fault  # the button says the rest
    assert row.trust.isVisible()
    assert not row.promote.isVisible()


def test_the_state_of_a_version_follows_the_color_scheme(
    view: VersionsView, application: QApplication
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


def test_the_menu_of_a_version_is_in_line_with_its_heading(view: VersionsView) -> None:
    for row in view.rows:
        assert row.menu.geometry().center().y() == row.heading.geometry().center().y()


def test_the_timeline_is_as_wide_as_the_buttons_of_a_language_with_long_words(
    view: VersionsView,
) -> None:
    row = view.rows[1]
    row.promote.setText("Zu dieser älteren Version zurückkehren")
    for _ in range(3):  # the list, then what divides it from the report, then the list again
        QApplication.processEvents()
    assert row.width() >= row.minimumSizeHint().width() > 232
    assert view.timeline.viewport().width() >= row.geometry().right()
