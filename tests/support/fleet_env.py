"""A workspace on which a fleet of fake servers can be tried."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from serving.background import in_background
from serving.engines.process import ProcessEngine
from serving.engines.protocol import Engine, Instance
from serving.engines.switch import EngineSwitch
from serving.fleet import pace, switch_model
from serving.fleet.fleet import Fleet, FleetView
from serving.fleet.switch_model import serve_model, unserve_model, use_model
from serving.fleet.version_trial import UnusableVersion
from serving.models.model_folders import duplicate_model
from serving.models.repository import ModelRepository
from serving.models.staging import commit_version, staged_version
from serving.models.version import Version
from serving.predict.client import PredictClient
from serving.workspace import Workspace
from tests.conftest import ROOT
from tests.support.load_generator import LoadGenerator
from tests.support.tiny_model import TINY_MODEL, install_tiny
from tests.support.waiting import wait_for_view, wait_until

MODEL = "pets"
PROGRAM = [sys.executable, str(ROOT / "tests/support/fake_server.py")]
PRETENDING = [*PROGRAM, "--grpc=no"]
"""The same, without gRPC."""


def patch_pace(patch: pytest.MonkeyPatch) -> None:
    """Let fleets observe only what they are told of."""
    for name in ("POLL_SECONDS", "WATCHED_POLL_SECONDS", "IDLE_SECONDS"):
        patch.setattr(pace, name, 1e6)


def quicken_pace(patch: pytest.MonkeyPatch) -> None:
    """Let fleets to which nothing happens look every second, and ask their instances each time."""
    patch.setattr(pace, "IDLE_SECONDS", 1.0)
    patch.setattr(pace, "PROBE_SECONDS", 0.0)
    patch.setattr(pace, "POLL_SECONDS", 0.9)  # a pause that is longer is one in which all is calm


class CountingEngine(ProcessEngine):
    """Counts how often its instances were listed: by a fleet, and to follow changes."""

    polls = 0
    _lists = 0

    @property
    def change_polls(self) -> int:
        return self._lists - self.polls

    async def instances(self) -> list[Instance]:
        found = await super().instances()
        self.polls += 1
        return found

    def _instances(self) -> list[Instance]:
        found = super()._instances()
        self._lists += 1
        return found


class FleetEnv:
    """A workspace with a model of three versions, the first live, and fleets on it."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.engine = CountingEngine(workspace, program=PROGRAM)
        self.repository = ModelRepository(workspace.models)
        self.client = PredictClient(
            self.repository.served, canaries=self.repository.canaries, timeout=10
        )
        self.other_client = PredictClient(
            self.repository.served, canaries=self.repository.canaries, timeout=10
        )
        self.fleet = self.new_fleet(self.client)
        for number in (1, 2, 3):
            self.add_version(MODEL, number)
        self.repository.promote(MODEL, 1)

    def add_version(self, model: str, number: int) -> None:
        folder = self.workspace.models / model / str(number)
        folder.mkdir(parents=True)
        (folder / "saved_model.pb").touch()

    def add_model(self, model: str) -> None:
        """Add a model with one version, which is live, and do not serve it."""
        self.add_version(model, 1)
        self.repository.promote(model, 1)

    def new_fleet(
        self,
        client: PredictClient | None = None,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> Fleet:
        """Another Fleet of the same workspace, as another program would hold."""
        return Fleet(
            self.engine,
            self.repository,
            self.workspace,
            client or self.other_client,
            clock=clock,
            monotonic=monotonic,
            trial=self._try,
        )

    async def _try(self, version: Version, memory_limit: int) -> None:
        """Say of a version, which has no graph, what the fake servers say of it."""
        raw = json.loads(self._settings.read_text()) if self._settings.exists() else {}
        if f"{version.model}/{version.number}" in raw.get("unusable", ()):
            raise UnusableVersion(
                f"Version {version.number} of {version.model} cannot be served. It is bad.",
                "Promote another version.",
            )

    async def wait_for_polls(self, count: int) -> None:
        """Return once fleets have listed the instances so many times more."""
        target = self.engine.polls + count
        await wait_until(lambda: self.engine.polls >= target)

    def configure(self, **settings: Any) -> None:
        self._settings.write_text(json.dumps(settings))

    @property
    def _settings(self) -> Path:
        return self.workspace.root / "fake_server.json"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """`fleet.run()` in the background."""
        async with in_background(self.fleet.run()):
            yield

    async def wait_for_view(self, condition: Callable[[FleetView], bool]) -> FleetView:
        return await wait_for_view(self.fleet, condition)


@asynccontextmanager
async def open_fleet_env(workspace: Workspace) -> AsyncIterator[FleetEnv]:
    """A FleetEnv whose instances are stopped at the end of the block.

    A fake server reads its configuration twenty times a second, so that fewer seconds are enough
    until it shows a new error, or has forgotten a model, than with those that people run.
    """
    made = FleetEnv(workspace)
    patch = pytest.MonkeyPatch()
    patch.setattr(switch_model, "OLD_ERROR_SECONDS", 5.0)
    patch.setattr(switch_model, "FORGET_SECONDS", 1.0)
    try:
        yield made
    finally:
        patch.undo()
        for instance in await made.engine.instances():
            await made.engine.stop(instance.id, grace=0)
        await made.client.close()
        await made.other_client.close()


class TinyFleet:
    """A fleet that serves the tiny model with our own model server."""

    def __init__(
        self, workspace: Workspace, engine: Engine | EngineSwitch, client: PredictClient
    ) -> None:
        self.repository = ModelRepository(workspace.models)
        install_tiny(self.repository)
        self.engine = engine
        self.client = client
        self.fleet = Fleet(engine, self.repository, workspace, client)

    def process(self, index: int) -> int:
        """Process id of an instance, the oldest first."""
        number = self.fleet.view.instances[index].instance.process
        assert number is not None
        return number

    def next_version(self, model: str = TINY_MODEL) -> Version:
        """Add a version that is a copy of the live one."""
        with staged_version(self.repository, model) as staged:
            shutil.copytree(self.repository.live(model).path, staged, dirs_exist_ok=True)
            return commit_version(self.repository, model, staged)

    async def switch_all_along(self, jpeg: bytes) -> LoadGenerator:
        """Change in every way what is served, while 32 callers classify `jpeg` without a pause.

        Returns what they met.
        """
        first, other, third = TINY_MODEL, "second model", "third"
        for name in (other, third):
            duplicate_model(self.repository, first, name)
        async with LoadGenerator(self.client, jpeg, 32) as load:

            async def wait_for_answers(name: str) -> None:
                enough = load.models[name] + 32
                await wait_until(lambda: load.models[name] >= enough)

            for name in (other, first, other, first):
                await use_model(self.fleet, self.repository, name)
                await wait_for_answers(name)
            await serve_model(self.fleet, self.repository, third)
            assert (await self.client.classify(jpeg, third)).model == third
            number = self.next_version(first).number
            self.repository.promote(first, number)
            await self.wait_for_loaded({first: number, third: 1})
            await use_model(self.fleet, self.repository, other)
            await unserve_model(self.fleet, self.repository, third)
            await self.wait_for_loaded({other: 1})
            await wait_for_answers(other)
        return load

    async def wait_for_fault(self, version: int | None) -> None:
        """Return once the live version has a fault and `version` answers; None: has no fault."""

        def reached(view: FleetView) -> bool:
            if version is None:
                return not view.faults
            answers = all(each.version == version for each in view.instances)
            return TINY_MODEL in view.faults and answers

        await wait_for_view(self.fleet, reached, 120)

    async def wait_for_loaded(self, versions: Mapping[str, int]) -> None:
        """Return once every instance has these versions loaded and no other model."""
        await wait_for_view(
            self.fleet, lambda view: all(each.versions == versions for each in view.instances), 120
        )


@asynccontextmanager
async def open_tiny_fleet(
    workspace: Workspace, engine: Engine | EngineSwitch, timeout_seconds: float = 15
) -> AsyncIterator[TinyFleet]:
    """A TinyFleet that runs, and whose instances are stopped at the end of the block."""
    repository = ModelRepository(workspace.models)
    client = PredictClient(repository.served, canaries=repository.canaries, timeout=timeout_seconds)
    tiny = TinyFleet(workspace, engine, client)
    async with in_background(tiny.fleet.run()):
        yield tiny
    for instance in await engine.instances():
        await tiny.fleet.engine_of(instance.id).stop(instance.id, grace=2)
    await client.close()
    await engine.close()
