"""What happens to a fleet in containers while many use it: none of them may notice."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable

import docker
import pytest

from serving.engines.docker import names
from serving.engines.docker.engine import DockerEngine
from serving.engines.protocol import InstanceSpec, InstanceState
from serving.fleet.fleet import Fleet, FleetView
from serving.fleet.record import Limits
from serving.models.repository import ModelRepository
from serving.models.starter.install import STARTER_MODEL, install_starter
from serving.predict.client import PredictClient
from serving.workspace import Workspace
from tests.integration.docker.ground import MODEL, DockerGround, ids
from tests.integration.fleet.load import Callers
from tests.unit.serving.fleet.ground import until

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]


class OwnFleet:
    """The starter model in our own image, kept by `run`."""

    def __init__(self, workspace: Workspace, image: str) -> None:
        repository = ModelRepository(workspace.models)
        install_starter(repository)
        self.engine = DockerEngine(workspace, [image])
        self.client = PredictClient(STARTER_MODEL, patience=60)
        self.fleet = Fleet(STARTER_MODEL, self.engine, repository, workspace, self.client)


@pytest.fixture
async def starter(workspace: Workspace, own: str, api: docker.APIClient) -> AsyncIterator[OwnFleet]:
    made = OwnFleet(workspace, own)
    run = asyncio.create_task(made.fleet.run())
    yield made
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)
    for instance in await made.engine.instances():
        await made.engine.stop(instance.id, grace=2)
    await made.client.close()
    await made.engine.close()


async def test_growing_and_shrinking_under_fifty_callers_loses_no_request(
    starter: OwnFleet, picture: bytes
) -> None:
    (first,) = ids(await starter.fleet.scale(1))
    async with Callers(starter.client, picture, 50) as callers:
        four = ids(await starter.fleet.scale(4))
        for name in four:
            await callers.answered(name, callers.answers[name] + 5)
        two = ids(await starter.fleet.scale(2))
        for name in two:
            await callers.answered(name, callers.answers[name] + 5)
    assert callers.failures == []
    assert first in four
    assert set(two) < set(four)
    assert set(callers.answers) == set(four)


async def test_the_real_server_shares_the_work_and_loses_no_request_with_an_instance_or_a_change(
    starter: OwnFleet, picture: bytes, api: docker.APIClient
) -> None:
    before = ids(await starter.fleet.scale(4))
    taken: Counter[str] = Counter()
    for _ in range(50):
        wave = (starter.client.classify(picture) for _ in range(8))
        taken.update(prediction.instance_id for prediction in await asyncio.gather(*wave))
    assert {name: 80 <= taken[name] <= 120 for name in before} == dict.fromkeys(before, True), taken
    async with Callers(starter.client, picture, 2) as callers:
        label = f"{names.INSTANCE}={before[0]}"
        (row,) = api.containers(filters={"label": [label]})
        api.kill(row["Id"])
        await asyncio.sleep(1)
        sent = starter.client.counters()[before[0]].requests
        view = await until(
            starter.fleet, lambda view: view.ready == 4 and before[0] not in ids(view), 120
        )
        assert starter.client.counters()[before[0]].requests == sent
        ready: list[int] = []
        forget = starter.fleet.subscribe(lambda view: ready.append(view.ready))
        await starter.fleet.limit(Limits(memory_limit=10**9))
        after = ids(await starter.fleet.settle())
        forget()
    assert callers.failures == []
    assert min(ready) >= 3
    assert not set(after) & set(ids(view))
    label = f"{names.INSTANCE}={after[0]}"
    (row,) = api.containers(filters={"label": [label]})
    assert api.inspect_container(row["Id"])["HostConfig"]["Memory"] == 10**9


async def test_twenty_starts_at_once_all_run_and_listen_on_loopback(ground: DockerGround) -> None:
    config_file = ground.repository.config_path(MODEL).resolve()
    spec = InstanceSpec(model=MODEL, config_file=config_file, memory_limit=256 * 2**20)
    started = await asyncio.gather(*(ground.engine.start(spec, sharing=20) for _ in range(20)))
    rows = ground.containers()
    assert Counter(row["State"] for row in rows) == {"running": 20}
    assert {port["IP"] for row in rows for port in row["Ports"]} == {"127.0.0.1"}
    addresses = {instance.grpc_address for instance in started}
    assert len(addresses) == 20
    listed = await ground.engine.instances()
    assert {instance.grpc_address for instance in listed} == addresses
    assert all(instance.state is InstanceState.STARTING for instance in listed)


async def test_four_instances_share_the_work_and_a_killed_one_gets_none(
    ground: DockerGround, picture: bytes
) -> None:
    ground.behave(delay=0.02)
    four = ids(await ground.fleet.scale(4))
    async with ground.watching():
        await ground.until(lambda view: view.ready == 4)
        predictions = [await ground.client.classify(picture) for _ in range(200)]
        for _ in range(25):
            wave = (ground.client.classify(picture) for _ in range(8))
            predictions += await asyncio.gather(*wave)
        taken = Counter(prediction.instance_id for prediction in predictions)
        assert {name: 80 <= taken[name] <= 120 for name in four} == dict.fromkeys(four, True), taken
        ground.api.kill(ground.container(four[0]))
        await asyncio.sleep(1)
        before = ground.client.counters()[four[0]].requests
        async with Callers(ground.client, picture, 8) as callers:
            await asyncio.sleep(2)
    assert callers.failures == []
    assert set(callers.answers) == set(four[1:])
    assert ground.client.counters()[four[0]].requests == before


async def test_a_changed_limit_is_rolled_out_one_by_one_and_nobody_notices(
    ground: DockerGround, picture: bytes
) -> None:
    before = ids(await ground.fleet.scale(3))
    ready: list[int] = []
    counts: list[int] = []

    def look(view: FleetView) -> None:
        ready.append(view.ready)
        counts.append(len(view.instances))

    async with ground.running():
        await ground.until(lambda view: view.ready == 3)
        ground.fleet.subscribe(look)
        async with Callers(ground.client, picture, 20) as callers:
            baseline = await _p99(ground, picture, asyncio.sleep(4))
            await ground.fleet.limit(Limits(memory_limit=256 * 2**20))
            changed = asyncio.create_task(
                ground.until(lambda view: view.ready == 3 and not set(ids(view)) & set(before), 120)
            )
            during = await _p99(ground, picture, asyncio.shield(changed))
            view = await changed
    assert callers.failures == []
    assert min(ready) >= 2
    assert during <= max(2 * baseline, 0.25), (baseline, during)
    assert max(counts) <= 5
    assert len(view.instances) == 3
    limits = {
        ground.api.inspect_container(row["Id"])["HostConfig"]["Memory"]
        for row in ground.containers()
    }
    assert limits == {256 * 2**20}


async def test_a_change_that_does_not_come_up_leaves_the_fleet_as_it_was(
    ground: DockerGround, picture: bytes
) -> None:
    before = ids(await ground.fleet.scale(2))
    async with ground.running():
        await ground.until(lambda view: view.ready == 2)
        async with Callers(ground.client, picture, 8) as callers:
            await ground.fleet.limit(Limits(image="nobody/nothing:1"))
            view = await ground.until(lambda view: "nobody/nothing" in view.engine_reason)
            await asyncio.sleep(3)
            assert ids(view) == before
            assert ground.fleet.view.ready == 2
            await ground.fleet.limit(Limits())
            await ground.until(lambda view: "nobody/nothing" not in view.engine_reason)
    assert callers.failures == []
    assert ids(ground.fleet.view) == before


async def _p99(ground: DockerGround, picture: bytes, meanwhile: Awaitable[object]) -> float:
    """Return the seconds that 99 % of the answers took while something else went on."""
    going_on = asyncio.ensure_future(meanwhile)
    seconds = []
    while not going_on.done():
        began = time.perf_counter()
        await ground.client.classify(picture)
        seconds.append(time.perf_counter() - began)
        await asyncio.sleep(0.01)
    return sorted(seconds)[len(seconds) * 99 // 100]
