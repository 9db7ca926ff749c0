"""Every text of the window is translated, and fits in a small window in each language."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from desktop.translation import ENGLISH, LANGUAGES, PSEUDO
from tests.conftest import ROOT
from tests.support.window_in_language import is_unmarked


def found_in(language: str, folder: Path) -> dict[str, Any]:
    """Return what is wrong with the texts of all pages and dialogs in a language."""
    shown = subprocess.run(
        [sys.executable, "-m", "tests.support.window_in_language", language, folder / "workspace"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found: dict[str, Any] = json.loads(shown.stdout)
    return found


def test_every_text_of_the_window_is_marked_for_translation(tmp_path: Path) -> None:
    found = found_in(PSEUDO, tmp_path)
    assert found["texts"] > 800
    assert found["unmarked"] == []


@pytest.mark.parametrize("language", [each for each in LANGUAGES if each != ENGLISH])
def test_no_text_is_cut_off_in_another_language(language: str, tmp_path: Path) -> None:
    assert found_in(language, tmp_path)["clipped"] == []


@pytest.mark.parametrize(
    "text", ["Cancel it", "⟦Cancel⟧ it", "otter is live", "⟦⟦3 photos⟧ of otter⟧, unsure"]
)
def test_the_check_sees_what_is_not_marked(text: str) -> None:
    assert is_unmarked(text, [])


@pytest.mark.parametrize(
    "text",
    ["", "⟦Cancel⟧", "⟦⟦3 photos⟧ of otter⟧, v3", "otter: 4.1 MB", "⟦Cancel the traini…", "Ctrl+Q"],
)
def test_the_check_takes_what_is_marked_and_data(text: str) -> None:
    assert not is_unmarked(text, [])


SYSTEM_ERRORS = """
import os, sys
from PySide6.QtWidgets import QApplication
from desktop.qt_translation import keep_system_errors_english
application = QApplication([])
keep_system_errors_english()
print(*(os.strerror(int(each)) for each in sys.argv[1:]), sep="\\n")
"""


def test_reasons_of_the_system_are_english_as_the_sentences_around_them() -> None:
    numbers = [errno.ENOENT, errno.EACCES, errno.ENOSPC]
    shown = subprocess.run(
        [sys.executable, "-c", SYSTEM_ERRORS, *map(str, numbers)],
        cwd=ROOT,
        env={**os.environ, "LANG": "C.UTF-8", "LANGUAGE": "de"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert shown.stdout.splitlines() == [
        "No such file or directory",
        "Permission denied",
        "No space left on device",
    ]
