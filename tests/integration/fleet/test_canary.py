"""A canary on two real instances under load: it ends by itself, and no request fails."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from itertools import count
from typing import Any

import grpc
import pytest

from backend.canary.canaries import Canaries
from backend.contract import Decision, NewCanary, Rule
from backend.events import EventBroker
from backend.fleet_switch import FleetSwitch
from backend.store.store import Store
from serving.background import in_background
from serving.fleet.view import FleetView
from serving.models.canary import CanaryPhase
from serving.models.staging import adopt_version, staged_version
from serving.predict.channels import open_channel
from serving.tf.messages import predict_pb2, prediction_service_pb2_grpc
from serving.workspace import Workspace
from tests.support.fleet_env import TinyFleet
from tests.support.load_generator import LoadGenerator
from tests.support.sample_images import painting
from tests.support.tiny_model import COLORS, TINY_MODEL, write_tiny
from tests.support.waiting import wait_for_view, wait_until

LONG = 60


@pytest.fixture
async def store(workspace: Workspace) -> AsyncIterator[Store]:
    made = Store(workspace)
    await made.open()
    yield made
    await made.close()


@pytest.fixture
async def canaries(tiny: TinyFleet, store: Store) -> AsyncIterator[Canaries]:
    made = Canaries(
        repository=tiny.repository,
        store=store,
        switch=FleetSwitch(tiny.fleet, tiny.repository),
        broker=EventBroker(),
        view=lambda: tiny.fleet.view,
    )
    async with in_background(made.run()):
        yield made


def phase(tiny: TinyFleet) -> CanaryPhase | None:
    canary = tiny.repository.canaries.of(TINY_MODEL)
    return None if canary is None else canary.phase


def all_answer(version: int) -> Any:
    def check(view: FleetView) -> bool:
        kept = frozenset({version})
        return all(each.loaded.get(TINY_MODEL) == kept for each in view.instances)

    return check


async def classify_until_decided(tiny: TinyFleet) -> None:
    """Classify one new photo after the other."""
    for number in count():
        if phase(tiny) is not CanaryPhase.RUNNING:
            return
        await tiny.client.classify(painting(("red", "lime", "blue")[number % 3], number))


async def labelled(view: FleetView, label: str) -> list[int]:
    """Ask each instance for a label, as other clients do; return the versions that answer."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.version_label = TINY_MODEL, label
    request.model_spec.signature_name = "predict_images"
    request.inputs["images"].dtype = 7
    request.inputs["images"].tensor_shape.dim.add(size=1)
    request.inputs["images"].string_val.append(painting("red", 0))
    answered = []
    async with AsyncExitStack() as stack:
        for each in view.instances:
            assert each.instance.grpc_address is not None
            channel = open_channel(each.instance.grpc_address)
            stack.push_async_callback(channel.close)
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            answered.append(int((await stub.Predict(request)).model_spec.version.value))
    return answered


async def test_one_that_agrees_goes_live_everywhere_without_a_failed_request(
    tiny: TinyFleet, canaries: Canaries, store: Store, sample_jpeg: bytes
) -> None:
    before = await tiny.fleet.scale(2)
    number = tiny.next_version().number
    async with LoadGenerator(tiny.client, sample_jpeg, 8) as load:
        await canaries.start(TINY_MODEL, number, NewCanary(share=0.5), "ada")
        await wait_until(lambda: phase(tiny) is CanaryPhase.RUNNING, LONG)
        await wait_until(lambda: load.versions[number] >= 20, LONG)
        assert tiny.fleet.view.live_version == 1
        # The servers read the labels within a second or two.
        await wait_until(lambda: has_label(tiny.fleet.view), LONG)
        assert await labelled(tiny.fleet.view, "stable") == [1, 1]
        assert await labelled(tiny.fleet.view, "canary") == [number, number]
        await classify_until_decided(tiny)
        await wait_for_view(tiny.fleet, all_answer(number), LONG)
        await wait_until(lambda: phase(tiny) is None, LONG)
    assert load.failures == []
    assert tiny.repository.live(TINY_MODEL).number == number
    assert (await tiny.client.classify(sample_jpeg)).version == number
    assert [each.instance.id for each in tiny.fleet.view.instances] == [
        each.instance.id for each in before.instances
    ]
    promoted, began = await store.runs.decisions(TINY_MODEL)
    assert (began.decision, began.by) == (Decision.CANARY, "ada")
    assert (promoted.decision, promoted.rule) == (Decision.PROMOTED, Rule.CANARY_AGREEMENT)


async def has_label(view: FleetView) -> bool:
    try:
        await labelled(view, "canary")
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.INVALID_ARGUMENT:
            raise
        return False
    return True


async def test_one_that_differs_is_held_back_and_never_answers_afterwards(
    tiny: TinyFleet, canaries: Canaries, store: Store, sample_jpeg: bytes
) -> None:
    await tiny.fleet.scale(2)
    # It takes each color for the next one.
    names = list(COLORS)
    wrong = dict(zip(names, [COLORS[name] for name in (*names[1:], names[0])], strict=True))
    with staged_version(tiny.repository, TINY_MODEL) as staged:
        write_tiny(staged, TINY_MODEL, wrong)
        number = adopt_version(tiny.repository, TINY_MODEL, staged).number
    async with LoadGenerator(tiny.client, sample_jpeg, 4) as load:
        await canaries.start(TINY_MODEL, number, NewCanary(share=0.5), "ada")
        await wait_until(lambda: phase(tiny) is CanaryPhase.RUNNING, LONG)
        await classify_until_decided(tiny)
        ended = load.versions[number]
        await wait_for_view(tiny.fleet, all_answer(1), LONG)
        await wait_until(lambda: phase(tiny) is None, LONG)
        # Those that were on their way when it ended, and none of the hundreds since.
        assert load.versions[number] <= ended + 4
    assert load.failures == []
    (held_back, _) = await store.runs.decisions(TINY_MODEL)
    assert (held_back.decision, held_back.rule) == (Decision.HELD_BACK, Rule.CANARY_AGREEMENT)


async def test_an_instance_that_starts_meanwhile_reads_the_labels_and_joins_in(
    tiny: TinyFleet, canaries: Canaries, sample_jpeg: bytes
) -> None:
    await tiny.fleet.scale(1)
    number = tiny.next_version().number
    await canaries.start(TINY_MODEL, number, NewCanary(share=0.5), "ada")
    await wait_until(lambda: phase(tiny) is CanaryPhase.RUNNING, LONG)
    view = await tiny.fleet.scale(2)
    assert view.ready == 2
    both = frozenset({1, number})
    await wait_for_view(
        tiny.fleet,
        lambda view: all(each.loaded.get(TINY_MODEL) == both for each in view.instances),
        LONG,
    )
    assert await labelled(tiny.fleet.view, "canary") == [number, number]
    assert phase(tiny) is CanaryPhase.RUNNING
    await canaries.end(TINY_MODEL, number, "ada")
    await wait_for_view(tiny.fleet, all_answer(1), LONG)
