"""Waiting for what a person would wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

TIMEOUT_SECONDS = 60.0


async def wait_until(
    condition: Callable[[], bool], timeout_seconds: float = TIMEOUT_SECONDS
) -> None:
    """Return once `condition` holds; raises TimeoutError after `patience` seconds."""
    async with asyncio.timeout(timeout_seconds):
        while True:
            if condition():
                return
            await asyncio.sleep(0.02)
