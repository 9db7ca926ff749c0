"""Keywords in the metadata of photos, read as labels where a person asks for it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from backend.contract import KeywordCount, KeywordSummary, LabelKind, SkippedFile
from backend.label_files.found import FoundLabel, FoundLabels, FoundStatement, LabelFileError
from serving.class_names import ClassNameError, checked_class_name
from serving.errors import reading_error
from serving.folder_tree import read_tree
from serving.photo_metadata.answer import MetadataError
from serving.photo_metadata.keywords import read_keywords
from serving.progress import Report

_SEVERAL = "It has several of the keywords"


def count_keywords(folder: Path, report: Report) -> KeywordSummary:
    """Count the keywords of the photos below `folder`; blocks.

    Those that Servery wrote, which nobody has looked at, do not count. Raises LabelFileError.
    """
    counts: Counter[str] = Counter()
    unreadable = []
    photos = 0
    for photo, found in _read(folder, report):
        photos += 1
        if isinstance(found, MetadataError):
            unreadable.append(SkippedFile(_name(photo, folder), found.what))
        else:
            counts.update(found)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0].casefold(), item[0]))
    return KeywordSummary(photos, [KeywordCount(*each) for each in ranked], unreadable)


def read_keyword_labels(
    folder: Path, keywords: Sequence[str], by: str, report: Report
) -> FoundLabels:
    """Return a label, said by `by`, for each photo that has one of the keywords; blocks.

    Capitals make no difference. A photo with several of them is left out, since a label names
    one class, and so is one whose keyword no class can be called. Raises LabelFileError.
    """
    names = {keyword.casefold(): _class_name(keyword) for keyword in keywords}
    found = FoundLabels()
    for photo, said in _read(folder, report):
        name = _name(photo, folder)
        if isinstance(said, MetadataError):
            found.skipped.append(SkippedFile(name, said.what))
            continue
        matching = sorted({names[each.casefold()] for each in said if each.casefold() in names})
        if len(matching) > 1:
            found.skipped.append(SkippedFile(name, f"{_SEVERAL}: {', '.join(matching)}."))
        elif matching == [""]:
            found.skipped.append(SkippedFile(name, "No class can be called like its keyword."))
        elif matching:
            statement = FoundStatement(matching[0], LabelKind.CLASS, by, "")
            found.labels.append(FoundLabel(name, (photo,), statement))
    return found


def _class_name(keyword: str) -> str:
    """Return the class of a keyword; empty if none can be called so."""
    try:
        return checked_class_name(keyword)
    except ClassNameError:
        return ""


def _read(folder: Path, report: Report) -> Iterator[tuple[Path, tuple[str, ...] | MetadataError]]:
    try:
        tree, _ = read_tree(folder, report)
    except OSError as error:
        advice = "Check where the folder is now, then try again."
        raise reading_error(error, f"The folder {folder}", advice, LabelFileError) from error
    photos = list(tree.all_photos())
    for number, photo in enumerate(photos):
        report(number, len(photos), "Reading keywords")
        try:
            yield photo, read_keywords(photo).said
        except MetadataError as error:
            yield photo, error
        except OSError as error:
            advice = "Give yourself permission to read it, then try again."
            yield photo, reading_error(error, "A sidecar", advice, MetadataError)


def _name(photo: Path, folder: Path) -> str:
    """Return the path below the folder as text, whatever bytes it has."""
    shown = photo.relative_to(folder) if photo.is_relative_to(folder) else photo
    return os.fsencode(shown).decode("utf-8", "replace")
