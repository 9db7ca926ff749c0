"""How benchmarks of the window wait: one whose work does not come ends with a sentence."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from serving.errors import ServeryError

if TYPE_CHECKING:
    from desktop.app import App, Options

T = TypeVar("T")
Condition = Callable[[], object] | Callable[[], Awaitable[object]]

SECONDS = 120.0
"""Without anything new, after which a benchmark gives up; a busy machine meets it, too."""
SAY_SECONDS = 30.0
_POLL_SECONDS = 0.02


class NeverCame(ServeryError):
    """What a benchmark waited for did not come."""


async def reach(
    what: str,
    condition: Condition,
    seconds: float = SECONDS,
    progress: Callable[[], str] | None = None,
    say_seconds: float = SAY_SECONDS,
) -> None:
    """Wait until `condition`, which may be a coroutine function, returns something true.

    `what` it is follows "waited for". What `progress` says goes to standard error every
    `say_seconds`. Raises NeverCame after `seconds` in which that stayed the same.
    """
    last, since = "", time.monotonic()
    said = since
    while True:
        found = condition()
        if await found if isinstance(found, Awaitable) else found:
            return
        now = time.monotonic()
        if progress is not None and (now_at := progress()) != last:
            last, since = now_at, now
        if last and now - said > say_seconds:
            print(f"{last}, waiting for {what}", file=sys.stderr, flush=True)
            said = now
        if now - since > seconds:
            at = f" at {last}" if last else ""
            raise NeverCame(f"Gave up: waited for {what} for {seconds:.0f} s{at}.")
        await asyncio.sleep(_POLL_SECONDS)


async def within(what: str, awaited: Awaitable[T], seconds: float = SECONDS) -> T:
    """Return what `awaited` comes to; raises NeverCame after `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            return await awaited
    except TimeoutError:
        raise NeverCame(f"Gave up: waited for {what} for {seconds:.0f} s.") from None


def run_window(options: Options, use: Callable[[App], Awaitable[None]]) -> int:
    """Run the application without its first steps, which hide the gallery, for as long as `use`
    takes; returns the exit code. A failure of Servery or of a wait is said in a sentence."""
    from desktop.app import run

    async def used(app: App) -> None:
        app.first_steps.finish()
        await use(app)

    try:
        return run(options, used)
    except ServeryError as error:
        print(error, file=sys.stderr, flush=True)
        return 1
