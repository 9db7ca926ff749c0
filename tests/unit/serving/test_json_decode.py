"""What was sent as JSON comes back as the same object, or as an error."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from backend.contract import (
    Classification,
    ModelSummary,
    RunState,
    TrainingRun,
    VersionSummary,
)
from serving.json_decode import decode
from serving.predict.prediction import Score

VERSION = VersionSummary("m", 2, True, "now", None, "photos", ["cat"], base_version=1)


@pytest.mark.parametrize(
    "value",
    [
        Classification("m", 1, [Score("cat", 0.5), Score("dog", 0.25)], 3.0),
        TrainingRun("r1", "m", RunState.RUNNING, "now", progress=0.5, accuracy=1.0),
        ModelSummary("m", 2, [VERSION]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_encoded_value_is_decoded_to_itself(value: object) -> None:
    assert decode(type(value), json.loads(json.dumps(asdict(value)))) == value  # type: ignore[call-overload]


def test_a_newer_backend_may_say_more() -> None:
    assert decode(Score, {"name": "cat", "score": 1, "colour": "grey"}) == Score("cat", 1.0)


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        (Score, {"name": "cat"}),
        (Score, {"name": 3, "score": 0.5}),
        (Score, ["cat", 0.5]),
        (Score, None),
        (list[Score], {}),
        (TrainingRun, asdict(TrainingRun("r", "m", RunState.QUEUED, "now")) | {"state": "odd"}),
        (VersionSummary, asdict(VERSION) | {"number": True}),
    ],
    ids=repr,
)
def test_what_does_not_fit_is_an_error(kind: type[object], raw: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        decode(kind, raw)
