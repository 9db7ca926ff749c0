"""Gives memory back to the system once the photos that took it are done."""

from __future__ import annotations

import asyncio

from backend.photos.budget import PhotoBudget
from serving.tf.free_memory import keep_little_free_memory, return_free_memory

POLL_SECONDS = 2.0


async def return_memory_when_idle(budget: PhotoBudget) -> None:
    """Watch for the end of what takes memory, for ever."""
    keep_little_free_memory()
    returned = budget.taken
    while True:
        await asyncio.sleep(POLL_SECONDS)
        if budget.used == 0 and budget.taken > returned:
            returned = budget.taken
            await asyncio.to_thread(return_free_memory)
