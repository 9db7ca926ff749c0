"""A canary on a fleet of real servers, with everything that looks after it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count

import grpc

from backend.canary.canaries import Canaries
from backend.contract import Decision, NewCanary, Rule
from backend.events import EventBroker
from backend.fleet_switch import FleetSwitch
from backend.store.store import Store
from serving.background import in_background
from serving.fleet.view import FleetView
from serving.models.canary import CanaryPhase
from serving.predict.channels import open_channel
from serving.tf.messages import predict_pb2, prediction_service_pb2_grpc
from serving.workspace import Workspace
from tests.support.fleet_env import TinyFleet
from tests.support.load_generator import LoadGenerator
from tests.support.sample_images import painting
from tests.support.tiny_model import TINY_MODEL
from tests.support.waiting import wait_for_view, wait_until

LONG = 120
"""Seconds, in which servers beside busy callers load a version."""


@asynccontextmanager
async def looked_after(
    tiny: TinyFleet, workspace: Workspace
) -> AsyncIterator[tuple[Canaries, Store]]:
    """Run what the backend runs for canaries; yields it and where it writes their history."""
    store = Store(workspace)
    await store.open()
    made = Canaries(
        repository=tiny.repository,
        store=store,
        switch=FleetSwitch(tiny.fleet, tiny.repository),
        broker=EventBroker(),
        view=lambda: tiny.fleet.view,
    )
    try:
        async with in_background(made.run()):
            yield made, store
    finally:
        await store.close()


def phase(tiny: TinyFleet) -> CanaryPhase | None:
    canary = tiny.repository.canaries.of(TINY_MODEL)
    return None if canary is None else canary.phase


def all_answer(version: int) -> Callable[[FleetView], bool]:
    """Whether every instance has loaded this version and no other."""

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


async def has_label(view: FleetView) -> bool:
    try:
        await labelled(view, "canary")
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.INVALID_ARGUMENT:
            raise
        return False
    return True


async def let_one_go_live(tiny: TinyFleet, workspace: Workspace, jpeg: bytes, callers: int) -> None:
    """See a canary that agrees through to its end on two instances, beside callers.

    No request fails, no instance is replaced, and each answers by the labels meanwhile.
    """
    before = await tiny.fleet.scale(2)
    number = tiny.next_version().number
    async with (
        looked_after(tiny, workspace) as (canaries, store),
        LoadGenerator(tiny.client, jpeg, callers) as load,
    ):
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
        promoted, began = await store.runs.decisions(TINY_MODEL)
    assert load.failures == []
    assert tiny.repository.live(TINY_MODEL).number == number
    assert (await tiny.client.classify(jpeg)).version == number
    assert [each.instance.id for each in tiny.fleet.view.instances] == [
        each.instance.id for each in before.instances
    ]
    assert (began.decision, began.by) == (Decision.CANARY, "ada")
    assert (promoted.decision, promoted.rule) == (Decision.PROMOTED, Rule.CANARY_AGREEMENT)
