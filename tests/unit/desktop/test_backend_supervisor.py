"""A backend that ends is started again, and its clients learn where it is."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from desktop.backend_process import BackendOptions
from desktop.backend_supervisor import BackendSupervisor, supervised_backend
from serving.errors import BackendError
from serving.workspace import Workspace
from tests.support.waiting import wait_until

URL, OTHER_URL = "http://127.0.0.1:4711", "http://127.0.0.1:4712"
NO_ROOM = BackendError("The disk is full.")


class FakeHandle:
    """A backend without a process, which exits when the test says so."""

    pid = 4711
    owner = "servery serve (process 4710)"

    def __init__(self, url: str, *, may_be_ended: bool = True) -> None:
        self.url = url
        self.may_be_ended = may_be_ended
        self.exit: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self.calls: list[str] = []

    async def exited(self) -> int | None:
        return await asyncio.shield(self.exit)

    def keep_running(self, stays: bool) -> None:
        self.calls.append("stays" if stays else "ends")

    async def stop(self, *, also_left: bool) -> None:
        self.calls.append("stopped")
        if not self.exit.done():
            self.exit.set_result(-9)

    def close(self) -> None:
        self.calls.append("closed")


class Starter:
    """Stands in for `ensure_backend`: returns one handle after the other, or raises."""

    def __init__(self, results: Sequence[str | BackendError]):
        self.results = list(results)
        self.handles: list[FakeHandle] = []
        self.options: list[BackendOptions] = []
        self.urls: list[str] = []
        self.errors: list[str] = []
        self.recoveries = 0
        self.may_be_ended = True

    async def ensure(self, workspace: Workspace, options: BackendOptions) -> object:
        self.options.append(options)
        result = self.results.pop(0) if self.results else URL
        if isinstance(result, BackendError):
            raise result
        self.handles.append(FakeHandle(result, may_be_ended=self.may_be_ended))
        return self.handles[-1]

    def recovered(self) -> None:
        self.recoveries += 1

    @asynccontextmanager
    async def supervised(
        self,
        workspace: Workspace,
        options: BackendOptions | None = None,
        *,
        required: bool = True,
        stops: bool = True,
    ) -> AsyncIterator[BackendSupervisor]:
        async with supervised_backend(
            workspace,
            options or BackendOptions(port=0),
            on_url=self.urls.append,
            on_error=lambda error: self.errors.append(error.what),
            on_recovered=self.recovered,
            required=required,
            stop_on_exit=lambda: stops,
        ) as supervisor:
            yield supervisor

    async def wait_for_start(self, number: int) -> None:
        """Wait for a start, the first of which has the number 0."""
        await wait_until(lambda: len(self.handles) > number)

    async def end_each(self, count: int) -> None:
        for number in range(count):
            await self.wait_for_start(number)
            self.handles[number].exit.set_result(-9)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("desktop.backend_supervisor.PAUSES_SECONDS", (0.0,))


def starter_of(monkeypatch: pytest.MonkeyPatch, *results: str | BackendError) -> Starter:
    starter = Starter(results)
    monkeypatch.setattr("desktop.backend_supervisor.ensure_backend", starter.ensure)
    return starter


async def test_it_is_started_again_near_the_same_port_and_stopped_at_the_end(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    starter = starter_of(monkeypatch, URL, URL)
    async with starter.supervised(workspace):
        await starter.end_each(1)
        await wait_until(lambda: len(starter.handles) == 2)
    assert [(each.port, each.near_port) for each in starter.options] == [(0, 8080), (None, 4711)]
    assert starter.urls == [URL, "", URL]
    assert starter.handles[-1].calls[-2:] == ["stopped", "closed"]
    assert not starter.errors


async def test_clients_learn_its_new_address(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    starter = starter_of(monkeypatch, URL, OTHER_URL)
    async with starter.supervised(workspace):
        await starter.end_each(1)
        await wait_until(lambda: starter.urls == [URL, "", OTHER_URL])
    assert not starter.errors


async def test_repeated_ends_are_reported_once_and_retried(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    starter = starter_of(monkeypatch)
    async with starter.supervised(workspace):
        await starter.end_each(2)
        await wait_until(lambda: len(starter.handles) == 3)
        assert not starter.errors
        await starter.end_each(0)
        for number in range(2, 8):
            starter.handles[number].exit.set_result(1)
            await starter.wait_for_start(number + 1)
        assert starter.errors == [
            "The backend ended with code 1 soon after each of its last starts."
        ]


async def test_it_comes_back_once_the_reason_is_gone(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("desktop.backend_supervisor.MIN_UPTIME_SECONDS", 0.0)
    other = BackendError("The disk is read-only.")
    starter = starter_of(monkeypatch, URL, NO_ROOM, NO_ROOM, other, NO_ROOM, OTHER_URL)
    async with starter.supervised(workspace):
        starter.handles[0].exit.set_result(1)
        await wait_until(lambda: starter.recoveries == 1)
        assert starter.errors == [NO_ROOM.what, other.what, NO_ROOM.what]
        assert starter.urls == [URL, "", OTHER_URL]


async def test_one_that_need_not_come_up_at_first_does_later(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    starter = starter_of(monkeypatch, NO_ROOM, NO_ROOM, URL)
    async with starter.supervised(workspace, required=False):
        await wait_until(lambda: starter.urls == [URL])
    assert starter.errors == [NO_ROOM.what]
    assert starter.handles[0].calls[-2:] == ["stopped", "closed"]


async def test_one_that_must_come_up_raises(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    starter = starter_of(monkeypatch, NO_ROOM)
    with pytest.raises(BackendError, match="full"):
        async with starter.supervised(workspace):
            pass
    assert not starter.errors


async def test_it_stays_if_the_person_asks_for_that(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    starter = starter_of(monkeypatch, URL, URL)
    async with starter.supervised(workspace, stops=False) as supervisor:
        supervisor.keep_running(True)
        await starter.end_each(1)
        await wait_until(lambda: len(starter.handles) == 2)
        assert starter.handles[1].calls == ["stays"]
    assert starter.handles[1].calls == ["stays", "stays", "closed"]


class HangingServer:
    """Takes connections and, unless `answers` is set, says nothing."""

    def __init__(self) -> None:
        self.answers = False
        self.requests = 0
        self.handlers: set[asyncio.Task[None] | None] = set()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.handlers.add(asyncio.current_task())
        self.requests += 1
        with contextlib.suppress(ConnectionError):  # a client that waits no longer may reset it
            while await reader.read(4096):
                if self.answers:
                    writer.write(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
            writer.close()
            await writer.wait_closed()


@asynccontextmanager
async def hanging_server() -> AsyncIterator[tuple[HangingServer, str]]:
    hanging = HangingServer()
    async with await asyncio.start_server(hanging.handle, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        yield hanging, f"http://{host}:{port}"
        await asyncio.gather(*filter(None, hanging.handlers))


def check_often(monkeypatch: pytest.MonkeyPatch, *, replaced_misses: int) -> None:
    monkeypatch.setattr("desktop.backend_supervisor.MIN_UPTIME_SECONDS", 0.0)
    monkeypatch.setattr("desktop.backend_supervisor.CHECK_SECONDS", 0.05)
    monkeypatch.setattr("desktop.backend_supervisor.REPLACED_MISSES", replaced_misses)


async def test_one_that_hangs_for_a_while_is_reported_once_and_goes_on(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_often(monkeypatch, replaced_misses=10**6)
    async with hanging_server() as (server, url):
        starter = starter_of(monkeypatch, url)
        async with starter.supervised(workspace) as supervisor:
            await wait_until(lambda: starter.errors and server.requests > 6)
            assert starter.errors == ["The backend, process 4711, does not answer."]
            assert not starter.recoveries
            server.answers = True
            await wait_until(lambda: starter.recoveries)
            assert supervisor.handle is not None
            assert starter.urls == [url]


async def test_one_that_another_program_runs_is_left_to_that(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_often(monkeypatch, replaced_misses=4)
    async with hanging_server() as (server, url):
        starter = starter_of(monkeypatch, url)
        starter.may_be_ended = False
        async with starter.supervised(workspace):
            await wait_until(lambda: starter.errors and server.requests > 8)
            assert starter.urls == [url]
            assert not {"stopped"} & set(starter.handles[0].calls)
