"""Passes photos that were classified to the backend's pool, while nothing else is to be done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

from backend.client import BackendRefused
from backend.contract import PoolPhoto
from desktop.pool_queue import PoolQueue
from serving.errors import BackendError, ServeryError
from serving.normalize_image import read_normalized_image

IDLE_SECONDS = 0.5
"""How long to wait before looking again whether photos are still being classified."""
MAX_FAILURES = 6
"""After so many calls in a row that did not reach the backend, what waits is forgotten: the pool
is worth something only while it is new, and photos classified later are offered again."""
MAX_DELAY = 30.0
"""Seconds between two tries; the first is after 1, then each takes twice as long."""


class Pool(Protocol):
    """The part of BackendClient that is needed."""

    async def add_to_pool(
        self,
        image: bytes,
        *,
        model: str | None = None,
        version: int | None = None,
        embedding: bytes = b"",
    ) -> PoolPhoto: ...


async def send_to_pool(
    queue: PoolQueue,
    backend: Pool,
    is_busy: Callable[[], bool],
    *,
    read: Callable[[Path], bytes] = read_normalized_image,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Pass on what is in `queue`, one photo after another and never while `is_busy()`, for ever.

    A photo that can no longer be read, or that the backend refuses, is left out: nothing is lost
    by that but a photo to learn from. `read` runs on a thread.
    """
    failures = 0
    while True:
        path, entry = await queue.first()
        # Classifying comes first: both need the same cores.
        if is_busy():
            await sleep(IDLE_SECONDS)
            continue
        try:
            jpeg = await asyncio.to_thread(read, path)
            await backend.add_to_pool(
                jpeg, model=entry.model, version=entry.version, embedding=entry.embedding
            )
        except BackendRefused:
            pass
        except BackendError:
            failures += 1
            if failures >= MAX_FAILURES:
                queue.clear()
                failures = 0
            else:
                await sleep(min(2.0 ** (failures - 1), MAX_DELAY))
            continue
        except (ServeryError, OSError):
            pass
        failures = 0
        queue.remove(path, entry)
