"""Writes answers into the metadata of photos: of the command line and of the window; no Qt."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from desktop.classify.photo import NONE_OF_THESE, Photo
from desktop.translation import tr
from serving.errors import ServeryError
from serving.photo_metadata.answer import AnswerMetadata
from serving.photo_metadata.write import MetadataPlace, write_answer
from serving.predict.prediction import UNSURE_BELOW, Prediction
from serving.progress import Report


@dataclass
class WrittenAnswers:
    """Which file has the answer of each photo, and which photos have none."""

    files: dict[Path, Path] = field(default_factory=dict)
    failed: dict[Path, ServeryError] = field(default_factory=dict)


async def write_answers(
    answers: Mapping[Path, AnswerMetadata],
    place: MetadataPlace,
    folder: Path | None,
    report: Report,
    *,
    photos: Sequence[Path],
) -> WrittenAnswers:
    """Write each answer; a photo for which that fails costs no other.

    `folder` is where copies go, and sidecars if it is given. The names there follow the order of
    `photos`, which also has those without an answer: for the same photos they are always the
    same, however their answers come. If cancelled, what is written by then stays: each file is
    whole.
    """
    written = WrittenAnswers()
    targets = _targets(photos, place, folder)
    for number, (photo, answer) in enumerate(answers.items()):
        report(number, len(answers), tr("Writing the answer of {name}", name=photo.name))
        try:
            file = await asyncio.to_thread(write_answer, photo, answer, place, targets.get(photo))
            written.files[photo] = file
        except ServeryError as error:
            written.failed[photo] = error
    return written


def answer_of(
    prediction: Prediction,
    *,
    min_score: float = 0.0,
    with_unsure: bool = False,
    unsure_below: float = UNSURE_BELOW,
) -> AnswerMetadata | None:
    """Return what is written of a prediction: its best class; None if that is too unsure."""
    if not prediction.scores:
        return None
    best = prediction.scores[0]
    if best.score < min_score or (prediction.is_unsure(unsure_below) and not with_unsure):
        return None
    return AnswerMetadata(best.name, best.score, prediction.model, prediction.version)


def answers_of(photos: Sequence[Photo], unsure_below: float) -> dict[Path, AnswerMetadata]:
    """Return what is written of photos in the gallery: what a person said, else a sure answer."""
    found = {}
    for photo in photos:
        said = photo.given_label
        if said == NONE_OF_THESE:
            continue
        if said:
            found[photo.path] = AnswerMetadata(said, model=photo.model)
        elif photo.prediction is not None:
            answer = answer_of(photo.prediction, unsure_below=unsure_below)
            if answer is not None:
                found[photo.path] = answer
    return found


def _targets(photos: Sequence[Path], place: MetadataPlace, folder: Path | None) -> dict[Path, Path]:
    """Return the file for each photo in `folder`; of two of the same name, one gets a number."""
    if folder is None:
        return {}
    taken: set[str] = set()
    targets = {}
    for photo in dict.fromkeys(photos):
        name, number = photo.name, 1
        while name.casefold() in taken:
            number += 1
            name = f"{photo.stem}-{number}{photo.suffix}"
        taken.add(name.casefold())
        targets[photo] = folder / (f"{name}.xmp" if place is MetadataPlace.SIDECAR else name)
    return targets
