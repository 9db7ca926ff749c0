"""The program that keeps a fleet may be killed at any moment: nothing is lost or left over."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import psutil
import pytest

from serving.engines.instance_records import ABANDONED_SECONDS
from serving.engines.process import ProcessEngine
from serving.engines.protocol import InstanceState
from tests.support.clock import ManualClock
from tests.support.fleet_env import PROGRAM, FleetEnv
from tests.support.fleet_owner_killed import POINTS
from tests.support.waiting import wait_until


def processes(folder: Path) -> set[int]:
    """Every process on this machine that serves from this workspace."""
    found = set()
    for process in psutil.process_iter():
        try:
            if any(word.startswith(f"--ports_file={folder}/") for word in process.cmdline()):
                found.add(process.pid)
        except psutil.Error:
            continue
    return found


MOMENTS = [(point, when) for point in POINTS for when in ("before", "after")]
BETWEEN = MOMENTS[1:-1:2]
"""Each between two others."""


@pytest.mark.parametrize(
    ("point", "when"),
    [pytest.param(*at, marks=pytest.mark.long) if at in BETWEEN else at for at in MOMENTS],
)
async def test_an_owner_killed_at_any_moment_leaves_a_fleet_that_can_be_kept(
    fleet_env: FleetEnv, point: str, when: str
) -> None:
    owner = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.fleet_owner_killed"),
        *(when, point, *PROGRAM),
        stdout=asyncio.subprocess.DEVNULL,
    )
    assert await owner.wait() == -signal.SIGKILL

    async def every_process_is_adopted() -> bool:
        adopted = {
            instance.process
            for instance in await fleet_env.engine.instances()
            if instance.state is not InstanceState.FAILED and instance.process
        }
        return adopted == processes(fleet_env.workspace.instances)

    # A process that was forked a moment before has its command line only a moment later.
    await wait_until(every_process_is_adopted)
    view = await fleet_env.fleet.scale(2)
    assert view.ready == 2
    served = {each.instance.process for each in view.instances}
    assert served == processes(fleet_env.workspace.instances)
    # Half-written files are removed once nobody can be writing them any more.
    clock = ManualClock()
    later = ProcessEngine(fleet_env.workspace, monotonic=clock)
    await later.instances()
    clock.advance(2 * ABANDONED_SECONDS)
    await later.instances()
    left = sorted(path.suffix for path in fleet_env.workspace.instances.iterdir())
    assert left == [".json", ".json", ".ports", ".ports"]
    assert len(list(fleet_env.workspace.logs.iterdir())) == 2
