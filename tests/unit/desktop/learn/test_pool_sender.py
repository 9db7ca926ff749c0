"""Photos that were classified reach the pool, one by one, and never while others wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from backend.client import BackendRefused
from backend.contract import PoolPhoto
from desktop import pool_queue as module
from desktop.learn.pool_sender import IDLE_SECONDS, MAX_FAILURES, send_to_pool
from desktop.pool_queue import PoolQueue
from serving.background import in_background
from serving.errors import BackendError, ImageError
from tests.support.predictions import MODEL, prediction
from tests.support.waiting import wait_until

CAT = replace(prediction(("cat", 0.9)), embedding=b"1234")
AWAY = BackendError("The backend does not answer.", "")


@dataclass
class Pool:
    """A pool that answers with the errors it is given, then takes every photo."""

    errors: list[Exception] = field(default_factory=list)
    photos: list[tuple[bytes, str | None, int | None, bytes]] = field(default_factory=list)
    calls: int = 0

    async def add_to_pool(
        self,
        image: bytes,
        *,
        model: str | None = None,
        version: int | None = None,
        embedding: bytes = b"",
    ) -> PoolPhoto:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        self.photos.append((image, model, version, embedding))
        return PoolPhoto("0" * 64, added=True)


@dataclass
class Sending:
    """A queue that is being sent, and what was slept."""

    queue: PoolQueue = field(default_factory=PoolQueue)
    pool: Pool = field(default_factory=Pool)
    busy: bool = False
    slept: list[float] = field(default_factory=list)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)

    @staticmethod
    def read(path: Path) -> bytes:
        if path.name == "gone.jpg":
            raise ImageError("The file is gone.", "")
        return path.name.encode()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        work = send_to_pool(
            self.queue, self.pool, lambda: self.busy, read=self.read, sleep=self.sleep
        )
        async with in_background(work):
            yield


async def test_photos_go_in_turn_with_their_embeddings() -> None:
    sending = Sending()
    sending.queue.offer(Path("a.jpg"), CAT)
    sending.queue.offer(Path("gone.jpg"), CAT)
    sending.queue.offer(Path("b.jpg"), replace(CAT, version=2, embedding=None))
    async with sending.running():
        await wait_until(lambda: not sending.queue)
    assert sending.pool.photos == [(b"a.jpg", MODEL, 1, b"1234"), (b"b.jpg", MODEL, 2, b"")]
    assert not sending.slept


async def test_nothing_is_sent_while_photos_are_classified() -> None:
    sending = Sending(busy=True)
    sending.queue.offer(Path("a.jpg"), CAT)
    async with sending.running():
        await wait_until(lambda: len(sending.slept) > 3)
        assert sending.pool.calls == 0
        sending.busy = False
        await wait_until(lambda: not sending.queue)
    assert set(sending.slept) == {IDLE_SECONDS}
    assert sending.pool.calls == 1


async def test_a_backend_that_is_away_for_a_moment_gets_the_photo_later() -> None:
    sending = Sending(pool=Pool(errors=[AWAY, AWAY]))
    sending.queue.offer(Path("a.jpg"), CAT)
    async with sending.running():
        await wait_until(lambda: not sending.queue)
    assert sending.slept == [1, 2]
    assert len(sending.pool.photos) == 1


async def test_a_backend_that_stays_away_is_not_asked_for_ever() -> None:
    sending = Sending(pool=Pool(errors=[AWAY] * MAX_FAILURES))
    sending.queue.offer(Path("a.jpg"), CAT)
    sending.queue.offer(Path("b.jpg"), CAT)
    async with sending.running():
        await wait_until(lambda: not sending.queue)
        assert sending.pool.calls == MAX_FAILURES
        sending.queue.offer(Path("c.jpg"), CAT)
        await wait_until(lambda: not sending.queue)
    assert [photo for photo, *_ in sending.pool.photos] == [b"c.jpg"]


async def test_a_photo_that_is_refused_holds_up_no_other() -> None:
    sending = Sending(pool=Pool(errors=[BackendRefused(415, "This is no image.", "")]))
    sending.queue.offer(Path("a.jpg"), CAT)
    sending.queue.offer(Path("b.jpg"), CAT)
    async with sending.running():
        await wait_until(lambda: not sending.queue)
    assert [photo for photo, *_ in sending.pool.photos] == [b"b.jpg"]


async def test_only_so_many_wait_and_the_newest_answer_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 2)
    queue = PoolQueue()
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        queue.offer(Path(name), CAT)
    queue.offer(Path("b.jpg"), replace(CAT, version=2))
    path, entry = await queue.first()
    assert (len(queue), path.name) == (2, "c.jpg")
    queue.offer(path, replace(CAT, version=3))
    queue.remove(path, entry)  # answered again meanwhile: it stays
    assert len(queue) == 2
