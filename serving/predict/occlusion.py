"""What in a photo an answer depends on: parts of it are covered in turn, and the model asked again.

Needs nothing of a model but its answers, so it works for every one that can be asked.
"""

from __future__ import annotations

import asyncio
import io
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from PIL import Image, ImageFilter

from serving.image_file import open_image
from serving.predict.prediction import Prediction
from serving.progress import Report, no_report

Answer = Callable[[bytes], Awaitable[Prediction]]
"""Takes a normalized JPEG; every call is to be answered by the same version."""

CELLS = 42
"""About how many parts the photo is divided into. Each costs one answer, and a person waits."""
MAX_CONCURRENCY = 16
"""Photos with a covered part that are asked about at a time, so that instances batch them."""
_SHORTER_SIDE = 272
"""Pixels of what is sent: models look at 224 to 260, and each photo is decoded by an instance."""
_COVER = 1.4
"""Side of what is covered, in cells beyond one: less leaves enough of most things to know them."""
_LONGER_SIDE = 4 * _SHORTER_SIDE
"""Of a panorama, whose shorter side gets fewer pixels then."""
_QUALITY = 95
_MIN_SCALE = 0.5
"""In log-odds: if no part matters more than this, all are shown faintly."""
_MIN_SCORE, _MIN_REST = 1e-9, 1e-6
"""Below these, log-odds of a score and of what it lacks of 1 say nothing: scores are float32."""


@dataclass(frozen=True)
class Occlusion:
    """How much each part of a photo speaks for one class."""

    class_name: str
    score: float
    """Of the whole photo, 0 to 1."""
    importances: tuple[tuple[float, ...], ...]
    """[rows][columns], from the upper left: by how much the log-odds of the class fall when that
    part is covered. Negative where they rise."""
    lowest: float
    """The score with the part covered that takes the most from it."""
    model: str
    version: int

    @property
    def scale(self) -> float:
        """The log-odds that stand for full strength wherever the importances are shown."""
        return max(_MIN_SCALE, *(abs(value) for row in self.importances for value in row))

    @property
    def shares(self) -> list[list[float]]:
        """The importances as shares of `scale`, -1 to 1."""
        scale = self.scale
        return [[value / scale for value in row] for row in self.importances]

    @property
    def strongest(self) -> tuple[int, int]:
        """The row and the column of the part that speaks for the class most."""
        cells = [
            (value, row, column)
            for row, values in enumerate(self.importances)
            for column, value in enumerate(values)
        ]
        _, row, column = max(cells, key=lambda cell: cell[0])
        return row, column


def grid_shape(width: int, height: int, cells: int = CELLS) -> tuple[int, int]:
    """Return rows and columns of nearly square cells, about `cells` in all."""
    columns = max(2, min(cells // 2, round(math.sqrt(cells * width / height))))
    return max(2, round(cells / columns)), columns


async def occlude(
    jpeg: bytes, class_name: str, answer: Answer, report: Report = no_report
) -> Occlusion:
    """Return what in a normalized JPEG speaks for `class_name`, one of those that `answer` ranks.

    Where the class is not among those that a model lists, its score counts as the last of them.
    Raises what `answer` raises, and ImageError; it can be cancelled.
    """
    covered = await asyncio.to_thread(_Covered, jpeg)
    total = 1 + covered.count
    report(0, total, "Looking at the whole photo")
    whole = await answer(covered.whole)
    base = _score_of(whole, class_name)
    scores = [0.0] * covered.count
    places = iter(range(covered.count))  # shared by the workers: each takes the next one
    done = 1

    async def work() -> None:
        nonlocal done
        for place in places:
            scores[place] = _score_of(
                await answer(await asyncio.to_thread(covered.jpeg, place)), class_name
            )
            done += 1
            report(done, total, "Covering one part after the other")

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(MAX_CONCURRENCY, covered.count)):
                group.create_task(work())
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed
    drops = [_log_odds(base) - _log_odds(score) for score in scores]
    rows, columns = covered.shape
    importances = tuple(tuple(drops[row * columns : (row + 1) * columns]) for row in range(rows))
    return Occlusion(class_name, base, importances, min(scores), whole.model, whole.version)


def _score_of(prediction: Prediction, class_name: str) -> float:
    """Return the score of a class; of one that is not ranked, the most that it can be."""
    last = prediction.scores[-1].score if prediction.scores else 0.0
    return next((each.score for each in prediction.scores if each.name == class_name), last)


def _log_odds(score: float) -> float:
    inside = min(1 - _MIN_REST, max(_MIN_SCORE, score))
    return math.log(inside / (1 - inside))


class _Covered:
    """A photo, made small once, with any of its parts covered."""

    def __init__(self, jpeg: bytes) -> None:
        with open_image(jpeg) as photo:
            scale = min(1.0, _SHORTER_SIDE / min(photo.size), _LONGER_SIDE / max(photo.size))
            width, height = (max(1, round(scale * length)) for length in photo.size)
            photo.draft("RGB", (width, height))  # decodes to a fraction of the size, much faster
            self._photo = photo.convert("RGB").resize((width, height))
        self.shape = grid_shape(width, height)
        self._cell = width / self.shape[1], height / self.shape[0]
        # The photo itself with nothing left in it to know. On eight photos, the mean color and less
        # blur marked the thing itself less often: a patch of them is a thing of its own.
        self._cover = self._photo.filter(ImageFilter.GaussianBlur(min(width, height) / 4))
        self.whole = _encode(self._photo)

    @property
    def count(self) -> int:
        return self.shape[0] * self.shape[1]

    def jpeg(self, place: int) -> bytes:
        """Return the photo with the cell `place`, counted by rows, and its borders covered."""
        row, column = divmod(place, self.shape[1])
        width, height = self._cell
        spare = _COVER / 2
        box = (
            round((column - spare) * width),
            round((row - spare) * height),
            round((column + 1 + spare) * width),
            round((row + 1 + spare) * height),
        )
        mask = Image.new("L", self._photo.size)
        mask.paste(255, box)
        # Without a hard edge, which a network would see as a thing of its own.
        mask = mask.filter(ImageFilter.BoxBlur(min(width, height) / 4))
        return _encode(Image.composite(self._cover, self._photo, mask))


def _encode(image: Image.Image) -> bytes:
    content = io.BytesIO()
    image.save(content, "JPEG", quality=_QUALITY, subsampling=0)
    return content.getvalue()
