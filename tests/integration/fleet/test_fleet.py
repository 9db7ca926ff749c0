import asyncio
import json
import os
import signal
import time
from collections.abc import Callable
from functools import partial

import psutil
import pytest

from serving.engines.protocol import Instance, InstanceState
from serving.errors import EngineError, ModelError
from serving.fleet import probe
from serving.fleet.fleet import FleetView
from tests.support.fleet_env import MODEL, FleetEnv

READY, FAILED = InstanceState.READY, InstanceState.FAILED


def ids(view: FleetView) -> list[str]:
    return [each.instance.id for each in view.instances]


def process(view: FleetView, index: int = 0) -> psutil.Process:
    number = view.instances[index].instance.process
    assert number is not None
    return psutil.Process(number)


async def test_it_grows_and_shrinks_and_every_program_sees_the_same(fleet_env: FleetEnv) -> None:
    assert not fleet_env.fleet.configured
    said: list[tuple[int, int, str]] = []
    view = await fleet_env.fleet.scale(2, lambda *step: said.append(step))
    assert [each.state for each in view.instances] == [READY, READY]
    assert (view.desired_count, view.ready, view.live_version) == (2, 2, 1)
    assert said[0] == (0, 2, "0 of 2 instances ready.")
    assert fleet_env.fleet.configured
    other = fleet_env.new_fleet()
    assert other.view.desired_count == 2
    assert ids(await other.observe()) == ids(view)
    assert other.view.ready == 2
    assert (await fleet_env.other_client.classify(b"x")).version == 1
    oldest = ids(view)[0]
    said.clear()
    view = await other.scale(1, lambda *step: said.append(step))
    assert ids(view) == [oldest]
    assert ids(await fleet_env.fleet.observe()) == [oldest]
    assert fleet_env.fleet.view.desired_count == 1
    await fleet_env.fleet.stop()
    assert fleet_env.fleet.view.instances == ()
    assert json.loads((fleet_env.workspace.root / "fleet" / "pets.json").read_text())["wanted"] == 0


async def test_a_killed_instance_is_left_alone_within_a_second_and_replaced(
    fleet_env: FleetEnv,
) -> None:
    async with fleet_env.running():
        view = await fleet_env.fleet.scale(2)
        killed = time.monotonic()
        process(view).kill()
        dead = ids(view)[0]
        await fleet_env.wait_for_view(lambda view: view.ready == 1)
        assert time.monotonic() - killed < 1
        answers = [(await fleet_env.client.classify(b"x")).instance_id for _ in range(4)]
        assert set(answers) == {ids(view)[1]}
        assert fleet_env.client.counters()[dead].failures == 0
        view = await fleet_env.wait_for_view(lambda view: view.ready == 2)
        assert dead not in ids(view)


async def test_watching_changes_nothing(fleet_env: FleetEnv) -> None:
    await fleet_env.fleet.scale(1)
    watching = asyncio.create_task(fleet_env.fleet.watch())
    process(fleet_env.fleet.view).kill()
    view = await fleet_env.wait_for_view(lambda view: view.instances[0].state is FAILED)
    await asyncio.sleep(1)
    assert ids(fleet_env.fleet.view) == ids(view)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


async def test_a_model_that_ends_its_server_is_told_and_not_tried_without_end(
    fleet_env: FleetEnv,
) -> None:
    fleet_env.configure(exit=3)
    seen: set[str] = set()
    fleet_env.fleet.subscribe(lambda view: seen.update(ids(view)))
    async with fleet_env.running():
        with pytest.raises(EngineError, match="exit status 3") as failure:
            await fleet_env.fleet.scale(1)
        assert "tried again in" in failure.value.advice
        (each,) = fleet_env.fleet.view.instances
        assert each.state is FAILED
        assert each.instance.failure.endswith("The last line of its log: the model is broken")
        logs = await fleet_env.engine.logs(each.instance.id)
        assert logs.splitlines() == ["the fake server begins", "the model is broken"]
        await asyncio.sleep(2.5)
        assert len(seen) <= 4
        fleet_env.configure()
        view = await fleet_env.fleet.scale(1)
        assert view.ready == 1


