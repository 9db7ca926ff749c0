"""Python's garbage is collected on the thread that Qt's objects live on, and on no other."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from contextlib import contextmanager

PAUSE_SECONDS = 0.5


@contextmanager
def collected_here(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Collect garbage on the loop's thread alone while inside.

    By itself the collector runs on whichever thread allocates next. A Qt object
    that ends on another thread than its own leaves its timers behind, and the
    next of these to fire brings the process down.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    timer: asyncio.TimerHandle | None = None

    def collect() -> None:
        nonlocal timer
        _collect_what_is_due()
        timer = loop.call_later(PAUSE_SECONDS, collect)

    collect()
    try:
        yield
    finally:
        if timer is not None:
            timer.cancel()
        gc.collect()
        if was_enabled:
            gc.enable()


def _collect_what_is_due() -> None:
    """Collect the oldest generation that the collector itself would take now."""
    for generation, (count, threshold) in reversed(
        list(enumerate(zip(gc.get_count(), gc.get_threshold(), strict=True)))
    ):
        if threshold and count > threshold:
            gc.collect(generation)
            return
