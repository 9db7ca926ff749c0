"""What a request is answered, and the name of every failure."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest

from serving.errors import FleetUnavailable, ImageError, ModelError
from serving.predict import client as client_module
from serving.predict.client import PredictClient
from serving.predict.request import probe_jpeg
from serving.tf.messages import predict_pb2
from tests.support.fake_prediction_server import FakePredictionServer, cat, scores_response
from tests.support.waiting import wait_until
from tests.unit.serving.predict.instances import PETS, Gate, ends_with, set_instances


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
    assert client.balancer.counters()["a"].failures == 1


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
    assert client.balancer.counters()["a"].failures == 0


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
