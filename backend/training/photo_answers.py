"""What was answered for every photo that a version was measured on: `answers.json`.

The report of a version counts them; this says which photos stand behind each count. Light to
import, since the backend reads it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from backend.contract import PhotoAnswer
from serving.json_decode import decode
from serving.state_files import DamagedFile, read_object

ANSWERS_PATH = Path("assets.extra") / "answers.json"
MAX_ANSWERS_BYTES = 2**28
"""Of a version that was measured on millions of photos."""


@dataclass(frozen=True)
class _Answers:
    """N photos by columns: their names would otherwise be written for each."""

    classes: list[str]
    images: list[str]
    labels: list[int]
    """[N]: indices into `classes`."""
    answered: list[int]
    """[N]; -1 for a photo that had no class to be answered with."""
    scores: list[float]
    """[N]: of the answers."""


def write_answers(
    version_folder: Path,
    images: Sequence[str],
    labels: Sequence[str],
    answered: Sequence[str],
    scores: Sequence[float],
) -> None:
    """Write what was answered for N photos into a new version. Raises OSError."""
    classes = sorted({*labels, *answered} - {""})
    index_of = {"": -1, **{name: index for index, name in enumerate(classes)}}
    content = _Answers(
        classes,
        list(images),
        [index_of[name] for name in labels],
        [index_of[name] for name in answered],
        [round(float(score), 4) for score in scores],
    )
    path = version_folder / ANSWERS_PATH
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"schema": 1, **asdict(content)}, ensure_ascii=False))


def read_answers(version_folder: Path, label: str, answered: str) -> list[PhotoAnswer] | None:
    """Return the photos of one class that were answered with one class, the surest first.

    None if the version keeps no answers. Raises DamagedFile, and UnreadableFile.
    """
    found = _read(version_folder)
    if found is None:
        return None
    rows = zip(found.images, found.labels, found.answered, found.scores, strict=True)
    index_of = {name: index for index, name in enumerate(found.classes)}
    # A class that no photo shows has no index.
    cell = index_of.get(label), index_of.get(answered)
    photos = [
        PhotoAnswer(image, label, answered, score)
        for image, shows, answer, score in rows
        if (shows, answer) == cell
    ]
    return sorted(photos, key=lambda photo: (-photo.score, photo.image))


def copy_answers(former: Path, version_folder: Path, name: str, new_name: str) -> None:
    """Write the answers of a former version, if it keeps any, with a class called otherwise.

    One that there is already gets the photos of both. Raises DamagedFile, UnreadableFile and
    OSError.
    """
    found = _read(former)
    if found is None:
        return
    names = [new_name if each == name else each for each in found.classes]
    write_answers(
        version_folder,
        found.images,
        [names[index] for index in found.labels],
        [names[index] if index >= 0 else "" for index in found.answered],
        found.scores,
    )


def _read(version_folder: Path) -> _Answers | None:
    path = version_folder / ANSWERS_PATH
    raw = read_object(path, MAX_ANSWERS_BYTES)
    if raw is None:
        return None
    try:
        found = decode(_Answers, raw)
        lengths = {len(found.images), len(found.labels), len(found.answered), len(found.scores)}
        named = [*found.labels, *(index for index in found.answered if index != -1)]
        if len(lengths) > 1 or not all(0 <= index < len(found.classes) for index in named):
            raise ValueError("its columns do not fit")
    except ValueError as error:
        raise DamagedFile(path, f"it does not hold answers: {error}") from None
    return found
