"""Requests find a ready instance that answers, and every failure has its name."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from serving.errors import FleetUnavailable, ImageError, ModelError
from serving.models.served import ServedModels
from serving.predict import client as client_module
from serving.predict.client import MAX_OUTSTANDING, InstanceAddress, PredictClient
from serving.predict.request import probe_jpeg
from serving.predict.upstream import LACKING_SECONDS
from serving.tf.messages import predict_pb2
from tests.support.fake_prediction_server import FakePredictionServer, cat, scores_response
from tests.support.waiting import wait_until

PETS = ServedModels("pets")
NOWHERE = "127.0.0.1:1"
"""A port that nothing listens on."""


@pytest.fixture
async def client() -> AsyncIterator[PredictClient]:
    made = PredictClient(lambda: PETS, timeout=60)
    yield made
    await made.close()


def ends_with(code: grpc.StatusCode, details: str = "no") -> Any:
    async def answer(request: Any, context: Any) -> Any:
        await context.abort(code, details)

    return answer


class Gate:
    """Answers once it is open, and counts how many requests are held at a time."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.held = self.most = 0

    async def __call__(self, request: Any, context: Any) -> Any:
        self.held += 1
        self.most = max(self.most, self.held)
        await self.open.wait()
        self.held -= 1
        return scores_response(7, cat=1.0)


class Loaded:
    """Answers for the models that it has loaded."""

    def __init__(self, *models: str) -> None:
        self.models = set(models)

    async def __call__(self, request: Any, context: Any) -> Any:
        model = request.model_spec.name
        if model not in self.models:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"Servable not found: Latest({model})")
        return scores_response(7, **{model: 1.0})


class FakeClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def set_instances(client: PredictClient, **servers: FakePredictionServer) -> None:
    client.set_instances(InstanceAddress(name, server.address) for name, server in servers.items())


async def test_a_prediction_says_what_who_and_which_version(client: PredictClient) -> None:
    async with FakePredictionServer(cat) as server:
        set_instances(client, a=server)
        prediction = await client.classify(b"picture")
    assert [(score.name, score.score) for score in prediction.scores] == [
        ("cat", 0.75),
        ("dog", 0.25),
    ]
    assert (prediction.model, prediction.version, prediction.instance_id) == ("pets", 7, "a")
    assert prediction.milliseconds > 0
    (request,) = server.requests
    assert (request.model_spec.name, request.model_spec.signature_name) == (
        "pets",
        "predict_images",
    )
    assert not request.model_spec.HasField("version")
    assert list(request.inputs["images"].string_val) == [b"picture"]


async def test_an_embedding_comes_with_its_version(client: PredictClient) -> None:
    async def answer(request: Any, context: Any) -> Any:
        assert request.model_spec.signature_name == "embed"
        scores = scores_response(3, a=0.5, b=-1.0).outputs["scores"]
        response = predict_pb2.PredictResponse(outputs={"embedding": scores})
        response.model_spec.version.value = 3
        return response

    async with FakePredictionServer(answer) as server:
        set_instances(client, a=server)
        assert await client.embed(b"picture") == (3, [0.5, -1.0])


async def test_requests_one_by_one_go_round_the_instances(client: PredictClient) -> None:
    async with (
        FakePredictionServer(cat) as one,
        FakePredictionServer(cat) as two,
        FakePredictionServer(cat) as three,
    ):
        set_instances(client, a=one, b=two, c=three)
        answers = [(await client.classify(b"x")).instance_id for _ in range(9)]
    assert Counter(answers) == {"a": 3, "b": 3, "c": 3}


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
    client.on_loss(lost.append)
    async with FakePredictionServer(ends_with(code)) as bad, FakePredictionServer(cat) as good:
        set_instances(client, bad=bad, good=good)
        answers = [(await client.classify(b"x")).instance_id for _ in range(4)]
    assert answers == ["good"] * 4
    assert lost == ["bad"]
    assert client.counters()["bad"].failures == 1
    assert client.counters()["good"].failures == 0


async def test_the_current_model_is_looked_up_for_each_request() -> None:
    served = [ServedModels("pets", ("birds",))]
    client = PredictClient(lambda: served[0])
    async with FakePredictionServer(Loaded("pets", "birds")) as server:
        set_instances(client, a=server)
        assert (await client.classify(b"x")).model == "pets"
        assert (await client.classify(b"x", "birds")).model == "birds"
        served[0] = ServedModels("birds")
        assert (await client.classify(b"x")).scores[0].name == "birds"
    await client.close()


