"""Requests find an instance that has loaded the model."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import grpc
import pytest

from serving.errors import FleetUnavailable, ModelError, ModelNotServed
from serving.models.served import ServedModels
from serving.predict.client import PredictClient
from serving.predict.upstream import MISSING_MODEL_RETRY_SECONDS
from tests.support.clock import ManualClock
from tests.support.fake_prediction_server import FakePredictionServer, scores_response
from tests.support.waiting import wait_until
from tests.unit.serving.predict.instances import Loaded, set_instances


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
    client = PredictClient(lambda: ServedModels("pets", ("birds",)), clock=ManualClock())
    lost: list[str] = []
    client.balancer.on_loss(lost.append)
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
    assert client.balancer.counters()["late"].failures == 0
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
    served, clock = [ServedModels("pets", ("birds",))], ManualClock()
    client = PredictClient(lambda: served[0], timeout=15, clock=clock)
    loaded = Loaded("pets")
    async with FakePredictionServer(loaded) as server:
        set_instances(client, only=server)

        async def asked_again() -> asyncio.Task[Any]:
            before = len(server.requests)
            clock.now += MISSING_MODEL_RETRY_SECONDS
            call = asyncio.create_task(client.classify(b"x", "birds"))
            # The pause counts from when the client has read the answer, not from its arrival.
            await wait_until(lambda: len(server.requests) > before and not outstanding())
            clock.now += MISSING_MODEL_RETRY_SECONDS
            await wait_until(lambda: len(server.requests) > before + 1)
            return call

        def outstanding() -> int:
            return client.balancer.counters()["only"].outstanding

        call = await asked_again()
        loaded.models.add("birds")
        clock.now += MISSING_MODEL_RETRY_SECONDS
        assert (await call).model == "birds"
        loaded.models.remove("birds")
        call = await asked_again()
        clock.now += 15
        with pytest.raises(FleetUnavailable, match="only has not loaded model birds"):
            await call
        call = await asked_again()
        served[0] = ServedModels("pets")
        clock.now += MISSING_MODEL_RETRY_SECONDS
        with pytest.raises(ModelError, match="birds is not served"):
            await call
    await client.close()


def _loaded_versions(*versions: int) -> Any:
    async def answer(request: Any, context: Any) -> Any:
        version = request.model_spec.version.value
        if version not in versions:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"Specific(pets, {version})")
        return scores_response(version, cat=1.0)

    return answer


async def test_a_version_that_is_named_answers_if_an_instance_has_loaded_it(
    client: PredictClient,
) -> None:
    async with (
        FakePredictionServer(_loaded_versions(1)) as old,
        FakePredictionServer(_loaded_versions(1, 2)) as new,
    ):
        set_instances(client, old=old, new=new)
        answers = [await client.classify(b"x", "pets", version=2) for _ in range(4)]
        assert {(each.version, each.instance_id) for each in answers} == {(2, "new")}


async def test_a_version_that_no_instance_has_loaded_is_not_waited_for(
    client: PredictClient,
) -> None:
    async with (
        FakePredictionServer(_loaded_versions(1)) as one,
        FakePredictionServer(_loaded_versions(1)) as other,
    ):
        set_instances(client, one=one, other=other)
        with pytest.raises(ModelNotServed, match="No instance has loaded version 2 of pets"):
            await client.classify(b"x", version=2)
        assert len(one.requests) + len(other.requests) == 2
        assert (await client.classify(b"x", version=1)).version == 1
