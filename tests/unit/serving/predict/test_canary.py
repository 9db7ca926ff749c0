"""A canary answers its share of the requests, and never costs one."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import grpc
import pytest

from serving.errors import ImageError
from serving.models.canary import Canary, CanaryPhase, CanarySample, Failure
from serving.models.served import ServedModels
from serving.predict.canary import CanarySplit
from serving.predict.client import PredictClient
from serving.predict.load_balancer import InstanceAddress
from tests.support.fake_prediction_server import FakePredictionServer, scores_response
from tests.support.waiting import wait_until

CANARY = Canary(
    version=8, stable=7, share=0.25, started="2026-01-31T09:15:00Z", phase=CanaryPhase.RUNNING
)


@dataclass
class Canaries:
    """What the repository says, and what was written into it."""

    canary: Canary | None = CANARY
    samples: list[CanarySample] = field(default_factory=list)

    def of(self, model: str) -> Canary | None:
        return self.canary

    def record(self, model: str, sample: CanarySample) -> None:
        self.samples.append(sample)


@dataclass
class Versions:
    """A server that has loaded some versions, as TensorFlow Serving answers."""

    answers: dict[int, dict[str, float] | grpc.StatusCode]

    async def __call__(self, request: Any, context: Any) -> Any:
        spec = request.model_spec
        asked = spec.version.value if spec.HasField("version") else max(self.answers)
        if asked not in self.answers:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"Specific(pets, {asked})")
        answer = self.answers[asked]
        if isinstance(answer, grpc.StatusCode):
            await context.abort(answer, "no")
        return scores_response(asked, **answer)


def both() -> Versions:
    return Versions({7: {"cat": 0.9}, 8: {"dog": 0.8}})


@asynccontextmanager
async def served_by(
    canaries: Canaries, versions: Versions
) -> AsyncIterator[tuple[PredictClient, FakePredictionServer]]:
    client = PredictClient(lambda: ServedModels("pets"), canaries=canaries, timeout=5)
    try:
        async with FakePredictionServer(versions) as server:
            client.balancer.set_instances([InstanceAddress("a", server.address)])
            yield client, server
    finally:
        await client.close()


async def test_the_share_is_answered_by_the_canary_and_compared() -> None:
    canaries = Canaries()
    async with served_by(canaries, both()) as (client, _):
        answered = Counter([(await client.classify(b"x")).version for _ in range(16)])
        await wait_until(lambda: len(canaries.samples) == 4)
    assert answered == {7: 12, 8: 4}
    first = canaries.samples[0]
    assert (first.versions, first.answers, first.failed) == ((7, 8), ("cat", "dog"), Failure.NONE)
    assert min(first.milliseconds) > 0


@pytest.mark.parametrize("phase", [CanaryPhase.LOADING, CanaryPhase.ENDING])
@pytest.mark.parametrize("answers", [7, 8])
async def test_before_and_after_it_one_version_answers_everything(
    phase: CanaryPhase, answers: int
) -> None:
    canaries = Canaries(replace(CANARY, phase=phase, answers=answers))
    expected = answers if phase is CanaryPhase.ENDING else 7
    async with served_by(canaries, both()) as (client, _):
        assert {(await client.classify(b"x")).version for _ in range(8)} == {expected}
    assert canaries.samples == []


async def test_an_instance_that_has_not_loaded_it_answers_with_the_stable_version() -> None:
    canaries = Canaries()
    async with served_by(canaries, Versions({7: {"cat": 0.9}})) as (client, server):
        assert {(await client.classify(b"x")).version for _ in range(8)} == {7}
        assert {request.model_spec.version.value for request in server.requests} == {7, 8}
    assert canaries.samples == []


async def test_an_instance_that_a_promotion_has_not_reached_answers_with_what_it_has() -> None:
    canaries = Canaries(replace(CANARY, phase=CanaryPhase.ENDING, answers=9))
    async with served_by(canaries, both()) as (client, _):
        assert (await client.classify(b"x")).version == 8


@pytest.mark.parametrize(
    "failure",
    [grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INVALID_ARGUMENT],
)
async def test_what_it_cannot_answer_the_stable_version_answers(failure: grpc.StatusCode) -> None:
    canaries = Canaries(replace(CANARY, share=0.9))
    async with served_by(canaries, Versions({7: {"cat": 0.9}, 8: failure})) as (client, _):
        assert {(await client.classify(b"x")).version for _ in range(3)} == {7}
        await wait_until(lambda: bool(canaries.samples))
    assert canaries.samples[0].failed is Failure.CANARY
    assert canaries.samples[0].answers == ("cat", "")


async def test_answers_outside_the_contract_are_failures() -> None:
    canaries = Canaries(replace(CANARY, share=0.9))
    versions = Versions({7: {"cat": 0.9}, 8: {}})

    async def answer(request: Any, context: Any) -> Any:
        response = await versions(request, context)
        if response.model_spec.version.value == 8:
            del response.outputs["scores"]
        return response

    async with served_by(canaries, versions) as (client, server):
        server.answer = answer
        assert {(await client.classify(b"x")).version for _ in range(3)} == {7}
        await wait_until(lambda: bool(canaries.samples))
    assert canaries.samples[0].failed is Failure.CANARY


async def test_a_photo_that_neither_can_read_speaks_against_neither() -> None:
    canaries = Canaries(replace(CANARY, share=0.9))

    async def answer(request: Any, context: Any) -> Any:
        if request.inputs["images"].string_val[0] == b"bad":
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no")
        return scores_response(request.model_spec.version.value, cat=1.0)

    async with served_by(canaries, both()) as (client, server):
        server.answer = answer
        for _ in range(3):
            with pytest.raises(ImageError):
                await client.classify(b"bad")
    assert canaries.samples == []


async def test_a_stable_version_that_fails_in_the_background_is_noted() -> None:
    canaries = Canaries(replace(CANARY, share=0.9))
    versions = Versions({7: grpc.StatusCode.INTERNAL, 8: {"dog": 0.8}})
    async with served_by(canaries, versions) as (client, _):
        client._split = CanarySplit(canaries, lambda: 0.5)
        assert (await client.classify(b"x")).version == 8
        await wait_until(lambda: bool(canaries.samples))
    assert canaries.samples[0].failed is Failure.STABLE


async def test_programs_that_classify_one_photo_ask_it_for_their_share() -> None:
    canaries = Canaries()
    draws = [index / 20 for index in range(20)]
    drawn = [CanarySplit(canaries, partial(float, draw)).draw("pets") for draw in draws]
    assert len([each for each in drawn if each]) == 5


async def test_comparisons_beyond_a_few_at_a_time_are_left_out() -> None:
    canaries, gate = Canaries(replace(CANARY, share=0.9)), asyncio.Event()

    async def answer(request: Any, context: Any) -> Any:
        if request.model_spec.version.value == 7:
            await gate.wait()
        return scores_response(request.model_spec.version.value, cat=1.0)

    async with served_by(canaries, both()) as (client, server):
        server.answer = answer
        client._split = CanarySplit(canaries, lambda: 0.999)
        asked = [await client.classify(b"x") for _ in range(7)]
        assert {each.version for each in asked} == {8}
        gate.set()
        await wait_until(lambda: len(canaries.samples) == 4)
    assert len(canaries.samples) == 4
