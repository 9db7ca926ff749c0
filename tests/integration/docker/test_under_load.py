"""Changes and failures of a fleet in containers under load: no request may fail."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import docker
import pytest

from serving.engines.docker import names
from serving.engines.docker.engine import DockerEngine
from serving.engines.process import ProcessEngine
from serving.engines.protocol import InstanceSpec, InstanceState
from serving.engines.switch import EngineSwitch
from serving.fleet.fleet import FleetView
from serving.fleet.record import InstanceLimits
from serving.workspace import Workspace
from tests.support.canary_fleet import let_one_go_live
from tests.support.docker.docker_env import DockerEnv, has_failed, ids
from tests.support.fleet_env import TinyFleet, open_tiny_fleet
from tests.support.load_generator import LoadGenerator
from tests.support.waiting import wait_for_view, wait_until

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]


def ready_ids(view: FleetView) -> set[str]:
    return {each.instance.id for each in view.instances if each.state is InstanceState.READY}


@pytest.fixture
async def tiny(
    workspace: Workspace, model_server_image: str, api: docker.APIClient
) -> AsyncIterator[TinyFleet]:
    engine = DockerEngine(workspace, [model_server_image])
    async with open_tiny_fleet(workspace, engine, timeout_seconds=60) as made:
        yield made


async def test_growing_and_shrinking_under_fifty_callers_loses_no_request(
    tiny: TinyFleet, sample_jpeg: bytes
) -> None:
    (first,) = ids(await tiny.fleet.scale(1))
    async with LoadGenerator(tiny.client, sample_jpeg, 50) as load:
        four = ids(await tiny.fleet.scale(4))
        for name in four:
            await load.wait_for_answers(name, load.answers[name] + 5)
        two = ids(await tiny.fleet.scale(2))
        for name in two:
            await load.wait_for_answers(name, load.answers[name] + 5)
    assert load.failures == []
    assert first in four
    assert set(two) < set(four)
    assert set(load.answers) == set(four)


async def test_the_real_server_shares_the_work_and_loses_no_request_with_an_instance_or_a_change(
    tiny: TinyFleet, sample_jpeg: bytes, api: docker.APIClient
) -> None:
    before = ids(await tiny.fleet.scale(4))
    taken: Counter[str] = Counter()
    for _ in range(50):
        wave = (tiny.client.classify(sample_jpeg) for _ in range(8))
        taken.update(prediction.instance_id for prediction in await asyncio.gather(*wave))
    assert {name: 80 <= taken[name] <= 120 for name in before} == dict.fromkeys(before, True), taken
    async with LoadGenerator(tiny.client, sample_jpeg, 2) as load:
        label = f"{names.INSTANCE}={before[0]}"
        (row,) = api.containers(filters={"label": [label]})
        api.kill(row["Id"])
        await wait_for_view(tiny.fleet, lambda view: before[0] not in ready_ids(view))
        await wait_until(lambda: not tiny.client.balancer.counters()[before[0]].outstanding)
        sent = tiny.client.balancer.counters()[before[0]].requests
        view = await wait_for_view(
            tiny.fleet, lambda view: view.ready == 4 and before[0] not in ids(view), 120
        )
        assert tiny.client.balancer.counters()[before[0]].requests == sent
        ready: list[int] = []
        forget = tiny.fleet.subscribe(lambda view: ready.append(view.ready))
        await tiny.fleet.set_limits(InstanceLimits(memory_limit=10**9))
        after = ids(await tiny.fleet.wait_until_converged())
        forget()
    assert load.failures == []
    assert min(ready) >= 3
    assert not set(after) & set(ids(view))
    label = f"{names.INSTANCE}={after[0]}"
    (row,) = api.containers(filters={"label": [label]})
    assert api.inspect_container(row["Id"])["HostConfig"]["Memory"] == 10**9


async def test_twenty_concurrent_starts_all_run_and_listen_on_loopback(
    docker_env: DockerEnv,
) -> None:
    config_file = docker_env.repository.config_path.resolve()
    spec = InstanceSpec(config_file, memory_limit=256 * 2**20)
    started = await asyncio.gather(
        *(docker_env.engine.start(spec, fleet_size=20) for _ in range(20))
    )
    rows = docker_env.containers()
    assert Counter(row["State"] for row in rows) == {"running": 20}
    assert {port["IP"] for row in rows for port in row["Ports"]} == {"127.0.0.1"}
    addresses = {instance.grpc_address for instance in started}
    assert len(addresses) == 20
    listed = await docker_env.engine.instances()
    assert {instance.grpc_address for instance in listed} == addresses
    assert all(instance.state is InstanceState.STARTING for instance in listed)


async def test_four_instances_share_the_work_and_a_killed_one_gets_none(
    docker_env: DockerEnv, sample_jpeg: bytes
) -> None:
    docker_env.configure(delay=0.02)
    four = ids(await docker_env.fleet.scale(4))
    async with docker_env.watching():
        await docker_env.wait_for_view(lambda view: view.ready == 4)
        predictions = [await docker_env.client.classify(sample_jpeg) for _ in range(200)]
        for _ in range(25):
            wave = (docker_env.client.classify(sample_jpeg) for _ in range(8))
            predictions += await asyncio.gather(*wave)
        taken = Counter(prediction.instance_id for prediction in predictions)
        assert {name: 80 <= taken[name] <= 120 for name in four} == dict.fromkeys(four, True), taken
        docker_env.api.kill(docker_env.container(four[0]))
        await docker_env.wait_for_view(has_failed(four[0], "SIGKILL"))
        before = docker_env.client.balancer.counters()[four[0]].requests
        async with LoadGenerator(docker_env.client, sample_jpeg, 8) as load:
            for name in four[1:]:
                await load.wait_for_answers(name, 50)
    assert load.failures == []
    assert set(load.answers) == set(four[1:])
    assert docker_env.client.balancer.counters()[four[0]].requests == before


async def test_a_changed_limit_is_rolled_out_without_a_failed_request(
    docker_env: DockerEnv, sample_jpeg: bytes
) -> None:
    before = ids(await docker_env.fleet.scale(3))
    ready: list[int] = []
    counts: list[int] = []

    def check(view: FleetView) -> None:
        ready.append(view.ready)
        counts.append(len(view.instances))

    async with docker_env.running():
        await docker_env.wait_for_view(lambda view: view.ready == 3)
        docker_env.fleet.subscribe(check)
        async with LoadGenerator(docker_env.client, sample_jpeg, 20) as load:
            await docker_env.fleet.set_limits(InstanceLimits(memory_limit=256 * 2**20))
            view = await docker_env.wait_for_view(
                lambda view: view.ready == 3 and not set(ids(view)) & set(before), 120
            )
            for name in ids(view):
                await load.wait_for_answers(name)
    assert load.failures == []
    assert min(ready) >= 2
    assert max(counts) <= 5
    assert len(view.instances) == 3
    limits = {
        docker_env.api.inspect_container(row["Id"])["HostConfig"]["Memory"]
        for row in docker_env.containers()
    }
    assert limits == {256 * 2**20}


async def test_a_change_that_fails_leaves_the_fleet_as_it_was(
    docker_env: DockerEnv, sample_jpeg: bytes
) -> None:
    before = ids(await docker_env.fleet.scale(2))
    async with docker_env.running():
        await docker_env.wait_for_view(lambda view: view.ready == 2)
        async with LoadGenerator(docker_env.client, sample_jpeg, 8) as load:
            await docker_env.fleet.set_limits(InstanceLimits(image="nobody/nothing:1"))
            view = await docker_env.wait_for_view(
                lambda view: "nobody/nothing" in view.engine_reason
            )
            for name in before:
                await load.wait_for_answers(name, load.answers[name] + 100)
            assert ids(view) == ids(docker_env.fleet.view) == before
            assert docker_env.fleet.view.ready == 2
            await docker_env.fleet.set_limits(InstanceLimits())
            await docker_env.wait_for_view(lambda view: "nobody/nothing" not in view.engine_reason)
    assert load.failures == []
    assert ids(docker_env.fleet.view) == before


async def test_changing_what_is_served_costs_no_request_and_no_container(
    tiny: TinyFleet, sample_jpeg: bytes
) -> None:
    before = ids(await tiny.fleet.scale(2))
    states: set[InstanceState] = set()
    tiny.fleet.subscribe(lambda view: states.update(each.state for each in view.instances))
    load = await tiny.switch_all_along(sample_jpeg)
    assert load.failures == []
    assert len(load.models) == 2
    assert states == {InstanceState.READY}
    assert ids(tiny.fleet.view) == before


async def test_changing_what_is_served_reaches_processes_and_containers_alike(
    workspace: Workspace, model_server_image: str, api: docker.APIClient, sample_jpeg: bytes
) -> None:
    switch = EngineSwitch(ProcessEngine(workspace))
    async with open_tiny_fleet(workspace, switch, timeout_seconds=60) as tiny:
        (process,) = ids(await tiny.fleet.scale(1))
        switch.switch_to(DockerEngine(workspace, [model_server_image]))
        view = await tiny.fleet.scale(2)
        assert {each.instance.engine for each in view.instances} == {"process", "docker"}
        load = await tiny.switch_all_along(sample_jpeg)
        await tiny.fleet.scale(0)
    assert load.failures == []
    assert len(load.models) == 2
    assert process in load.answers


async def test_a_canary_goes_live_in_every_container_without_a_failed_request(
    tiny: TinyFleet, workspace: Workspace, sample_jpeg: bytes
) -> None:
    await let_one_go_live(tiny, workspace, sample_jpeg, callers=4)
