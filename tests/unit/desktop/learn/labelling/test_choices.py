"""The classes that are offered for a photo."""

from __future__ import annotations

import pytest

from desktop.known_classes import KnownClasses
from desktop.learn.labelling.choices import MAX_CHOICES, Choice, matches, suggestions
from serving.class_names import ClassNameError
from serving.models.card import ModelCard
from serving.predict.prediction import Score

KNOWN = KnownClasses(
    ModelCard(
        "zoo",
        ("giant panda", "panther", "cat"),
        other_names={"giant panda": ["panda", "coon bear"]},
    ),
    ["my panda"],
)


def test_classes_that_people_made_follow_those_that_the_model_answered() -> None:
    found = suggestions([Score("cat", 0.9), Score("dog", 0.1)], ["dog", "bottle"])
    assert found == [Choice("cat", 0.9), Choice("dog", 0.1), Choice("bottle")]


def test_unlikely_answers_leave_the_keys_to_classes_that_people_made() -> None:
    scores = [Score(name, score) for name, score in zip("abcdef", (9, 6, 3, 5, 3, 2), strict=True)]
    scores = [Score(each.name, each.score / 100) for each in scores]
    found = suggestions(scores, ["bottle", "f"])
    assert [choice.name for choice in found] == ["a", "b", "c", "d", "bottle", "f", "e"]
    assert found[5].score == 0.02, "a class keeps the score that the model gives it"


def test_there_are_as_many_as_there_are_keys() -> None:
    many = [f"class {number}" for number in range(30)]
    assert [choice.name for choice in suggestions([], many)] == many[:MAX_CHOICES]
    assert len(suggestions([Score(name, 0.1) for name in many])) == MAX_CHOICES


def test_what_is_typed_finds_classes_and_makes_a_new_one() -> None:
    assert matches("pan", KNOWN) == [
        Choice("panther"),
        Choice("giant panda"),
        Choice("my panda"),
        Choice("pan", is_new=True),
    ]
    assert matches("bear", KNOWN)[0] == Choice("giant panda", other="coon bear")


def test_another_name_of_a_class_may_still_become_a_class_of_its_own() -> None:
    found = matches("panda", KNOWN)
    assert found[0].name == "giant panda"
    assert found[-1] == Choice("panda", is_new=True)


def test_the_name_of_a_class_makes_no_second_one() -> None:
    assert matches("Cat", KNOWN) == [Choice("cat")]


def test_a_text_that_is_no_name_is_refused_with_the_reason() -> None:
    with pytest.raises(ClassNameError):
        matches("a\x00b", KNOWN)
