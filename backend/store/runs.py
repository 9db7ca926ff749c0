"""The tables of training runs and of promotions."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict

from backend.contract import RunState, TrainingRun
from backend.store.labels import Moment
from serving.clock import utc_now
from serving.database import Database, Row
from serving.errors import BackendError


class UnknownRun(BackendError):
    """No training run has this id."""


class RunStore:
    """Every training run ever, whatever its result, and every promotion."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, run: TrainingRun, learns_from: Moment | None = None) -> None:
        """Write a run, new or changed; progress is not stored.

        `learns_from` says as of when the run learns from the labels; it stays until another
        one is given.
        """
        values = {key: value for key, value in asdict(run).items() if key != "progress"}
        if learns_from is not None:
            values["last_label"], values["last_undone"] = learns_from
        await self._database.execute(
            f"INSERT INTO training_runs ({', '.join(values)})"
            f" VALUES ({', '.join(f':{name}' for name in values)})"
            " ON CONFLICT (id) DO UPDATE SET "
            + ", ".join(f"{name} = excluded.{name}" for name in values),
            values,
        )

    async def get(self, run_id: str) -> TrainingRun:
        """Return one run; raises UnknownRun."""
        for row in await self._database.execute(
            "SELECT * FROM training_runs WHERE id = ?", (run_id,)
        ):
            return _run(row)
        raise UnknownRun(f"There is no training run {run_id}.", "Choose one from the list of runs.")

    async def all(self, model: str | None = None) -> list[TrainingRun]:
        """Return every run, or every run of one model, newest first."""
        rows = await self._database.execute(
            "SELECT * FROM training_runs WHERE model = :model"
            # Deleted models begin with a dot, which no name of a model does.
            " OR :model IS NULL AND model NOT LIKE '.%' ORDER BY number DESC",
            {"model": model},
        )
        return [_run(row) for row in rows]

    async def last_learned(self, model: str) -> Moment:
        """Return as of when the last successful run of `model` has learned from the labels."""
        (row,) = await self._database.execute(
            "SELECT COALESCE(MAX(last_label), 0), COALESCE(MAX(last_undone), 0)"
            " FROM training_runs WHERE state = ? AND model = ?",
            (RunState.SUCCEEDED, model),
        )
        return Moment(*map(int, row))

    async def fail_interrupted(self, reason: str, but: Collection[str] = ()) -> int:
        """Mark unfinished runs, which nothing continues, as failed; returns how many there were.

        Those with an id in `but` go on.
        """
        rows = await self._database.execute(
            "UPDATE training_runs SET state = ?, step = ?, finished = ? WHERE state IN (?, ?)"
            f" AND id NOT IN ({', '.join('?' * len(but))}) RETURNING id",
            (RunState.FAILED, reason, utc_now(), RunState.QUEUED, RunState.RUNNING, *but),
        )
        return len(rows)

    async def record_promotion(self, model: str, version: int, run_id: str | None = None) -> None:
        """Record that the fleet is to serve `version`, and because of which run."""
        await self._database.execute(
            "INSERT INTO promotions (model, version, training_run, created) VALUES (?, ?, ?, ?)",
            (model, version, run_id, utc_now()),
        )


def _run(row: Row) -> TrainingRun:
    values = dict(row)
    del values["number"], values["last_label"], values["last_undone"]
    state = values["state"] = RunState(row["state"])
    values["progress"] = 1.0 if state is RunState.SUCCEEDED else 0.0
    values["promoted"] = bool(row["promoted"])
    return TrainingRun(**values)
