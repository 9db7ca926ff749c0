import asyncio
import json
import os
import signal
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import psutil
import pytest

from serving.background import cancel_and_wait, in_background
from serving.engines.process import POLL_SECONDS as CHANGE_POLL_SECONDS
from serving.engines.protocol import Instance, InstanceState
from serving.errors import EngineError, ModelError
from serving.fleet import plan, watcher
from serving.fleet.fleet import FleetView
from serving.fleet.observer import START_SECONDS
from serving.fleet.plan import BACK_OFF_SECONDS
from serving.fleet.probe import SILENCE_SECONDS, InstanceProbe
from serving.fleet.record import RecordFile
from serving.predict.client import PredictClient
from tests.support.clock import ManualClock
from tests.support.fleet_env import MODEL, FleetEnv, patch_pace, quicken_pace
from tests.support.waiting import wait_for_view, wait_until

READY, FAILED = InstanceState.READY, InstanceState.FAILED


def ids(view: FleetView) -> list[str]:
    return [each.instance.id for each in view.instances]


def process(view: FleetView, index: int = 0) -> psutil.Process:
    number = view.instances[index].instance.process
    assert number is not None
    return psutil.Process(number)


async def test_it_grows_and_shrinks_and_every_program_sees_the_same(fleet_env: FleetEnv) -> None:
    assert not fleet_env.fleet.configured
    reports: list[tuple[int, int, str]] = []
    view = await fleet_env.fleet.scale(2, lambda *step: reports.append(step))
    assert [each.state for each in view.instances] == [READY, READY]
    assert (view.desired_count, view.ready, view.live_version) == (2, 2, 1)
    assert reports[0] == (0, 2, "0 of 2 instances ready.")
    assert fleet_env.fleet.configured
    other = fleet_env.new_fleet()
    assert other.view.desired_count == 2
    assert ids(await other.observe()) == ids(view)
    assert other.view.ready == 2
    assert (await fleet_env.other_client.classify(b"x")).version == 1
    oldest = ids(view)[0]
    reports.clear()
    view = await other.scale(1, lambda *step: reports.append(step))
    assert ids(view) == [oldest]
    assert ids(await fleet_env.fleet.observe()) == [oldest]
    assert fleet_env.fleet.view.desired_count == 1
    await fleet_env.fleet.scale(0)
    assert fleet_env.fleet.view.instances == ()
    record = fleet_env.workspace.root / "fleet" / "fleet.json"
    assert json.loads(record.read_text())["wanted"] == 0


