"""A person finds a class by its name, a part of it, or another name."""

from __future__ import annotations

import pytest

from desktop.known_classes import MAX_MATCHES, ClassMatch, KnownClasses
from serving.models.card import ModelCard

CARD = ModelCard(
    "big",
    ("bobcat", "catamaran", "giant panda", "ice bear", "lesser panda", "tabby cat"),
    other_names={
        "giant panda": ["panda", "panda bear", "coon bear"],
        "ice bear": ["polar bear", "Ursus Maritimus"],
        "lesser panda": ["red panda", "panda", "bear cat"],
    },
)


def found(text: str, *made_up: str) -> list[str]:
    return [match.name for match in KnownClasses(CARD, made_up).find(text)]


def test_an_other_name_finds_the_class_it_is_usual_for_first() -> None:
    known = KnownClasses(CARD)
    assert known.named("Panda") == "giant panda"
    assert found("panda") == ["giant panda", "lesser panda"]
    assert known.spelled("Panda") == "Panda"
    assert known.spelled("ICE bear") == "ice bear"


def test_the_other_name_is_shown_if_the_text_is_not_in_the_name_itself() -> None:
    assert KnownClasses(CARD).find("polar") == [ClassMatch("ice bear", "polar bear")]
    assert KnownClasses(CARD).find("ice") == [ClassMatch("ice bear")]


def test_what_begins_with_the_text_comes_first() -> None:
    assert found("cat") == ["catamaran", "tabby cat", "lesser panda", "bobcat"]


def test_classes_that_were_made_up_are_found_too() -> None:
    assert found("smi", "smiley") == ["smiley"]
    assert KnownClasses(CARD, ["smiley"]).named("SMILEY") == "smiley"
    assert KnownClasses(CARD, ["Bobcat"]).names == CARD.classes


@pytest.mark.parametrize("text", ["", "   ", "zebra"])
def test_nothing_is_found(text: str) -> None:
    assert found(text) == []
    assert KnownClasses().find(text) == []
    assert KnownClasses().named("cat") is None


def test_of_a_thousand_only_the_likeliest_are_returned() -> None:
    many = KnownClasses(ModelCard("big", tuple(f"class {number}" for number in range(1000))))
    matches = many.find("class")
    assert len(matches) == MAX_MATCHES
    assert many.find("class 77")[0].name == "class 77"


@pytest.mark.parametrize(
    ("text", "first"),
    [("tab", "tabby cat"), ("cat", "catamaran"), ("obc", "obc"), ("rit", "rit"), ("bob", "bobcat")],
)
def test_a_text_inside_words_only_is_taken_for_a_new_class(text: str, first: str) -> None:
    offers = KnownClasses(CARD).offers(text)
    assert offers[0].name == first
    assert [match.name for match in offers if match.is_new] == [text]
    assert len(offers) > 1


def test_the_end_of_a_word_is_taken_for_the_class() -> None:
    assert KnownClasses(ModelCard("a", ("goldfish",))).offers("fish")[0].name == "goldfish"
