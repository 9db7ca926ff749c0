"""Looks through an HDF5 file before Keras reads it: it may lead to other files, or be a bomb."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py

from serving.errors import ModelError
from serving.importing.keras_config import MAX_CONFIG_BYTES
from serving.units import format_bytes

MAX_WEIGHT_BYTES = 8 * 2**30
_MAX_OBJECTS = 200_000


class DamagedModelFile(ModelError):
    """The file cannot be read."""


def check_weights(path: Path) -> None:
    """Raise ModelError if a file has links to others, or weights beyond all measure."""
    size = count = 0
    try:
        with h5py.File(path, "r") as file:
            waiting: list[Any] = [file]
            while waiting:
                group = waiting.pop()
                for name in group:
                    count += 1
                    if count > _MAX_OBJECTS:
                        raise ModelError(f"{path.name} has too many parts.", "Save it again.")
                    link = group.get(name, getlink=True)
                    if not isinstance(link, h5py.HardLink):
                        raise _leads_out(path)
                    item = group[name]
                    if isinstance(item, h5py.Group):
                        waiting.append(item)
                    elif item.external or item.is_virtual:
                        raise _leads_out(path)
                    else:
                        size += item.nbytes
    except (OSError, KeyError, RuntimeError, ValueError) as error:
        raise damaged(path, error) from error
    if size > MAX_WEIGHT_BYTES:
        raise ModelError(
            f"{path.name} has {format_bytes(size)} of weights;"
            f" {format_bytes(MAX_WEIGHT_BYTES)} are allowed.",
            "Choose a smaller model.",
        )


def read_config(path: Path) -> Any:
    """Return the parsed description of the model in a `.h5` file; raises ModelError."""
    try:
        with h5py.File(path, "r") as file:
            text = file.attrs.get("model_config")
    except (OSError, KeyError, RuntimeError, ValueError) as error:
        raise damaged(path, error) from error
    if text is None:
        raise ModelError(
            f"{path.name} has weights, and does not say of which network.",
            "Save the whole model: `model.save(FILE)`, as .keras.",
        )
    return parse_config(text, path)


def parse_config(text: Any, path: Path) -> Any:
    """Return the parsed JSON of a description; raises ModelError."""
    if len(text) > MAX_CONFIG_BYTES:
        raise ModelError(f"The description in {path.name} is too long.", "Save the model again.")
    try:
        return json.loads(text)
    except (ValueError, RecursionError, TypeError) as error:
        raise damaged(path, error) from error


def damaged(path: Path, error: Exception) -> DamagedModelFile:
    """Return the error for a file that cannot be read."""
    return DamagedModelFile(
        f"{path.name} is damaged: {str(error)[:200] or type(error).__name__}.",
        "Save the model again, or download it again.",
    )


def _leads_out(path: Path) -> ModelError:
    return ModelError(f"{path.name} has links to other files in it.", "Save the model in one file.")
