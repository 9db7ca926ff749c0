"""The body of a request while it arrives: small ones in memory, others in a file."""

from __future__ import annotations

import os


class UploadBody:
    """Collects chunks; beyond `max_in_memory` bytes in a file that other processes can read."""

    def __init__(self, max_in_memory: int) -> None:
        self._max_in_memory = max_in_memory
        # One block, since each of very many small chunks takes far more than its bytes.
        self._content = bytearray()
        self._file: int | None = None

    @property
    def content(self) -> bytes | None:
        """Everything, or None if it is in a file."""
        return bytes(self._content) if self._file is None else None

    def write(self, chunk: bytes) -> None:
        if self._file is not None:
            os.write(self._file, chunk)
            return
        self._content += chunk
        if len(self._content) > self._max_in_memory:
            self.file()

    def file(self) -> int:
        """Return the open file, which is in memory, with everything in it."""
        if self._file is None:
            self._file = os.memfd_create("upload")
            os.write(self._file, self._content)
            self._content.clear()
        return self._file

    def close(self) -> None:
        self._content.clear()
        if self._file is not None:
            os.close(self._file)
            self._file = None
