"""A workspace on which a fleet of fake servers can be tried."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from serving.background import in_background
from serving.engines.process import ProcessEngine
from serving.engines.protocol import Instance
from serving.fleet.fleet import Fleet, FleetView
from serving.models.repository import ModelRepository
from serving.predict.client import PredictClient
from serving.workspace import Workspace
from tests.conftest import ROOT
from tests.support.waiting import wait_for_view, wait_until

MODEL = "pets"
PROGRAM = [sys.executable, "-m", "tests.support.fake_server"]
PRETENDING = [sys.executable, str(ROOT / "tests/support/fake_server.py"), "--grpc=no"]
"""The same, without gRPC."""


class CountingEngine(ProcessEngine):
    """Counts how often its instances were listed: by a fleet, and to follow changes."""

    polls = 0
    change_polls = 0

    async def instances(self, model: str | None = None) -> list[Instance]:
        found = await super().instances(model)
        if model is None:
            self.change_polls += 1
        else:
            self.polls += 1
        return found


class FleetEnv:
    """A workspace with a model of three versions, the first live, and fleets on it."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.engine = CountingEngine(workspace, program=PROGRAM)
        self.repository = ModelRepository(workspace.models)
        self.client = PredictClient(MODEL, timeout=10)
        self.other_client = PredictClient(MODEL, timeout=10)
        self.fleet = self.new_fleet(self.client)
        for number in (1, 2, 3):
            folder = workspace.models / MODEL / str(number)
            folder.mkdir(parents=True)
            (folder / "saved_model.pb").touch()
        self.repository.promote(MODEL, 1)

    def new_fleet(
        self,
        client: PredictClient | None = None,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> Fleet:
        """Another Fleet of the same workspace, as another program would hold."""
        return Fleet(
            MODEL,
            self.engine,
            self.repository,
            self.workspace,
            client or self.other_client,
            clock=clock,
            monotonic=monotonic,
        )

    async def wait_for_polls(self, count: int) -> None:
        """Return once fleets have listed the instances so many times more."""
        target = self.engine.polls + count
        await wait_until(lambda: self.engine.polls >= target)

    def configure(self, **settings: Any) -> None:
        (self.workspace.root / "fake_server.json").write_text(json.dumps(settings))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """`fleet.run()` in the background."""
        async with in_background(self.fleet.run()):
            yield

    async def wait_for_view(self, condition: Callable[[FleetView], bool]) -> FleetView:
        return await wait_for_view(self.fleet, condition)


@asynccontextmanager
async def open_fleet_env(workspace: Workspace) -> AsyncIterator[FleetEnv]:
    """A FleetEnv whose instances are stopped at the end of the block."""
    made = FleetEnv(workspace)
    try:
        yield made
    finally:
        for instance in await made.engine.instances():
            await made.engine.stop(instance.id, grace=0)
        await made.client.close()
        await made.other_client.close()
