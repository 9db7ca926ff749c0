"""A Keras file for tests that must not load TensorFlow themselves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT

_PROGRAM = """
import sys
from tests.support.imported_models import network
network().save(sys.argv[1])
"""
LABELS = ("zebra", "cat", "t-shirt")


def write_keras_file(folder: Path, name: str = "pets") -> Path:
    """Write a small classifier, and `labels.txt` beside it; another program makes it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.keras"
    subprocess.run([sys.executable, "-c", _PROGRAM, str(path)], check=True, cwd=ROOT)
    (folder / "labels.txt").write_text("".join(f"{label}\n" for label in LABELS))
    return path
