"""The embeddings of one backbone on disk, and a short form of each in memory.

Imports NumPy, so the window imports it late, on a thread.
"""

from __future__ import annotations

import os
import re
from array import array
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock
from threadpoolctl import threadpool_limits

from serving.private import make_private_folder

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]

SHORT = 128
"""Numbers in the short form of an embedding, which is searched: 512 bytes of memory a photo."""
_BLOCK = 4096
"""Short forms that are in one array: more are added without a copy of those before."""
_COPIED = 1024
"""Rows that are copied at once."""
_SALT = 0x5E72
"""So that a record of zeros, which a power cut may leave, does not pass its check."""
_GENERATION = re.compile(r"index-(\d{6})")


class EmbeddingFile:
    """Rows that are only added to: a key, the row of its stack's cover, and the embedding.

    Two files: `rows` has the embeddings as float16 of length 1, `index` has a record a row. The
    row is written before its record, so that after a kill what both files have is whole; the rest
    is cut off. Of several rows with a key, the last one counts. For one thread at a time.
    """

    def __init__(self, folder: Path, size: int) -> None:
        """Open the files in `folder`, or make them, for embeddings [`size`].

        Raises OSError, and filelock.Timeout if another program has them open.
        """
        self.size = size
        self.width = min(SHORT, size)
        self._folder = folder
        self._record = record_type(self.width)
        self._reduction = reduction(size)
        make_private_folder(folder)
        self._lock = FileLock(folder / ".lock", timeout=0)
        self._lock.acquire()
        self._rows = self._index = -1
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        for descriptor in (self._rows, self._index):
            if descriptor >= 0:
                os.close(descriptor)
        self._rows = self._index = -1
        self._lock.release()

    def __len__(self) -> int:
        """The number of rows, also of those that no longer count."""
        return self._count

    def row(self, key: int) -> int | None:
        """Return the row that counts for `key`; None if there is none."""
        return self._row_of.get(key)

    def key(self, row: int) -> int | None:
        """Return the key of a row; None if the row does not count."""
        key = self._keys[row]
        return key if self._row_of.get(key) == row else None

    def cover(self, row: int) -> int:
        """Return the row of the first photo of its stack, which may be itself."""
        return self._covers[row]

    @property
    def items(self) -> list[tuple[int, int]]:
        """Every key, with the row that counts."""
        return list(self._row_of.items())

    def shorten(self, embeddings: Floats) -> Floats:
        """Return the short forms, of length 1, of embeddings [N, size]."""
        return unit(embeddings @ self._reduction)

    def append(self, keys: Sequence[int], units: Floats, covers: Sequence[int]) -> None:
        """Add embeddings [N, size] of length 1; a cover may be a row that is added with it.

        Raises OSError if the disk refuses, and has added nothing then.
        """
        rows = units.astype("<f2")
        records = np.zeros(len(keys), self._record)
        records["key"], records["cover"] = keys, covers
        records["short"] = self.shorten(units)
        records["row_check"] = _check(rows)
        records["check"] = _check(records)
        try:
            _write(self._rows, rows.tobytes())
            _write(self._index, records.tobytes())
        except OSError:
            self._cut()
            raise
        self._take(records)

    def products(self, short: Floats) -> Floats:
        """Return the cosines [N, rows] of short forms [N, width] with those of all rows."""
        parts = [
            short @ block[: min(_BLOCK, self._count - place * _BLOCK)].T
            for place, block in enumerate(self._blocks)
        ]
        return np.concatenate(parts, axis=1) if parts else np.zeros((len(short), 0), np.float32)

    def short(self, rows: Integers) -> Floats:
        """Return the short forms [N, width] of rows."""
        found = np.empty((len(rows), self.width), np.float32)
        for place, block in enumerate(self._blocks):
            here = rows // _BLOCK == place
            found[here] = block[rows[here] % _BLOCK]
        return found

    def full(self, rows: Iterable[int]) -> Floats:
        """Return the embeddings [N, size] of rows; zeros, which are like nothing, for a damaged
        one."""
        length = 2 * self.size
        # Read and not mapped: a mapped file that another program shortens would end the window.
        data = b"".join(
            os.pread(self._rows, length, row * length).ljust(length, b"\0") for row in rows
        )
        found = np.frombuffer(data, "<f2").reshape(-1, self.size)
        checks = np.array([self._row_checks[row] for row in rows], np.uint32)
        return np.where((_check(found) == checks)[:, None], found, 0).astype(np.float32)

    def keep(self, keeps: Callable[[int], bool]) -> None:
        """Drop the rows that no longer count, or whose key is not to be kept; raises OSError.

        Written aside, and in place with the last rename: a kill leaves all rows, or the kept.
        """
        kept = [row for row in range(self._count) if (key := self.key(row)) and keeps(key)]
        new_row: dict[int, int] = {}
        covers: list[int] = []
        for place, row in enumerate(kept):
            # Where the cover is dropped, the next photo of its stack takes its place.
            covers.append(new_row.setdefault(self.cover(row), place))
        number = self._generation + 1
        rows, index = self._paths(number)
        aside = index.with_suffix(".new")
        with rows.open("wb") as new_rows, aside.open("wb") as new_index:
            for start in range(0, len(kept), _COPIED):
                some = kept[start : start + _COPIED]
                embeddings = self.full(some).astype("<f2")
                records = np.zeros(len(some), self._record)
                records["key"] = [self._keys[row] for row in some]
                records["cover"] = covers[start : start + _COPIED]
                records["short"] = self.short(np.array(some))
                records["row_check"] = _check(embeddings)
                records["check"] = _check(records)
                new_rows.write(embeddings.tobytes())
                new_index.write(records.tobytes())
        aside.rename(index)
        os.close(self._rows)
        os.close(self._index)
        self._rows = self._index = -1
        self._open()

    def _open(self) -> None:
        numbers = [
            int(found[1])
            for entry in self._folder.iterdir()
            if (found := _GENERATION.fullmatch(entry.name))
        ]
        self._generation = max(numbers, default=1)
        rows, index = self._paths(self._generation)
        for entry in self._folder.iterdir():
            if entry.name.startswith(("rows-", "index-")) and entry not in (rows, index):
                entry.unlink()
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
        self._rows, self._index = os.open(rows, flags, 0o600), os.open(index, flags, 0o600)
        self._keys, self._covers, self._row_checks = array("Q"), array("i"), array("I")
        self._row_of: dict[int, int] = {}
        self._blocks: list[Floats] = []
        self._count = 0
        whole = min(
            os.fstat(self._rows).st_size // (2 * self.size),
            os.fstat(self._index).st_size // self._record.itemsize,
        )
        self._take(np.fromfile(index, self._record, whole))
        self._cut()

    def _paths(self, number: int) -> tuple[Path, Path]:
        return self._folder / f"rows-{number:06}", self._folder / f"index-{number:06}"

    def _cut(self) -> None:
        """Cut off what is not a whole row in both files."""
        os.ftruncate(self._rows, self._count * 2 * self.size)
        os.ftruncate(self._index, self._count * self._record.itemsize)

    def _take(self, records: npt.NDArray[Any]) -> None:
        """Take records that are on disk into memory."""
        sound = _check(records) == records["check"]
        first, self._count = self._count, self._count + len(records)
        keys = np.where(sound, records["key"], 0).astype("Q")
        rows, covers = np.arange(first, self._count, dtype="i"), records["cover"]
        # The cover that a damaged record names may be anything.
        covers = np.where(sound & (covers >= 0) & (covers < self._count), covers, rows)
        self._keys.frombytes(keys.tobytes())
        self._covers.frombytes(covers.astype("i").tobytes())
        self._row_checks.frombytes(records["row_check"].astype("I").tobytes())
        self._row_of.update(zip(keys.tolist(), rows.tolist(), strict=True))
        self._row_of.pop(0, None)  # the key of damaged records
        short = unit(np.where(sound[:, None], records["short"], 0).astype(np.float32))
        while len(short):
            start = first % _BLOCK
            if start == 0:
                self._blocks.append(np.zeros((_BLOCK, self.width), np.float32))
            some = short[: _BLOCK - start]
            self._blocks[-1][start : start + len(some)] = some
            first, short = first + len(some), short[len(some) :]


