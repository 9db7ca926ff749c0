"""A fleet on a swarm of real engines: no request may fail, whatever becomes of its nodes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from serving.engines.docker.engine import DockerEngine
from serving.errors import EngineError
from serving.workspace import Workspace
from tests.support.command_line import CommandLine
from tests.support.docker.docker_env import ids
from tests.support.docker.images import PREFIX, TOKEN
from tests.support.docker.swarm import Swarm
from tests.support.docker.swarm_fleet import (
    MODEL,
    OTHER_MODEL,
    SECONDS,
    SwarmFleet,
    build_broken_image,
    install_two_models,
    swarm_fleet,
)
from tests.support.load_generator import LoadGenerator
from tests.support.waiting import block_until, wait_for_view, wait_until

pytestmark = [
    pytest.mark.docker,
    pytest.mark.slow,
    pytest.mark.swarm,
    pytest.mark.timeout(600),
]

CALLERS = 32


@pytest.fixture
async def env(
    workspace: Workspace, two_nodes: Swarm, fake_server_image: str
) -> AsyncIterator[SwarmFleet]:
    async with swarm_fleet(workspace, two_nodes, fake_server_image) as made:
        yield made


async def test_growing_and_shrinking_under_load_loses_no_request(
    env: SwarmFleet, sample_jpeg: bytes
) -> None:
    (first,) = ids(await env.fleet.scale(1))
    async with LoadGenerator(env.client, sample_jpeg, CALLERS) as load:
        four = await env.fleet.scale(4)
        assert sorted(each.instance.node for each in four.instances) == [
            "node1",
            "node1",
            "node2",
            "node2",
        ]
        for name in ids(four):
            await load.wait_for_answers(name, load.answers[name] + 5)
        two = ids(await env.fleet.scale(2))
        for name in two:
            await load.wait_for_answers(name, load.answers[name] + 5)
    assert load.failures == []
    assert first in ids(four)
    assert set(two) < set(ids(four))
    await env.fleet.scale(0)
    assert env.services() == []


async def test_a_drained_node_gives_its_instances_to_the_other_and_no_request_fails(
    env: SwarmFleet, sample_jpeg: bytes
) -> None:
    await env.fleet.scale(2)
    await env.wait_for_nodes("node1", "node2")
    (worker,) = env.swarm.workers
    async with LoadGenerator(env.client, sample_jpeg, CALLERS) as load:
        env.swarm.drain(worker)
        view = await env.wait_for_nodes("node1", "node1")
        for name in ids(view):
            await load.wait_for_answers(name, load.answers[name] + 5)
        env.swarm.activate(worker)
    assert load.failures == []


@pytest.mark.parametrize("how", ["kill", "unplug"])
async def test_a_node_that_dies_loses_no_request_and_its_instances_come_back_on_the_other(
    env: SwarmFleet, sample_jpeg: bytes, how: str
) -> None:
    await env.fleet.scale(2)
    await env.wait_for_nodes("node1", "node2")
    (worker,) = env.swarm.workers
    try:
        async with LoadGenerator(env.client, sample_jpeg, CALLERS) as load:
            if how == "kill":
                worker.kill()
            else:  # nobody is told that what was sent has not arrived
                worker.member.unplug()
            view = await env.wait_for_nodes("node1", "node1")
            for name in ids(view):
                await load.wait_for_answers(name, load.answers[name] + 5)
        assert load.failures == []
    finally:
        if how == "kill":
            worker.launch()
        else:
            worker.member.plug_in()
        block_until(lambda: env.swarm.count_ready() == 2, details=env.swarm.rows)


async def test_an_update_that_does_not_come_up_is_taken_back_and_the_fleet_says_so(
    env: SwarmFleet, fake_server_image: str, sample_jpeg: bytes
) -> None:
    broken = f"{PREFIX}/broken:{TOKEN}"
    build_broken_image(env.swarm, fake_server_image, broken)
    before = await env.fleet.scale(2)
    limits = env.fleet.limits
    async with LoadGenerator(env.client, sample_jpeg, CALLERS) as load:
        await env.fleet.set_limits(replace(limits, image=broken))
        with pytest.raises(EngineError, match="went back to the former ones") as refused:
            await env.fleet.wait_until_converged()
        assert "ended with exit status 3" in refused.value.what
        view = await env.fleet.observe()
        assert "went back to the former ones" in view.update
        assert view.ready == 2
        assert set(ids(before)) & set(ids(view))
        # What it says from now on is what runs, so that nothing is tried again.
        assert env.fleet.limits == limits
        assert not env.fleet.has_outdated(view)

        # What does come up replaces every instance.
        await env.fleet.set_limits(replace(limits, memory_limit=10**9, cpu_limit=0.5))
        after = await env.fleet.wait_until_converged()
        assert not set(ids(after)) & set(ids(view))
        assert after.update == ""
    assert load.failures == []
    (service,) = env.services()
    resources: dict[str, Any] = service["Spec"]["TaskTemplate"]["Resources"]
    assert resources["Limits"]["MemoryBytes"] == 10**9
    assert resources["Reservations"] == {"MemoryBytes": 5 * 10**8, "NanoCPUs": 25 * 10**7}


async def test_nodes_that_see_the_models_serve_several_and_follow_a_promotion(
    env: SwarmFleet, sample_jpeg: bytes
) -> None:
    before = await env.fleet.scale(2)
    async with LoadGenerator(env.client, sample_jpeg, CALLERS) as load:
        assert (await env.client.classify(sample_jpeg, OTHER_MODEL)).model == OTHER_MODEL
        env.repository.promote(MODEL, 2)
        after = await wait_for_view(
            env.fleet,
            lambda view: all(
                each.versions == {MODEL: 2, OTHER_MODEL: 1} for each in view.instances
            ),
            SECONDS,
        )
    assert load.failures == []
    assert ids(after) == ids(before)


async def test_what_people_see_of_an_instance(env: SwarmFleet) -> None:
    view = await env.fleet.scale(2)
    for each in view.instances:
        engine = env.fleet.engine_of(each.instance.id)
        assert "the fake server begins" in await engine.logs(each.instance.id)
        async with aclosing(engine.follow_logs(each.instance.id)) as lines:
            assert await anext(lines) == "the fake server begins"
        command = await engine.run_command(each.instance.id)
        assert "service create" in command
        assert "--replicas 2" in command
    memory, pids = await env.engine.default_limits()
    (service,) = env.services()
    limits = service["Spec"]["TaskTemplate"]["Resources"]["Limits"]
    assert (limits["MemoryBytes"], limits["Pids"]) == (memory, pids)
    # The same engine alone knows other containers as its own.
    alone = DockerEngine(env.workspace, [], [env.swarm.manager.endpoint])
    assert await alone.instances() == []
    await alone.close()
    observed = await env.fleet.observe()
    measured = {each.instance.node: each.stats for each in observed.instances}
    # An engine measures its own containers alone.
    assert measured["node1"] is not None
    assert measured["node2"] is None
    with pytest.raises(EngineError, match="no instance task-aaaaaaaaaaaa"):
        await env.engine.logs("task-aaaaaaaaaaaa")


async def test_a_restart_replaces_them_all_and_one_that_is_stopped_stays_away(
    env: SwarmFleet, sample_jpeg: bytes
) -> None:
    before = await env.fleet.scale(2)
    async with LoadGenerator(env.client, sample_jpeg, CALLERS) as load:
        await env.fleet.rolling_restart()
        view = await wait_for_view(
            env.fleet, lambda view: view.ready == len(view.instances) == 2, SECONDS
        )
        assert not set(ids(before)) & set(ids(view))
        await env.fleet.stop_instance(ids(view)[0])
        await wait_for_view(env.fleet, lambda view: view.ready == len(view.instances) == 1, SECONDS)
    assert load.failures == []
    assert env.fleet.view.desired_count == 1


async def test_a_node_without_the_image_says_so(env: SwarmFleet, fake_server_image: str) -> None:
    lonely = f"{PREFIX}/lonely:{TOKEN}"
    manager = env.swarm.manager
    manager.api.tag(fake_server_image, f"{PREFIX}/lonely", TOKEN)
    await env.fleet.set_limits(replace(env.fleet.limits, image=lonely))
    with pytest.raises(EngineError, match="node2 does not have the image"):
        await env.fleet.scale(2)
    # The swarm prefers a node on which fewer attempts have failed.
    await env.wait_for_nodes("node1", "node1")


async def test_a_fleet_moves_from_one_machine_to_the_swarm_and_back(
    env: SwarmFleet, fake_server_image: str, sample_jpeg: bytes
) -> None:
    here = DockerEngine(env.workspace, [fake_server_image])
    env.switch.switch_to(here)
    try:
        await env.fleet.scale(2)
        async with LoadGenerator(env.client, sample_jpeg, CALLERS) as load:
            for engine in (env.engine, here):
                env.switch.switch_to(engine)
                await env.fleet.rolling_restart()
                view = await wait_for_view(
                    env.fleet, lambda view: view.ready == len(view.instances) == 2, SECONDS
                )
                assert {each.instance.engine for each in view.instances} == {engine.name}
        assert load.failures == []
        await wait_until(lambda: not env.services())
    finally:
        env.switch.switch_to(here)
        await env.fleet.scale(0)
        await here.close()


async def test_the_commands(
    workspace: Workspace, two_nodes: Swarm, fake_server_image: str, tmp_path: Path
) -> None:
    made = SwarmFleet(workspace, two_nodes, fake_server_image, install_two_models)
    servery = CommandLine(tmp_path)
    servery.environment["DOCKER_HOST"] = two_nodes.manager.endpoint.url
    servery.environment["SERVERY_ENGINE"] = "swarm"
    try:
        servery.json("fleet", "limit", "--image", fake_server_image)
        assert servery.run("fleet", "start", "2").returncode == 0
        # Wherever the instances run, they are found.
        servery.environment["SERVERY_ENGINE"] = "auto"
        status = servery.run("fleet", "status")
        assert "2 of 2 instances ready with pets v1, on swarm." in status.stdout
        assert "NODE" in status.stdout
        assert "It manages a swarm of 2 nodes." in status.stderr
        found = servery.json("fleet", "status")
        assert {each["node"] for each in found["instances"]} == {"node1", "node2"}
        stopped = servery.run("stop")
        assert stopped.returncode == 0, stopped.stderr
        await wait_until(lambda: not made.services())
    finally:
        await made.close()
