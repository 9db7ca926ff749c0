"""What happens to a fleet while fifty callers use it: none of them may notice."""

from __future__ import annotations

import os
import signal

import pytest

from serving.engines.protocol import InstanceState
from serving.errors import ModelError
from serving.fleet.fleet import FleetView
from serving.fleet.switch_model import serve_model, use_model
from serving.models.model_folders import duplicate_model
from serving.models.served import ServedModels
from tests.support.fleet_env import TinyFleet
from tests.support.load_generator import LoadGenerator
from tests.support.tiny_model import TINY_MODEL
from tests.support.waiting import wait_for_view

LONG = 60
"""Seconds; a model server that starts beside fifty busy callers takes its time."""


def ids(view: FleetView) -> list[str]:
    return [each.instance.id for each in view.instances]


async def test_growing_and_shrinking_loses_no_request(tiny: TinyFleet, sample_jpeg: bytes) -> None:
    await tiny.fleet.scale(1)
    async with LoadGenerator(tiny.client, sample_jpeg) as load:
        for desired_count in (3, 1):
            view = await tiny.fleet.scale(desired_count)
            for name in ids(view):
                await load.wait_for_answers(name, load.answers[name] + 5)
    assert load.failures == []
    assert len(load.answers) == 3
    assert all(traffic.failures == 0 for traffic in tiny.client.balancer.counters().values())


async def test_an_instance_that_is_killed_costs_no_request_and_is_replaced(
    tiny: TinyFleet, sample_jpeg: bytes
) -> None:
    killed, other = ids(await tiny.fleet.scale(2))
    async with LoadGenerator(tiny.client, sample_jpeg) as load:
        await load.wait_for_answers(killed)
        os.kill(tiny.process(0), signal.SIGKILL)
        view = await wait_for_view(
            tiny.fleet, lambda view: view.ready == 2 and killed not in ids(view), LONG
        )
        for name in ids(view):
            await load.wait_for_answers(name, load.answers[name] + 5)
    assert load.failures == []
    assert tiny.client.balancer.counters()[killed].failures > 0
    assert tiny.client.balancer.counters()[other].failures == 0


async def test_a_promotion_costs_no_request_and_no_instance(
    tiny: TinyFleet, sample_jpeg: bytes
) -> None:
    before = await tiny.fleet.scale(2)
    states: set[InstanceState] = set()
    tiny.fleet.subscribe(lambda view: states.update(each.state for each in view.instances))
    async with LoadGenerator(tiny.client, sample_jpeg) as load:
        for name in ids(before):
            await load.wait_for_answers(name)
        tiny.repository.promote(TINY_MODEL, tiny.next_version().number)
        view = await wait_for_view(tiny.fleet, lambda view: view.live_version == 2, LONG)
        await wait_for_view(
            tiny.fleet,
            lambda view: all(each.version == 2 for each in view.instances),
            LONG,
        )
    assert load.failures == []
    assert set(load.versions) == {1, 2}
    assert states == {InstanceState.READY}
    assert ids(view) == ids(before)


async def test_changing_what_is_served_costs_no_request_and_no_instance(
    tiny: TinyFleet, sample_jpeg: bytes
) -> None:
    before = await tiny.fleet.scale(2)
    states: set[InstanceState] = set()
    tiny.fleet.subscribe(lambda view: states.update(each.state for each in view.instances))
    load = await tiny.switch_all_along(sample_jpeg)
    assert load.failures == []
    assert set(load.models) == {TINY_MODEL, "second model"}
    assert all(traffic.failures == 0 for traffic in tiny.client.balancer.counters().values())
    assert states == {InstanceState.READY}
    assert ids(tiny.fleet.view) == ids(before)


async def test_a_damaged_model_beside_the_current_one_keeps_no_instance_from_starting(
    tiny: TinyFleet, sample_jpeg: bytes
) -> None:
    duplicate_model(tiny.repository, TINY_MODEL, "damaged")
    await serve_model(tiny.fleet, tiny.repository, "damaged")
    graph = tiny.repository.live("damaged").path / "saved_model.pb"
    graph.unlink()  # the files of a duplicate are those of the original
    graph.write_bytes(b"no graph")
    view = await tiny.fleet.scale(1)
    (instance,) = view.instances
    assert instance.versions == {TINY_MODEL: 1}
    assert "of model damaged" in instance.instance.failure
    assert (await tiny.client.classify(sample_jpeg)).model == TINY_MODEL


async def test_a_damaged_model_is_refused_for_the_reason_of_the_server_until_it_is_whole(
    tiny: TinyFleet, sample_jpeg: bytes
) -> None:
    await tiny.fleet.scale(1)
    duplicate_model(tiny.repository, TINY_MODEL, "damaged")
    graph = tiny.repository.live("damaged").path / "saved_model.pb"
    whole = graph.read_bytes()
    graph.unlink()  # the files of a duplicate are those of the original
    async with LoadGenerator(tiny.client, sample_jpeg, 4) as load:
        for _ in range(2):
            graph.write_bytes(b"no graph")
            with pytest.raises(ModelError, match=r"damaged cannot be served\. TensorFlow says: "):
                await use_model(tiny.fleet, tiny.repository, "damaged")
            assert tiny.repository.served() == ServedModels(TINY_MODEL)
        graph.write_bytes(whole)
        await use_model(tiny.fleet, tiny.repository, "damaged")
        assert (await tiny.client.classify(sample_jpeg)).model == "damaged"
    assert load.failures == []
