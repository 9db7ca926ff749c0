"""A workspace on which a fleet of fake servers can be tried."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from serving.engines.process import ProcessEngine
from serving.fleet.fleet import Fleet, FleetView
from serving.models.repository import ModelRepository
from serving.predict.client import PredictClient
from serving.workspace import Workspace
from tests.conftest import ROOT
from tests.support.waiting import wait_for_view

MODEL = "pets"
PROGRAM = [sys.executable, "-m", "tests.support.fake_server"]
PRETENDING = [sys.executable, str(ROOT / "tests/support/fake_server.py"), "--grpc=no"]
"""The same, without gRPC."""


class FleetEnv:
    """A workspace with a model of three versions, the first live, and fleets on it."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.engine = ProcessEngine(workspace, program=PROGRAM)
        self.repository = ModelRepository(workspace.models)
        self.client = PredictClient(MODEL, timeout=10)
        self.other_client = PredictClient(MODEL, timeout=10)
        self.fleet = self.new_fleet(self.client)
        for number in (1, 2, 3):
            folder = workspace.models / MODEL / str(number)
            folder.mkdir(parents=True)
            (folder / "saved_model.pb").touch()
        self.repository.promote(MODEL, 1)

    def new_fleet(self, client: PredictClient | None = None) -> Fleet:
        """Another Fleet of the same workspace, as another program would hold."""
        return Fleet(
            MODEL, self.engine, self.repository, self.workspace, client or self.other_client
        )

    def configure(self, **settings: Any) -> None:
        (self.workspace.root / "fake_server.json").write_text(json.dumps(settings))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """`fleet.run()` in the background."""
        run = asyncio.create_task(self.fleet.run())
        try:
            yield
        finally:
            run.cancel()
            await asyncio.gather(run, return_exceptions=True)

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
