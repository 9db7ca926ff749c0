"""Collects Python's garbage on the thread that Qt's objects live on, and on no other."""

from __future__ import annotations

import asyncio
import gc
import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager

INTERVAL_SECONDS = 0.5
"""Between two collections while many objects are made."""
IDLE_SECONDS = 4.0
"""Between two collections while few are."""
MANY_OBJECTS = 700
"""More made than freed since the last collection, as by default in Python."""
OLDER_EVERY = 10
"""Collections of one generation for each collection of the next older one."""
GROWTH = 1.25
"""The oldest generation is collected once it has so many times the objects that it was left with,
as by default in Python: with 13,000 photos that takes longer than a frame of an animation."""
_kept = threading.Event()
"""Set while `keep_present_objects` hides objects that the end of the block must look through."""


@contextmanager
def gc_on_loop_thread(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Collect garbage on the loop's thread alone inside the block.

    By default the collector runs on whichever thread allocates next. A Qt object
    that is destroyed on another thread than its own leaves its timers behind, and
    the process crashes when the next of them fires.

    What the caller has frozen stays so, unless `keep_present_objects` was called inside.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    _kept.clear()
    timer: asyncio.TimerHandle | None = None
    oldest = OldestGeneration()
    turns, pause = itertools.count(1), INTERVAL_SECONDS

    def collect() -> None:
        nonlocal timer, pause
        # Objects are counted while the collector is off, too.
        are_many = gc.get_count()[0] >= MANY_OBJECTS
        pause = INTERVAL_SECONDS if are_many else min(2 * pause, IDLE_SECONDS)
        turn = next(turns)
        if turn % OLDER_EVERY:
            gc.collect(0)
        elif turn % OLDER_EVERY**2 or not oldest.has_grown():
            gc.collect(1)
        else:
            oldest.collect()
        timer = loop.call_later(pause, collect)

    collect()
    try:
        yield
    finally:
        if timer is not None:
            timer.cancel()
        if _kept.is_set():
            gc.unfreeze()
        gc.collect()
        if was_enabled:
            gc.enable()


class OldestGeneration:
    """Objects that outlived several collections, of which few are garbage."""

    def __init__(self) -> None:
        self._left = 0

    def has_grown(self) -> bool:
        """Whether enough came since the last collection that another one may be worth it."""
        return _count_oldest() > GROWTH * self._left

    def collect(self) -> None:
        """Collect garbage of every age."""
        gc.collect()
        self._left = _count_oldest()


def _count_oldest() -> int:
    # A tenth of the time that a collection of them takes.
    return len(gc.get_objects(generation=2))


def keep_present_objects() -> None:
    """Collect garbage, then let later collections pass over the objects that are left.

    To be called once everything has been built: nearly all of that stays until the end, and
    looking through it holds the window up for as long as ten frames of an animation. What is
    freed without a collection still is.
    """
    gc.collect()
    gc.freeze()
    _kept.set()
