"""Tar archives, made while they are sent."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator

from serving.engines.docker.image.contents import Member

BLOCK_BYTES = 512
CHUNK_BYTES = 2**20


def tar_archive(members: Iterable[Member]) -> Iterator[bytes]:
    """Yield a tar archive of `members`, which are read one after the other.

    Equal files make equal archives, whenever and by whom they were written. A
    member whose name ends with a slash is a folder.
    """
    for member in members:
        header = tarfile.TarInfo(member.name.rstrip("/"))
        if member.name.endswith("/"):
            header.type = tarfile.DIRTYPE
            header.mode = 0o755
            yield header.tobuf()
            continue
        header.size = member.size
        header.mode = 0o755 if member.executable else 0o644
        yield header.tobuf()
        with member.open() as file:
            left = member.size
            while left and (chunk := file.read(min(CHUNK_BYTES, left))):
                left -= len(chunk)
                yield chunk
        if left:
            raise OSError(f"{member.name} became shorter while it was read")
        yield bytes(-member.size % BLOCK_BYTES)
    yield bytes(2 * BLOCK_BYTES)
