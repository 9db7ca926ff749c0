from __future__ import annotations

import asyncio
import threading

import pytest
from PySide6.QtWidgets import QApplication

from desktop.event_loop import MAX_WORKERS, EventLoop
from tests.gui.conftest import Run
from tests.support.waiting import wait_until

CALLBACKS = 20_000


def test_the_loop_outlives_twenty_thousand_callbacks(run: Run) -> None:
    """A Qt that loses references to None aborts the process after a few thousand."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        called = 0

        def again() -> None:
            nonlocal called
            called += 1
            if called == CALLBACKS:
                done.set_result(None)
            else:
                loop.call_soon(again)

        again()
        await done
        assert called == CALLBACKS

    run(main)


def test_blocking_calls_share_a_bounded_pool(run: Run) -> None:
    running = most = 0
    lock = threading.Lock()
    full = threading.Event()

    def block() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
            if running == MAX_WORKERS:
                full.set()
        full.wait(5)
        with lock:
            running -= 1

    async def main() -> None:
        await asyncio.gather(*(asyncio.to_thread(block) for _ in range(3 * MAX_WORKERS)))

    run(main)
    assert most == MAX_WORKERS


def test_remaining_tasks_are_cancelled_in_order(application: QApplication) -> None:
    cleaned: list[str] = []

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append("forever")

    tasks: list[asyncio.Task[None]] = []

    async def main() -> int:
        tasks.append(asyncio.create_task(forever()))
        await asyncio.sleep(0)
        return 3

    assert EventLoop(application).run(main) == 3
    assert cleaned == ["forever"]


def test_an_unhandled_error_is_reported(application: QApplication) -> None:
    reported: list[BaseException] = []
    loop = EventLoop(application)
    loop.on_error = reported.append

    def fail() -> None:
        raise ValueError("nobody")

    async def main() -> int:
        asyncio.get_running_loop().call_soon(fail)
        await wait_until(lambda: bool(reported))
        return 0

    assert loop.run(main) == 0
    assert [type(error) for error in reported] == [ValueError]


def test_what_the_main_coroutine_raises_comes_out(application: QApplication) -> None:
    async def main() -> int:
        raise LookupError("gone")

    with pytest.raises(LookupError):
        EventLoop(application).run(main)
