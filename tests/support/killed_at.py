"""Kills a process with SIGKILL before or after a given step of this program."""

from __future__ import annotations

import inspect
import os
import signal
from collections.abc import Callable
from typing import Any


def kill_at(owner: Any, name: str, call: int, *, after: bool, kill: Callable[[], None]) -> None:
    """Replace the function `name` of `owner` by one that calls `kill` at its call number `call`.

    That is before the function does anything, or once it has returned.
    """
    step: Callable[..., Any] = getattr(owner, name)
    calls = 0

    def count(when_after: bool) -> None:
        nonlocal calls
        calls += not when_after
        if calls >= call and after == when_after:
            kill()

    async def asynchronous(*arguments: Any, **options: Any) -> Any:
        count(False)
        result = await step(*arguments, **options)
        count(True)
        return result

    def synchronous(*arguments: Any, **options: Any) -> Any:
        count(False)
        result = step(*arguments, **options)
        count(True)
        return result

    setattr(owner, name, asynchronous if inspect.iscoroutinefunction(step) else synchronous)


def kill_self() -> None:
    """End this program now, without any teardown."""
    os.kill(os.getpid(), signal.SIGKILL)
