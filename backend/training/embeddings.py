"""Embeddings kept from run to run, so that only new images have to be embedded.

A file for each backbone, `<hash of the backbone>.embeddings`: a header, then one record
an image, only ever appended. Each batch is on disk before the next one begins, so a run
that is killed is continued by the next, not repeated. Several processes may append: the
backend those of the pool, a worker those of what it learns from.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from backend.training.head import Floats
from serving.errors import StorageUnavailable, storage_error
from serving.files import flush_folder
from serving.state_files import UnreadableFile, open_file, read_file, set_aside
from serving.workspace import DAMAGED_NAME

_MAGIC = b"servery embeddings 1\n"
_HEADER = len(_MAGIC) + 4
MAX_FILE_BYTES = 2**33
"""Of a file of embeddings: about a million photos."""
MIN_REMOVED = 1000
"""Embeddings that a file is rewritten for at least, and as many as it keeps."""
_COPIED_AT_ONCE = 10_000
LOCK_NAME = ".lock"
"""Of the file whose lock a writer holds; one for all files of the folder."""


Keys = npt.NDArray[np.uint64]
_NOTHING: Mapping[str, Floats] = MappingProxyType({})


class EmbeddingCache:
    """Embeddings by image hash, in one file for each backbone that made them."""

    def __init__(self, folder: Path, backbone: str, fair: Mapping[str, Floats] = _NOTHING) -> None:
        """Read what is known; records that a crash left incomplete or damaged are ignored.

        `fair` has embeddings that are used in place of what the backbone makes of these photos,
        since it learned from them; see `fine_tuning.tuned_network`.
        """
        self._fair = fair
        self._path = folder / f"{backbone}.embeddings"
        self._known = _read(self._path)
        # Those that are not used for long are removed one day: see `kept_files`.
        with contextlib.suppress(OSError):
            os.utime(self._path)
        if not self._known:
            self._take_over(folder / f"{backbone}.npz")

    def get(self, image: str) -> Floats | None:
        """Return the embedding [D] of the image, if it is known."""
        found = self._fair.get(image)
        return self._known.get(image) if found is None else found

    def add(self, embeddings: Mapping[str, Floats]) -> None:
        """Append embeddings; `embeddings` maps image hashes to [D]. They are on disk then."""
        if embeddings:
            _append(self._path, embeddings)
            self._known.update(embeddings)

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


def append_embeddings(folder: Path, backbone: str, embeddings: Mapping[str, Floats]) -> None:
    """Append embeddings as `EmbeddingCache.add` does, without reading those that are there.

    Raises StorageUnavailable.
    """
    path = folder / f"{backbone}.embeddings"
    try:
        _append(path, embeddings)
    except OSError as error:
        what = "The embedding could not be saved"
        raise storage_error(error, path, what, StorageUnavailable) from error


def _append(path: Path, embeddings: Mapping[str, Floats]) -> None:
    names, rows = list(embeddings), np.stack(list(embeddings.values())).astype("<f4")
    path.parent.mkdir(parents=True, exist_ok=True)
    with _only_writer(path.parent):
        if damage_of_embeddings(path):
            # <workspace>/training/embeddings/<backbone>.embeddings
            set_aside(path, path.parents[2] / DAMAGED_NAME)
        kind = _record_type(rows.shape[1])
        begin = _MAGIC + rows.shape[1].to_bytes(4, "little")
        with path.open("r+b" if path.is_file() else "w+b") as file:
            if file.read(_HEADER) == begin:
                # After the last whole record: a killed writer may have left a part of one.
                records = (os.fstat(file.fileno()).st_size - _HEADER) // kind.itemsize
                file.seek(_HEADER + records * kind.itemsize)
            else:
                file.seek(0)
                file.write(begin)
            file.write(_records(names, rows).tobytes())
            file.truncate()
            file.flush()
            os.fsync(file.fileno())


@contextlib.contextmanager
def _only_writer(folder: Path) -> Iterator[None]:
    """Keep other threads and processes from writing to the cache: backend and worker both do."""
    lock = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _read(path: Path) -> dict[str, Floats]:
    """Return what a file holds; records that are incomplete or damaged are left out."""
    try:
        content = read_file(path, MAX_FILE_BYTES)
    except UnreadableFile:
        return {}
    if content is None or len(content) < _HEADER or not content.startswith(_MAGIC):
        return {}
    kind = _record_type(int.from_bytes(content[len(_MAGIC) : _HEADER], "little"))
    count = (len(content) - _HEADER) // kind.itemsize
    return {
        record["image"].tobytes().hex(): record["embedding"]
        for record in np.frombuffer(content, kind, count, _HEADER)
        if zlib.crc32(record["image"].tobytes() + record["embedding"].tobytes())
        == int(record["checksum"])
    }


def compact_embeddings(folder: Path, images: Collection[str]) -> list[Path]:
    """Leave the embeddings of `images` alone in each file that is mostly of others.

    Others are those of photos that were removed, and earlier ones of the same photo. Nothing is
    lost if it is killed. Returns the files that were written again.
    """
    kept_keys = _keys(np.frombuffer(bytes.fromhex("".join(images)), np.uint8).reshape(-1, 32))
    with _only_writer(folder) if folder.is_dir() else contextlib.nullcontext():
        return [path for path in sorted(folder.glob("*.embeddings")) if _compact(path, kept_keys)]


def _compact(path: Path, kept_keys: Keys) -> bool:
    if damage_of_embeddings(path):
        return False
    with path.open("rb") as file:
        begin = file.read(_HEADER)
    kind = _record_type(int.from_bytes(begin[len(_MAGIC) :], "little"))
    count = (path.stat().st_size - _HEADER) // kind.itemsize
    if count <= MIN_REMOVED:
        return False
    # Not read as a whole: a file may be larger than what this process may take.
    records = np.memmap(path, kind, "r", _HEADER, (count,))
    keys = _keys(records["image"])
    newest = np.zeros(count, bool)
    newest[count - 1 - np.unique(keys[::-1], return_index=True)[1]] = True
    kept = np.flatnonzero(newest & np.isin(keys, kept_keys))
    if count - len(kept) < max(len(kept), MIN_REMOVED):
        return False
    aside = path.with_name(f".{path.name}.new")
    with aside.open("wb") as file:
        file.write(begin)
        for at in range(0, len(kept), _COPIED_AT_ONCE):
            file.write(records[kept[at : at + _COPIED_AT_ONCE]].tobytes())
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
    flush_folder(path.parent)
    return True


def _keys(images: npt.NDArray[np.uint8]) -> Keys:
    """Return the first eight bytes of hashes [N, 32], which are enough to tell photos apart."""
    keys: Keys = np.ascontiguousarray(images[:, :8]).view("<u8")[:, 0]
    return keys


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
