from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from desktop.classify.photo import NONE_OF_THESE, Photo, PhotoFailure, PhotoState
from desktop.translation import ENGLISH, PSEUDO, use_language
from tests.support.predictions import MODEL, answered_photo

PATH = Path("album/tabby.jpg")
SURE = answered_photo(PATH, ("cat", 0.9), ("dog", 0.1))
FAILURE = PhotoFailure("The file is empty.", "Choose another.")


def test_a_photo_is_in_exactly_one_state() -> None:
    assert Photo(PATH, "tabby.jpg", 1.0).state(0.5) is PhotoState.QUEUED
    assert SURE.state(0.5) is PhotoState.ANSWERED
    assert SURE.state(0.95) is PhotoState.UNSURE
    assert replace(SURE, labels={MODEL: "tiger"}).state(0.95) is PhotoState.LABELLED
    assert replace(SURE, labels={MODEL: "tiger"}, failure=FAILURE).state(0.5) is PhotoState.FAILED


def test_what_a_version_learned_of_its_photos_decides_what_is_unsure() -> None:
    unknown = answered_photo(PATH, ("cat", 0.99), familiarity=0.4)
    familiar = answered_photo(PATH, ("cat", 0.3), ("dog", 0.29), familiarity=0.6)
    assert unknown.state(0.5) is PhotoState.UNSURE
    assert familiar.state(0.5) is PhotoState.ANSWERED
    nameless = answered_photo(PATH, familiarity=0.1)
    assert nameless.state(0.5) is PhotoState.ANSWERED


def test_a_photo_classified_again_keeps_its_answer_until_then() -> None:
    assert replace(SURE, waiting=True).state(0.5) is PhotoState.ANSWERED


def test_search_looks_at_name_class_and_label() -> None:
    photo = replace(SURE, labels={MODEL: "Siamese"})
    assert "tabby" in photo.searched_text()
    assert "cat" in photo.searched_text()
    assert "siam" in photo.searched_text()
    assert "dog" not in photo.searched_text()


def test_the_description_says_what_the_tile_shows() -> None:
    assert SURE.describe(0.5) == "tabby.jpg, cat 90%, answered"
    assert (
        replace(SURE, labels={MODEL: "tiger"}).describe(0.5) == "tabby.jpg, cat 90%, labelled tiger"
    )
    assert replace(SURE, failure=FAILURE).describe(0.5) == "tabby.jpg, The file is empty., failed"


def test_files_have_the_same_label_in_every_language() -> None:
    use_language(PSEUDO)
    try:
        none = replace(SURE, labels={MODEL: NONE_OF_THESE})
        assert none.label == "⟦none of these⟧"
        assert none.label_in_files == "none of these"
        assert replace(SURE, labels={MODEL: "tiger"}).label_in_files == "tiger"
    finally:
        use_language(ENGLISH)
