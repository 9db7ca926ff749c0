"""The photos of earlier days, with their answers, in the desktop's database."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from desktop.classify.photo import Photo, PhotoFailure
from serving.errors import ServeryError
from serving.predict.prediction import Prediction, Score

T = TypeVar("T")

MAX_PHOTOS = 5000
"""Photos that are remembered; older ones are forgotten when the history is opened."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS history (
    path TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    added REAL NOT NULL,
    label TEXT NOT NULL DEFAULT '',
    prediction TEXT,
    problem TEXT
)
"""


class HistoryError(ServeryError):
    """The history could not be read or written."""


class History:
    """Remembers photos across starts; an async context manager.

    Everything on disk happens on one thread of its own. All methods raise
    HistoryError where the database cannot be used.
    """

    def __init__(self, database: Path) -> None:
        self._database = database
        self._thread = ThreadPoolExecutor(1, "history")
        self._connection: sqlite3.Connection | None = None

    async def __aenter__(self) -> History:
        await self._on_disk(self._open)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._on_disk(self._close)
        self._thread.shutdown()

    async def photos(self) -> list[Photo]:
        """Return what is remembered, oldest first."""
        return await self._on_disk(self._read)

    async def remember(self, photos: Sequence[Photo]) -> None:
        """Keep `photos` as they are now."""
        await self._on_disk(partial(self._write, tuple(photos)))

    async def forget(self, photos: Sequence[Photo]) -> None:
        """Remove `photos`; their files stay where they are."""
        await self._on_disk(partial(self._delete, tuple(photo.key for photo in photos)))

    async def _on_disk(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    @contextmanager
    def _translated(self) -> Iterator[sqlite3.Connection]:
        try:
            if self._connection is None:
                self._database.parent.mkdir(parents=True, exist_ok=True)
                self._connection = sqlite3.connect(self._database, timeout=10)
            with self._connection:
                yield self._connection
        except (sqlite3.Error, OSError) as error:
            raise HistoryError(
                f"The history in {self._database.name} cannot be used: {error}.",
                "Check that the disk has room; photos are classified all the same.",
            ) from error

    def _open(self) -> None:
        with self._translated() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(_SCHEMA)
            connection.execute(
                "DELETE FROM history WHERE path NOT IN"
                " (SELECT path FROM history ORDER BY added DESC LIMIT ?)",
                (MAX_PHOTOS,),
            )

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _read(self) -> list[Photo]:
        with self._translated() as connection:
            rows = connection.execute(
                "SELECT path, name, added, label, prediction, problem FROM history ORDER BY added"
            ).fetchall()
        return [_photo(*row) for row in rows]

    def _write(self, photos: tuple[Photo, ...]) -> None:
        with self._translated() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO history VALUES (?, ?, ?, ?, ?, ?)",
                [_row(photo) for photo in photos],
            )

    def _delete(self, paths: tuple[str, ...]) -> None:
        with self._translated() as connection:
            connection.executemany(
                "DELETE FROM history WHERE path = ?", [(path,) for path in paths]
            )


def _row(photo: Photo) -> tuple[str, str, float, str, str | None, str | None]:
    return (
        photo.key,
        photo.name,
        photo.added,
        photo.label,
        json.dumps(asdict(photo.prediction)) if photo.prediction else None,
        json.dumps(asdict(photo.failure)) if photo.failure else None,
    )


def _photo(
    path: str, name: str, added: float, label: str, prediction: str | None, failure: str | None
) -> Photo:
    answer, failed = _prediction(prediction), _failure(failure)
    return Photo(
        path=Path(path),
        name=name,
        added=added,
        prediction=answer,
        label=label,
        failure=failed,
        waiting=answer is None and failed is None,
    )


def _prediction(text: str | None) -> Prediction | None:
    """Return what was written, or None if another version of Servery wrote it differently."""
    if not text:
        return None
    try:
        raw = json.loads(text)
        raw["scores"] = tuple(Score(**score) for score in raw["scores"])
        return Prediction(**raw)
    except (ValueError, KeyError, TypeError):
        return None


def _failure(text: str | None) -> PhotoFailure | None:
    """Return what was written, or None if another version of Servery wrote it differently."""
    if not text:
        return None
    try:
        raw = json.loads(text)
        if "passing" in raw:  # the name of `transient` in databases of version 0.1.0
            raw["transient"] = raw.pop("passing")
        return PhotoFailure(**raw)
    except (ValueError, TypeError):
        return None
