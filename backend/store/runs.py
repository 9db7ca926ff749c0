"""The tables of training runs, of what was decided about their versions, and of settings."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass

from backend.contract import (
    ConfusedClasses,
    Decision,
    NetworkComparison,
    Rule,
    RunState,
    StartedBy,
    TrainingRun,
    TrainingSettings,
)
from backend.store.database import StoreConnection, StoreDatabase, StoredRow
from backend.store.label_queries import Moment
from serving.clock import utc_now
from serving.errors import BackendError


class UnknownRun(BackendError):
    """No training run has this id."""


@dataclass(frozen=True)
class DecisionRow:
    """What was decided about a version, by whom and by which rule."""

    id: int
    version: int
    created: str
    decision: Decision
    rule: Rule
    by: str
    because: str
    """For people, as a sentence; empty if the rule says all."""


class RunStore:
    """Every training run ever, whatever its result, and every decision about a version."""

    def __init__(self, database: StoreDatabase) -> None:
        self._database = database

    async def save(self, run: TrainingRun, learns_from: Moment | None = None) -> None:
        """Write a run, new or changed; progress is not stored.

        `learns_from` says as of when the run learns from the labels; it stays until another
        one is given.
        """
        values = {
            key: value for key, value in asdict(run).items() if key not in ("progress", "promoted")
        }
        for name in ("confused", "networks"):
            values[name] = json.dumps(values[name])
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

    async def last_attempted(self, model: str) -> Moment:
        """Return as of when any run of `model` that Servery did not interrupt saw the labels.

        What it did not learn then, it does not learn by being started again.
        """
        (row,) = await self._database.execute(
            "SELECT COALESCE(MAX(last_label), 0), COALESCE(MAX(last_undone), 0)"
            " FROM training_runs WHERE model = ?",
            (model,),
        )
        return Moment(*map(int, row))

    async def unfinished(self, excluded: Collection[str] = ()) -> list[TrainingRun]:
        """Return the runs that are queued or running, but those with an id in `excluded`."""
        rows = await self._database.execute(
            "SELECT * FROM training_runs"
            f" WHERE state IN (?, ?){_all_but(excluded)} ORDER BY number",
            (RunState.QUEUED, RunState.RUNNING, *excluded),
        )
        return [_run(row) for row in rows]

    async def fail_interrupted(self, reason: str, excluded: Collection[str] = ()) -> int:
        """Mark unfinished runs, which nothing continues, as failed; returns how many there were.

        Those with an id in `excluded` go on. The labels of the others wait for a run again.
        """
        rows = await self._database.execute(
            "UPDATE training_runs SET state = ?, step = ?, finished = ?,"
            " last_label = 0, last_undone = 0"
            f" WHERE state IN (?, ?){_all_but(excluded)} RETURNING id",
            (RunState.FAILED, reason, utc_now(), RunState.QUEUED, RunState.RUNNING, *excluded),
        )
        return len(rows)

    async def record_decision(
        self,
        model: str,
        version: int,
        decision: Decision,
        rule: Rule,
        by: str,
        because: str = "",
    ) -> None:
        """Record what was decided about a version, by whom and by which rule.

        The run that made the version shows the last decision; all of them are kept.
        `because` says it for people.
        """
        now = utc_now()

        def work(connection: StoreConnection) -> None:
            run = connection.execute(
                "SELECT id FROM training_runs WHERE model = ? AND version = ?"
                " ORDER BY number DESC LIMIT 1",
                (model, version),
            ).fetchone()
            connection.execute(
                "INSERT INTO decisions"
                " (model, version, training_run, created, decision, rule, decided_by, because)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (model, version, run and run["id"], now, decision, rule, by, because),
            )
            if run is not None:
                connection.execute(
                    "UPDATE training_runs SET decision = ?, rule = ?, decided_by = ?, decided = ?"
                    " WHERE id = ?",
                    (decision, rule, by, now, run["id"]),
                )

        await self._database.transaction(work)

    async def decisions(self, model: str, version: int | None = None) -> list[DecisionRow]:
        """Return what was decided about the versions of a model, or about one; newest first."""
        rows = await self._database.execute(
            "SELECT * FROM decisions WHERE model = :model"
            " AND (:version IS NULL OR version = :version) ORDER BY id DESC",
            {"model": model, "version": version},
        )
        return [
            DecisionRow(
                id=row["id"],
                version=row["version"],
                created=row["created"],
                decision=Decision(row["decision"]),
                rule=Rule(row["rule"]),
                by=row["decided_by"],
                because=row["because"],
            )
            for row in rows
        ]

    async def settings(self, model: str) -> TrainingSettings:
        """Return when `model` is trained by itself; the defaults unless a person changed them."""
        for row in await self._database.execute(
            "SELECT * FROM training_settings WHERE model = ?", (model,)
        ):
            return TrainingSettings(
                automatic=bool(row["automatic"]),
                promote=bool(row["promote"]),
                after_labels=row["after_labels"],
                quiet_seconds=row["quiet_seconds"],
            )
        return TrainingSettings()

    async def change_settings(self, model: str, settings: TrainingSettings) -> None:
        """Store the settings of `model`."""
        values = {"model": model, **asdict(settings)}
        await self._database.execute(
            f"INSERT INTO training_settings ({', '.join(values)})"
            f" VALUES ({', '.join(f':{name}' for name in values)})"
            " ON CONFLICT (model) DO UPDATE SET "
            + ", ".join(f"{name} = excluded.{name}" for name in values),
            values,
        )


def _all_but(ids: Collection[str]) -> str:
    """Return the condition that leaves out rows with these ids, which are its parameters."""
    return f" AND id NOT IN ({', '.join('?' * len(ids))})" if ids else ""


def _run(row: StoredRow) -> TrainingRun:
    values = dict(row)
    del values["number"], values["last_label"], values["last_undone"]
    state = values["state"] = RunState(row["state"])
    values["progress"] = 1.0 if state is RunState.SUCCEEDED else 0.0
    values["decision"], values["rule"] = Decision(row["decision"]), Rule(row["rule"])
    values["promoted"] = values["decision"] is Decision.PROMOTED
    values["started_by"] = StartedBy(row["started_by"])
    values["fine_tunes"] = bool(row["fine_tunes"])
    networks = json.loads(row["networks"])
    values["networks"] = None if networks is None else NetworkComparison(**networks)
    values["confused"] = [ConfusedClasses(**each) for each in json.loads(row["confused"])]
    return TrainingRun(**values)
