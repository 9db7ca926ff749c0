"""The photos of earlier days, with their answers, in the desktop's database."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from desktop.classify.photo import Photo, PhotoFailure
from serving.database import Connection, Database
from serving.errors import ServeryError
from serving.predict.prediction import Prediction, Score

MAX_PHOTOS = 5000
"""Photos that are remembered; older ones are forgotten."""
_SURPLUS = 500
"""Photos beyond that, after which the oldest ones are forgotten while the window is open."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS history (
    path TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    added REAL NOT NULL,
    label TEXT NOT NULL DEFAULT '',
    prediction TEXT,
    problem TEXT,
    labels TEXT NOT NULL DEFAULT ''
)
"""


class HistoryError(ServeryError):
    """The history could not be read or written."""


class History:
    """Remembers photos across starts; an async context manager.

    Everything on disk happens on one thread of its own. All methods raise
    HistoryError if the database cannot be used; each tries to open it again.
    """

    def __init__(self, database: Path) -> None:
        # Not durable: a power cut may cost the last answers, which is no reason to wait
        # for the disk after each photo.
        self._database = Database(database, prepare_history, _unusable, durable=False)

    async def __aenter__(self) -> History:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._database.close()

    async def photos(self) -> list[Photo]:
        """Return what is remembered, oldest first."""
        return await self._database.transaction(
            lambda connection: [
                _photo(*row)
                for row in connection.execute(
                    "SELECT path, name, added, label, prediction, problem, labels"
                    " FROM history ORDER BY added"
                )
            ]
        )

    async def remember(self, photos: Sequence[Photo]) -> None:
        """Keep `photos` as they are now."""
        copy = tuple(photos)  # the caller may go on while the thread writes

        def write(connection: Connection) -> None:
            connection.executemany(
                "INSERT OR REPLACE INTO history"
                " (path, name, added, label, prediction, problem, labels)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                map(_row, copy),
            )
            (count,) = connection.execute("SELECT count(*) FROM history").fetchone()
            if count > MAX_PHOTOS + _SURPLUS:
                _forget_oldest(connection)

        await self._database.transaction(write)

    async def forget(self, photos: Sequence[Photo]) -> None:
        """Remove `photos`; their files stay where they are."""
        paths = [(_kept(photo.key),) for photo in photos]

        def delete(connection: Connection) -> None:
            connection.executemany("DELETE FROM history WHERE path = ?", paths)

        await self._database.transaction(delete)


def prepare_history(connection: Connection) -> None:
    connection.execute(_SCHEMA)
    columns = {row["name"] for row in connection.execute("PRAGMA table_info(history)")}
    if "labels" not in columns:  # made by a version that had one model
        connection.execute("ALTER TABLE history ADD COLUMN labels TEXT NOT NULL DEFAULT ''")
    _forget_oldest(connection)


def _forget_oldest(connection: Connection) -> None:
    connection.execute(
        "DELETE FROM history WHERE path NOT IN"
        " (SELECT path FROM history ORDER BY added DESC LIMIT ?)",
        (MAX_PHOTOS,),
    )


def _unusable(what: str, advice: str) -> HistoryError:
    return HistoryError(
        f"The history cannot be used. {what}", f"{advice} Photos are classified all the same."
    )


def _kept(text: str) -> str | bytes:
    """Return `text` as SQLite takes it: as bytes if it is a name that is not UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="surrogatepass")
    return text


def _text(kept: str | bytes) -> str:
    return kept.decode(errors="surrogatepass") if isinstance(kept, bytes) else kept


def _row(
    photo: Photo,
) -> tuple[str | bytes, str | bytes, float, str | bytes, str | None, str | None, str]:
    return (
        _kept(photo.key),
        _kept(photo.name),
        photo.added,
        _kept(photo.label),
        json.dumps(asdict(photo.prediction)) if photo.prediction else None,
        json.dumps(asdict(photo.failure)) if photo.failure else None,
        json.dumps(dict(photo.labels)) if photo.labels else "",
    )


def _photo(
    path: str | bytes,
    name: str | bytes,
    added: float,
    label: str | bytes,
    prediction: str | None,
    failure: str | None,
    labels: str,
) -> Photo:
    answer, failed = _prediction(prediction), _failure(failure)
    return Photo(
        path=Path(_text(path)),
        name=_text(name),
        added=added,
        prediction=answer,
        labels=_labels(labels, _text(label), answer),
        failure=failed,
        waiting=answer is None and failed is None,
    )


def _labels(text: str, label: str, answer: Prediction | None) -> dict[str, str]:
    """Return the labels by model; where only one `label` is known, it is of who answered."""
    try:
        raw = json.loads(text) if text else {}
    except ValueError:
        raw = {}
    if isinstance(raw, dict) and raw:
        return {str(model): str(name) for model, name in raw.items()}
    return {answer.model if answer is not None else "": label} if label else {}


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
