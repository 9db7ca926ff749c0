"""GET /models/{model}/rollout, and the events about it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from backend.contract import Event
from tests.support.backend_env import MODEL, Service
from tests.support.fleet_views import fleet_view, instance_view


async def test_it_says_where_the_live_version_is(service: Service) -> None:
    new = instance_view(1, model=MODEL, version=2)
    old = instance_view(2, model=MODEL, version=1)
    service.fleet.view = replace(fleet_view(new, old), live_versions={MODEL: 2})
    rollout = await service.client.rollout(MODEL)
    assert (rollout.version, rollout.live, rollout.waiting, rollout.everywhere) == (
        2,
        ["instance-000001"],
        ["instance-000002"],
        False,
    )
    service.fleet.now += 60
    rollout = await service.client.rollout(MODEL)
    assert rollout.late == ["instance-000002"]


async def test_a_model_that_is_not_served_is_live_nowhere(service: Service) -> None:
    rollout = await service.client.rollout(MODEL)
    assert (rollout.version, rollout.everywhere) == (None, False)


async def test_every_step_is_published_once(service: Service) -> None:
    async def collect() -> list[Event | None]:
        return [event async for event in service.broker.listen(60)]

    task = asyncio.create_task(collect())
    await asyncio.sleep(0)
    old = instance_view(1, model=MODEL, version=1)
    service.fleet.view = replace(fleet_view(old), live_versions={MODEL: 2})
    service.rollouts.look()
    service.rollouts.look()
    service.broker.close()
    assert await task == [Event("models", MODEL)]