async def test_a_model_that_is_not_served_is_no_request_at_all(client: PredictClient) -> None:
    async with FakePredictionServer(Loaded("pets", "my birds")) as server:
        set_instances(client, a=server)
        with pytest.raises(ModelError, match="my birds is not served") as failure:
            await client.classify(b"x", "my birds")
        assert "servery models serve 'my birds'" in failure.value.advice
        assert server.requests == []


async def test_without_any_model_there_is_nothing_to_ask_for() -> None:
    client = PredictClient(ServedModels)
    with pytest.raises(ModelError, match="no model to classify with"):
        await client.classify(b"x")


async def test_an_instance_that_has_not_loaded_the_model_is_passed_over_and_not_ejected() -> None:
    client = PredictClient(lambda: ServedModels("pets", ("birds",)), clock=FakeClock())
    lost: list[str] = []
    client.on_loss(lost.append)
    async with (
        FakePredictionServer(Loaded("pets")) as late,
        FakePredictionServer(Loaded("pets", "birds")) as early,
    ):
        set_instances(client, late=late, early=early)
        answers = [(await client.classify(b"x", "birds")).instance_id for _ in range(4)]
        assert answers == ["early"] * 4
        # It was asked once and goes on answering for the other model.
        assert [request.model_spec.name for request in late.requests] == ["birds"]
        answers = [(await client.classify(b"x")).instance_id for _ in range(4)]
        assert Counter(answers) == {"early": 2, "late": 2}
    assert lost == []
    assert client.counters()["late"].failures == 0
    await client.close()


async def test_a_request_goes_on_with_the_new_model_if_the_former_one_is_unloaded() -> None:
    served = [ServedModels("pets")]
    client = PredictClient(lambda: served[0])

    async def switches(request: Any, context: Any) -> Any:
        served[0] = ServedModels("birds")
        return await Loaded("birds")(request, context)

    async with FakePredictionServer(switches) as server:
        set_instances(client, only=server)
        prediction = await client.classify(b"x")
    assert (prediction.model, prediction.instance_id) == ("birds", "only")
    assert [request.model_spec.name for request in server.requests] == ["pets", "birds"]
    await client.close()


async def test_a_model_that_is_named_is_waited_for_as_long_as_it_is_served() -> None:
    served, clock = [ServedModels("pets", ("birds",))], FakeClock()
    client = PredictClient(lambda: served[0], timeout=15, clock=clock)
    loaded = Loaded("pets")
    async with FakePredictionServer(loaded) as server:
        set_instances(client, only=server)

        async def asked_again() -> asyncio.Task[Any]:
            before = len(server.requests)
            clock.now += LACKING_SECONDS
            call = asyncio.create_task(client.classify(b"x", "birds"))
            # The pause counts from when the client has read the answer, not from its arrival.
            await wait_until(lambda: len(server.requests) > before and not outstanding())
            clock.now += LACKING_SECONDS
            await wait_until(lambda: len(server.requests) > before + 1)
            return call

        def outstanding() -> int:
            return client.counters()["only"].outstanding

        call = await asked_again()
        loaded.models.add("birds")
        clock.now += LACKING_SECONDS
        assert (await call).model == "birds"
        loaded.models.remove("birds")
        call = await asked_again()
        clock.now += 15
        with pytest.raises(FleetUnavailable, match="only has not loaded model birds"):
            await call
        call = await asked_again()
        served[0] = ServedModels("pets")
        clock.now += LACKING_SECONDS
        with pytest.raises(ModelError, match="birds is not served"):
            await call
    await client.close()


