"""Python's garbage is collected on the thread that Qt's objects live on, and on no other."""

from __future__ import annotations

import asyncio
import gc
import itertools
from collections.abc import Iterator
from contextlib import contextmanager

INTERVAL_SECONDS = 0.5
PROMOTION_INTERVAL = 10
"""Of collections of one generation to one of the next older."""


@contextmanager
def gc_on_loop_thread(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Collect garbage on the loop's thread alone while inside.

    By itself the collector runs on whichever thread allocates next. A Qt object
    that ends on another thread than its own leaves its timers behind, and the
    next of these to fire brings the process down.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    timer: asyncio.TimerHandle | None = None
    turns = itertools.count(1)

    def collect() -> None:
        nonlocal timer
        turn = next(turns)
        gc.collect(
            2 if turn % PROMOTION_INTERVAL**2 == 0 else 1 if turn % PROMOTION_INTERVAL == 0 else 0
        )
        timer = loop.call_later(INTERVAL_SECONDS, collect)

    collect()
    try:
        yield
    finally:
        if timer is not None:
            timer.cancel()
        gc.collect()
        if was_enabled:
            gc.enable()
