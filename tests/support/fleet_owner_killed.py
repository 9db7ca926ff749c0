"""A program that changes a fleet and kills itself at a given point, before or after a step.

python -m tests.support.fleet_owner_killed before|after POINT PROGRAM...
"""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from serving.engines import child_processes, instance_records
from serving.engines.instance_records import InstanceRecord
from serving.engines.process import ProcessEngine
from serving.fleet import reconciler, record
from tests.support.fleet_owner import change_fleet

POINTS: dict[str, tuple[Any, str, int]] = {
    "the fleet's record is written": (record, "write_aside", 1),
    "a step is carried out": (reconciler.Reconciler, "_carry_out", 2),
    "an instance's record is written": (instance_records, "write_aside", 3),
    "a process is started": (ProcessEngine, "_spawn", 2),
    "an instance is drained": (reconciler.Reconciler, "_retire", 1),
    "a process is ended": (child_processes, "terminate", 1),
    "an instance's record is removed": (InstanceRecord, "remove", 1),
}
"""Where it can die: the step, as owner and name of a function, and at which call of it."""


def die_at(point: str, *, after: bool) -> None:
    """Have this program killed before or after the step called `point`."""
    owner, name, last_call = POINTS[point]
    step: Callable[..., Any] = getattr(owner, name)
    calls = 0

    def die(when_after: bool) -> None:
        nonlocal calls
        calls += not when_after
        if calls >= last_call and after == when_after:
            os.kill(os.getpid(), signal.SIGKILL)

    async def asynchronous(*arguments: Any, **options: Any) -> Any:
        die(False)
        result = await step(*arguments, **options)
        die(True)
        return result

    def synchronous(*arguments: Any, **options: Any) -> Any:
        die(False)
        result = step(*arguments, **options)
        die(True)
        return result

    setattr(owner, name, asynchronous if inspect.iscoroutinefunction(step) else synchronous)


if __name__ == "__main__":
    when, point, *program = sys.argv[1:]
    die_at(point, after=when == "after")
    asyncio.run(change_fleet("7", "process", *program))
