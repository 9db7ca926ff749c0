"""Files with labels, as people meet them: what is one, and what came of it; knows no Qt."""

from __future__ import annotations

from pathlib import Path

from backend.contract import LABELS_CSV, TASKS_JSON, LabelExport, LabelImport
from desktop.formats import plural
from desktop.translation import tr


def has_label_file(source: Path) -> bool:
    """Whether labels are read from `source`, rather than learned from folders of photos."""
    if source.is_dir():
        return any((source / name).is_file() for name in (LABELS_CSV, TASKS_JSON))
    return source.suffix.lower() != ".zip"


def exported_sentence(written: LabelExport) -> str:
    """Say what was written."""
    labels, photos = plural(written.labels, "label"), plural(written.photos, "photo")
    return tr(
        "{labels} of {photos} written to {target}.",
        labels=labels,
        photos=photos,
        target=written.target,
    )


def imported_sentences(taken: LabelImport) -> list[str]:
    """Say what was taken, and what of it was known."""
    sentences = [
        tr(
            "{labels} of {photos}.",
            labels=plural(taken.labels, "new label"),
            photos=plural(taken.photos, "photo"),
        )
    ]
    if taken.known:
        sentences.append(tr("{labels} known already.", labels=plural(taken.known, "label")))
    if taken.outdated:
        labels = plural(taken.outdated, "label")
        sentences.append(tr("{labels} older than what was said here; not taken.", labels=labels))
    return sentences