async def test_a_killed_instance_is_left_alone_within_a_second_and_replaced(
    fleet_env: FleetEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine tells of it: the fleet's own polls would be too late."""
    assert CHANGE_POLL_SECONDS < 1
    patch_pace(monkeypatch)
    view = await fleet_env.fleet.scale(2)
    before = fleet_env.engine.polls
    async with fleet_env.running():
        await wait_until(lambda: fleet_env.engine.polls > before and fleet_env.engine.change_polls)
        process(view).kill()
        dead = ids(view)[0]
        await fleet_env.wait_for_view(lambda view: view.ready == 1)
        answers = [(await fleet_env.client.classify(b"x")).instance_id for _ in range(4)]
        assert set(answers) == {ids(view)[1]}
        assert fleet_env.client.balancer.counters()[dead].failures == 0
        view = await fleet_env.wait_for_view(lambda view: view.ready == 2)
        assert dead not in ids(view)


async def test_an_instance_that_is_killed_now_and_then_is_replaced_at_once_each_time(
    fleet_env: FleetEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "STABLE_SECONDS", 0.1)
    record = RecordFile(fleet_env.workspace.fleet_record)
    await fleet_env.fleet.scale(1)
    async with fleet_env.running():
        for _ in BACK_OFF_SECONDS[:5]:  # the last would wait for as long as all others
            (dead,) = ids(fleet_env.fleet.view)
            process(fleet_env.fleet.view).kill()
            await fleet_env.wait_for_view(lambda view: view.ready == 0)
            view = await fleet_env.wait_for_view(lambda view: view.ready == 1)
            assert dead not in ids(view)
            await wait_until(lambda: not record.read().failures)


async def test_a_version_that_another_program_promotes_is_seen_at_once(
    fleet_env: FleetEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    patch_pace(monkeypatch)
    await fleet_env.fleet.scale(1)
    before = fleet_env.engine.polls
    async with fleet_env.running():
        await wait_until(lambda: fleet_env.engine.polls > before)
        fleet_env.repository.promote(MODEL, 2)
        await fleet_env.wait_for_view(lambda view: view.live_versions == {MODEL: 2})


async def test_scaling_lists_the_engine_twice_for_each_act_and_once_at_its_end(
    fleet_env: FleetEnv,
) -> None:
    await fleet_env.fleet.scale(2)
    before = fleet_env.engine.polls
    await fleet_env.fleet.scale(2)
    assert fleet_env.engine.polls == before + 1
    await fleet_env.fleet.scale(1)
    assert fleet_env.engine.polls == before + 4


async def test_watching_changes_nothing(fleet_env: FleetEnv) -> None:
    await fleet_env.fleet.scale(1)
    async with in_background(fleet_env.fleet.watch()):
        process(fleet_env.fleet.view).kill()
        view = await fleet_env.wait_for_view(lambda view: view.instances[0].state is FAILED)
        await fleet_env.wait_for_polls(5)
        assert ids(fleet_env.fleet.view) == ids(view)


async def test_a_model_that_crashes_its_server_is_reported_and_not_retried_forever(
    fleet_env: FleetEnv,
) -> None:
    fleet_env.configure(exit=3)
    clock = ManualClock(time.time())
    fleet = fleet_env.new_fleet(clock=clock)
    seen: set[str] = set()
    fleet.subscribe(lambda view: seen.update(ids(view)))
    async with in_background(fleet.run()):
        with pytest.raises(EngineError, match="exit status 3") as failure:
            await fleet.scale(1)
        assert "tried again in" in failure.value.advice
        (each,) = fleet.view.instances
        assert each.state is FAILED
        assert each.instance.failure.endswith("The last line of its log: the model is broken")
        logs = await fleet_env.engine.logs(each.instance.id)
        assert logs.splitlines() == ["the fake server begins", "the model is broken"]
        await fleet_env.wait_for_polls(5)
        assert len(seen) == 2
        clock.advance(BACK_OFF_SECONDS[1])
        await wait_for_view(fleet, lambda view: len(seen) == 3)
        await fleet_env.wait_for_polls(5)
        assert len(seen) == 3
        fleet_env.configure()
        view = await fleet.scale(1)
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


async def test_a_broken_version_is_reported_and_the_old_one_keeps_serving(
    fleet_env: FleetEnv,
) -> None:
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


async def test_an_instance_that_was_started_long_ago_has_time_to_answer_a_new_program(
    fleet_env: FleetEnv,
) -> None:
    (each,) = (await fleet_env.fleet.scale(1)).instances
    fleet_env.configure(delay=3 * watcher.OBSERVE_SECONDS)
    clock = ManualClock(each.instance.started + 2 * START_SECONDS)
    later = fleet_env.new_fleet(monotonic=clock)
    states: list[InstanceState] = []
    later.subscribe(lambda view: states.extend(each.state for each in view.instances))
    async with in_background(later.run()):
        view = await wait_for_view(later, lambda view: view.ready == 1)
    assert ids(view) == [each.instance.id]
    assert set(states) == {InstanceState.STARTING, READY}


async def test_an_instance_that_never_answers_has_failed_after_a_while(
    fleet_env: FleetEnv,
) -> None:
    fleet_env.configure(broken=[1])
    clock = ManualClock(time.time())
    fleet = fleet_env.new_fleet(monotonic=clock)
    async with in_background(fleet.run()):
        scaling = asyncio.create_task(fleet.scale(1))
        view = await wait_for_view(fleet, lambda view: bool(ids(view)))
        await fleet_env.wait_for_polls(3)
        clock.advance(2 * START_SECONDS)
        failed = await wait_for_view(fleet, lambda view: view.instances[0].state is FAILED)
        assert ids(failed) == ids(view)
        assert failed.instances[0].instance.failure.startswith("It was not ready within ")
        await cancel_and_wait(scaling)


async def test_nothing_can_be_started_without_a_live_version(fleet_env: FleetEnv) -> None:
    fleet_env.repository.live_config_path(MODEL).unlink()
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
        counters = fleet_env.client.balancer.counters
        await wait_until(lambda: sum(each.outstanding for each in counters().values()) == 6)
        states: set[tuple[str, InstanceState]] = set()
        fleet_env.fleet.subscribe(
            lambda view: states.update((each.instance.id, each.state) for each in view.instances)
        )
        await fleet_env.fleet.scale(1)
        assert {(await call).instance_id for call in calls} == set(ids(view))
        assert all(
            traffic.failures == 0 for traffic in fleet_env.client.balancer.counters().values()
        )
        leaving = ids(view)[1]
        assert {state for name, state in states if name == leaving} == {
            READY,
            InstanceState.DRAINING,
        }


def has_answered(probe: InstanceProbe) -> bool:
    return probe.silent_seconds == 0


async def test_an_instance_that_hangs_is_replaced_and_its_requests_go_elsewhere(
    fleet_env: FleetEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ManualClock()
    probes: dict[str, InstanceProbe] = {}

    def open_probe(address: str, clock: Callable[[], float], **options: Any) -> InstanceProbe:
        probes[address] = InstanceProbe(address, clock, **options)
        return probes[address]

    monkeypatch.setattr("serving.fleet.observer.InstanceProbe", open_probe)
    monkeypatch.setattr(fleet_env.engine, "stop", partial(fleet_env.engine.stop, grace=0.1))
    client = PredictClient(fleet_env.repository.served, clock=clock)
    fleet = fleet_env.new_fleet(client, monotonic=clock)
    async with in_background(fleet.run()):
        view = await fleet.scale(2)
        hanging, healthy = view.instances
        for _ in range(2):
            await client.classify(b"x")
        process_id = process(view).pid
        os.kill(process_id, signal.SIGSTOP)
        calls = [asyncio.create_task(client.classify(b"x")) for _ in range(10)]
        assert hanging.instance.grpc_address is not None
        asked = probes[hanging.instance.grpc_address]
        await wait_until(lambda: asked._unanswered is not None)
        silent_for = 0.0
        while silent_for <= SILENCE_SECONDS:
            clock.advance(SILENCE_SECONDS / 2)
            silent_for += SILENCE_SECONDS / 2
            # The other one answers all the while.
            assert healthy.instance.grpc_address is not None
            probe = probes[healthy.instance.grpc_address]
            await wait_until(partial(has_answered, probe))
        answers = await asyncio.gather(*calls)
        assert {answer.instance_id for answer in answers} == {healthy.instance.id}
        await wait_for_view(
            fleet, lambda view: view.ready == 2 and hanging.instance.id not in ids(view)
        )
        assert not psutil.pid_exists(process_id)
    await client.close()


async def test_two_programs_that_change_the_fleet_at_once_agree(
    fleet_env: FleetEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    quicken_pace(monkeypatch)
    other = fleet_env.new_fleet()
    async with fleet_env.running(), in_background(other.run()):
        await asyncio.gather(fleet_env.fleet.scale(2), other.scale(2))
        await fleet_env.wait_for_polls(10)
        assert len(await fleet_env.engine.instances()) == 2
        dead = ids(fleet_env.fleet.view)[0]
        process(fleet_env.fleet.view).kill()
        for fleet in (fleet_env.fleet, other):
            await wait_for_view(fleet, lambda view: view.ready == 2 and dead not in ids(view))
        await fleet_env.wait_for_polls(10)
        assert len(await fleet_env.engine.instances()) == 2


async def test_another_number_ends_a_scaling_that_is_under_way(fleet_env: FleetEnv) -> None:
    async with fleet_env.running():
        scaling = asyncio.create_task(fleet_env.fleet.scale(2))
        await fleet_env.wait_for_view(lambda view: len(view.instances) == 2)
        await fleet_env.new_fleet().scale(1)
        assert (await scaling).desired_count == 1


async def test_a_stopped_fleet_remembers_its_desired_count(fleet_env: FleetEnv) -> None:
    await fleet_env.fleet.scale(1)
    await fleet_env.fleet.stop_and_remember()
    assert (fleet_env.fleet.view.desired_count, fleet_env.fleet.view.instances) == (1, ())
    async with fleet_env.running():
        await fleet_env.wait_for_view(lambda view: view.ready == 1)


async def test_an_engine_error_is_shown_until_it_is_over(
    fleet_env: FleetEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuses() -> list[Instance]:
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


async def test_a_listener_that_fails_does_not_affect_the_others(
    fleet_env: FleetEnv, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(view: FleetView) -> None:
        raise ValueError("of the listener")

    undo = fleet_env.fleet.subscribe(fails)
    assert (await fleet_env.fleet.scale(1)).ready == 1
    assert "A listener to the fleet failed" in caplog.text
    undo()
    caplog.clear()
    await fleet_env.fleet.scale(0)
    assert caplog.text == ""
