"""Threads on which versions are loaded, which a load that never ends does not use up."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")

_running: set[threading.Thread] = set()


def is_loading() -> bool:
    """Say whether a thread of this process is still loading, whoever waits for it."""
    return bool(_running)


class LoadThreads:
    """Runs so many calls at once, each on a thread of its own.

    A call cannot be ended. Cancelling its `run` lets the next one begin all the same, and the
    process ends without waiting for it.
    """

    def __init__(self, count: int) -> None:
        self._free = asyncio.Semaphore(count)

    async def run(
        self, call: Callable[..., T], *arguments: Any, discard: Callable[[T], object] | None = None
    ) -> T:
        """Return what `call` returns; `discard` gets that if nobody waits for it any more."""
        async with self._free:
            loop = asyncio.get_running_loop()
            done: asyncio.Future[T] = loop.create_future()

            def deliver(result: T) -> None:
                if not done.cancelled():
                    done.set_result(result)
                elif discard is not None:
                    discard(result)

            def fail(error: BaseException) -> None:
                if not done.cancelled():
                    done.set_exception(error)

            def work() -> None:
                try:
                    answer = partial(deliver, call(*arguments))
                except BaseException as error:
                    answer = partial(fail, error)
                _running.discard(threading.current_thread())
                # The loop may be closed: then the process is ending.
                with contextlib.suppress(RuntimeError):
                    loop.call_soon_threadsafe(answer)

            thread = threading.Thread(target=work, name="load", daemon=True)
            _running.add(thread)
            thread.start()
            return await done
