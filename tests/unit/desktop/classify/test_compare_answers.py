"""Two versions on the same photos, without a window."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from backend.contract import FilePrediction
from desktop.classify.compare.answers import (
    PhotoComparison,
    VersionChoice,
    compare_answers,
    comparison_sentence,
    comparison_table,
    first_pair,
    with_answering,
)
from serving.predict.prediction import Prediction, Score
from serving.progress import Report
from tests.support.predictions import answered_photo, prediction
from tests.support.sample_images import image_file

LIVE = VersionChoice("pets", 2, served=True)
OLD = VersionChoice("pets", 1)
OTHER = VersionChoice("birds", 4)


async def test_each_version_is_asked_where_it_is_loaded_and_only_for_what_is_not_known(
    tmp_path: Path,
) -> None:
    known = answered_photo(image_file(tmp_path / "known.jpg"), ("cat", 0.9), version=2)
    outdated = answered_photo(image_file(tmp_path / "old.jpg"), ("dog", 0.8), version=1)
    missing = answered_photo(tmp_path / "gone.jpg", ("dog", 0.8), version=1)
    served: list[tuple[str, int]] = []
    stored: list[Sequence[Path]] = []
    steps: list[tuple[int, int]] = []

    async def predict_served(jpeg: bytes, model: str, version: int) -> Prediction:
        served.append((model, version))
        return prediction(("cat", 0.7), ("dog", 0.2), ("ship", 0.05), ("fish", 0.05))

    async def predict_stored(
        model: str, version: int, files: Sequence[Path], report: Report
    ) -> list[FilePrediction]:
        assert (model, version) == ("pets", 1)
        stored.append(files)
        report(1, 1, "1 of 1")
        return [FilePrediction(str(file), [Score("cat", 0.6)]) for file in files]

    found = await compare_answers(
        [known, outdated, missing],
        (OLD, LIVE),
        predict_served,
        predict_stored,
        lambda *step: steps.append(step[:2]),
    )
    assert stored == [[known.path]]
    assert served == [("pets", 2)]
    assert [each.path for each in found] == [known.path, outdated.path, missing.path]
    assert [each.changed for each in found] == [False, True, False]
    assert [each.name for each in found[1].second] == ["cat", "dog", "ship"]
    assert found[2].problem
    assert steps[-1] == (6, 6)
    assert steps == sorted(steps)


def compared(first: str, second: str, label: str = "", problem: str = "") -> PhotoComparison:
    scores = ([Score(first, 0.9)], [Score(second, 0.8)])
    return PhotoComparison(Path("/a/one.jpg"), label, *scores, problem)


def test_the_sentence_counts_what_changed_and_what_is_right() -> None:
    found = [
        compared("cat", "dog", "dog"),
        compared("cat", "cat", "cat"),
        compared("cat", "dog"),
        compared("", "", problem="It is gone."),
    ]
    assert comparison_sentence(found) == (
        "2 of 3 answers changed. Of 2 labelled, 1 and 2 are right. 1 without an answer."
    )


def test_the_table_has_a_line_a_photo() -> None:
    lines = comparison_table([compared("cat", "dog", "dog")], ("pets v1", "pets v2")).splitlines()
    assert lines == [
        "Photo\tpets v1\tScore\tpets v2\tScore\tChanged\tLabelled as",
        "/a/one.jpg\tcat\t0.9000\tdog\t0.8000\tyes\tdog",
    ]


@pytest.mark.parametrize(
    ("choices", "answering", "pair"),
    [
        ([LIVE, OLD, OTHER], ("pets", 2), (OLD, LIVE)),
        ([OTHER, LIVE], ("pets", 2), (OTHER, LIVE)),
        ([LIVE, OLD], None, (OLD, LIVE)),
        ([LIVE], ("pets", 2), None),
        ([], None, None),
    ],
)
def test_the_version_that_answers_is_offered_beside_another_one(
    choices: list[VersionChoice],
    answering: tuple[str, int] | None,
    pair: tuple[VersionChoice, VersionChoice] | None,
) -> None:
    assert first_pair(choices, answering) == pair


def test_a_version_of_an_attached_server_can_be_compared() -> None:
    assert with_answering([OLD], ("elsewhere", 7)) == [VersionChoice("elsewhere", 7, True), OLD]
    assert with_answering([LIVE, OLD], ("pets", 2)) == [LIVE, OLD]
