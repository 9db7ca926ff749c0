"""Answers as a file for other programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

from desktop.classify.photo import Photo
from serving.errors import ServeryError
from serving.files import write_aside

_COLUMNS = ("file", "state", "class", "score", "label", "model", "version", "problem")


class ExportError(ServeryError):
    """The file could not be written."""


def export_photos(photos: Sequence[Photo], target: Path, unsure_below: float) -> None:
    """Write `photos` to `target`, as JSON where it ends so and as CSV otherwise.

    CSV has a row a photo with its best class; JSON has every score. Raises
    ExportError.
    """
    as_json = target.suffix.lower() == ".json"
    text = _json(photos, unsure_below) if as_json else _csv(photos, unsure_below)
    try:
        write_aside(target, text)
    except OSError as error:
        raise ExportError(
            f"{target.name} could not be written: {error.strerror or error}.",
            "Choose another folder, or check that the disk has room.",
        ) from error


def _csv(photos: Sequence[Photo], unsure_below: float) -> str:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, _COLUMNS)
    writer.writeheader()
    for photo in photos:
        writer.writerow(_record(photo, unsure_below))
    return out.getvalue()


def _json(photos: Sequence[Photo], unsure_below: float) -> str:
    records = []
    for photo in photos:
        record = _record(photo, unsure_below)
        record["scores"] = (
            {score.name: score.score for score in photo.prediction.scores}
            if photo.prediction
            else {}
        )
        records.append(record)
    return json.dumps(records, indent=2, ensure_ascii=False) + "\n"


def _record(photo: Photo, unsure_below: float) -> dict[str, object]:
    prediction, top = photo.prediction, photo.top
    values = (
        photo.key,
        photo.state(unsure_below).value,
        top.name if top else None,
        round(top.score, 6) if top else None,
        photo.label or None,
        prediction.model if prediction else None,
        prediction.version if prediction else None,
        photo.failure.what if photo.failure else None,
    )
    return dict(zip(_COLUMNS, values, strict=True))
