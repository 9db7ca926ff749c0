"""Collects Python's garbage on the thread that Qt's objects live on, and on no other."""

from __future__ import annotations

import asyncio
import gc
import itertools
from collections.abc import Iterator
from contextlib import contextmanager

INTERVAL_SECONDS = 0.5
OLDER_EVERY = 10
"""Collections of one generation for each collection of the next older one."""


@contextmanager
def gc_on_loop_thread(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Collect garbage on the loop's thread alone inside the block.

    By default the collector runs on whichever thread allocates next. A Qt object
    that is destroyed on another thread than its own leaves its timers behind, and
    the process crashes when the next of them fires.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    timer: asyncio.TimerHandle | None = None
    turns = itertools.count(1)

    def collect() -> None:
        nonlocal timer
        turn = next(turns)
        gc.collect(0 if turn % OLDER_EVERY else 1 if turn % OLDER_EVERY**2 else 2)
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
