"""Waiting for an outbox to come to a state."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from desktop.learn.outbox import Outbox, OutboxView


async def wait_for_view(outbox: Outbox, condition: Callable[[OutboxView], bool]) -> OutboxView:
    """Return the first view, the present one included, that meets `condition`."""
    met = asyncio.Event()
    unsubscribe = outbox.subscribe(lambda view: met.set() if condition(view) else None)
    try:
        if not condition(outbox.view):
            await asyncio.wait_for(met.wait(), 5)
    finally:
        unsubscribe()
    return outbox.view


async def wait_until_empty(outbox: Outbox) -> None:
    """Wait until nothing is pending or refused."""
    await wait_for_view(outbox, lambda view: view == OutboxView())
