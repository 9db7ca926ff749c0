"""Sentences about a folder that a model is to learn from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from desktop.models.folder_summary import skipped_sentence
from serving.photo_folder import PhotoFolder, SkippedPath, SkipReason


def folder(reasons: Sequence[SkipReason]) -> PhotoFolder:
    skipped = tuple(SkippedPath(Path(f"{n}.jpg"), reason) for n, reason in enumerate(reasons))
    return PhotoFolder(Path("flowers"), (), skipped, ())


@pytest.mark.parametrize("reason", SkipReason)
def test_each_reason_to_skip_a_file_is_said_as_in_a_report(reason: SkipReason) -> None:
    assert skipped_sentence(folder([reason])) == f"1 file is skipped: {reason}."


def test_reasons_are_counted_if_there_are_several() -> None:
    reasons = [SkipReason.HIDDEN, SkipReason.EMPTY, SkipReason.EMPTY]
    assert skipped_sentence(folder(reasons)) == "3 files are skipped: empty (2), hidden (1)."
    assert skipped_sentence(folder([])) == ""