async def test_an_instance_serves_the_old_version_until_the_new_one_is_there(
    fleet_env: FleetEnv,
) -> None:
    versions: list[int | None] = []

    def answers_with(number: int) -> Callable[[FleetView], bool]:
        return lambda view: view.live_version == number

    async with fleet_env.running():
        await fleet_env.fleet.scale(1)
        fleet_env.fleet.subscribe(lambda view: versions.append(view.live_version))
        for number in (2, 3, 1):
            fleet_env.repository.promote(MODEL, number)
            await fleet_env.wait_for_view(answers_with(number))
            assert (await fleet_env.client.classify(b"x")).version == number
    assert None not in versions


async def test_a_broken_version_is_told_and_the_old_one_goes_on(fleet_env: FleetEnv) -> None:
    fleet_env.configure(broken=[2])
    async with fleet_env.running():
        await fleet_env.fleet.scale(1)
        fleet_env.repository.promote(MODEL, 2)
        view = await fleet_env.wait_for_view(lambda view: bool(view.instances[0].instance.failure))
        assert view.instances[0].instance.failure == "Its server says: the version is broken"
        assert (view.ready, view.live_version) == (1, 1)


async def test_without_the_live_version_an_instance_is_not_ready(fleet_env: FleetEnv) -> None:
    fleet_env.configure(broken=[1])
    scaling = asyncio.create_task(fleet_env.fleet.scale(1))
    view = await fleet_env.wait_for_view(
        lambda view: bool(view.instances) and bool(view.instances[0].instance.failure)
    )
    assert view.instances[0].state is InstanceState.STARTING
    assert (view.ready, view.live_version) == (0, None)
    fleet_env.configure()
    assert (await scaling).ready == 1


async def test_nothing_can_be_started_without_a_live_version(fleet_env: FleetEnv) -> None:
    fleet_env.repository.config_path(MODEL).unlink()
    with pytest.raises(ModelError, match="live"):
        await fleet_env.fleet.scale(1)
    assert await fleet_env.engine.instances() == []


async def test_a_restarted_instance_serves_until_its_successor_is_ready(
    fleet_env: FleetEnv,
) -> None:
    async with fleet_env.running():
        first = ids(await fleet_env.fleet.scale(1))
        fewest: list[int] = []
        fleet_env.fleet.subscribe(lambda view: fewest.append(view.ready))
        await fleet_env.fleet.restart(first[0])
        view = fleet_env.fleet.view
    assert min(fewest) == 1
    assert (view.desired_count, view.ready, len(view.instances)) == (1, 1, 1)
    assert ids(view) != first
    with pytest.raises(EngineError, match="no instance"):
        await fleet_env.fleet.restart(first[0])


async def test_the_instance_that_is_stopped_is_the_one_that_was_named(fleet_env: FleetEnv) -> None:
    async with fleet_env.running():
        oldest, newest = ids(await fleet_env.fleet.scale(2))
        await fleet_env.fleet.stop_instance(oldest)
        view = await fleet_env.wait_for_view(lambda view: len(view.instances) == 1)
        assert (view.desired_count, ids(view)) == (1, [newest])
        with pytest.raises(EngineError, match="no instance"):
            await fleet_env.fleet.stop_instance(oldest)


async def test_what_an_instance_was_sent_is_answered_before_it_stops(fleet_env: FleetEnv) -> None:
    async with fleet_env.running():
        view = await fleet_env.fleet.scale(2)
        fleet_env.configure(delay=0.5)
        calls = [asyncio.create_task(fleet_env.client.classify(b"x")) for _ in range(6)]
        await asyncio.sleep(0.2)
        states: set[tuple[str, InstanceState]] = set()
        fleet_env.fleet.subscribe(
            lambda view: states.update((each.instance.id, each.state) for each in view.instances)
        )
        await fleet_env.fleet.scale(1)
        assert {(await call).instance_id for call in calls} == set(ids(view))
        assert all(traffic.failures == 0 for traffic in fleet_env.client.counters().values())
        leaving = ids(view)[1]
        assert {state for name, state in states if name == leaving} == {
            READY,
            InstanceState.DRAINING,
        }


