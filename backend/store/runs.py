"""Training runs, and which versions they led the fleet to."""

from __future__ import annotations

import sqlite3
from dataclasses import asdict, dataclass

from backend.clock import utc_now
from backend.contract import RunState, TrainingRun
from backend.store.database import Database
from serving.errors import BackendError

_COLUMNS = (
    "id",
    "model",
    "state",
    "created",
    "finished",
    "step",
    "labels",
    "version",
    "promoted",
    "not_promoted_because",
    "accuracy",
    "base_accuracy",
)


class UnknownRun(BackendError):
    """No training run has this id."""


@dataclass(frozen=True)
class Promotion:
    """The fleet was told to serve this version."""

    model: str
    version: int
    training_run: str | None
    created: str


class RunStore:
    """Every training run ever, whatever came of it, and every promotion."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, run: TrainingRun, last_label: int | None = None) -> None:
        """Write a run, new or changed; progress is not kept.

        `last_label` is the highest label id that the run learns from; once given
        it stays.
        """
        values = {key: value for key, value in asdict(run).items() if key in _COLUMNS}
        if last_label is not None:
            values["last_label"] = last_label
        names = ", ".join(values)
        marks = ", ".join(f":{name}" for name in values)
        updates = ", ".join(f"{name} = excluded.{name}" for name in values if name != "id")

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                f"INSERT INTO training_runs ({names}) VALUES ({marks})"
                f" ON CONFLICT (id) DO UPDATE SET {updates}",
                values,
            )

        await self._database.transaction(work)

    async def get(self, run_id: str) -> TrainingRun:
        """Return one run; raises UnknownRun."""

        def work(connection: sqlite3.Connection) -> TrainingRun:
            row = connection.execute(
                "SELECT * FROM training_runs WHERE id = ?", (run_id,)
            ).fetchone()
            if row is None:
                raise UnknownRun(
                    f"There is no training run {run_id}.", "Choose one of the list of runs."
                )
            return _run(row)

        return await self._database.transaction(work)

    async def all(self) -> list[TrainingRun]:
        """Return every run, newest first."""

        def work(connection: sqlite3.Connection) -> list[TrainingRun]:
            rows = connection.execute("SELECT * FROM training_runs ORDER BY number DESC")
            return [_run(row) for row in rows]

        return await self._database.transaction(work)

    async def last_label_learned(self) -> int:
        """Return the highest label id that a successful run has learned from, or 0."""

        def work(connection: sqlite3.Connection) -> int:
            row = connection.execute(
                "SELECT COALESCE(MAX(last_label), 0) FROM training_runs WHERE state = ?",
                (RunState.SUCCEEDED,),
            ).fetchone()
            return int(row[0])

        return await self._database.transaction(work)

    async def fail_interrupted(self, reason: str) -> int:
        """Mark the runs that no one carries on as failed; returns how many there were."""

        def work(connection: sqlite3.Connection) -> int:
            cursor = connection.execute(
                "UPDATE training_runs SET state = ?, step = ?, finished = ? WHERE state IN (?, ?)",
                (RunState.FAILED, reason, utc_now(), RunState.QUEUED, RunState.RUNNING),
            )
            return cursor.rowcount

        return await self._database.transaction(work)

    async def record_promotion(self, model: str, version: int, run_id: str | None = None) -> None:
        """Note that the fleet was told to serve `version`, and because of which run."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO promotions (model, version, training_run, created)"
                " VALUES (?, ?, ?, ?)",
                (model, version, run_id, utc_now()),
            )

        await self._database.transaction(work)

    async def promotions(self, model: str) -> list[Promotion]:
        """Return every promotion of `model`, newest first."""

        def work(connection: sqlite3.Connection) -> list[Promotion]:
            rows = connection.execute(
                "SELECT model, version, training_run, created FROM promotions"
                " WHERE model = ? ORDER BY id DESC",
                (model,),
            )
            return [Promotion(*row) for row in rows]

        return await self._database.transaction(work)


def _run(row: sqlite3.Row) -> TrainingRun:
    state = RunState(row["state"])
    return TrainingRun(
        id=row["id"],
        model=row["model"],
        state=state,
        created=row["created"],
        finished=row["finished"],
        progress=1.0 if state is RunState.SUCCEEDED else 0.0,
        step=row["step"],
        labels=row["labels"],
        version=row["version"],
        promoted=bool(row["promoted"]),
        not_promoted_because=row["not_promoted_because"],
        accuracy=row["accuracy"],
        base_accuracy=row["base_accuracy"],
    )
