"""A fleet moves from one engine to another, and nobody who uses it notices."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from serving.background import in_background
from serving.engines.process import ProcessEngine
from serving.engines.protocol import InstanceState
from serving.engines.switch import EngineSwitch
from serving.errors import EngineError
from serving.fleet.fleet import Fleet
from serving.workspace import Workspace
from tests.support.fleet_env import PROGRAM, FleetEnv, open_fleet_env
from tests.support.load_generator import LoadGenerator
from tests.support.waiting import wait_for_view


@dataclass
class Move:
    """A fleet on one engine, and another engine that it may move to."""

    fleet_env: FleetEnv
    old: ProcessEngine
    new: ProcessEngine
    switch: EngineSwitch
    fleet: Fleet

    async def run_on(self, engine: ProcessEngine) -> list[str]:
        return [instance.id for instance in await engine.instances()]


@pytest.fixture
async def move(workspace: Workspace, tmp_path: Path) -> AsyncIterator[Move]:
    async with open_fleet_env(workspace) as fleet_env:
        elsewhere = Workspace(tmp_path / "elsewhere").create()
        new = ProcessEngine(elsewhere, "The other one.", program=PROGRAM)
        switch = EngineSwitch(fleet_env.engine)
        fleet = Fleet(switch, fleet_env.repository, workspace, fleet_env.client)
        yield Move(fleet_env, fleet_env.engine, new, switch, fleet)
        for instance in await new.instances():
            await new.stop(instance.id, grace=0)


async def test_instances_move_one_by_one_and_no_request_fails(move: Move) -> None:
    ready: list[int] = []
    before = {each.instance.id for each in (await move.fleet.scale(3)).instances}
    async with in_background(move.fleet.run()):
        await wait_for_view(move.fleet, lambda view: view.ready == 3)
        move.fleet.subscribe(lambda view: ready.append(view.ready))
        async with LoadGenerator(move.fleet_env.client, b"\xff\xd8", 10) as load:
            move.switch.switch_to(move.new)
            await move.fleet.rolling_restart()
            await move.switch.release_idle()
            after = await move.run_on(move.new)
            for name in after:
                await load.wait_for_answers(name, 5)
        assert load.failures == []
        assert min(ready) >= 2
        assert len(after) == 3
        assert not before & set(after)
        assert await move.run_on(move.old) == []
        assert move.fleet.view.engine_reason == "The other one."


async def test_a_move_that_is_broken_off_leaves_every_instance_serving(move: Move) -> None:
    (before,) = (each.instance.id for each in (await move.fleet.scale(1)).instances)
    (move.new._workspace.root / "fake_server.json").write_text('{"exit": 3}')
    move.switch.switch_to(move.new)
    with pytest.raises(EngineError, match="does not run"):
        await move.fleet.rolling_restart()
    move.switch.switch_to(move.old)
    view = await move.fleet.scale(1)
    assert [each.instance.id for each in view.instances] == [before]
    assert view.ready == 1


async def test_each_instance_is_looked_after_by_the_engine_that_runs_it(move: Move) -> None:
    await move.fleet.scale(1)
    move.switch.switch_to(move.new)
    await move.fleet.scale(2)
    both = {instance.id for instance in await move.switch.instances()}
    (old,), (new,) = await move.run_on(move.old), await move.run_on(move.new)
    assert both == {old, new}
    for name in both:
        assert "fake_server" in await move.switch.engine_of(name).run_command(name)
        assert await move.switch.engine_of(name).stats(name) is not None
    await move.switch.engine_of(old).stop(old, grace=0)
    assert {instance.id for instance in await move.switch.instances()} == {new}
    assert (await move.switch.instances())[0].state is InstanceState.STARTING


async def test_two_connections_to_one_engine_list_each_instance_once(move: Move) -> None:
    (before,) = (each.instance for each in (await move.fleet.scale(1)).instances)
    again = ProcessEngine(move.fleet_env.workspace, program=PROGRAM)
    move.switch.switch_to(again)
    assert [each.id for each in await move.switch.instances()] == [before.id]
    assert move.switch.engine_of(before.id) is again