async def test_an_instance_that_hangs_is_replaced_and_its_requests_go_elsewhere(
    fleet_env: FleetEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "STATUS_SECONDS", 0.5)
    monkeypatch.setattr("serving.fleet.observer.SILENCE_SECONDS", 1.5)
    monkeypatch.setattr(fleet_env.engine, "stop", partial(fleet_env.engine.stop, grace=0.1))
    async with fleet_env.running():
        view = await fleet_env.fleet.scale(2)
        for _ in range(2):
            await fleet_env.client.classify(b"x")
        hanging = process(view)
        os.kill(hanging.pid, signal.SIGSTOP)
        calls = [asyncio.create_task(fleet_env.client.classify(b"x")) for _ in range(10)]
        answers = await asyncio.gather(*calls)
        assert {answer.instance_id for answer in answers} == {ids(view)[1]}
        name = ids(view)[0]
        await fleet_env.wait_for_view(lambda view: view.ready == 2 and name not in ids(view))
        assert not hanging.is_running()


async def test_two_programs_that_change_the_fleet_at_once_agree(fleet_env: FleetEnv) -> None:
    other = fleet_env.new_fleet()
    async with fleet_env.running():
        running = asyncio.create_task(other.run())
        await asyncio.gather(fleet_env.fleet.scale(2), other.scale(2))
        await asyncio.sleep(0.5)
        assert len(await fleet_env.engine.instances()) == 2
        process(fleet_env.fleet.view).kill()
        await asyncio.sleep(1.5)
        assert len(await fleet_env.engine.instances()) == 2
        await fleet_env.wait_for_view(lambda view: view.ready == 2)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_another_number_ends_a_scaling_that_is_under_way(fleet_env: FleetEnv) -> None:
    async with fleet_env.running():
        scaling = asyncio.create_task(fleet_env.fleet.scale(2))
        await fleet_env.wait_for_view(lambda view: len(view.instances) == 2)
        await fleet_env.new_fleet().scale(1)
        assert (await scaling).desired_count == 1


async def test_a_fleet_at_rest_remembers_how_many_are_wanted(fleet_env: FleetEnv) -> None:
    await fleet_env.fleet.scale(1)
    await fleet_env.fleet.stop_and_remember()
    assert (fleet_env.fleet.view.desired_count, fleet_env.fleet.view.instances) == (1, ())
    async with fleet_env.running():
        await fleet_env.wait_for_view(lambda view: view.ready == 1)


async def test_trouble_with_the_engine_is_said_and_passes(
    fleet_env: FleetEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuses(model: str | None = None) -> list[Instance]:
        raise EngineError("The engine is away.")

    async with fleet_env.running():
        await fleet_env.fleet.scale(1)
        with monkeypatch.context() as patched:
            patched.setattr(fleet_env.engine, "instances", refuses)
            view = await fleet_env.wait_for_view(
                lambda view: view.engine_reason == "The engine is away."
            )
            assert view.ready == 1
        await fleet_env.wait_for_view(lambda view: view.engine_reason.startswith("Processes work"))
        assert (await fleet_env.client.classify(b"x")).version == 1


async def test_a_listener_that_fails_harms_nobody(
    fleet_env: FleetEnv, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(view: FleetView) -> None:
        raise ValueError("of the listener")

    undo = fleet_env.fleet.subscribe(fails)
    assert (await fleet_env.fleet.scale(1)).ready == 1
    assert "A listener to the fleet failed" in caplog.text
    undo()
    caplog.clear()
    await fleet_env.fleet.stop()
    assert caplog.text == ""
