from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from desktop.classify.gallery import Gallery
from desktop.classify.history import History, HistoryError
from desktop.classify.history_writer import HistoryWriter
from desktop.classify.photo import Photo
from desktop.jobs import Jobs
from serving import database
from tests.gui.conftest import Run
from tests.support.predictions import answered_photo, prediction
from tests.support.waiting import wait_until

A, B, C = Path("/a.jpg"), Path("/b.jpg"), Path("/c.jpg")


def test_the_history_follows_the_gallery(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with History(tmp_path / "desktop.sqlite") as history:
            gallery, jobs = Gallery(0.5), Jobs()
            writer = HistoryWriter(gallery, history, jobs)
            finished: list[object] = []
            jobs.finished.connect(finished.append)
            gallery.queue([A, B, C], now=1.0)
            gallery.set_result(A, prediction(("cat", 0.9)))
            gallery.remove([str(B)])
            await wait_until(lambda: len(finished) == 1)
            assert await history.photos() == list(reversed(gallery.photos))
            gallery.remove([str(A)])
            gallery.queue([A], now=2.0)
            await writer.write()
            assert await history.photos() == list(reversed(gallery.photos))

    run(main)


def test_what_was_restored_is_not_written_again(run: Run) -> None:
    async def main() -> None:
        gallery, history = Gallery(0.5), SlowHistory()
        writer = HistoryWriter(gallery, history, Jobs())
        gallery.restore([answered_photo(A, ("cat", 0.9))])
        await writer.write()
        assert history.remembered == []

    run(main)


def test_a_write_that_is_cancelled_at_the_end_is_made_up_for_by_the_last_one(run: Run) -> None:
    async def main() -> None:
        gallery, history = Gallery(0.5), SlowHistory()
        writer = HistoryWriter(gallery, history, Jobs())
        gallery.queue([A, B], now=1.0)
        history.released.clear()
        writing = asyncio.create_task(writer.write())
        await history.entered.wait()
        gallery.remove([str(B)])
        writing.cancel()
        await asyncio.wait([writing])
        history.released.set()
        await writer.write()
        assert [photo.path for photo in history.remembered] == [A]
        assert [photo.path for photo in history.forgotten] == [B]

    run(main)


@pytest.mark.parametrize("last", ["added again", "changed", "removed"])
def test_a_photo_that_comes_back_during_a_write_that_fails_is_in_the_history(
    run: Run, tmp_path: Path, last: str
) -> None:
    """As photos do that are moved into folders and back while the window is closed."""

    async def main() -> None:
        history = RefusingHistory(tmp_path / "desktop.sqlite", None)
        async with history:
            gallery = Gallery(0.5)
            writer = HistoryWriter(gallery, history, Jobs())
            gallery.queue([A, B], now=1.0)
            gallery.set_result(A, prediction(("cat", 0.9)))
            await writer.write()
            (photo,) = [each for each in gallery.photos if each.path == A]
            gallery.remove([photo.key])
            gallery.add([photo])
            history.reason = asyncio.CancelledError()
            with pytest.raises(asyncio.CancelledError):
                await writer.write()
            if last == "changed":
                gallery.set_result(A, prediction(("dog", 0.8)))
            elif last == "removed":
                gallery.remove([photo.key])
            history.reason = None
            await writer.write()
            assert await history.photos() == list(reversed(gallery.photos))

    run(main)


class RefusingHistory(History):
    """Refuses to write, for a reason, until it is mended; then it writes to its database."""

    def __init__(self, database: Path, reason: BaseException | None) -> None:
        super().__init__(database)
        self.reason = reason

    async def remember(self, photos: Sequence[Photo]) -> None:
        if self.reason is not None:
            raise self.reason
        await super().remember(photos)


@pytest.mark.parametrize(
    "reason",
    [
        HistoryError("The history cannot be used. The disk is full.", "Make room."),
        HistoryError("Another program holds the database.", "Close it."),
        UnicodeEncodeError("utf-8", "\udce9", 0, 1, "surrogates not allowed"),
        RuntimeError("whatever it is"),
        MemoryError(),
    ],
    ids=lambda reason: type(reason).__name__,
)
def test_what_is_not_written_is_kept_for_the_next_try(
    run: Run, tmp_path: Path, reason: Exception
) -> None:
    async def main() -> None:
        history = RefusingHistory(tmp_path / "desktop.sqlite", reason)
        async with history:
            gallery = Gallery(0.5)
            writer = HistoryWriter(gallery, history, Jobs())
            gallery.queue([A, B, C], now=1.0)
            gallery.set_result(A, prediction(("cat", 0.9)))
            with pytest.raises(type(reason)):
                await writer.write()
            gallery.remove([str(B)])
            history.reason = None
            await writer.write()
            assert await history.photos() == list(reversed(gallery.photos))

    run(main)


def test_what_a_locked_database_refuses_is_kept_for_the_next_try(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_BUSY_SECONDS", 0.05)

    async def main() -> None:
        async with History(tmp_path / "desktop.sqlite") as history:
            gallery = Gallery(0.5)
            writer = HistoryWriter(gallery, history, Jobs())
            gallery.queue([A, B], now=1.0)
            await writer.write()
            other = sqlite3.connect(tmp_path / "desktop.sqlite", isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            gallery.queue([C], now=2.0)
            gallery.remove([str(A)])
            with pytest.raises(HistoryError, match="Another program holds"):
                await writer.write()
            other.close()
            await writer.write()
            assert await history.photos() == list(reversed(gallery.photos))

    run(main)


class SlowHistory(History):
    """Writes only while it is released, and to memory."""

    def __init__(self) -> None:
        super().__init__(Path("unused"))
        self.entered, self.released = asyncio.Event(), asyncio.Event()
        self.released.set()
        self.remembered: list[Photo] = []
        self.forgotten: list[Photo] = []

    async def remember(self, photos: Sequence[Photo]) -> None:
        self.entered.set()
        await self.released.wait()
        self.remembered += photos

    async def forget(self, photos: Sequence[Photo]) -> None:
        self.forgotten += photos
