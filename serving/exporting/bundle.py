"""What stands beside the model in an export: its classes, card, licence, reader and manifest."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from serving.clock import utc_now
from serving.exporting.formats import MANIFEST_NAME, ExportFormat
from serving.exporting.reading import PhotoReading
from serving.exporting.staged_target import copy_file
from serving.models.card import CARD_PATH
from serving.version import VERSION

CARD_NAME = "card.json"
LABELS_NAME = "labels.txt"
READER_NAME = "read_photo.py"
EXAMPLE_NAME = "classify.py"
_LICENCE_FILES = ("LICENSE", "NOTICE")

_EXAMPLE = '''\
"""Classifies photos: python classify.py PHOTO ..."""

import sys
from pathlib import Path

from read_photo import read_photo

FOLDER = Path(__file__).resolve().parent


{load}

classify = load(FOLDER / "{model}")
labels = (FOLDER / "labels.txt").read_text(encoding="utf-8").rstrip("\\n").split("\\n")
for photo in sys.argv[1:]:
    scores = classify(read_photo(photo))
    print(photo)
    for number in scores.argsort()[::-1][:5]:
        print(f"  {{scores[number]:.4f}}  {{labels[number]}}")
'''
_LOAD_TFLITE = '''\
def load(path):
    """Return a function from pixels to scores; needs ai-edge-litert, or TensorFlow."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        from tensorflow import lite

        Interpreter = lite.Interpreter
    run = Interpreter(str(path)).get_signature_runner()
    return lambda pixels: run(pixels=pixels)["scores"][0]
'''
_LOAD_ONNX = '''\
def load(path):
    """Return a function from pixels to scores; needs onnxruntime, or openvino."""
    try:
        import onnxruntime
    except ImportError:
        import openvino

        model = openvino.compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        return lambda pixels: model(pixels)[0][0]
    session = onnxruntime.InferenceSession(str(path))
    return lambda pixels: session.run(["scores"], {"pixels": pixels})[0][0]
'''


def write_beside(folder: Path, version_folder: Path, classes: Sequence[str]) -> None:
    """Write the classes, the card and the licence of a version into an export; raises OSError."""
    # A line each: a name with a line break in it gets a space in its place.
    lines = [" ".join(name.splitlines()) for name in classes]
    (folder / LABELS_NAME).write_text("\n".join(lines) + "\n", "utf-8")
    for source, name in (
        (version_folder / CARD_PATH, CARD_NAME),
        *((version_folder / CARD_PATH.parent / name, name) for name in _LICENCE_FILES),
    ):
        if source.is_file():
            copy_file(source, folder / name)


def write_reader(folder: Path, kind: ExportFormat, model: str, reading: PhotoReading) -> None:
    """Write the reader of photos, and an example that uses it with the file called `model`."""
    load = _LOAD_ONNX if kind is ExportFormat.ONNX else _LOAD_TFLITE
    (folder / READER_NAME).write_text(reading.text, "utf-8")
    (folder / EXAMPLE_NAME).write_text(_EXAMPLE.format(load=load, model=model), "utf-8")


def write_manifest(folder: Path, kind: ExportFormat, version_folder: Path, **facts: Any) -> None:
    """Write what an export is; last, so that what has it is complete."""
    manifest = {
        "servery": VERSION,
        "format": kind,
        "model": version_folder.parent.name,
        "version": int(version_folder.name),
        "exported": utc_now(),
        **facts,
    }
    (folder / MANIFEST_NAME).write_text(json.dumps(manifest, indent=2) + "\n", "utf-8")
