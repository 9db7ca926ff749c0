"""The one way in which tests wait: check a condition again and again, or follow a view.

The limits are far above what an idle machine takes, so that a busy one meets them too.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar, overload

TIMEOUT_SECONDS = 60.0
_POLL_SECONDS, _MAX_POLL_SECONDS = 0.02, 0.5

T = TypeVar("T")
View = TypeVar("View")
View_co = TypeVar("View_co", covariant=True)


class Observable(Protocol[View_co]):
    """What has a view and reports each new one: a fleet, an outbox."""

    @property
    def view(self) -> View_co: ...

    def subscribe(self, callback: Callable[[View_co], None], /) -> Callable[[], None]: ...


@overload
async def wait_until(
    condition: Callable[[], Awaitable[T]],
    timeout_seconds: float = ...,
    details: Callable[[], object] = ...,
) -> T: ...
@overload
async def wait_until(
    condition: Callable[[], T],
    timeout_seconds: float = ...,
    details: Callable[[], object] = ...,
) -> T: ...
async def wait_until(
    condition: Callable[[], Any],
    timeout_seconds: float = TIMEOUT_SECONDS,
    details: Callable[[], object] = lambda: "",
) -> Any:
    """Return what `condition`, which may be a coroutine function, returns once that is true.

    The loop may be Qt's. Fails with `details()` and where each task is after `timeout_seconds`.
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        began = time.monotonic()
        result = condition()
        value = await result if inspect.isawaitable(result) else result
        if value:
            return value
        _check(deadline, timeout_seconds, lambda: f"{details()}\n{_tasks()}")
        await asyncio.sleep(_pause(time.monotonic() - began))


def block_until(
    condition: Callable[[], T],
    timeout_seconds: float = TIMEOUT_SECONDS,
    details: Callable[[], object] = lambda: "",
) -> T:
    """Do what `wait_until` does, where no loop runs."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        began = time.monotonic()
        if value := condition():
            return value
        _check(deadline, timeout_seconds, details)
        time.sleep(_pause(time.monotonic() - began))


def _pause(seconds: float) -> float:
    """Return for how long a condition that took so many seconds is left alone.

    A request, or even a command, that was made 50 times a second would hold up what it waits for.
    """
    return min(max(_POLL_SECONDS, 4 * seconds), _MAX_POLL_SECONDS)


def _tasks() -> str:
    """Return where each task of the loop is, which tells what did not come."""
    lines = []
    for task in asyncio.all_tasks():
        frames = task.get_stack(limit=1)
        where = f"{frames[0].f_code.co_filename}:{frames[0].f_lineno}" if frames else "not begun"
        lines.append(f"task {task.get_name()}: {where}")
    return "\n".join(lines)


def _check(deadline: float, timeout_seconds: float, details: Callable[[], object]) -> None:
    if time.monotonic() > deadline:
        raise AssertionError(f"not reached within {timeout_seconds:.0f} s: {details()}")


async def wait_for_view(
    source: Observable[View],
    condition: Callable[[View], bool],
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> View:
    """Return the first view, the present one included, that meets `condition`.

    Sees every view that is reported, however soon the next one follows.
    """
    found: asyncio.Future[View] = asyncio.get_running_loop().create_future()

    def check(view: View) -> None:
        if condition(view) and not found.done():
            found.set_result(view)

    unsubscribe = source.subscribe(check)
    try:
        check(source.view)
        async with asyncio.timeout(timeout_seconds):
            return await found
    except TimeoutError:
        raise AssertionError(f"not reached; the last view was {source.view}") from None
    finally:
        unsubscribe()