async def test_an_instance_that_is_not_there_costs_no_request(client: PredictClient) -> None:
    async with FakePredictionServer(cat) as good:
        client.set_instances(
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
        assert client.counters()["hanging"].outstanding == 1
        set_instances(client, good=good)
        client.fail_over("hanging")
        assert (await call).instance_id == "good"


async def test_requests_wait_for_the_first_ready_instance(client: PredictClient) -> None:
    calls = [asyncio.ensure_future(client.classify(b"x")) for _ in range(5)]
    await asyncio.sleep(0)
    async with FakePredictionServer(cat) as server:
        set_instances(client, late=server)
        answers = await asyncio.gather(*calls)
    assert {answer.instance_id for answer in answers} == {"late"}


async def test_waiting_for_a_ready_instance_times_out() -> None:
    clock = FakeClock()
    client = PredictClient(lambda: PETS, timeout=15, clock=clock)
    call = asyncio.ensure_future(client.classify(b"x"))
    await asyncio.sleep(0)
    clock.now += 14.9
    client.set_instances([])
    await asyncio.sleep(0)
    assert not call.done()
    clock.now += 0.2
    client.set_instances([])
    with pytest.raises(FleetUnavailable, match="No instance is ready"):
        await call

    client.set_instances([InstanceAddress("gone", NOWHERE)])
    call = asyncio.ensure_future(client.classify(b"x"))
    await wait_until(lambda: client.counters()["gone"].failures)
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


async def test_a_request_has_a_deadline(
    client: PredictClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with FakePredictionServer(cat) as server:
        set_instances(client, a=server)
        await client.classify(b"connects")
        server.answer = Gate()
        monkeypatch.setattr(client_module, "DEADLINE_SECONDS", 0.3)
        with pytest.raises(FleetUnavailable, match="did not answer within"):
            await client.classify(b"x")
    assert client.counters()["a"].failures == 1


async def test_a_bad_image_is_distinguished_from_a_model_that_refuses_all(
    client: PredictClient,
) -> None:
    async def refuses_bad(request: Any, context: Any) -> Any:
        if list(request.inputs["images"].string_val) != [probe_jpeg()]:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "Invalid JPEG data")
        return scores_response(1, cat=1.0)

    async with FakePredictionServer(refuses_bad) as server:
        set_instances(client, a=server)
        with pytest.raises(ImageError):
            await client.classify(b"bad")
        server.answer = ends_with(grpc.StatusCode.INVALID_ARGUMENT, "input size does not match")
        with pytest.raises(ModelError, match="input size does not match"):
            await client.classify(b"good")
    assert client.counters()["a"].failures == 0


@pytest.mark.parametrize(
    "response", [predict_pb2.PredictResponse(), scores_response(1)], ids=["nothing", "no classes"]
)
async def test_an_answer_outside_the_contract(client: PredictClient, response: Any) -> None:
    async def answer(request: Any, context: Any) -> Any:
        return response

    async with FakePredictionServer(answer) as server:
        set_instances(client, a=server)
        if response.outputs:
            assert (await client.classify(b"x")).scores == ()
        else:
            with pytest.raises(ModelError, match="classes"):
                await client.classify(b"x")


async def test_a_leaving_instance_finishes_what_it_has(client: PredictClient) -> None:
    gate = Gate()
    async with FakePredictionServer(gate) as leaving, FakePredictionServer(cat) as staying:
        set_instances(client, leaving=leaving)
        call = asyncio.ensure_future(client.classify(b"x"))
        await wait_until(lambda: leaving.requests)
        set_instances(client, staying=staying)
        assert (await client.classify(b"x")).instance_id == "staying"
        assert not await client.drained("leaving", 0.05)
        gate.open.set()
        assert await client.drained("leaving", 60)
        assert (await call).instance_id == "leaving"


async def test_more_than_an_instance_takes_waits_its_turn(client: PredictClient) -> None:
    gate = Gate()
    async with FakePredictionServer(gate) as server:
        set_instances(client, a=server)
        calls = asyncio.gather(*(client.classify(b"x") for _ in range(300)))
        await wait_until(lambda: gate.held == MAX_OUTSTANDING)
        gate.open.set()
        assert len(await calls) == 300
    assert gate.most == MAX_OUTSTANDING


async def test_callers_that_ask_again_and_again_keep_nobody_waiting(client: PredictClient) -> None:
    async with FakePredictionServer(cat) as server:
        set_instances(client, a=server)
        stop = asyncio.Event()

        async def ask_again_and_again() -> None:
            while not stop.is_set():
                await client.classify(b"x")

        callers = [asyncio.create_task(ask_again_and_again()) for _ in range(MAX_OUTSTANDING)]
        await wait_until(lambda: client.counters()["a"].outstanding == MAX_OUTSTANDING)
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


async def test_a_large_image_passes(client: PredictClient) -> None:
    async with FakePredictionServer(cat) as server:
        set_instances(client, a=server)
        await client.classify(b"x" * 30_000_000)
    assert len(server.requests[0].inputs["images"].string_val[0]) == 30_000_000


async def test_closing_ends_what_waits_and_what_is_on_its_way() -> None:
    client = PredictClient(lambda: PETS)
    waiting = asyncio.ensure_future(client.classify(b"x"))
    await asyncio.sleep(0)
    async with FakePredictionServer(Gate()) as server:
        set_instances(client, a=server)
        await wait_until(lambda: server.requests)
        await client.close()
        with pytest.raises(FleetUnavailable, match="closed"):
            await waiting
