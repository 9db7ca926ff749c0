"""Qt objects that nobody refers to any more end on the thread that they live on."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref

from PySide6.QtCore import QTimer

from desktop.main_thread_gc import OldestGeneration, keep_present_objects
from tests.gui.conftest import Run
from tests.support.waiting import wait_until


class Cycle:
    """Holds a running timer, and itself, so that only the collector ends it."""

    def __init__(self) -> None:
        self.timer = QTimer()
        self.timer.start(5)
        self.itself = self


def allocate() -> None:
    """Do what makes Python look for garbage, again and again."""
    kept = [[number] for number in range(50_000)]
    assert len(kept) == 50_000


def test_old_objects_are_looked_through_again_once_there_are_more_of_them() -> None:
    gc.freeze()  # those of other tests
    try:
        oldest = OldestGeneration()
        kept = [[number] for number in range(1000)]
        oldest.collect()
        assert not oldest.has_grown()
        kept += [[number] for number in range(1000)]
        gc.collect(1)
        assert oldest.has_grown()
        oldest.collect()
        assert not oldest.has_grown()
    finally:
        gc.unfreeze()


def test_the_collector_never_ends_a_qt_object_on_another_thread(run: Run) -> None:
    ended_on: list[threading.Thread] = []

    def note_thread() -> None:
        ended_on.append(threading.current_thread())

    async def main() -> None:
        for _ in range(20):
            weakref.finalize(Cycle(), note_thread)
            await asyncio.to_thread(allocate)

        async def collected() -> bool:
            await asyncio.to_thread(allocate)
            return bool(ended_on)

        await wait_until(collected)

    run(main)
    assert len(ended_on) == 20
    assert set(ended_on) == {threading.main_thread()}


def test_what_was_frozen_before_a_loop_stays_frozen_after_it(run: Run) -> None:
    async def main() -> None:
        pass

    gc.freeze()
    run(main)
    assert gc.get_freeze_count()


def test_objects_that_were_kept_are_collected_at_the_end_of_the_loop(run: Run) -> None:
    ended: list[bool] = []

    async def main() -> None:
        cycle = Cycle()
        weakref.finalize(cycle, ended.append, True)
        keep_present_objects()
        del cycle
        gc.collect()
        assert not ended

    run(main)
    assert ended
