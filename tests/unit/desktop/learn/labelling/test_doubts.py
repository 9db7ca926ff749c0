"""What can be said about a doubtful label, and what is sent for it."""

from __future__ import annotations

from backend.contract import Conflict, IssueKind, Label, LabelIssue, LabelKind
from desktop.learn.labelling.answer import NONE_OF_THESE, Answer
from desktop.learn.labelling.doubts import Doubt, doubts


def doubt_of(issue: LabelIssue) -> Doubt:
    (found,) = doubts([issue], [])
    return found


def names(doubt: Doubt) -> list[str]:
    return [choice.name for choice in doubt.choices]


def test_the_suggestion_comes_first_and_mends_by_settling() -> None:
    doubt = doubt_of(LabelIssue("a", "can", "bottle", 0.9, IssueKind.CONTRADICTED))
    assert names(doubt) == ["bottle", "can"]
    assert doubt.mended(Answer("bottle")) == (("a",), Answer("bottle", settles=True))
    assert doubt.kept() == [(("a",), Answer("can", settles=True))]


def test_two_nearly_equal_photos_get_one_label_or_keep_both() -> None:
    doubt = doubt_of(LabelIssue("a", "can", "bottle", 0.9, IssueKind.DUPLICATE, "b"))
    assert (names(doubt), doubt.other, doubt.other_label) == (["can", "bottle"], "b", "bottle")
    assert doubt.mended(Answer("can")) == (("a", "b"), Answer("can", settles=True))
    assert doubt.kept() == [
        (("a",), Answer("can", settles=True)),
        (("b",), Answer("bottle", settles=True)),
    ]


def test_a_dark_photo_keeps_its_label_or_shows_nothing() -> None:
    doubt = doubt_of(LabelIssue("a", "can", "", 0.9, IssueKind.DARK))
    assert (names(doubt), doubt.heading) == (["can"], "Dark, labelled can")
    assert doubt.mended(NONE_OF_THESE) == (
        ("a",),
        Answer(kind=LabelKind.NONE, settles=True),
    )


def test_both_people_who_disagree_are_named_and_come_before_everything_else() -> None:
    conflict = Conflict(
        "a",
        [
            Label(2, "a", "paper", "2026-05-02", by="anna"),
            Label(1, "a", "", "2026-05-01", kind=LabelKind.NONE, by="ben"),
        ],
    )
    found = doubts(
        [
            LabelIssue("z", "can", "bottle", 0.9, IssueKind.CONTRADICTED),
            LabelIssue("a", "paper", "bottle", 0.9, IssueKind.CONTRADICTED),
        ],
        [conflict],
    )
    assert [each.image for each in found] == ["a", "z"]
    assert found[0].sentence.startswith("anna says paper and ben says none of these.")
    assert found[0].disputed
