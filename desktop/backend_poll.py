"""Asks the backend about work that it carries out, also while it is restarted; knows no Qt."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from backend.client import BackendRefused
from serving.errors import BackendError

T = TypeVar("T")

MAX_AWAY_SECONDS = 20.0
"""How long to wait for a backend that does not answer: whatever runs it may restart it."""


async def ask_until_answered(ask: Callable[[], Awaitable[T]], poll_seconds: float) -> T:
    """Return what `ask` returns, calling it every `poll_seconds` while no backend answers.

    Raises BackendRefused at once, and another BackendError after MAX_AWAY_SECONDS.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + MAX_AWAY_SECONDS
    while True:
        try:
            return await ask()
        except BackendRefused:
            raise
        except BackendError:
            if loop.time() > deadline:
                raise
        await asyncio.sleep(poll_seconds)
