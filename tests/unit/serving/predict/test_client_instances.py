"""Requests find a ready instance that answers, and wait for their turn."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

import grpc
import pytest

from serving.errors import FleetUnavailable
from serving.predict import client as client_module
from serving.predict.balance import MAX_OUTSTANDING
from serving.predict.client import PredictClient
from serving.predict.load_balancer import InstanceAddress
from tests.support.clock import ManualClock
from tests.support.fake_prediction_server import FakePredictionServer, cat
from tests.support.waiting import wait_until
from tests.unit.serving.predict.instances import NOWHERE, PETS, Gate, ends_with, set_instances


async def test_requests_one_by_one_go_round_the_instances(client: PredictClient) -> None:
    async with (
        FakePredictionServer(cat) as one,
        FakePredictionServer(cat) as two,
        FakePredictionServer(cat) as three,
    ):
        set_instances(client, a=one, b=two, c=three)
        answers = [(await client.classify(b"x")).instance_id for _ in range(9)]
    assert Counter(answers) == {"a": 3, "b": 3, "c": 3}


async def test_programs_that_start_together_do_not_ask_instances_in_step() -> None:
    async with FakePredictionServer(cat) as one, FakePredictionServer(cat) as two:
        first: Counter[str] = Counter()
        for _ in range(20):
            client = PredictClient(lambda: PETS)
            set_instances(client, a=one, b=two)
            first[(await client.classify(b"x")).instance_id] += 1
            await client.close()
    assert set(first) == {"a", "b"}


async def test_a_slow_instance_gets_fewer(client: PredictClient) -> None:
    gate = Gate()
    async with FakePredictionServer(gate) as one, FakePredictionServer(cat) as two:
        set_instances(client, slow=one, quick=two)
        answers: Counter[str] = Counter()

        async def caller() -> None:
            while answers.total() < 40:
                answers[(await client.classify(b"x")).instance_id] += 1

        callers = asyncio.gather(*(caller() for _ in range(4)))
        await wait_until(lambda: answers.total() >= 40)
        assert set(answers) == {"quick"}
        gate.open.set()
        await callers
    assert answers["quick"] > 2 * answers["slow"] > 0


@pytest.mark.parametrize(
    "code",
    [
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    ],
)
async def test_a_request_that_one_instance_loses_is_answered_by_another(
    client: PredictClient, code: grpc.StatusCode
) -> None:
    lost: list[str] = []
    client.balancer.on_loss(lost.append)
    async with FakePredictionServer(ends_with(code)) as bad, FakePredictionServer(cat) as good:
        set_instances(client, bad=bad, good=good)
        answers = [(await client.classify(b"x")).instance_id for _ in range(4)]
    assert answers == ["good"] * 4
    assert lost == ["bad"]
    assert client.balancer.counters()["bad"].failures == 1
    assert client.balancer.counters()["good"].failures == 0


async def test_an_instance_that_is_not_there_costs_no_request(client: PredictClient) -> None:
    async with FakePredictionServer(cat) as good:
        client.balancer.set_instances(
            [InstanceAddress("gone", NOWHERE), InstanceAddress("good", good.address)]
        )
        answers = await asyncio.gather(*(client.classify(b"x") for _ in range(40)))
    assert {answer.instance_id for answer in answers} == {"good"}


async def test_an_instance_that_ends_mid_request_costs_no_request(client: PredictClient) -> None:
    async with FakePredictionServer(Gate()) as ending, FakePredictionServer(cat) as staying:
        set_instances(client, ending=ending, staying=staying)
        calls = [asyncio.ensure_future(client.classify(b"x")) for _ in range(20)]
        await wait_until(lambda: ending.requests)
        await ending.stop()
        answers = await asyncio.gather(*calls)
    assert {answer.instance_id for answer in answers} == {"staying"}


async def test_fail_over_sends_requests_elsewhere_and_a_cancelled_caller_stays_cancelled(
    client: PredictClient,
) -> None:
    async with FakePredictionServer(Gate()) as hanging, FakePredictionServer(cat) as good:
        set_instances(client, hanging=hanging)
        call = asyncio.ensure_future(client.classify(b"x"))
        cancelled = asyncio.ensure_future(client.classify(b"x"))
        await wait_until(lambda: len(hanging.requests) == 2)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        assert client.balancer.counters()["hanging"].outstanding == 1
        set_instances(client, good=good)
        client.balancer.fail_over("hanging")
        assert (await call).instance_id == "good"


async def test_requests_wait_for_the_first_ready_instance(client: PredictClient) -> None:
    calls = [asyncio.ensure_future(client.classify(b"x")) for _ in range(5)]
    await asyncio.sleep(0)
    async with FakePredictionServer(cat) as server:
        set_instances(client, late=server)
        answers = await asyncio.gather(*calls)
    assert {answer.instance_id for answer in answers} == {"late"}


async def test_waiting_for_a_ready_instance_times_out() -> None:
    clock = ManualClock()
    client = PredictClient(lambda: PETS, timeout=15, clock=clock)
    call = asyncio.ensure_future(client.classify(b"x"))
    await asyncio.sleep(0)
    clock.now += 14.9
    client.balancer.set_instances([])
    await asyncio.sleep(0)
    assert not call.done()
    clock.now += 0.2
    client.balancer.set_instances([])
    with pytest.raises(FleetUnavailable, match="No instance is ready"):
        await call

    client.balancer.set_instances([InstanceAddress("gone", NOWHERE)])
    call = asyncio.ensure_future(client.classify(b"x"))
    await wait_until(lambda: client.balancer.counters()["gone"].failures)
    await asyncio.sleep(0)
    clock.now += 15.1
    with pytest.raises(FleetUnavailable, match="no connection"):
        await call
    await client.close()


async def test_the_timeout_needs_nothing_else_to_happen() -> None:
    client = PredictClient(lambda: PETS, timeout=0.01)
    with pytest.raises(FleetUnavailable, match="No instance is ready"):
        await client.classify(b"x")


async def test_an_instance_that_recovers_is_used_again(client: PredictClient) -> None:
    async with FakePredictionServer(ends_with(grpc.StatusCode.UNAVAILABLE)) as server:
        set_instances(client, only=server)
        call = asyncio.ensure_future(client.classify(b"x"))
        await wait_until(lambda: server.requests)
        server.answer = cat
        assert (await call).instance_id == "only"


async def test_a_request_waits_while_every_instance_is_overloaded(client: PredictClient) -> None:
    overloaded = ends_with(grpc.StatusCode.RESOURCE_EXHAUSTED)
    async with FakePredictionServer(overloaded) as server:
        set_instances(client, only=server)
        call = asyncio.ensure_future(client.classify(b"x"))
        await wait_until(lambda: len(server.requests) > client_module.MAX_LOSSES)
        server.answer = cat
        assert (await call).instance_id == "only"


async def test_an_image_that_crashes_every_instance_is_not_retried(client: PredictClient) -> None:
    async with FakePredictionServer(ends_with(grpc.StatusCode.UNAVAILABLE)) as server:
        set_instances(client, only=server)
        with pytest.raises(FleetUnavailable, match="ended while they answered"):
            await client.classify(b"poison")
    assert len(server.requests) == client_module.MAX_LOSSES


async def test_a_leaving_instance_finishes_what_it_has(client: PredictClient) -> None:
    gate = Gate()
    async with FakePredictionServer(gate) as leaving, FakePredictionServer(cat) as staying:
        set_instances(client, leaving=leaving)
        call = asyncio.ensure_future(client.classify(b"x"))
        await wait_until(lambda: leaving.requests)
        set_instances(client, staying=staying)
        assert (await client.classify(b"x")).instance_id == "staying"
        assert not await client.balancer.drained("leaving", 0.05)
        gate.open.set()
        assert await client.balancer.drained("leaving", 60)
        assert (await call).instance_id == "leaving"


async def test_more_than_an_instance_takes_waits_its_turn(client: PredictClient) -> None:
    gate = Gate()
    async with FakePredictionServer(gate) as server:
        set_instances(client, a=server)
        calls = asyncio.gather(*(client.classify(b"x") for _ in range(300)))
        await wait_until(lambda: gate.held == MAX_OUTSTANDING)
        gate.open.set()
        assert len(await calls) == 300
    assert gate.peak == MAX_OUTSTANDING


async def test_callers_that_ask_again_and_again_keep_nobody_waiting(client: PredictClient) -> None:
    async with FakePredictionServer(cat) as server:
        set_instances(client, a=server)
        stop = asyncio.Event()

        async def ask_again_and_again() -> None:
            while not stop.is_set():
                await client.classify(b"x")

        callers = [asyncio.create_task(ask_again_and_again()) for _ in range(MAX_OUTSTANDING)]
        await wait_until(lambda: client.balancer.counters()["a"].outstanding == MAX_OUTSTANDING)
        async with asyncio.timeout(60):
            assert (await client.classify(b"x")).instance_id == "a"
        stop.set()
        await asyncio.gather(*callers)


async def test_a_caller_that_gives_up_passes_its_turn_on(client: PredictClient) -> None:
    gate = Gate()
    async with FakePredictionServer(gate) as server:
        set_instances(client, a=server)
        first = [asyncio.ensure_future(client.classify(b"x")) for _ in range(MAX_OUTSTANDING)]
        await wait_until(lambda: gate.held == MAX_OUTSTANDING)
        impatient = [asyncio.ensure_future(client.classify(b"x")) for _ in range(MAX_OUTSTANDING)]
        last = asyncio.ensure_future(client.classify(b"x"))
        await asyncio.sleep(0)
        first[-1].add_done_callback(lambda done: [call.cancel() for call in impatient])
        gate.open.set()
        await asyncio.gather(*first, *impatient, return_exceptions=True)
        assert (await asyncio.wait_for(last, 60)).instance_id == "a"


async def test_a_suspect_is_tried_again_while_the_others_are_busy(client: PredictClient) -> None:
    async with (
        FakePredictionServer(Gate()) as hanging,
        FakePredictionServer(ends_with(grpc.StatusCode.UNAVAILABLE)) as stumbling,
    ):
        set_instances(client, hanging=hanging, stumbling=stumbling)
        calls = [asyncio.ensure_future(client.classify(b"x")) for _ in range(MAX_OUTSTANDING + 1)]
        await wait_until(lambda: stumbling.requests)
        stumbling.answer = cat
        await wait_until(lambda: sum(not call.done() for call in calls) <= MAX_OUTSTANDING)
        assert {call.result().instance_id for call in calls if call.done()} == {"stumbling"}
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)


async def test_one_that_sleeps_is_left_alone_while_another_can_take_the_request(
    client: PredictClient,
) -> None:
    async with FakePredictionServer(cat) as one, FakePredictionServer(cat) as two:
        sleeping = InstanceAddress("sleeping", one.address, asleep=True)
        client.balancer.set_instances([sleeping, InstanceAddress("awake", two.address)])
        assert {(await client.classify(b"x")).instance_id for _ in range(4)} == {"awake"}
        client.balancer.set_instances([sleeping])
        assert (await client.classify(b"x")).instance_id == "sleeping"


async def test_much_to_do_wakes_those_that_sleep(client: PredictClient) -> None:
    gate = Gate()
    async with FakePredictionServer(cat) as one, FakePredictionServer(gate) as two:
        sleeping = InstanceAddress("sleeping", one.address, asleep=True)
        awake = InstanceAddress("awake", two.address)
        client.balancer.set_instances([sleeping, awake])
        calls = [asyncio.create_task(client.classify(b"x")) for _ in range(2 * MAX_OUTSTANDING)]
        (upstream,) = (each for each in client.balancer._upstreams if each.asleep)
        await wait_until(lambda: upstream._channel.get_state() is grpc.ChannelConnectivity.READY)
        client.balancer.set_instances([replace(sleeping, asleep=False, sleep_count=1), awake])
        done, _ = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        assert {call.result().instance_id for call in done} == {"sleeping"}
        gate.open.set()
        await asyncio.gather(*calls)
