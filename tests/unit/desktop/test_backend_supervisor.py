"""A backend that exits is restarted; if that does not work, the supervisor reports it once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from desktop.backend_supervisor import supervised_backend
from serving.errors import BackendError
from serving.workspace import Workspace
from tests.support.waiting import wait_until

URL = "http://127.0.0.1:4711"


class FakeHandle:
    """A backend without a process, which exits when the test says so."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.exit: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.stopped = False

    async def exited(self) -> int:
        return await self.exit

    async def stop(self) -> None:
        self.stopped = True


class FakeStarter:
    """Stands in for `ensure_backend`: returns one handle after the other, or raises."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, results: Sequence[str | BackendError]):
        self.results = list(results)
        self.handles: list[FakeHandle] = []
        self.ports: list[int] = []
        monkeypatch.setattr("desktop.backend_supervisor.ensure_backend", self.ensure)

    async def ensure(self, workspace: Workspace, *, host: str, port: int, engine: str) -> object:
        self.ports.append(port)
        result = self.results.pop(0)
        if isinstance(result, BackendError):
            raise result
        self.handles.append(FakeHandle(result))
        return self.handles[-1]


@pytest.fixture
def errors() -> list[str]:
    return []


async def test_it_is_restarted_at_the_same_port_and_stopped_at_the_end(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, errors: list[str]
) -> None:
    monkeypatch.setattr("desktop.backend_supervisor.MIN_UPTIME_SECONDS", 0.0)
    starter = FakeStarter(monkeypatch, [URL, URL])
    async with supervised_backend(
        workspace, port=0, on_error=lambda error: errors.append(error.what)
    ) as url:
        assert url == URL
        starter.handles[0].exit.set_result(-9)
        await wait_until(lambda: len(starter.handles) == 2)
    assert starter.ports == [0, 4711]
    assert [handle.stopped for handle in starter.handles] == [False, True]
    assert not errors


async def test_one_that_exits_at_once_is_not_restarted(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, errors: list[str]
) -> None:
    starter = FakeStarter(monkeypatch, [URL])
    async with supervised_backend(workspace, on_error=lambda error: errors.append(error.what)):
        starter.handles[0].exit.set_result(1)
        await wait_until(lambda: bool(errors))
    assert errors == ["The backend exited with code 1."]


@pytest.mark.parametrize(
    ("second", "what"),
    [
        (BackendError("It does not start."), "It does not start."),
        (
            "http://127.0.0.1:4712",
            "The backend is now at http://127.0.0.1:4712, because another program took its port.",
        ),
    ],
)
async def test_a_restart_that_does_not_work_is_reported(
    workspace: Workspace,
    monkeypatch: pytest.MonkeyPatch,
    errors: list[str],
    second: str | BackendError,
    what: str,
) -> None:
    monkeypatch.setattr("desktop.backend_supervisor.MIN_UPTIME_SECONDS", 0.0)
    starter = FakeStarter(monkeypatch, [URL, second])
    async with supervised_backend(workspace, on_error=lambda error: errors.append(error.what)):
        starter.handles[0].exit.set_result(-9)
        await wait_until(lambda: bool(errors))
    assert errors == [what]


async def test_it_runs_on_if_the_person_wants_that(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, errors: list[str]
) -> None:
    starter = FakeStarter(monkeypatch, [URL])
    async with supervised_backend(
        workspace, on_error=lambda error: errors.append(error.what), stop_on_exit=lambda: False
    ):
        pass
    assert not starter.handles[0].stopped
