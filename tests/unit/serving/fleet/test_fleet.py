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
from tests.unit.serving.fleet.ground import MODEL, Ground

READY, FAILED = InstanceState.READY, InstanceState.FAILED


def ids(view: FleetView) -> list[str]:
    return [each.instance.id for each in view.instances]


def process(view: FleetView, index: int = 0) -> psutil.Process:
    number = view.instances[index].instance.process
    assert number is not None
    return psutil.Process(number)


async def test_it_grows_and_shrinks_and_every_program_sees_the_same(ground: Ground) -> None:
    assert not ground.fleet.sized
    said: list[tuple[int, int, str]] = []
    view = await ground.fleet.scale(2, lambda *step: said.append(step))
    assert [each.state for each in view.instances] == [READY, READY]
    assert (view.wanted, view.ready, view.live_version) == (2, 2, 1)
    assert said[0] == (0, 2, "0 of 2 instances ready.")
    assert ground.fleet.sized
    other = ground.another()
    assert other.view.wanted == 2
    assert ids(await other.observe()) == ids(view)
    assert other.view.ready == 2
    assert (await ground.other_client.classify(b"x")).version == 1
    oldest = ids(view)[0]
    said.clear()
    view = await other.scale(1, lambda *step: said.append(step))
    assert ids(view) == [oldest]
    assert ids(await ground.fleet.observe()) == [oldest]
    assert ground.fleet.view.wanted == 1
    await ground.fleet.stop()
    assert ground.fleet.view.instances == ()
    assert json.loads((ground.workspace.root / "fleet" / "pets.json").read_text())["wanted"] == 0


async def test_a_killed_instance_is_left_alone_within_a_second_and_replaced(
    ground: Ground,
) -> None:
    async with ground.running():
        view = await ground.fleet.scale(2)
        killed = time.monotonic()
        process(view).kill()
        dead = ids(view)[0]
        await ground.until(lambda view: view.ready == 1)
        assert time.monotonic() - killed < 1
        answers = [(await ground.client.classify(b"x")).instance_id for _ in range(4)]
        assert set(answers) == {ids(view)[1]}
        assert ground.client.counters()[dead].failures == 0
        view = await ground.until(lambda view: view.ready == 2)
        assert dead not in ids(view)


async def test_watching_changes_nothing(ground: Ground) -> None:
    await ground.fleet.scale(1)
    watching = asyncio.create_task(ground.fleet.watch())
    process(ground.fleet.view).kill()
    view = await ground.until(lambda view: view.instances[0].state is FAILED)
    await asyncio.sleep(1)
    assert ids(ground.fleet.view) == ids(view)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


async def test_a_model_that_ends_its_server_is_told_and_not_tried_without_end(
    ground: Ground,
) -> None:
    ground.behave(exit=3)
    seen: set[str] = set()
    ground.fleet.subscribe(lambda view: seen.update(ids(view)))
    async with ground.running():
        with pytest.raises(EngineError, match="exit status 3") as failure:
            await ground.fleet.scale(1)
        assert "tried again in" in failure.value.advice
        (each,) = ground.fleet.view.instances
        assert each.state is FAILED
        assert each.instance.failure.endswith("The last line of its log: the model is broken")
        assert await ground.engine.logs(each.instance.id) == "the model is broken"
        await asyncio.sleep(2.5)
        assert len(seen) <= 4
        ground.behave()
        view = await ground.fleet.scale(1)
        assert view.ready == 1


async def test_an_instance_serves_the_old_version_until_the_new_one_is_there(
    ground: Ground,
) -> None:
    versions: list[int | None] = []

    def answers_with(number: int) -> Callable[[FleetView], bool]:
        return lambda view: view.live_version == number

    async with ground.running():
        await ground.fleet.scale(1)
        ground.fleet.subscribe(lambda view: versions.append(view.live_version))
        for number in (2, 3, 1):
            ground.repository.promote(MODEL, number)
            await ground.until(answers_with(number))
            assert (await ground.client.classify(b"x")).version == number
    assert None not in versions


async def test_a_broken_version_is_told_and_the_old_one_goes_on(ground: Ground) -> None:
    ground.behave(broken=[2])
    async with ground.running():
        await ground.fleet.scale(1)
        ground.repository.promote(MODEL, 2)
        view = await ground.until(lambda view: bool(view.instances[0].instance.failure))
        assert view.instances[0].instance.failure == "Its server says: the version is broken"
        assert (view.ready, view.live_version) == (1, 1)


async def test_without_the_live_version_an_instance_is_not_ready(ground: Ground) -> None:
    ground.behave(broken=[1])
    scaling = asyncio.create_task(ground.fleet.scale(1))
    view = await ground.until(
        lambda view: bool(view.instances) and bool(view.instances[0].instance.failure)
    )
    assert view.instances[0].state is InstanceState.STARTING
    assert (view.ready, view.live_version) == (0, None)
    ground.behave()
    assert (await scaling).ready == 1


async def test_nothing_can_be_started_without_a_live_version(ground: Ground) -> None:
    ground.repository.config_path(MODEL).unlink()
    with pytest.raises(ModelError, match="live"):
        await ground.fleet.scale(1)
    assert await ground.engine.instances() == []


