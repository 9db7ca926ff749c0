"""A program that changes a fleet and kills itself at a given point, before or after a step.

python -m tests.support.fleet_owner_killed before|after POINT PROGRAM...
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from serving.engines import child_processes, instance_records
from serving.engines.instance_records import InstanceRecord
from serving.engines.process import ProcessEngine
from serving.fleet import reconciler, record
from tests.support.fleet_owner import change_fleet
from tests.support.killed_at import kill_at, kill_self

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


if __name__ == "__main__":
    when, point, *program = sys.argv[1:]
    owner, name, call = POINTS[point]
    kill_at(owner, name, call, after=when == "after", kill=kill_self)
    asyncio.run(change_fleet("7", "process", *program))
