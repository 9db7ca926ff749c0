"""Instances that nobody calls give their memory back, and nobody who calls notices.

All tests share one fleet: each begins once its two instances sleep, and leaves two.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import grpc.aio
import httpx
import psutil
import pytest
import pytest_asyncio

from backend.client import BackendClient
from desktop.backend_process import BackendOptions, ensure_backend
from serving.background import in_background
from serving.engines.process import ProcessEngine
from serving.engines.protocol import InstanceState
from serving.fleet.fleet import Fleet
from serving.models.repository import ModelRepository
from serving.predict.client import PredictClient
from serving.predict.request import predict_method, predict_request, probe_jpeg, response_version
from serving.socket_address import socket_path
from serving.tf.names import CLASSIFY_SIGNATURE
from serving.workspace import Workspace
from tests.support.curl_as_nobody import run_as_nobody
from tests.support.tiny_model import TINY_MODEL, install_tiny
from tests.support.waiting import wait_until

pytestmark = pytest.mark.asyncio(loop_scope="module")

MAX_MEMORY = 60e6
"""Bytes of all instances together, asleep."""


@dataclass
class Sleepers:
    """A fleet of real servers that fall asleep after a second."""

    workspace: Workspace
    repository: ModelRepository
    client: PredictClient
    fleet: Fleet

    @property
    def states(self) -> set[InstanceState]:
        return {each.state for each in self.fleet.view.instances}

    @property
    def ids(self) -> set[str]:
        return {each.instance.id for each in self.fleet.view.instances}

    @property
    def processes(self) -> list[psutil.Process]:
        return [psutil.Process(each.instance.process) for each in self.fleet.view.instances]

    @property
    def live(self) -> int:
        """The version that answers."""
        return self.repository.answering(TINY_MODEL).number

    async def asleep(self) -> None:
        """Wait until both are asleep, and no longer servers."""
        with self.fleet.observe_often():
            await wait_until(
                lambda: (
                    len(self.fleet.view.instances) == 2 and self.states == {InstanceState.ASLEEP}
                )
            )
        await wait_until(lambda: all(map(sleeps, self.processes)))


def sleeps(process: psutil.Process) -> bool:
    """Say whether a process is the program that sleeps."""
    return "-S" in process.cmdline()


@asynccontextmanager
async def open_fleet(workspace: Workspace) -> AsyncIterator[Sleepers]:
    repository = ModelRepository(workspace.models)
    client = PredictClient(repository.served, canaries=repository.canaries, timeout=60)
    fleet = Fleet(ProcessEngine(workspace), repository, workspace, client)
    try:
        async with in_background(fleet.run()):
            yield Sleepers(workspace, repository, client, fleet)
    finally:
        await client.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fleet(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sleepers]:
    workspace = Workspace(tmp_path_factory.mktemp("sleep") / "workspace").create()
    install_tiny(ModelRepository(workspace.models))
    async with open_fleet(workspace) as made:
        await made.fleet.set_limits(replace(made.fleet.limits, sleep_after=1))
        await made.fleet.scale(2)
        yield made
        await made.fleet.scale(0)


@pytest_asyncio.fixture(loop_scope="module")
async def sleepers(fleet: Sleepers) -> Sleepers:
    await fleet.asleep()
    return fleet


async def classify(address: str) -> int:
    """Ask an instance outright, over gRPC, as any program does; returns the version."""
    async with grpc.aio.insecure_channel(address) as channel:
        request = predict_request(TINY_MODEL, CLASSIFY_SIGNATURE, probe_jpeg(), None)
        return response_version(await predict_method(channel)(request.content, timeout=60))


async def test_they_give_their_memory_back_and_the_next_requests_are_all_answered(
    sleepers: Sleepers,
) -> None:
    used = sum(process.memory_full_info().uss for process in sleepers.processes)
    assert used < MAX_MEMORY
    before = [process.pid for process in sleepers.processes]
    view = await sleepers.fleet.observe()
    assert (view.ready, sleepers.states) == (2, {InstanceState.ASLEEP}), "looking wakes nobody"
    answers = await asyncio.gather(*(sleepers.client.classify(probe_jpeg()) for _ in range(20)))
    assert {answer.version for answer in answers} == {sleepers.live}
    counters = sleepers.client.balancer.counters().values()
    assert sum(each.failures for each in counters) == 0
    assert [process.pid for process in sleepers.processes] == before, "it is the same process"


async def test_programs_that_know_only_an_address_are_answered_over_grpc_and_rest(
    sleepers: Sleepers,
) -> None:
    first = sleepers.fleet.view.instances[0].instance
    assert first.grpc_address is not None
    assert first.rest_address is not None
    path = socket_path(first.rest_address)
    async with (
        grpc.aio.insecure_channel(first.grpc_address) as kept,
        httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=path), timeout=60) as http,
    ):
        request = predict_request(TINY_MODEL, CLASSIFY_SIGNATURE, probe_jpeg(), None)
        for _ in range(2):  # again by the connection that was made while it slept
            answers = await asyncio.gather(
                *(predict_method(kept)(request.content, timeout=60) for _ in range(5)),
                *(classify(first.grpc_address) for _ in range(5)),
            )
            assert len(answers) == 10
            response = await http.get(f"http://localhost/v1/models/{TINY_MODEL}")
            assert response.status_code == 200
        # And after the next nap, by the same channel.
        await sleepers.asleep()
        answer = await predict_method(kept)(request.content, timeout=60)
        assert response_version(answer) == sleepers.live


async def test_other_users_neither_wake_nor_ask_them(sleepers: Sleepers) -> None:
    await asyncio.to_thread(_try_as_nobody, sleepers)
    await sleepers.fleet.observe()
    assert sleepers.states == {InstanceState.ASLEEP}
    assert all(map(sleeps, sleepers.processes))


def _try_as_nobody(sleepers: Sleepers) -> None:
    with tempfile.TemporaryDirectory(prefix="servery-sleep-") as name:
        open_folder = Path(name)
        open_folder.chmod(0o755)
        for number, each in enumerate(sleepers.fleet.view.instances):
            for address in (each.instance.grpc_address, each.instance.rest_address):
                path = Path(socket_path(address or "") or "")
                assert stat.S_IMODE(path.stat().st_mode) == 0o600
                tries = [path]
                with contextlib.suppress(OSError):  # it may be on another file system
                    # Another name of the same socket, where only its own mode protects it.
                    link = open_folder / f"{number}{path.suffix}"
                    os.link(path, link)
                    tries.append(link)
                for known in tries:
                    found = run_as_nobody(
                        *("curl", "--verbose", "--max-time", "30"),
                        *("--unix-socket", str(known), "http://localhost"),
                    )
                    assert b"Permission denied" in found.stderr, found


async def test_a_backend_that_starts_meanwhile_leaves_them_asleep_and_asks_them(
    sleepers: Sleepers,
) -> None:
    backend = await ensure_backend(sleepers.workspace, BackendOptions(port=0))
    try:
        async with BackendClient(backend.url) as client:
            health = await client.health()
            assert health.model == TINY_MODEL
            await sleepers.fleet.observe()
            assert sleepers.states == {InstanceState.ASLEEP}
            answers = await asyncio.gather(*(client.classify(probe_jpeg()) for _ in range(5)))
            assert {answer.version for answer in answers} == {sleepers.live}
    finally:
        await backend.stop()


async def test_limits_that_change_while_one_wakes_are_those_of_all_in_the_end(
    sleepers: Sleepers,
) -> None:
    before, processes = sleepers.ids, sleepers.processes
    answer = asyncio.create_task(sleepers.client.classify(probe_jpeg()))
    await wait_until(lambda: not all(map(sleeps, processes)))
    await sleepers.fleet.set_limits(replace(sleepers.fleet.limits, sleep_after=2))
    assert (await answer).version == sleepers.live
    with sleepers.fleet.observe_often():
        await wait_until(
            lambda: (
                sleepers.fleet.view.ready == 2
                and not before & sleepers.ids
                and not sleepers.fleet.has_outdated(sleepers.fleet.view)
            )
        )
    assert (await sleepers.client.classify(probe_jpeg())).version == sleepers.live


async def test_what_is_promoted_meanwhile_answers_and_other_sizes_and_programs_find_them(
    sleepers: Sleepers,
) -> None:
    new = install_tiny(sleepers.repository).number
    assert sleepers.live == new
    await sleepers.fleet.observe()
    assert sleepers.states == {InstanceState.ASLEEP}
    async with open_fleet(sleepers.workspace) as other:
        await wait_until(lambda: other.states == {InstanceState.ASLEEP})
        assert (await other.client.classify(probe_jpeg())).version == new
    await sleepers.asleep()
    view = await sleepers.fleet.scale(1)
    assert len(view.instances) == 1
    view = await sleepers.fleet.scale(2)
    assert view.ready == 2
    assert (await sleepers.client.classify(probe_jpeg())).version == new


async def test_one_that_is_killed_asleep_or_while_it_wakes_is_replaced(
    sleepers: Sleepers,
) -> None:
    asleep, waking = sleepers.processes
    ids = sleepers.ids
    asleep.kill()
    answer = asyncio.create_task(sleepers.client.classify(probe_jpeg()))
    await wait_until(lambda: not sleeps(waking))
    waking.kill()
    assert (await answer).version == sleepers.live
    await wait_until(lambda: sleepers.fleet.view.ready == 2 and not ids & sleepers.ids)
