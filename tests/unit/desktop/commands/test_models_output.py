from __future__ import annotations

from dataclasses import replace

import pytest

from backend.contract import (
    Certainty,
    Decision,
    EvaluationReport,
    Mistake,
    ModelSummary,
    RunState,
    SkippedFile,
    TrainingRun,
    VersionSummary,
)
from desktop.commands.models import output

VERSION = VersionSummary("pets", 2, True, "2026-11-26T16:00:00Z", 0.9, "held-out photos", ["cat"])
MODEL = ModelSummary(
    "pets",
    2,
    [VERSION, replace(VERSION, number=1, live=False)],
    current=True,
    served=True,
    class_count=1000,
    labels=1234,
    accuracy=0.912,
    accuracy_error=0.034,
    size_bytes=12_100_000,
)
REPORT = EvaluationReport(
    method="cross-validation",
    photos=30,
    accuracy=0.9,
    accuracy_error=0.1,
    classes=["cat", "dog", "t-shirt"],
    photos_per_class=[10, 12, 8],
    confusion=[[10, 0, 0], [2, 10, 0], [1, 0, 7]],
    mistakes=[Mistake("0123456789abcdef", "dog", "cat", 0.93)],
)
RUN = TrainingRun("r1", "my pets", RunState.SUCCEEDED, "2026-11-26T16:00:00Z", labels=30, version=2)


def test_a_model_is_one_row() -> None:
    assert output.model_row(MODEL) == (
        *("pets", "current", "v2 of 2", "1,000", "1,234", "91.2% ± 3.4", "12.1 MB"),
    )
    assert output.model_row(replace(MODEL, current=False))[1] == "served"
    bare = ModelSummary("new", None)
    assert output.model_row(bare) == ("new", "-", "-", "0", "0", "-", "0 B")


def test_a_version_says_that_it_is_live_or_pinned() -> None:
    assert output.version_row(VERSION)[1] == "live"
    assert output.version_row(replace(VERSION, pinned=True))[1] == "live, pinned"
    assert output.version_row(replace(VERSION, live=False))[1] == "-"


def test_a_confusion_matrix_has_a_column_for_each_answer() -> None:
    assert output.matrix_lines(REPORT) == [
        "SHOWS / ANSWERED   1   2  3",
        "1 cat             10   .  .",
        "2 dog              2  10  .",
        "3 t-shirt          1   .  7",
    ]


def test_the_report_says_how_far_scores_can_be_trusted() -> None:
    certainty = Certainty(200, 0.125, 0.03, 0.04, 0.6, marked_unsure=0.05, none_marked_unsure=0.8)
    lines = output.report_lines(replace(REPORT, certainty=certainty))
    (scores,) = [line for line in lines if line.startswith("Scores")]
    assert "off by 3%" in scores
    assert "12% before" in scores or "13% before" in scores
    assert "by 4%" in scores
    assert "Of photos of its classes 5% are marked unsure." in lines
    assert "Of photos labelled as none of its classes 80% are." in lines
    few = output.report_lines(replace(REPORT, certainty=Certainty(2)))
    assert any("best score is low" in line for line in few)
    assert not any(line.startswith("Scores") for line in few)


def test_the_report_has_photos_accuracy_confusions_and_mistakes() -> None:
    lines = output.report_lines(REPORT)
    assert lines[:4] == ["CLASS    PHOTOS", "cat      10", "dog      12", "t-shirt  8"]
    assert "Accuracy 90.0% ± 10.0, by cross-validation on 30 photos." in lines
    assert "2 dog              2  10  ." in lines
    assert lines[-1] == "  dog, answered cat (93%): photo 0123456789ab"


def test_too_many_classes_for_a_matrix_are_listed_as_pairs() -> None:
    number = output.MAX_MATRIX_CLASSES + 1
    names = [f"class {n}" for n in range(number)]
    confusion = [[0] * number for _ in names]
    confusion[3][5] = 4
    wide = replace(
        REPORT, classes=names, photos_per_class=[2] * number, confusion=confusion, mistakes=[]
    )
    lines = output.report_lines(wide)
    assert lines[-2:] == ["Most confused:", "  class 3, answered class 5: 4 photos"]


def test_the_most_confused_pair_comes_first() -> None:
    assert output.confused_lines(REPORT) == [
        "Most confused:",
        "  dog, answered cat: 2 photos",
        "  t-shirt, answered cat: 1 photo",
    ]
    assert output.confused_lines(replace(REPORT, confusion=[[3, 0, 0], [0, 3, 0], [0, 0, 3]])) == []


def test_classes_that_no_photo_was_answered_with_are_named() -> None:
    assert output.never_answered_lines(REPORT) == []
    # Nobody labelled a photo of the last one as that, so nothing was measured of it.
    never = replace(REPORT, confusion=[[10, 0, 0], [12, 0, 0], [0, 0, 0]])
    (line,) = output.never_answered_lines(never)
    assert line == "Never answered: dog."
    assert line in output.report_lines(never)
    assert line in output.import_lines(never)
    names = [f"class {n}" for n in range(output.MAX_CLASSES_NAMED + 3)]
    confusion = [[1, *[0] * (len(names) - 1)] for _ in names]
    many = replace(REPORT, classes=names, photos_per_class=[1] * len(names), confusion=confusion)
    (line,) = output.never_answered_lines(many)
    assert line.endswith("class 10 and 2 more.")
    assert output.never_answered_lines(replace(REPORT, classes=[], confusion=[])) == []


def test_skipped_files_are_counted_by_reason() -> None:
    skipped = [
        SkippedFile("/photos/cat/1.txt", "not an image"),
        *(SkippedFile(f"/photos/dog/{n}.jpg", "damaged") for n in range(4)),
    ]
    assert output.skipped_lines(skipped) == [
        "",
        "Skipped: 5 files",
        "  damaged: 4 (0.jpg, 1.jpg, 2.jpg, …)",
        "  not an image: 1 (1.txt)",
    ]
    assert output.skipped_lines([]) == []


def test_an_accuracy_that_was_not_measured_says_why() -> None:
    assert "too few photos" in output.accuracy_line(replace(REPORT, accuracy=None))


@pytest.mark.parametrize(
    ("run", "sentence"),
    [
        (
            replace(RUN, decision=Decision.PROMOTED, accuracy=0.9),
            "Training run r1 learned from 30 labels and made version 2 of my pets, "
            "90% on held-out images. It is live.",
        ),
        (
            replace(RUN, not_promoted_because="It is worse."),
            "Training run r1 learned from 30 labels and made version 2 of my pets. It is worse.",
        ),
        (
            replace(RUN, version=None, step="There is nothing new to learn."),
            "Training run r1 of my pets made no version. There is nothing new to learn.",
        ),
        (
            replace(RUN, state=RunState.QUEUED),
            "Training run r1 of my pets is queued. "
            "`servery models versions 'my pets'` lists its version once there is one.",
        ),
    ],
)
def test_what_a_run_made_is_a_sentence(run: TrainingRun, sentence: str) -> None:
    assert output.outcome(run) == sentence


def test_a_command_can_be_typed_as_it_is_printed() -> None:
    assert output.command("models", "use", "it's mine") == "`servery models use 'it'\"'\"'s mine'`"
