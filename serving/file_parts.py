"""Parts of a file's bytes, read as if they were a file, without a copy of them all."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

MAX_PIECES = 50_000
"""Markers of a JPEG file, chunks of a PNG."""
_BUFFER_BYTES = 1 << 16


class TooManyPieces(Exception):
    """The file is in more pieces than can be read in a short time."""


def read_parts(parts: Sequence[bytes | memoryview]) -> io.BufferedReader:
    """Return a file that consists of `parts`, one after the other."""
    return io.BufferedReader(_Parts(parts), _BUFFER_BYTES)


class _Parts(io.RawIOBase):
    def __init__(self, parts: Sequence[bytes | memoryview]) -> None:
        super().__init__()
        self._parts = [memoryview(part) for part in parts if len(part)]
        self._starts = [0, *accumulate(len(part) for part in self._parts)]
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._starts[-1]}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: Any, /) -> int:
        if self._position >= self._starts[-1]:
            return 0
        number = bisect_right(self._starts, self._position) - 1
        begin = self._position - self._starts[number]
        content = self._parts[number][begin : begin + len(buffer)]
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)
