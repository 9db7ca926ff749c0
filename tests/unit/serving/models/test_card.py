"""The model card finds the class that a person means."""

from __future__ import annotations

import pytest

from serving.models.card import ModelCard

CARD = ModelCard(
    "animals",
    ("lesser panda", "giant panda", "puma", "Puma", "missile"),
    other_names={
        "lesser panda": ["red panda", "panda"],
        "giant panda": ["panda", "coon bear"],
        "puma": ["cougar"],
        "gone": ["coon"],
    },
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("giant panda", "giant panda"),
        ("Giant Panda", "giant panda"),
        ("Puma", "Puma"),
        ("PUMA", "puma"),
        ("Cougar", "puma"),
        ("panda", "giant panda"),
        ("red panda", "lesser panda"),
        ("coon", None),
        ("", None),
    ],
)
def test_a_class_is_found_by_any_of_its_names(text: str, expected: str | None) -> None:
    assert CARD.class_named(text) == expected


def test_other_names_travel_in_the_file() -> None:
    assert ModelCard.from_json(CARD.to_json()) == CARD
