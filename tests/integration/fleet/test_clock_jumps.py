"""A fleet goes on, whatever somebody sets the clock to."""

from __future__ import annotations

import asyncio
import json
import time
from functools import partial

import pytest

from serving.background import in_background
from serving.engines.instance_records import ABANDONED_SECONDS, InstanceRecord
from serving.engines.process import LOST_START_SECONDS, ProcessEngine
from serving.engines.protocol import InstanceState
from serving.fleet.reconciler import LOW_CPU_SECONDS
from serving.fleet.view import FleetView
from serving.workspace import Workspace
from tests.support.clock import ManualClock
from tests.support.fleet_env import FleetEnv
from tests.support.waiting import wait_for_view

DAY = 86_400.0
JUMPS = [
    *(-DAY, 3650 * DAY),
    *(pytest.param(jump, marks=pytest.mark.long) for jump in (DAY, -3650 * DAY)),
]


@pytest.mark.parametrize("jump", JUMPS)
async def test_a_failed_instance_is_replaced_after_the_clock_was_set(
    fleet_env: FleetEnv, jump: float
) -> None:
    clock = ManualClock(time.time())
    fleet = fleet_env.new_fleet(clock=clock)
    async with in_background(fleet.run()):
        (first,) = (await fleet.scale(1)).instances
        clock.advance(jump)
        assert first.instance.process is not None
        fleet_env.configure()
        for _ in range(2):
            (each,) = fleet.view.instances
            await fleet_env.engine.stop(each.instance.id, grace=0)
            await wait_for_view(fleet, partial(is_replaced, each.instance.id))


def is_replaced(instance_id: str, view: FleetView) -> bool:
    return view.ready == 1 and view.instances[0].instance.id != instance_id


async def test_a_record_with_failures_of_tomorrow_starts_a_fleet(fleet_env: FleetEnv) -> None:
    fleet_env.configure(exit=3)
    with pytest.raises(Exception, match="exit status 3"):
        await fleet_env.fleet.scale(1)
    path = fleet_env.workspace.fleet_record
    raw = json.loads(path.read_text())
    raw["failures"] = [time.time() + DAY] * 9
    path.write_text(json.dumps(raw))
    fleet_env.configure()
    async with fleet_env.running():
        await fleet_env.wait_for_view(lambda view: view.ready == 1)


@pytest.mark.parametrize("ahead", [DAY, 3650 * DAY])
async def test_a_start_of_the_future_is_lost_all_the_same(
    workspace: Workspace, ahead: float
) -> None:
    clock = ManualClock()
    engine = ProcessEngine(workspace, monotonic=clock)
    log = str(workspace.logs / "pets-1.log")
    InstanceRecord("pets-1", {}, "", started=time.time() + ahead, log=log).write(
        workspace.instances
    )
    (seen,) = await engine.instances()
    assert seen.state is InstanceState.STARTING
    clock.advance(LOST_START_SECONDS)
    (seen,) = await engine.instances()
    assert seen.state is InstanceState.FAILED


async def test_a_file_that_is_being_written_stays_while_the_clock_jumps(
    workspace: Workspace,
) -> None:
    monotonic, clock = ManualClock(), ManualClock(time.time())
    engine = ProcessEngine(workspace, clock=clock, monotonic=monotonic)
    half = workspace.instances / ".pets-1.json.1a2b"
    half.touch()
    await engine.instances()
    clock.advance(3650 * DAY)
    await engine.instances()
    assert half.exists()
    monotonic.advance(2 * ABANDONED_SECONDS)
    await engine.instances()
    assert not half.exists()


@pytest.mark.parametrize("ahead", [DAY, -DAY])
async def test_one_that_starts_for_long_gets_its_cpu_by_the_time_that_passed(
    fleet_env: FleetEnv, ahead: float
) -> None:
    """Not by the moment of its start, which an engine on another machine has by its own clock."""
    monotonic, clock = ManualClock(), ManualClock(time.time() + ahead)
    fleet_env.configure(broken=[1])
    fleet = fleet_env.new_fleet(clock=clock, monotonic=monotonic)
    async with in_background(fleet.run()):
        scaling = asyncio.create_task(fleet.scale(1))
        view = await wait_for_view(fleet, lambda view: bool(view.instances))
        await fleet_env.wait_for_polls(3)
        assert not fleet._full_cpu
        monotonic.advance(2 * LOW_CPU_SECONDS)
        await fleet_env.wait_for_polls(3)
        assert fleet._full_cpu == {view.instances[0].instance.id}
        scaling.cancel()
        await asyncio.wait([scaling])
