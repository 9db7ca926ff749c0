"""Which photos stand together as a stack of near-duplicates, and which stacks are open; no Qt."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def photo_hash(key: str) -> int:
    """Return what stands for a photo in files: 64 bits of a hash of its key, never 0."""
    digest = hashlib.blake2b(key.encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) or 1


class Stacks:
    """The number of the stack of each photo, as far as it is in one."""

    def __init__(self) -> None:
        self.enabled = True
        """Whether near-duplicates are shown as stacks at all."""
        self.opened: set[int] = set()
        """The stacks whose photos are all shown."""
        self._stack_of: dict[int, int] = {}

    @property
    def photos(self) -> list[int]:
        """The hashes of all photos that are in a stack."""
        return list(self._stack_of)

    def of(self, key: str) -> int:
        """Return the number of a photo's stack, by the photo's key; 0 if it is in none."""
        return self._stack_of.get(photo_hash(key), 0) if self._stack_of else 0

    def is_closed(self, stack: int) -> bool:
        """Whether only one photo of `stack` is shown."""
        return self.enabled and stack > 0 and stack not in self.opened

    def put(self, stacks: Iterable[tuple[int, int]]) -> None:
        """Put photos, by their hashes, into stacks; 0 takes them out."""
        for photo, stack in stacks:
            if stack:
                self._stack_of[photo] = stack
            else:
                self._stack_of.pop(photo, None)

    def replace(self, stacks: Iterable[tuple[int, int]]) -> None:
        """Put photos into these stacks, all of them closed, and into no others."""
        self._stack_of = dict(stacks)
        self.opened.clear()
