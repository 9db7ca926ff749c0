"""A fleet of instances that somebody else manages, found by their addresses."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from serving.background import in_background
from serving.engines.external import ExternalEngine
from serving.engines.instance_addresses import InstanceAddresses, parse_instances
from serving.errors import EngineError
from serving.fleet.fleet import Fleet
from serving.models.repository import ModelRepository
from serving.predict.client import PredictClient
from serving.workspace import Workspace
from tests.support.load_generator import LoadGenerator
from tests.support.model_server_by_hand import ModelServerByHand
from tests.support.tiny_model import TINY_MODEL, install_tiny, write_tiny
from tests.support.waiting import wait_for_view


class ManagedElsewhere:
    """Servers, a name that resolves to the listed ones, and a fleet that goes by the name."""

    def __init__(self, workspace: Workspace, servers: list[ModelServerByHand]) -> None:
        self.servers = servers
        self.listed: list[ModelServerByHand] = []
        repository = ModelRepository(workspace.models)
        install_tiny(repository)
        self.client = PredictClient(repository.served)
        self.addresses = Addresses(self)
        engine = ExternalEngine(self.addresses, refresh=0.1)
        self.fleet = Fleet(engine, repository, workspace, self.client)


class Addresses(InstanceAddresses):
    """Resolves without DNS, in which this machine has no names with two ports."""

    def __init__(self, elsewhere: ManagedElsewhere) -> None:
        super().__init__(parse_instances("dns:serving"))
        self._elsewhere = elsewhere

    async def current(self) -> list[str]:
        return [server.address for server in self._elsewhere.listed]


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[ModelServerByHand]]:
    """Two servers, of which the second has another version than the repository says."""
    started = []
    for number in (1, 7):
        folder = tmp_path / f"server-{number}"
        version = folder / "models" / TINY_MODEL / str(number)
        version.mkdir(parents=True)
        write_tiny(version)
        started.append(ModelServerByHand(folder, TINY_MODEL))
    yield started
    for server in started:
        server.stop()


@pytest.fixture
async def elsewhere(
    workspace: Workspace, servers: list[ModelServerByHand]
) -> AsyncIterator[ManagedElsewhere]:
    made = ManagedElsewhere(workspace, servers)
    async with in_background(made.fleet.watch()):
        yield made
    await made.client.close()


async def test_instances_are_used_while_the_name_resolves_to_them(
    elsewhere: ManagedElsewhere, sample_jpeg: bytes
) -> None:
    first, second = elsewhere.servers
    fleet, client = elsewhere.fleet, elsewhere.client
    elsewhere.listed = [first]
    await wait_for_view(fleet, lambda view: view.ready == 1)
    async with LoadGenerator(client, sample_jpeg, 8) as load:
        await load.wait_for_answers(first.address)
        # It is used although the repository says another version, as during a rolling update.
        elsewhere.listed = [first, second]
        await load.wait_for_answers(second.address)
        elsewhere.listed = [second]
        view = await wait_for_view(fleet, lambda view: len(view.instances) == 1)
        first.stop()
        assert view.instances[0].versions == {TINY_MODEL: 7}
    assert load.failures == []
    assert second.runs


async def test_one_that_is_gone_is_left_before_the_name_says_so(
    elsewhere: ManagedElsewhere, sample_jpeg: bytes
) -> None:
    first, second = elsewhere.servers
    elsewhere.listed = [first, second]
    await wait_for_view(elsewhere.fleet, lambda view: view.ready == 2)
    async with LoadGenerator(elsewhere.client, sample_jpeg, 8) as load:
        await load.wait_for_answers(first.address)
        first.stop()
        await wait_for_view(elsewhere.fleet, lambda view: view.ready == 1)
    assert load.failures == []


async def test_none_is_started_or_stopped(elsewhere: ManagedElsewhere) -> None:
    first, _ = elsewhere.servers
    elsewhere.listed = [first]
    await wait_for_view(elsewhere.fleet, lambda view: view.ready == 1)
    with pytest.raises(EngineError, match="managed elsewhere"):
        await ExternalEngine(elsewhere.addresses).stop(first.address)
    assert first.runs
