"""The memory that a program takes for decoding photos of its own user: no two giants at once."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from serving.image_file import takes_too_much_memory

MAX_OWN_FILE_BYTES = 1536 * 2**20
"""What decoding a file of the person's own may take: a WebP of 80 million pixels, a PNG of any
size that is read. The backend, where photos come from anywhere, sets a limit of its own."""
_SHARED_BYTES = 640 * 2**20
"""What photos take together that are decoded side by side. One that takes more is alone."""


class DecodingMemory:
    """Memory that is reserved before a photo is decoded; thread-safe."""

    def __init__(self, returned: threading.Condition | None = None) -> None:
        self._taken = 0
        self._returned = returned or threading.Condition()

    @contextmanager
    def reserve(self, cost: int) -> Iterator[None]:
        """Wait until there are `cost` bytes, and hold them; raises UnusableImage for too many."""
        machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        if cost > min(MAX_OWN_FILE_BYTES, machine // 2):
            raise takes_too_much_memory()
        with self._returned:
            self._returned.wait_for(lambda: not self._taken or self._taken + cost <= _SHARED_BYTES)
            self._taken += cost
        try:
            yield
        finally:
            with self._returned:
                self._taken -= cost
                self._returned.notify_all()


OWN_PHOTOS = DecodingMemory()
"""Of this process, which all its threads share."""
