"""What two versions, of one model or of two, answer for the same photos; no Qt."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from desktop.classify.classify_images import classify_images
from desktop.classify.photo import Photo
from desktop.formats import count, percent
from desktop.translation import tr, tr_number
from serving.predict.prediction import Prediction, Score
from serving.progress import Report

if TYPE_CHECKING:  # the window, which imports this, is painted before the backend's types are
    from backend.contract import FilePrediction

ROWS = 3
"""Classes of a version that are shown for a photo."""


@dataclass(frozen=True)
class VersionChoice:
    """A version that can be compared."""

    model: str
    version: int
    served: bool = False
    """The instances have loaded it."""

    @property
    def words(self) -> str:
        name = f"{self.model} v{self.version}"
        return tr("{version}, live", version=name) if self.served else name


@dataclass(frozen=True)
class PhotoComparison:
    """The answers of two versions for one photo, each with the best class first."""

    path: Path
    label: str
    """What a person said; empty if nobody did."""
    first: Sequence[Score] = ()
    """ROWS at most, as in `second`."""
    second: Sequence[Score] = ()
    problem: str = ""
    """Why one of them is missing, as a sentence; empty if none is."""

    @property
    def changed(self) -> bool:
        """Whether the best class is another one."""
        return not self.problem and _best(self.first) != _best(self.second)

    def words(self, names: tuple[str, str]) -> str:
        """Return the facts as a line of text; `names` are those of the versions."""
        if self.problem:
            return f"{self.path.name}: {self.problem}"
        answers = [
            f"{name}: {', '.join(f'{each.name} {percent(each.score)}' for each in scores)}"
            for name, scores in zip(names, (self.first, self.second), strict=True)
        ]
        photo = (
            tr("{photo}, changed", photo=self.path.name)
            if self.changed
            else tr("{photo}, the same", photo=self.path.name)
        )
        label = [tr("labelled {label}", label=self.label)] if self.label else []
        return "; ".join([photo, *answers, *label])


PredictServed = Callable[[bytes, str, int], Awaitable[Prediction]]
"""Gets a normalized JPEG, a served model and its version; raises ServeryError."""
PredictStored = Callable[[str, int, Sequence[Path], Report], Awaitable[Sequence["FilePrediction"]]]
"""Takes a model, its version and files; raises ServeryError."""

_Answer = Sequence[Score] | str
"""The classes, or why there are none."""


async def compare_answers(
    photos: Sequence[Photo],
    choices: tuple[VersionChoice, VersionChoice],
    predict_served: PredictServed,
    predict_stored: PredictStored,
    report: Report,
) -> list[PhotoComparison]:
    """Return what both versions answer for each of `photos`, in their order.

    Answers that a photo has already are not asked for again. Instances answer for the versions
    that they have loaded, and the backend for the others. One photo that cannot be read costs no
    other. Raises ServeryError if a version cannot answer at all.
    """
    columns: list[Mapping[Path, _Answer]] = []
    for place, choice in enumerate(choices):

        def report_both(done: int, total: int, text: str, before: int = place) -> None:
            both = 2 * len(photos)
            so_far = before * len(photos) + len(photos) - total + done
            words = tr("{done} of {both} answers", done=count(so_far), both=count(both))
            report(so_far, both, words)

        columns.append(await _answers(photos, choice, predict_served, predict_stored, report_both))
    return [_compared(photo, columns[0][photo.path], columns[1][photo.path]) for photo in photos]


async def _answers(
    photos: Sequence[Photo],
    choice: VersionChoice,
    predict_served: PredictServed,
    predict_stored: PredictStored,
    report: Report,
) -> dict[Path, _Answer]:
    found: dict[Path, _Answer] = {
        photo.path: photo.prediction.scores
        for photo in photos
        if photo.prediction is not None
        and (photo.prediction.model, photo.prediction.version) == (choice.model, choice.version)
    }
    missing = [photo.path for photo in photos if photo.path not in found]
    report(0, len(missing), "")
    if not missing:
        return found
    if not choice.served:
        for answered in await predict_stored(choice.model, choice.version, missing, report):
            found[Path(answered.file)] = answered.problem or answered.scores
        return found

    def keep(path: Path, result: Prediction | Exception) -> None:
        found[path] = result.scores if isinstance(result, Prediction) else str(result)

    ask = partial(_ask, predict_served, choice)
    await classify_images(missing, ask, keep, report)
    return found


async def _ask(predict_served: PredictServed, choice: VersionChoice, jpeg: bytes) -> Prediction:
    return await predict_served(jpeg, choice.model, choice.version)


def _compared(photo: Photo, first: _Answer, second: _Answer) -> PhotoComparison:
    problem = next((each for each in (first, second) if isinstance(each, str)), "")
    if isinstance(first, str) or isinstance(second, str):
        return PhotoComparison(photo.path, photo.label, problem=problem)
    return PhotoComparison(photo.path, photo.label, tuple(first[:ROWS]), tuple(second[:ROWS]))


def _best(scores: Sequence[Score]) -> str:
    return scores[0].name if scores else ""


def with_answering(
    choices: Sequence[VersionChoice], answering: tuple[str, int] | None
) -> list[VersionChoice]:
    """Return `choices` with the version that answers now, which may be one of an attached server
    and in no repository."""
    known = any((each.model, each.version) == answering for each in choices)
    if answering is None or known:
        return list(choices)
    return [VersionChoice(*answering, served=True), *choices]


def first_pair(
    choices: Sequence[VersionChoice], answering: tuple[str, int] | None
) -> tuple[VersionChoice, VersionChoice] | None:
    """Return the two versions to offer first; None if there are no two.

    The one that answers now, beside another one of its model if there is, the newest first.
    """
    if len(choices) < 2:
        return None
    now = next((each for each in choices if (each.model, each.version) == answering), choices[0])
    others = [each for each in choices if each != now]
    same_model = [each for each in others if each.model == now.model]
    return (same_model or others)[0], now


def comparison_table(compared: Sequence[PhotoComparison], names: tuple[str, str]) -> str:
    """Return the best answers as a table for a spreadsheet, with tabs between columns."""
    head = (
        tr("Photo"),
        names[0],
        tr("Score"),
        names[1],
        tr("Score"),
        tr("Changed"),
        tr("Labelled as"),
    )
    lines = ["\t".join(head)]
    for each in compared:
        cells = [str(each.path)]
        for scores in (each.first, each.second):
            best = scores[0] if scores else None
            cells += [best.name, tr_number(f"{best.score:.4f}")] if best is not None else ["", ""]
        cells += [each.problem or (tr("yes") if each.changed else tr("no")), each.label]
        lines.append("\t".join(" ".join(cell.split()) for cell in cells))
    return "\n".join(lines) + "\n"


def comparison_sentence(compared: Sequence[PhotoComparison]) -> str:
    """Return how many answers changed, as a sentence; and how many of the labelled are right."""
    answered = [each for each in compared if not each.problem]
    changed = sum(each.changed for each in answered)
    parts = [
        tr(
            "{changed} of {answers} answers changed.",
            changed=count(changed),
            answers=count(len(answered)),
        )
    ]
    if labelled := [each for each in answered if each.label]:
        right = [
            sum(_best(scores) == each.label for each, scores in pairs)
            for pairs in (
                [(each, each.first) for each in labelled],
                [(each, each.second) for each in labelled],
            )
        ]
        parts.append(
            tr(
                "Of {labelled} labelled, {first} and {second} are right.",
                labelled=count(len(labelled)),
                first=count(right[0]),
                second=count(right[1]),
            )
        )
    if failed := len(compared) - len(answered):
        parts.append(tr("{count} without an answer.", count=count(failed)))
    return " ".join(parts)
