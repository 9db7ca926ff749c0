"""The speed of a model is what its quickest answers took."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from desktop.classify.photo import Photo
from desktop.classify.speeds import MAX_ANSWERS, quick_milliseconds
from tests.support.predictions import answered_photo


def photo(model: str, milliseconds: float) -> Photo:
    answered = answered_photo(Path("a.jpg"), ("cat", 0.9), model=model)
    assert answered.prediction is not None
    return replace(answered, prediction=replace(answered.prediction, milliseconds=milliseconds))


def test_each_model_has_its_own_speed() -> None:
    photos = [photo("a", 20), photo("b", 90), photo("a", 30), photo("a", 40)]
    waiting = replace(photos[0], prediction=None)
    assert quick_milliseconds([waiting, *photos]) == {"a": 20, "b": 90}


def test_only_the_latest_answers_count() -> None:
    newest = [photo("a", 10)] * MAX_ANSWERS
    assert quick_milliseconds([*newest, *[photo("a", 500)] * 200]) == {"a": 10}
