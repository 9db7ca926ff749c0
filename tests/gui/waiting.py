"""Waiting for what a person would wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

PATIENCE = 60.0


async def until(condition: Callable[[], bool], patience: float = PATIENCE) -> None:
    """Return once `condition` holds; raises TimeoutError after `patience` seconds."""
    async with asyncio.timeout(patience):
        while True:
            if condition():
                return
            await asyncio.sleep(0.02)
