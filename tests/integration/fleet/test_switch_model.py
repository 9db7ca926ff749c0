"""Which models are served changes for all instances at once, or not at all."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from serving.background import cancel_and_wait
from serving.engines.protocol import InstanceState
from serving.errors import ModelError
from serving.fleet.fleet import FleetView
from serving.fleet.switch_model import (
    end_interrupted_switch,
    serve_model,
    unserve_model,
    use_model,
)
from serving.models.served import ServedModels
from tests.support.fleet_env import MODEL, FleetEnv
from tests.support.load_generator import LoadGenerator
from tests.support.waiting import wait_for_view

OTHER = "my birds"
JPEG = b"x"


@pytest.fixture
async def two(fleet_env: FleetEnv) -> AsyncIterator[FleetEnv]:
    """A fleet of two instances and two models, of which `MODEL` is served."""
    fleet_env.add_model(OTHER)
    async with fleet_env.running():
        await fleet_env.fleet.scale(2)
        yield fleet_env


def loads_both(view: FleetView) -> bool:
    return all(set(each.versions) == {MODEL, OTHER} for each in view.instances)


async def test_a_model_is_current_once_every_instance_has_loaded_it(two: FleetEnv) -> None:
    before = two.fleet.view
    reports: list[tuple[int, int, str]] = []
    views: list[FleetView] = []
    two.fleet.subscribe(views.append)
    async with LoadGenerator(two.client, JPEG, 8) as load:
        for name in (OTHER, MODEL, OTHER):
            await use_model(two.fleet, two.repository, name, lambda *step: reports.append(step))
            assert two.fleet.view.model == name
            assert two.fleet.view.loaded_everywhere(name)
            # Nobody who asks now gets anything else.
            assert (await two.client.classify(JPEG)).model == name
    assert load.failures == []
    assert set(load.models) == {MODEL, OTHER}
    assert {each.state for view in views for each in view.instances} == {InstanceState.READY}
    assert (0, 2, f"{OTHER} is loaded by 0 of 2.") in reports
    assert two.repository.served() == ServedModels(OTHER)
    view = await two.wait_for_view(
        lambda view: all(set(each.versions) == {OTHER} for each in view.instances)
    )
    assert [each.instance.id for each in view.instances] == [
        each.instance.id for each in before.instances
    ]


async def test_models_beside_the_current_one_stay_when_that_changes(two: FleetEnv) -> None:
    await serve_model(two.fleet, two.repository, OTHER)
    assert two.repository.served() == ServedModels(MODEL, (OTHER,))
    assert loads_both(two.fleet.view)
    assert (await two.client.classify(JPEG)).model == MODEL
    assert (await two.client.classify(JPEG, OTHER)).model == OTHER
    # It is loaded already, and stays loaded when the current one goes.
    await use_model(two.fleet, two.repository, OTHER)
    assert two.repository.served() == ServedModels(OTHER, (OTHER,))
    await use_model(two.fleet, two.repository, MODEL)
    assert two.repository.served() == ServedModels(MODEL, (OTHER,))
    await unserve_model(two.fleet, two.repository, OTHER)
    await unserve_model(two.fleet, two.repository, OTHER)
    assert two.repository.served() == ServedModels(MODEL)
    await two.wait_for_view(
        lambda view: all(set(each.versions) == {MODEL} for each in view.instances)
    )
    with pytest.raises(ModelError, match="is not served"):
        await two.client.classify(JPEG, OTHER)
    with pytest.raises(ModelError, match="is the current one"):
        await unserve_model(two.fleet, two.repository, MODEL)


async def test_another_program_may_switch_and_everybody_follows(two: FleetEnv) -> None:
    other = two.new_fleet()
    await use_model(other, two.repository, OTHER)
    assert other.view.model == OTHER
    await two.wait_for_view(lambda view: view.model == OTHER and view.ready == 2)
    assert (await two.client.classify(JPEG)).model == OTHER


async def test_an_instance_stays_ready_when_another_program_was_quicker_to_see_it_load(
    two: FleetEnv,
) -> None:
    """The busy instances take a second for the prediction that would show it here."""
    views: list[FleetView] = []
    two.fleet.subscribe(views.append)
    two.configure(delay=1)
    async with LoadGenerator(two.client, JPEG, 8) as load:
        await asyncio.to_thread(two.repository.change_served, lambda _: ServedModels(OTHER))
        await two.wait_for_view(lambda view: view.loaded_everywhere(OTHER))
    assert load.failures == []
    assert load.models[OTHER] > 0
    assert {each.state for view in views for each in view.instances} == {InstanceState.READY}


async def test_a_model_that_cannot_be_loaded_changes_nothing_however_often_it_is_tried(
    two: FleetEnv,
) -> None:
    two.configure(broken=[f"{OTHER}/1"])
    for switch in (use_model, serve_model, use_model):
        with pytest.raises(ModelError, match=r"cannot be served\..*the version is broken"):
            await switch(two.fleet, two.repository, OTHER)
        assert two.repository.served() == ServedModels(MODEL)
        assert (await two.client.classify(JPEG)).model == MODEL
    two.configure()
    await use_model(two.fleet, two.repository, OTHER)
    assert (await two.client.classify(JPEG)).model == OTHER


async def test_an_instance_that_ends_while_it_loads_changes_nothing(two: FleetEnv) -> None:
    two.configure(slow=[OTHER])
    switching = asyncio.create_task(use_model(two.fleet, two.repository, OTHER))
    view = await two.wait_for_view(lambda view: view.served.loading == OTHER)
    process = view.instances[0].instance.process
    assert process is not None
    os.kill(process, signal.SIGKILL)
    with pytest.raises(ModelError, match=r"ended meanwhile\. The process was ended by SIGKILL"):
        await switching
    assert two.repository.served() == ServedModels(MODEL)


async def test_a_cancelled_switch_leaves_everything_as_it_was(two: FleetEnv) -> None:
    two.configure(slow=[OTHER])
    for switch in (use_model, serve_model):
        switching = asyncio.create_task(switch(two.fleet, two.repository, OTHER))
        await two.wait_for_view(lambda view: view.served.loading == OTHER)
        await cancel_and_wait(switching)
        assert two.repository.served() == ServedModels(MODEL)
    assert (await two.client.classify(JPEG)).model == MODEL


async def test_two_switches_follow_each_other(two: FleetEnv) -> None:
    two.add_model("third")
    await asyncio.gather(
        use_model(two.fleet, two.repository, OTHER),
        serve_model(two.new_fleet(), two.repository, "third"),
    )
    assert two.repository.served() == ServedModels(OTHER, ("third",))
    assert {*two.fleet.view.instances[0].versions} >= {OTHER}


async def test_what_a_killed_program_was_loading_is_unloaded_but_not_what_a_living_one_loads(
    two: FleetEnv,
) -> None:
    two.configure(slow=[OTHER])
    two.repository.change_served(lambda served: replace(served, loading=OTHER))
    await end_interrupted_switch(two.repository)
    assert two.repository.served() == ServedModels(MODEL)
    switching = asyncio.create_task(use_model(two.fleet, two.repository, OTHER))
    await two.wait_for_view(lambda view: view.served.loading == OTHER)
    ending = asyncio.create_task(end_interrupted_switch(two.repository))
    await two.wait_for_polls(5)
    assert not ending.done()
    assert two.repository.served().loading == OTHER
    two.configure()
    await switching
    await ending
    assert two.repository.served() == ServedModels(OTHER)


async def test_without_an_instance_it_is_done_at_once(fleet_env: FleetEnv) -> None:
    fleet_env.add_model(OTHER)
    await use_model(fleet_env.fleet, fleet_env.repository, OTHER)
    assert fleet_env.fleet.view.model == OTHER
    await serve_model(fleet_env.fleet, fleet_env.repository, MODEL)
    assert fleet_env.repository.served() == ServedModels(OTHER, (MODEL,))
    view = await fleet_env.fleet.scale(1)
    assert set(view.instances[0].versions) == {OTHER, MODEL}


async def test_a_model_without_a_live_version_cannot_be_used(fleet_env: FleetEnv) -> None:
    fleet_env.add_model(OTHER)
    fleet_env.repository.live_config_path(OTHER).unlink()
    with pytest.raises(ModelError, match="No version of model my birds is live"):
        await use_model(fleet_env.fleet, fleet_env.repository, OTHER)
    assert fleet_env.repository.served() == ServedModels(MODEL)


async def test_a_current_model_that_cannot_be_loaded_can_be_left(fleet_env: FleetEnv) -> None:
    fleet_env.add_model(OTHER)
    fleet_env.configure(broken=[f"{MODEL}/1"])
    async with fleet_env.running():
        scaling = asyncio.create_task(fleet_env.fleet.scale(1))
        await fleet_env.wait_for_view(
            lambda view: bool(view.instances) and bool(view.instances[0].load_errors)
        )
        await use_model(fleet_env.fleet, fleet_env.repository, OTHER)
        assert (await scaling).ready == 1
    assert (await fleet_env.client.classify(JPEG)).model == OTHER


async def test_a_broken_model_beside_the_current_one_is_shown_and_the_others_serve(
    two: FleetEnv,
) -> None:
    await serve_model(two.fleet, two.repository, OTHER)
    two.configure(broken=[f"{OTHER}/2"])
    two.add_version(OTHER, 2)
    two.repository.promote(OTHER, 2)
    view = await wait_for_view(
        two.fleet,
        lambda view: all("of model my birds" in each.instance.failure for each in view.instances),
    )
    assert view.ready == 2
    assert view.instances[0].load_errors == {OTHER: "the version is broken"}
    assert (await two.client.classify(JPEG, OTHER)).version == 1
    assert (await two.client.classify(JPEG)).model == MODEL
