"""`servery classify --explain`: what in a photo its answer depends on."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from backend.contract import Explanation
from desktop.classify.classify_images import Predict
from desktop.classify.explain.wording import occlusion_sentence, strongest_places
from desktop.commands.terminal import print_line
from desktop.formats import percent
from serving.errors import ImageError, ServeryError, storage_error
from serving.files import write_export
from serving.predict.occlusion import Occlusion, occlude
from serving.predict.prediction import Prediction
from serving.progress import Report
from serving.text.visible import shortened

if TYPE_CHECKING:
    from collections.abc import Awaitable

_FAINT = 5
"""Percent of the strongest part: what counts less is a dot, so that the rest is seen."""
_MAX_NAME = 100
"""Characters of a class in a sentence."""

AnswerVersion = Callable[[bytes, str, int], "Awaitable[Prediction]"]
"""Takes a normalized JPEG, a model and its version; raises ServeryError."""


@dataclass(frozen=True)
class ExplainedPrediction(Prediction):
    """An answer, and what it depends on."""

    occlusion: Occlusion | None = None
    """None if the model has no classes yet."""
    jpeg: bytes = b""
    """Of the whole photo, where an image is to be made of it."""

    @property
    def explanation(self) -> Explanation | None:
        """The same as the HTTP interface answers."""
        found = self.occlusion
        if found is None:
            return None
        return Explanation(found.class_name, found.score, found.lowest, found.shares, found.scale)


@dataclass(frozen=True)
class Explaining:
    """What is to be explained."""

    class_name: str | None
    """None means the best class of each photo."""
    image: Path | None
    """Where the photo is written to with colors for what counts."""

    @classmethod
    def checked(
        cls, explain: bool, class_name: str | None, image: Path | None, photos: int
    ) -> Explaining | None:
        """Return what the options say; None if nothing is to be explained.

        Raises click.UsageError, and ImageError if there is a file already where one is to be
        written: before any photo is looked at, which takes a while.
        """
        if not (explain or class_name or image):
            return None
        if image is not None:
            if photos != 1:
                raise click.UsageError("--explain-image takes one photo: it writes one image.")
            if image.suffix.lower() != ".png":
                raise click.UsageError("--explain-image writes PNG: name a file FILE.png.")
            _check_is_new(image)
        return cls(class_name, image)

    def predict(
        self, answer: Predict, answer_version: AnswerVersion, report: Report, photos: int
    ) -> Predict:
        """Return what answers and explains one photo after the other, and reports its parts."""
        begun = 0

        async def explained(jpeg: bytes) -> ExplainedPrediction:
            nonlocal begun
            number, begun = begun, begun + 1
            prediction = await answer(jpeg)
            class_name = self._class_of(prediction)
            if class_name is None:
                return _explained(prediction, None)

            def report_part(done: int, total: int, text: str) -> None:
                if photos > 1:
                    text = f"Photo {number + 1} of {photos}: {text[0].lower()}{text[1:]}"
                report(number * total + done, photos * total, text)

            async def again(covered: bytes) -> Prediction:
                # The version that gave the answer, whatever canary goes on.
                return await answer_version(covered, prediction.model, prediction.version)

            found = await occlude(jpeg, class_name, again, report_part)
            return _explained(prediction, found, jpeg if self.image else b"")

        return explained

    def _class_of(self, prediction: Prediction) -> str | None:
        """Return the class to explain; None without any. Raises ServeryError."""
        names = [score.name for score in prediction.scores]
        if not names:
            return None
        if self.class_name is None:
            return names[0]
        if self.class_name not in names:
            raise ServeryError(
                f"The answer does not rank the class {shortened(self.class_name, _MAX_NAME)}.",
                "Name one of its classes, or leave out --explain-class for the best one.",
            )
        return self.class_name

    def write_image(self, prediction: ExplainedPrediction) -> None:
        """Write the image that was asked for, if any; raises ImageError."""
        if self.image is None or prediction.occlusion is None:
            return
        try:
            from desktop.classify.explain.heat import explained_png  # Qt, which no other needs
        except ImportError as error:
            raise ImageError(
                f"The image cannot be drawn: a system library is missing ({error}).",
                "Install what Qt needs (`servery doctor` names it), or leave out --explain-image.",
            ) from error
        content = explained_png(prediction.jpeg, prediction.occlusion)
        _check_is_new(self.image)
        try:
            write_export(self.image, content)
        except OSError as error:
            what = f"{self.image.name} could not be written"
            raise storage_error(error, self.image, what, ImageError) from error


def explanation_lines(prediction: ExplainedPrediction) -> list[str]:
    """Return what an answer depends on as indented lines: sentences, and a grid of the photo."""
    found = prediction.occlusion
    if found is None:
        return []
    lines = [f"  {found.class_name}: {occlusion_sentence(found)}"]
    if places := strongest_places(found):
        words = ", ".join(f"{place} {percent(share)}" for place, share in places)
        lines.append(f"  Counted most: {words}.")
    lines.append("  Each part of the photo, in percent of the strongest; below 0 is against it:")
    rows = [[_cell(value) for value in row] for row in found.shares]
    width = max(len(cell) for row in rows for cell in row) + 2
    lines += [f"  {''.join(cell.rjust(width) for cell in row)}" for row in rows]
    return lines


def print_explanation(prediction: ExplainedPrediction) -> None:
    for line in explanation_lines(prediction):
        print_line(line)


def explanation_record(prediction: ExplainedPrediction) -> dict[str, Any]:
    """Return what JSON says besides the answer."""
    explanation = prediction.explanation
    return {"explanation": None if explanation is None else asdict(explanation)}


def _explained(
    prediction: Prediction, occlusion: Occlusion | None, jpeg: bytes = b""
) -> ExplainedPrediction:
    values = {each.name: getattr(prediction, each.name) for each in fields(Prediction)}
    return ExplainedPrediction(**values, occlusion=occlusion, jpeg=jpeg)


def _cell(share: float) -> str:
    percents = round(100 * share)
    return "." if abs(percents) < _FAINT else str(percents)


def _check_is_new(target: Path) -> None:
    if os.path.lexists(target):
        raise ImageError(f"There is a file {target} already.", "Name another one for the image.")