def record_type(width: int) -> np.dtype[Any]:
    """Return how the index keeps a row whose short form has `width` numbers, without gaps."""
    return np.dtype(
        [
            ("key", "<u8"),
            ("cover", "<i4"),
            ("row_check", "<u4"),
            ("short", "<f2", (width,)),
            ("check", "<u4"),
        ]
    )


def reduction(size: int) -> Floats:
    """Return the matrix [size, width] that makes embeddings short; always the same one."""
    if size <= SHORT:
        return np.eye(size, dtype=np.float32)
    # RandomState, whose numbers no version of NumPy changes: they are in what is on disk.
    signs = np.random.RandomState(16).randint(0, 2, (size, SHORT))
    return (2 * signs - 1).astype(np.float32)


def use_one_thread() -> None:
    """Have NumPy multiply matrices on the thread that asks for it.

    Its own threads wait for each other by spinning: beside a busy fleet a search that computes
    for 15 ms took 300. For the whole process, whose other parts multiply no matrices.
    """
    threadpool_limits(1)


def unit(embeddings: Floats) -> Floats:
    """Return embeddings [N, D] scaled to length 1; zeros stay zeros."""
    length = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return (embeddings / np.where(length > 0, length, 1)).astype(np.float32)


def _check(rows: npt.NDArray[Any]) -> npt.NDArray[np.uint32]:
    """Return a sum [N] of what is in each row, or of a record all but its check."""
    words = np.frombuffer(rows.tobytes(), "<u2").reshape(len(rows), -1 if len(rows) else 2)
    if rows.dtype.names:
        words = words[:, :-2]
    sums: npt.NDArray[np.uint32] = words.sum(axis=1, dtype=np.uint32) + np.uint32(_SALT)
    return sums


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