async def test_a_restarted_instance_serves_until_its_successor_is_ready(ground: Ground) -> None:
    async with ground.running():
        first = ids(await ground.fleet.scale(1))
        fewest: list[int] = []
        ground.fleet.subscribe(lambda view: fewest.append(view.ready))
        await ground.fleet.restart(first[0])
        view = ground.fleet.view
    assert min(fewest) == 1
    assert (view.wanted, view.ready, len(view.instances)) == (1, 1, 1)
    assert ids(view) != first
    with pytest.raises(EngineError, match="no instance"):
        await ground.fleet.restart(first[0])


async def test_the_instance_that_is_stopped_is_the_one_that_was_named(ground: Ground) -> None:
    async with ground.running():
        oldest, newest = ids(await ground.fleet.scale(2))
        await ground.fleet.stop_instance(oldest)
        view = await ground.until(lambda view: len(view.instances) == 1)
        assert (view.wanted, ids(view)) == (1, [newest])
        with pytest.raises(EngineError, match="no instance"):
            await ground.fleet.stop_instance(oldest)


async def test_what_an_instance_was_sent_is_answered_before_it_stops(ground: Ground) -> None:
    async with ground.running():
        view = await ground.fleet.scale(2)
        ground.behave(delay=0.5)
        calls = [asyncio.create_task(ground.client.classify(b"x")) for _ in range(6)]
        await asyncio.sleep(0.2)
        states: set[tuple[str, InstanceState]] = set()
        ground.fleet.subscribe(
            lambda view: states.update((each.instance.id, each.state) for each in view.instances)
        )
        await ground.fleet.scale(1)
        assert {(await call).instance_id for call in calls} == set(ids(view))
        assert all(traffic.failures == 0 for traffic in ground.client.counters().values())
        leaving = ids(view)[1]
        assert {state for name, state in states if name == leaving} == {
            READY,
            InstanceState.DRAINING,
        }


async def test_an_instance_that_hangs_is_replaced_and_its_requests_go_elsewhere(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "STATUS_SECONDS", 0.5)
    monkeypatch.setattr("serving.fleet.observer.SILENCE_SECONDS", 1.5)
    monkeypatch.setattr(ground.engine, "stop", partial(ground.engine.stop, grace=0.1))
    async with ground.running():
        view = await ground.fleet.scale(2)
        for _ in range(2):
            await ground.client.classify(b"x")
        hanging = process(view)
        os.kill(hanging.pid, signal.SIGSTOP)
        calls = [asyncio.create_task(ground.client.classify(b"x")) for _ in range(10)]
        answers = await asyncio.gather(*calls)
        assert {answer.instance_id for answer in answers} == {ids(view)[1]}
        name = ids(view)[0]
        await ground.until(lambda view: view.ready == 2 and name not in ids(view))
        assert not hanging.is_running()


async def test_two_programs_that_change_the_fleet_at_once_agree(ground: Ground) -> None:
    other = ground.another()
    async with ground.running():
        running = asyncio.create_task(other.run())
        await asyncio.gather(ground.fleet.scale(2), other.scale(2))
        await asyncio.sleep(0.5)
        assert len(await ground.engine.instances()) == 2
        process(ground.fleet.view).kill()
        await asyncio.sleep(1.5)
        assert len(await ground.engine.instances()) == 2
        await ground.until(lambda view: view.ready == 2)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_another_number_ends_a_scaling_that_is_under_way(ground: Ground) -> None:
    async with ground.running():
        scaling = asyncio.create_task(ground.fleet.scale(2))
        await ground.until(lambda view: len(view.instances) == 2)
        await ground.another().scale(1)
        assert (await scaling).wanted == 1


async def test_a_fleet_at_rest_remembers_how_many_are_wanted(ground: Ground) -> None:
    await ground.fleet.scale(1)
    await ground.fleet.rest()
    assert (ground.fleet.view.wanted, ground.fleet.view.instances) == (1, ())
    async with ground.running():
        await ground.until(lambda view: view.ready == 1)


async def test_trouble_with_the_engine_is_said_and_passes(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuses(model: str | None = None) -> list[Instance]:
        raise EngineError("The engine is away.")

    async with ground.running():
        await ground.fleet.scale(1)
        with monkeypatch.context() as patched:
            patched.setattr(ground.engine, "instances", refuses)
            view = await ground.until(lambda view: view.engine_reason == "The engine is away.")
            assert view.ready == 1
        await ground.until(lambda view: view.engine_reason == "Processes work on every machine.")
        assert (await ground.client.classify(b"x")).version == 1


async def test_a_listener_that_fails_harms_nobody(
    ground: Ground, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(view: FleetView) -> None:
        raise ValueError("of the listener")

    undo = ground.fleet.subscribe(fails)
    assert (await ground.fleet.scale(1)).ready == 1
    assert "A listener to the fleet failed" in caplog.text
    undo()
    caplog.clear()
    await ground.fleet.stop()
    assert caplog.text == ""
