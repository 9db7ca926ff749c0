"""What keeps pages up to date goes on after every error, and says what was wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import cast

import pytest

from backend.client import BackendClient
from backend.contract import Event
from desktop.backend_follower import BackendFollower
from serving.background import in_background
from serving.errors import BackendError
from tests.support.waiting import wait_until

Refresh = Callable[[], Awaitable[None]]


class FakeBackend:
    """Its streams of events yield what is in `streams`, each in turn: an error ends one."""

    def __init__(self, *streams: list[Event | Exception]) -> None:
        self.streams = list(streams)
        self.may_tell = asyncio.Event()
        """Set before it is asked, unless a test holds the events up."""
        self.may_tell.set()

    async def events(self) -> AsyncGenerator[Event, None]:
        await self.may_tell.wait()
        for each in self.streams.pop(0) if self.streams else []:
            if isinstance(each, Exception):
                raise each
            yield each
        await asyncio.Event().wait()


class Recorder:
    """Counts what a follower has refreshed, and fails with what is in `errors` before."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.calls = 0

    async def __call__(self) -> None:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)


def follower(
    backend: FakeBackend,
    refresh: dict[str, Refresh],
    reported: list[str],
    on_event: Callable[[Event], None] = lambda event: None,
) -> BackendFollower:
    return BackendFollower(
        cast(BackendClient, backend),
        refresh,
        on_event=on_event,
        on_error=lambda error: reported.append(str(error)),
        retry_seconds=0.001,
    )


async def test_a_defect_is_reported_and_what_failed_is_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    models, labels = Recorder(KeyError("score"), KeyError("score")), Recorder()
    reported: list[str] = []
    tested = follower(FakeBackend(), {"models": models, "labels": labels}, reported)
    async with in_background(tested.run()):
        await wait_until(lambda: models.calls == 3)
    assert labels.calls == 1, "another topic does not wait for the one that fails"
    assert len(reported) == 2
    assert "something went wrong inside Servery" in reported[0]
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [KeyError] * 2


async def test_a_request_that_somebody_else_cancelled_is_made_again() -> None:
    models = Recorder(asyncio.CancelledError())
    reported: list[str] = []
    tested = follower(FakeBackend(), {"models": models}, reported)
    async with in_background(tested.run()):
        await wait_until(lambda: models.calls == 2)
    assert len(reported) == 1


async def test_a_backend_that_is_away_is_asked_again_for_all_that_changed() -> None:
    away = BackendError("It cannot be reached.", "Start it.")
    reported: list[str] = []
    models, labels = Recorder(away), Recorder()
    tested = follower(FakeBackend(), {"models": models, "labels": labels}, reported)
    async with in_background(tested.run()):
        await wait_until(lambda: labels.calls == 1)
    assert reported == ["It cannot be reached. Start it."]
    assert (models.calls, labels.calls) == (2, 1)


@pytest.mark.parametrize("error", [BackendError("Another user's program."), ValueError("header")])
async def test_events_are_listened_to_again_after_an_error(error: Exception) -> None:
    models = Recorder()
    reported: list[str] = []
    backend = FakeBackend([error], [Event("models")])
    tested = follower(backend, {"models": models}, reported)
    async with in_background(tested.run()):
        await wait_until(lambda: len(reported) == 1 and models.calls >= 1 and not backend.streams)
        await wait_until(lambda: models.calls == 2)


async def test_a_failing_listener_of_events_does_not_lose_the_event() -> None:
    seen: list[str] = []

    def on_event(event: Event) -> None:
        seen.append(event.topic)
        raise RuntimeError("the page is gone")

    models = Recorder()
    reported: list[str] = []
    backend = FakeBackend([Event("models")])
    backend.may_tell.clear()
    tested = follower(backend, {"models": models}, reported, on_event)
    async with in_background(tested.run()):
        await wait_until(lambda: models.calls == 1)
        backend.may_tell.set()
        await wait_until(lambda: models.calls == 2 and len(reported) == 1)
    assert seen == ["models"]
