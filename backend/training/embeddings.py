"""Embeddings kept from run to run, so that only new images have to be embedded.

A file for each backbone, `<hash of the backbone>.embeddings`: a header, then one record
an image, only ever appended. Each batch is on disk before the next one begins, so a run
that is killed is continued by the next, not repeated.
"""

from __future__ import annotations

import contextlib
import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from backend.training.head import Floats
from serving.state_files import UnreadableFile, open_file, read_file, set_aside
from serving.workspace import DAMAGED_NAME

_MAGIC = b"servery embeddings 1\n"
_HEADER = len(_MAGIC) + 4
MAX_FILE_BYTES = 2**33
"""Of a file of embeddings: about a million photos."""


class EmbeddingCache:
    """Embeddings by image hash, in one file for each backbone that made them."""

    def __init__(self, folder: Path, backbone: str) -> None:
        """Read what is known; records that a crash left incomplete or damaged are ignored."""
        self._path = folder / f"{backbone}.embeddings"
        self._known: dict[str, Floats] = {}
        self._end = 0
        self._size: int | None = None
        self._read()
        if self._size is None:
            self._take_over(folder / f"{backbone}.npz")

    def get(self, image: str) -> Floats | None:
        """Return the embedding [D] of the image, if it is known."""
        return self._known.get(image)

    def add(self, embeddings: Mapping[str, Floats]) -> None:
        """Append embeddings; `embeddings` maps image hashes to [D]. They are on disk then."""
        if not embeddings:
            return
        names, rows = list(embeddings), np.stack(list(embeddings.values())).astype("<f4")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if damage_of_embeddings(self._path):
            # <workspace>/training/embeddings/<backbone>.embeddings
            set_aside(self._path, self._path.parents[2] / DAMAGED_NAME)
        mode = "r+b" if self._size == rows.shape[1] else "wb"
        with self._path.open(mode) as file:
            if mode == "wb":
                self._size, self._end = rows.shape[1], _HEADER
                file.write(_MAGIC + rows.shape[1].to_bytes(4, "little"))
            file.seek(self._end)
            file.write(_records(names, rows).tobytes())
            # What an unfinished record of a killed run may have left behind.
            file.truncate()
            file.flush()
            os.fsync(file.fileno())
            self._end = file.tell()
        self._known.update(zip(names, rows, strict=True))

    def _read(self) -> None:
        try:
            content = read_file(self._path, MAX_FILE_BYTES)
            # Those that are not used for long are removed one day: see `kept_files`.
            with contextlib.suppress(OSError):
                os.utime(self._path)
        except UnreadableFile:
            return
        if content is None:
            return
        if len(content) < _HEADER or not content.startswith(_MAGIC):
            return
        self._size = int.from_bytes(content[len(_MAGIC) : _HEADER], "little")
        kind = _record_type(self._size)
        count = (len(content) - _HEADER) // kind.itemsize
        self._end = _HEADER + count * kind.itemsize
        for record in np.frombuffer(content, kind, count, _HEADER):
            if zlib.crc32(record["image"].tobytes() + record["embedding"].tobytes()) == int(
                record["checksum"]
            ):
                self._known[record["image"].tobytes().hex()] = record["embedding"]

    def _take_over(self, path: Path) -> None:
        """Take over the file of an older Servery, which is removed; a damaged one was empty."""
        try:
            with np.load(path, allow_pickle=False) as arrays:
                images = [bytes(image).decode("ascii") for image in arrays["images"]]
                embeddings = arrays["embeddings"].astype(np.float32)
                self.add(dict(zip(images, embeddings, strict=True)))
        except FileNotFoundError:
            return
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
            pass
        with contextlib.suppress(OSError):
            path.unlink()


def damage_of_embeddings(path: Path) -> str:
    """Say what is wrong with a file of embeddings, as the end of a sentence; empty if nothing."""
    try:
        with open_file(path) as file:
            begin = file.read(_HEADER)
    except FileNotFoundError:
        return ""
    except UnreadableFile as error:
        return error.fault
    return "" if begin.startswith(_MAGIC) else "it holds no embeddings"


def _record_type(size: int) -> np.dtype[Any]:
    return np.dtype([("image", "u1", (32,)), ("embedding", "<f4", (size,)), ("checksum", "<u4")])


def _records(names: list[str], rows: Floats) -> Any:
    records = np.zeros(len(names), _record_type(rows.shape[1]))
    for record, name, row in zip(records, names, rows, strict=True):
        image = bytes.fromhex(name)
        record["image"] = np.frombuffer(image, np.uint8)
        record["embedding"] = row
        record["checksum"] = zlib.crc32(image + row.tobytes())
    return records
