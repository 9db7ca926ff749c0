"""The photos of earlier days, with their answers, in the desktop's database."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType

from desktop.classify.intake_store import prepare_intake
from desktop.classify.kept_scores import KeptScores
from desktop.classify.photo import Photo, PhotoFailure
from desktop.translation import tr
from serving.database import Connection, Database, Row
from serving.errors import ServeryError
from serving.predict.prediction import Prediction

MAX_PHOTOS = 100_000
"""Photos that are remembered; older ones are forgotten, and the person is told."""
_SURPLUS = 500
"""Photos beyond that, after which the oldest ones are forgotten while the window is open."""
PAGE = 2000
"""Photos that are read at once: in a tenth of a second, and more than a screen shows."""
_NO_LABELS: Mapping[str, str] = MappingProxyType({})
"""One for all photos without a label."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS history (
    path TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    added REAL NOT NULL,
    label TEXT NOT NULL DEFAULT '',
    prediction TEXT,
    problem TEXT,
    labels TEXT NOT NULL DEFAULT '',
    waiting INTEGER NOT NULL DEFAULT 0
)
"""
_INDEX = "CREATE INDEX IF NOT EXISTS history_added ON history (added)"


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
        self.database = Database(database, prepare_history, _unusable, durable=False)
        """Also of the requests, whose photos come here."""
        self.on_forgotten: Callable[[int], object] = lambda count: None
        """Called with how many of the oldest photos were forgotten since there were too many."""

    async def __aenter__(self) -> History:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.database.close()

    async def page(self, after: Photo | None = None) -> list[Photo]:
        """Return the newest PAGE photos, or those that come `after` one; fewer at the end."""
        if after is None:
            self._report(await self.database.transaction(_forget_oldest))
        where = "" if after is None else "WHERE (added, path) < (?, ?)"
        rows = await self.database.execute(
            "SELECT path, name, added, label, prediction, problem, labels, waiting FROM history"
            f" {where} ORDER BY added DESC, path DESC LIMIT ?",
            (*(() if after is None else (after.added, _kept(after.key))), PAGE),
        )
        # On a thread of its own: it takes longer than the event loop may be held up.
        return await asyncio.to_thread(lambda: list(map(_photo, rows)))

    async def photos(self) -> list[Photo]:
        """Return all that is remembered, oldest first."""
        photos: list[Photo] = []
        while page := await self.page(photos[-1] if photos else None):
            photos += page
        return photos[::-1]

    async def remember(self, photos: Sequence[Photo]) -> None:
        """Keep `photos` as they are now."""
        copy = tuple(photos)  # the caller may go on while the thread writes

        def write(connection: Connection) -> int:
            connection.executemany(
                "INSERT OR REPLACE INTO history"
                " (path, name, added, label, prediction, problem, labels, waiting)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                map(_row, copy),
            )
            (count,) = connection.execute("SELECT count(*) FROM history").fetchone()
            return _forget_oldest(connection) if count > MAX_PHOTOS + _SURPLUS else 0

        self._report(await self.database.transaction(write))

    async def forget(self, photos: Sequence[Photo]) -> None:
        """Remove `photos`; their files stay where they are."""
        paths = [(_kept(photo.key),) for photo in photos]

        def delete(connection: Connection) -> None:
            connection.executemany("DELETE FROM history WHERE path = ?", paths)

        await self.database.transaction(delete)

    def _report(self, forgotten: int) -> None:
        if forgotten:
            self.on_forgotten(forgotten)


def prepare_history(connection: Connection) -> None:
    connection.execute(_SCHEMA)
    columns = {row["name"] for row in connection.execute("PRAGMA table_info(history)")}
    if "labels" not in columns:  # made by a version that had one model
        connection.execute("ALTER TABLE history ADD COLUMN labels TEXT NOT NULL DEFAULT ''")
    if "waiting" not in columns:  # made by a version that forgot what it was to answer again
        connection.execute("ALTER TABLE history ADD COLUMN waiting INTEGER NOT NULL DEFAULT 0")
    connection.execute(_INDEX)
    prepare_intake(connection)


def _forget_oldest(connection: Connection) -> int:
    """Forget the oldest photos beyond MAX_PHOTOS; returns how many."""
    return connection.execute(
        "DELETE FROM history WHERE rowid IN"
        " (SELECT rowid FROM history ORDER BY added DESC, path DESC LIMIT -1 OFFSET ?)",
        (MAX_PHOTOS,),
    ).rowcount


def _unusable(what: str, advice: str) -> HistoryError:
    return HistoryError(
        tr("The history cannot be used. {what}", what=what),
        tr("{advice} Photos are classified all the same.", advice=advice),
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
) -> tuple[str | bytes, str | bytes, float, str | bytes, str | None, str | None, str, bool]:
    return (
        _kept(photo.key),
        _kept(photo.name),
        photo.added,
        _kept(photo.label_in_files),
        _prediction_as_json(photo.prediction) if photo.prediction else None,
        json.dumps(asdict(photo.failure)) if photo.failure else None,
        json.dumps(dict(photo.labels)) if photo.labels else "",
        photo.waiting,
    )


def _prediction_as_json(prediction: Prediction) -> str:
    raw = {
        "model": prediction.model,
        "version": prediction.version,
        "names": [score.name for score in prediction.scores],
        "scores": [score.score for score in prediction.scores],
        "instance_id": prediction.instance_id,
        "milliseconds": prediction.milliseconds,
    }
    if prediction.familiarity is not None:
        raw["familiarity"] = prediction.familiarity
    return json.dumps(raw, separators=(",", ":"))


def _photo(row: Row) -> Photo:
    answer, failed = _prediction(row["prediction"]), _failure(row["problem"])
    path, name = Path(_text(row["path"])), _text(row["name"])
    return Photo(
        path=path,
        name=path.name if path.name == name else name,
        added=row["added"],
        prediction=answer,
        labels=_labels(row["labels"], _text(row["label"]), answer),
        failure=failed,
        waiting=failed is None and (answer is None or bool(row["waiting"])),
    )


def _labels(text: str, label: str, answer: Prediction | None) -> Mapping[str, str]:
    """Return the labels by model; where only one `label` is known, it is of who answered."""
    try:
        raw = json.loads(text) if text else {}
    except ValueError:
        raw = {}
    if isinstance(raw, dict) and raw:
        return {str(model): str(name) for model, name in raw.items()}
    return {answer.model if answer is not None else "": label} if label else _NO_LABELS


def _prediction(text: str | None) -> Prediction | None:
    """Return what was written, or None if another version of Servery wrote it differently."""
    if not text:
        return None
    try:
        raw = json.loads(text)
        classes, scores = raw.get("names"), raw["scores"]
        if classes is None:  # as Servery 0.1 wrote them: each with its name
            classes = [score["name"] for score in scores]
            scores = [score["score"] for score in scores]
        familiarity = raw.get("familiarity")
        if len(classes) != len(scores):
            return None

        return Prediction(
            model=sys.intern(raw["model"]),
            version=raw["version"],
            scores=KeptScores(classes, scores),
            instance_id=sys.intern(raw["instance_id"]),
            milliseconds=raw["milliseconds"],
            familiarity=None if familiarity is None else float(familiarity),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
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
