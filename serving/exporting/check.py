"""Whether an export answers as the version does: largest difference of scores, and its limit."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from serving.errors import ModelError
from serving.exporting.arithmetic import Arithmetic
from serving.exporting.reading import PhotoReading
from serving.models.builtin.catalog import ZOOM
from serving.tf.names import CLASSES, CLASSIFY_SIGNATURE, IMAGES, SCORES, SERVE_TAG
from serving.tf.session import Session
from serving.tf.status import ServingError
from serving.tf.tensors import string_tensor

LIMIT = 1e-3
"""How far a score of an export may be from that of the version."""
_PIXEL_LIMIT = 1.0
"""How far a pixel of 0 to 255 may be, on average, from the version's own: another way to crop is
off by tens."""

Scores = Callable[[Any], Any]
"""From pixels, float32 [1, height, width, 3], to scores [1, C]."""


class VersionScores(NamedTuple):
    """What a version makes of photos."""

    pixels: list[Any]
    """float32 [height, width, 3] each"""
    scores: Any
    """float32 [N, C]"""


class ScoredAnswers(NamedTuple):
    """What a version answers for photos, best first."""

    classes: Any
    """Bytes [N, k]"""
    scores: Any
    """float32 [N, k]"""


def version_scores(folder: Path, arithmetic: Arithmetic, photos: Sequence[bytes]) -> VersionScores:
    """Return the scores of all classes for JPEG files, as an instance computes them.

    The version must be trusted, or only compute. Raises ModelError.
    """
    fetches = [arithmetic.pixels, arithmetic.scores]
    found = _run(folder, fetches, photos)
    count = len(arithmetic.classes)
    return VersionScores(
        [pixels.array[0] for pixels, _ in found],
        np.concatenate([scores.array[:, :count] for _, scores in found]),
    )


def version_answers(folder: Path, photos: Sequence[bytes]) -> ScoredAnswers | None:
    """Return what a version answers; None if it does not take JPEG files."""
    found = _run(folder, None, photos)
    if found is None:
        return None
    return ScoredAnswers(
        np.concatenate([classes.array for classes, _ in found]),
        np.concatenate([scores.array for _, scores in found]),
    )


def _run(folder: Path, fetches: list[str] | None, photos: Sequence[bytes]) -> Any:
    """Run a version on each photo; `fetches` are tensors, None for what it answers."""
    try:
        session = Session(folder, [SERVE_TAG], 0, 0, trusted=True)
        try:
            signature = session.signatures.get(CLASSIFY_SIGNATURE)
            if signature is None or IMAGES not in signature.inputs:
                return None
            if fetches is None:
                fetches = [signature.outputs[name].name for name in (CLASSES, SCORES)]
            compute = session.computation([signature.inputs[IMAGES].name], fetches)
            return [compute([string_tensor([photo])], None) for photo in photos]
        finally:
            session.close()
    except (ServingError, KeyError) as error:
        raise ModelError(
            f"Version {folder.name} cannot be loaded: {error}.", "Export another version."
        ) from error


def find_reading(
    arithmetic: Arithmetic, photos: Sequence[bytes], made: Sequence[Any]
) -> PhotoReading:
    """Return how the version reads photos: what gives the pixels that it `made` of them.

    Raises ModelError if none does.
    """
    size = (arithmetic.height, arithmetic.width)
    choices = (
        PhotoReading(*size),
        PhotoReading(*size, zoom=ZOOM),
        PhotoReading(*size, stretches=True),
    )
    off = {choice: _pixels_off(choice, photos, made) for choice in choices}
    best = min(choices, key=off.__getitem__)
    if off[best] > _PIXEL_LIMIT:
        raise ModelError(
            "The version reads photos in a way that the reader beside an export does not know:"
            f" pixels differ by {off[best]:.1f} of 255.",
            "Export it as `savedmodel`, which takes every version.",
        )
    return best


def _pixels_off(reading: PhotoReading, photos: Sequence[bytes], made: Sequence[Any]) -> float:
    read = reading.reader()
    return max(
        float(np.abs(read(io.BytesIO(photo))[0] - pixels).mean())
        for photo, pixels in zip(photos, made, strict=True)
    )


def largest_difference(
    compute: Scores, reading: PhotoReading, photos: Sequence[bytes], expected: Any
) -> float:
    """Return how far any score of an export is from the version's, from 0 to 1.

    The photos are read by the lines that are written beside the export.
    """
    read = reading.reader()
    return max(
        float(np.abs(compute(read(io.BytesIO(photo)))[0] - row).max())
        for photo, row in zip(photos, expected, strict=True)
    )


def check_difference(difference: float, what: str) -> None:
    """Raise ModelError if an export, which is called `what`, does not answer as the version."""
    if not difference <= LIMIT:  # NaN is not
        raise ModelError(
            f"The {what} does not answer as the version does: a score differs by"
            f" {difference:.4g}, and {LIMIT:g} is allowed. It was not written.",
            "Export it as `savedmodel`, which takes every version.",
        )
