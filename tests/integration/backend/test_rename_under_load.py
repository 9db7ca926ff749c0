"""A model that is served gets another name while many ask it; nobody notices."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from backend.events import EventBroker
from backend.fleet_switch import FleetSwitch
from backend.models.lifecycle import ModelLifecycle
from backend.models.names import ModelNames
from backend.store.label_writing import Statement
from backend.store.store import Store
from backend.training.trainer import Trainer
from serving.engines.process import ProcessEngine
from serving.workspace import Workspace
from tests.support.fleet_env import TinyFleet, open_tiny_fleet
from tests.support.load_generator import LoadGenerator
from tests.support.sample_images import painting
from tests.support.tiny_model import TINY_MODEL

CALLERS = 32


@pytest.fixture
async def tiny(workspace: Workspace) -> AsyncIterator[TinyFleet]:
    async with open_tiny_fleet(workspace, ProcessEngine(workspace)) as tiny:
        yield tiny


async def test_no_request_fails_while_the_current_model_is_renamed(
    tiny: TinyFleet, workspace: Workspace
) -> None:
    store, broker = Store(workspace), EventBroker()
    await store.open()
    trainer = Trainer(store=store, repository=tiny.repository, workspace=workspace, broker=broker)
    lifecycle = ModelLifecycle(
        repository=tiny.repository,
        store=store,
        trainer=trainer,
        names=ModelNames(tiny.repository, store),
        switch=FleetSwitch(tiny.fleet, tiny.repository),
        broker=broker,
    )
    label, _ = await store.labels.add(
        TINY_MODEL, painting("red", 1), Statement("red"), lambda _: False
    )
    (instance,) = (await tiny.fleet.scale(1)).instances
    async with LoadGenerator(tiny.client, painting("red", 1), CALLERS) as load:
        await load.wait_for_answers(instance.instance.id)
        for name in ("My colors", "Farben", "farben"):
            model = tiny.repository.served().current
            assert await lifecycle.rename(model, name) == name
            assert tiny.repository.models() == [name]
            await load.wait_for_answers(
                instance.instance.id, load.answers[instance.instance.id] + CALLERS
            )
    assert load.failures == []
    assert {TINY_MODEL, "My colors", "Farben", "farben"} <= set(load.models)
    assert tiny.repository.served().names() == ("farben",)
    (kept,) = (await store.labels.snapshot("farben")).current
    assert kept.id == label.id
    await store.close()
