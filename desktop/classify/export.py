"""Writes answers to a file for other programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from desktop.classify.photo import Photo
from desktop.translation import tr
from serving.errors import ServeryError, storage_error
from serving.files import write_export
from serving.text.spreadsheet import csv_text

_COLUMNS = (
    "file",
    "state",
    "class",
    "score",
    "label",
    "model",
    "version",
    "problem",
    "familiarity",
)
"""Other programs read these names; they stay as they are."""


class ExportError(ServeryError):
    """The file could not be written."""


def export_photos(photos: Sequence[Photo], target: Path, unsure_below: float) -> None:
    """Write `photos` to `target`, as JSON if its name ends in .json, otherwise as CSV.

    CSV has one row for each photo, with its best class, and no formula, whatever a file or
    a class is called; JSON has every score, and names as they are.
    Raises ExportError.
    """
    records = [_record(photo, unsure_below) for photo in photos]
    if target.suffix.lower() == ".json":
        for photo, record in zip(photos, records, strict=True):
            scores = photo.prediction.scores if photo.prediction else ()
            record["scores"] = {score.name: score.score for score in scores}
        text = json.dumps(records, indent=2, ensure_ascii=False) + "\n"
    else:
        text = csv_text(_COLUMNS, records)
    try:
        # JSON writes what is not UTF-8 in a name as `\udce9`, as Python does in this encoding.
        write_export(target, text.encode(errors="backslashreplace"))
    except OSError as error:
        what = tr("{name} could not be written", name=target.name)
        raise storage_error(error, target, what, ExportError) from error


def _record(photo: Photo, unsure_below: float) -> dict[str, object]:
    prediction, top = photo.prediction, photo.top
    familiarity = prediction.familiarity if prediction else None
    values = (
        photo.key,
        photo.state(unsure_below).value,
        top.name if top else None,
        round(top.score, 6) if top else None,
        photo.label_in_files or None,
        prediction.model if prediction else None,
        prediction.version if prediction else None,
        photo.failure.what if photo.failure else None,
        round(familiarity, 6) if familiarity is not None else None,
    )
    return dict(zip(_COLUMNS, values, strict=True))
