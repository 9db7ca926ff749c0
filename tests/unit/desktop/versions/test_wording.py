"""Versions, runs and reports in words."""

from __future__ import annotations

from dataclasses import replace

from backend.contract import (
    AuditAction,
    AuditEntry,
    Certainty,
    ConfusedClasses,
    Decision,
    EvaluationReport,
    Rule,
    RunState,
    TrainingRun,
    Verification,
)
from desktop.versions import wording
from tests.support.sample_summaries import version

RUN = TrainingRun(
    "a",
    "pets",
    RunState.SUCCEEDED,
    "2026-05-10T11:00:00+00:00",
    step="Version 2 is live.",
    decision=Decision.PROMOTED,
    labels=40,
    version=2,
    accuracy=0.95,
    base_accuracy=0.88,
)
HELD_BACK = replace(
    RUN,
    decision=Decision.HELD_BACK,
    not_promoted_because="Accuracy fell, so the version did not go live.",
)
LOST = AuditEntry(
    "", "canary", AuditAction.HELD_BACK, 2, Rule.CANARY_TIME, "Version 2 was held back."
)


def test_the_change_of_accuracy_is_a_sentence() -> None:
    sentence = "From 88% to 95% on the images it was not shown."
    assert wording.change_sentence(RUN) == sentence
    same = replace(RUN, accuracy=0.88)
    assert wording.change_sentence(same) == "Stayed at 88% on the images it was not shown."
    assert wording.change_sentence(replace(RUN, base_accuracy=None)) == ""
    assert wording.change_sentence(replace(RUN, labels=1, accuracy=0.0)) == ""


def test_an_accuracy_that_says_nothing_is_not_shown() -> None:
    assert wording.accuracy(0.0, 0.397) == ""
    assert wording.accuracy(0.9, 0.2) == "90.0% ± 20.0"
    assert wording.accuracy(0.9, None) == "90%"
    assert wording.accuracy(None, None) == ""


def test_why_a_version_was_held_back_is_said_until_somebody_uses_it() -> None:
    waiting = version("pets", 2)
    assert wording.held_back_sentence(waiting, HELD_BACK, None) == HELD_BACK.not_promoted_because
    assert wording.held_back_sentence(waiting, RUN, None) == ""
    assert wording.held_back_sentence(replace(waiting, live=True), HELD_BACK, None) == ""
    assert wording.held_back_sentence(waiting, None, LOST) == "Version 2 was held back."
    used = replace(LOST, what=AuditAction.PROMOTED)
    assert wording.held_back_sentence(waiting, HELD_BACK, used) == ""


def test_classes_that_cannot_be_told_apart_are_named() -> None:
    pairs = [ConfusedClasses("cat", "dog", []), ConfusedClasses("cat", "fox", [])]
    sentence = wording.confused_sentence(replace(HELD_BACK, confused=pairs))
    assert sentence == "It cannot tell apart: cat and dog, cat and fox."
    assert wording.confused_sentence(HELD_BACK) == wording.confused_sentence(None) == ""


def test_how_far_scores_can_be_trusted() -> None:
    known = Certainty(200, 0.081, 0.021, marked_unsure=0.04, none_marked_unsure=0.9)
    assert wording.certainty_sentence(known) == (
        "Scores are off by 2.1% on average (8.1% before they were calibrated)."
        " Unsure: 4% of these photos, 90% of those labelled none of these."
    )
    assert wording.certainty_sentence(Certainty(3)) == ""
    assert wording.certainty_sentence(None) == ""


def test_time_left_is_rounded_up() -> None:
    times = [wording.time_left(seconds) for seconds in (86_000, 3600, 3599, 59.5, 0.5)]
    assert times == ["24 h", "1 h", "60 min", "60 s", "a moment"]


def test_what_changed_between_two_versions() -> None:
    first = version("a", 1, classes=["cat", "dog"], labels=10)
    second = version("a", 2, classes=["cat", "fox", "hen"], labels=12)
    assert wording.class_changes(first, None) == "2 classes"
    assert wording.class_changes(second, first) == "Added fox, hen. Removed dog"
    assert wording.class_changes(second, second) == "The same 3 classes"
    assert wording.photos_change(second, first) == "12 photos, 2 more"
    assert wording.photos_change(first, second) == "10 photos, 2 fewer"
    assert wording.photos_change(second, None) == "12 photos"
    assert wording.photos_change(replace(second, labels=0), first) == ""


def test_many_names_are_counted() -> None:
    many = version("a", 2, classes=[f"c{number}" for number in range(9)])
    none = version("a", 1, classes=[])
    assert wording.class_changes(many, none) == "Added c0, c1, c2, c3, c4, c5 and 3 more"


def test_a_verification_names_changed_files() -> None:
    good = Verification("a", 2, True, [])
    assert wording.verification_sentence(good) == "Every file of a v2 is as it was made."
    bad = wording.verification_sentence(replace(good, changed=["saved_model.pb"]))
    assert bad == "1 file of a v2 changed: saved_model.pb."
    assert "no checksums" in wording.verification_sentence(replace(good, recorded=False))


def test_a_report_says_how_it_was_measured() -> None:
    measured = EvaluationReport("cross-validation", 200, 0.914, 0.012, [], [], [])
    sentence = wording.report_sentence(measured)
    assert sentence == "91.4% ± 1.2 right of 200 photos, by cross-validation."
    held_out = wording.report_sentence(replace(measured, method="held-out photos"))
    assert held_out == "91.4% ± 1.2 right of 200 photos that were held out."
    assert "too few photos" in wording.report_sentence(replace(measured, accuracy=None))
