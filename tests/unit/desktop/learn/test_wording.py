"""Labels, runs and versions in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backend.contract import (
    ClassCount,
    Decision,
    LabelSummary,
    Outlook,
    RunState,
    TrainingRun,
    VersionSummary,
)
from desktop.learn import wording
from desktop.learn.outbox import OutboxView
from desktop.learn.outbox_store import RefusedLabel

RUN = TrainingRun(
    "a",
    "pets",
    RunState.SUCCEEDED,
    "2026-05-10T11:00:00+00:00",
    step="Version 2 is live.",
    decision=Decision.PROMOTED,
    labels=24,
    version=2,
    accuracy=0.95,
    base_accuracy=0.88,
)
NOT_PROMOTED = replace(
    RUN,
    step="Accuracy fell, so the version did not go live.",
    decision=Decision.HELD_BACK,
    not_promoted_because="Accuracy fell, so the version did not go live.",
)
VERSION = VersionSummary("pets", 2, True, "", 0.91, "test files", ["cat", "dog"], 1, "a")


def test_the_next_step_follows_from_the_labels() -> None:
    one = [ClassCount("cat", 1200, True)]
    assert wording.next_step(LabelSummary(0, 0, [])).startswith("Say what photos show")
    assert wording.next_step(LabelSummary(0, 1, [])).startswith("1 label was taken back since")
    assert wording.next_step(LabelSummary(0, 2, [])).startswith("2 labels were taken back since")
    assert wording.next_step(LabelSummary(1200, 1, one)) == "1 label since the last training run."
    assert wording.next_step(LabelSummary(1200, 0, one)).startswith("Every label")


def test_labels_and_classes_are_counted() -> None:
    counts = [ClassCount("cat", 1200, True), ClassCount("dog", 0, True)]
    assert wording.labels_sentence(LabelSummary(1200, 0, counts)) == "1,200 labels in 1 class"
    assert wording.labels_sentence(LabelSummary(0, 0, [])) == "No labels yet"


def test_the_outcome_of_a_run_is_a_sentence() -> None:
    assert wording.outcome_sentence(RUN).startswith("Version 2 is live. From 88%")
    assert (
        wording.outcome_sentence(NOT_PROMOTED)
        == "Version 2 was made. Accuracy fell, so the version did not go live."
    )


def test_labels_that_wait_for_the_backend_are_counted() -> None:
    assert wording.waiting_sentence(OutboxView(3)) == ""
    assert (
        wording.waiting_sentence(OutboxView(3, problem="It is away."))
        == "3 labels wait for the backend, safe on this machine. It is away."
    )


def test_labels_that_were_refused() -> None:
    refused = RefusedLabel("k", "panda", "The image is damaged.")
    assert wording.refused_sentence(OutboxView()) == ""
    assert (
        wording.refused_sentence(OutboxView(refused=(refused,)))
        == "The label “panda” was refused. The image is damaged."
    )
    assert wording.refused_sentence(OutboxView(refused=(refused, refused))).startswith(
        "2 labels were refused."
    )


@pytest.mark.parametrize(
    ("outlook", "number", "verdict"),
    [
        (Outlook(20, 0.031, 0.012, 0.05), "+3.1 points", "More labels pay"),
        (Outlook(20, 0.015, -0.004, 0.03), "+1.5 points", "More labels may pay"),
        (Outlook(20, 0.002, -0.01, 0.008), "+0.2 points", "There are enough labels"),
    ],
)
def test_whether_the_labels_are_enough_is_a_number_with_its_interval(
    outlook: Outlook, number: str, verdict: str
) -> None:
    assert wording.gain(outlook.gain) == number
    assert wording.enough(outlook) == verdict
    low, high = 100 * outlook.low, 100 * outlook.high
    assert f"between {low:+.1f} and {high:+.1f}" in wording.outlook_sentence(outlook)


def test_labels_that_are_no_class_are_counted_too() -> None:
    labels = LabelSummary(2, 0, [ClassCount("cat", 2, True)], none=3, conflicts=1)
    assert wording.labels_sentence(labels) == (
        "2 labels in 1 class, 3 none of these, 1 photo on which people disagree"
    )
