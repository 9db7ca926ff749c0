"""Tar archives, made while they are sent."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

CHUNK_BYTES = 2**20


@dataclass(frozen=True)
class Member:
    """One file of an archive, or one folder if its name ends with a slash."""

    name: str
    """Path inside, with slashes."""
    size: int
    open: Callable[[], IO[bytes]]
    executable: bool = False
    writable: bool = True
    """Whether its owner may write to it."""

    @classmethod
    def of(cls, name: str, path: Path, *, executable: bool = False) -> Member:
        return cls(name, path.stat().st_size, lambda: path.open("rb"), executable)


def tar_archive(members: Iterable[Member]) -> Iterator[bytes]:
    """Yield a tar archive of `members`, which are read one after the other.

    Equal files make equal archives, whenever and by whom they were written.
    Raises OSError if a file became shorter since its size was read.
    """
    for member in members:
        header = tarfile.TarInfo(member.name.rstrip("/"))
        if member.name.endswith("/"):
            header.type = tarfile.DIRTYPE
            header.mode = 0o755 if member.writable else 0o555
            yield header.tobuf()
            continue
        header.size = member.size
        header.mode = (0o555 if member.executable else 0o444) | (0o200 if member.writable else 0)
        yield header.tobuf()
        left = member.size
        with member.open() as file:
            # No more than was announced: a file may grow while it is read.
            while left and (chunk := file.read(min(CHUNK_BYTES, left))):
                left -= len(chunk)
                yield chunk
        if left:
            raise OSError(f"{member.name} became shorter while it was read")
        yield bytes(-member.size % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)
