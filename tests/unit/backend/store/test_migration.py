"""A workspace that an earlier version of Servery wrote opens and loses nothing."""

from __future__ import annotations

import hashlib
import sqlite3

import pytest

from backend.contract import Decision, Label, Rule, RunState, TrainingRun
from backend.store.label_queries import Moment
from backend.store.label_writing import Statement
from backend.store.schema import MIGRATIONS
from backend.store.store import Store
from serving.errors import BackendError
from serving.workspace import Workspace
from tests.support.backend_env import promotions

SCHEMA_1 = """
    CREATE TABLE schema_version (number INTEGER NOT NULL);
    INSERT INTO schema_version VALUES (1);
    CREATE TABLE labels (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        image TEXT NOT NULL,
        class_name TEXT NOT NULL,
        created TEXT NOT NULL,
        new_class INTEGER NOT NULL,
        idempotency_key TEXT UNIQUE,
        undone TEXT
    );
    CREATE INDEX labels_by_image ON labels (image, id);
    CREATE TABLE training_runs (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        model TEXT NOT NULL,
        state TEXT NOT NULL,
        created TEXT NOT NULL,
        finished TEXT,
        step TEXT NOT NULL,
        labels INTEGER NOT NULL,
        last_label INTEGER NOT NULL DEFAULT 0,
        version INTEGER,
        accuracy REAL,
        base_accuracy REAL
    );
    CREATE TABLE promotions (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        model TEXT NOT NULL,
        version INTEGER NOT NULL,
        training_run TEXT,
        created TEXT NOT NULL
    );
"""
"""What Servery wrote before training runs had the columns `promoted` and `not_promoted_because`."""

JPEG = b"\xff\xd8 a photo"
IMAGE = hashlib.sha256(JPEG).hexdigest()
UNREADABLE = " Photos that could not be read any more: 2."
FELL = (
    "On what the model already knew, accuracy fell from 80.0 % to 60.0 %, "
    "so the version did not go live."
)
RUNS = [
    # id, state, finished, step, version
    ("live", "succeeded", "t2", "Version 2 is live.", 2),
    ("live-unreadable", "succeeded", "t2", f"Version 3 is live.{UNREADABLE}", 3),
    ("held-back", "succeeded", "t2", FELL, 4),
    ("held-back-unreadable", "succeeded", "t2", FELL + UNREADABLE, 5),
    ("failed", "failed", "t2", "It cannot learn.", None),
    ("interrupted", "running", None, "Learning from 3 photos.", None),
]


def write_old_workspace(workspace: Workspace) -> None:
    with sqlite3.connect(workspace.backend_database) as connection:
        connection.executescript(SCHEMA_1)
        connection.execute(
            "INSERT INTO labels VALUES (1, ?, 'zebra', 't0', 1, 'key-1', NULL)", (IMAGE,)
        )
        connection.execute("INSERT INTO labels VALUES (2, ?, 'cat', 't0', 0, NULL, 't1')", (IMAGE,))
        for run_id, state, finished, step, version in RUNS:
            connection.execute(
                "INSERT INTO training_runs (id, model, state, created, finished, step, labels,"
                " last_label, version, accuracy, base_accuracy)"
                " VALUES (?, 'starter', ?, 't1', ?, ?, 3, 1, ?, 0.8, 0.7)",
                (run_id, state, finished, step, version),
            )
        connection.execute("INSERT INTO promotions VALUES (1, 'starter', 2, 'live', 't2')")
        connection.execute("INSERT INTO promotions VALUES (2, 'starter', 1, NULL, 't3')")
    connection.close()
    path = workspace.images / IMAGE[:2] / f"{IMAGE}.jpg"
    path.parent.mkdir(parents=True)
    path.write_bytes(JPEG)


async def test_a_new_database_gets_the_current_schema_and_reopens(workspace: Workspace) -> None:
    for _ in range(2):
        store = Store(workspace)
        await store.open()
        await store.close()
        with sqlite3.connect(workspace.backend_database) as connection:
            rows = connection.execute("SELECT number FROM schema_version").fetchall()
        connection.close()
        assert rows == [(len(MIGRATIONS),)]


async def test_a_newer_schema_is_left_alone(workspace: Workspace) -> None:
    with sqlite3.connect(workspace.backend_database) as connection:
        connection.execute("CREATE TABLE schema_version (number INTEGER NOT NULL)")
        connection.execute("INSERT INTO schema_version VALUES (99)")
    connection.close()
    store = Store(workspace)
    with pytest.raises(BackendError, match="newer Servery"):
        await store.open()
    await store.close()


async def test_a_database_of_schema_1_opens_and_loses_nothing(workspace: Workspace) -> None:
    write_old_workspace(workspace)
    store = Store(workspace)
    await store.open()
    labels = await store.labels.snapshot("starter")
    assert labels.current == (
        Label(1, IMAGE, "zebra", "t0", new_class=True, model="starter", action=1),
    )
    assert labels.images_ever_labeled == {IMAGE}
    assert labels.moment == Moment(2)
    assert store.images.path(IMAGE).read_bytes() == JPEG
    again = await store.labels.add(
        "starter", JPEG, Statement("zebra"), is_new=lambda name: True, key="key-1"
    )
    assert again == (labels.current[0], False)
    assert await store.runs.last_learned("starter") == Moment(1)
    assert promotions(workspace) == [
        ("starter", 1, None, "t3"),
        ("starter", 2, "live", "t2"),
    ]
    runs = {run.id: run for run in await store.runs.all()}
    assert list(runs) == [row[0] for row in reversed(RUNS)]
    assert runs["live"] == TrainingRun(
        "live", "starter", RunState.SUCCEEDED, "t1", "t2", 1.0, "Version 2 is live.", 3,
        version=2, decision=Decision.PROMOTED, promoted=True, rule=Rule.PASSED, decided_by="gate",
        decided="t2", accuracy=0.8, base_accuracy=0.7,
    )  # fmt: skip
    await store.close()


async def test_whether_old_runs_were_promoted_is_derived(workspace: Workspace) -> None:
    write_old_workspace(workspace)
    for _ in range(2):
        store = Store(workspace)
        await store.open()
        runs = await store.runs.all()
        await store.close()
        assert {run.id: (run.promoted, run.not_promoted_because) for run in runs} == {
            "live": (True, ""),
            "live-unreadable": (True, ""),
            "held-back": (False, FELL),
            "held-back-unreadable": (False, FELL),
            "failed": (False, ""),
            "interrupted": (False, ""),
        }


async def test_what_a_backend_of_one_model_wrote_belongs_to_that_model(
    workspace: Workspace,
) -> None:
    with sqlite3.connect(workspace.backend_database) as connection:
        connection.executescript(SCHEMA_1)
        connection.executescript(MIGRATIONS[1] + "UPDATE schema_version SET number = 2;")
        connection.execute(
            "INSERT INTO training_runs (id, model, state, created, step, labels)"
            " VALUES ('r1', 'birds', 'failed', 't1', 'It cannot learn.', 1)"
        )
        connection.execute("INSERT INTO promotions VALUES (1, 'other', 2, NULL, 't2')")
        connection.execute("INSERT INTO labels VALUES (1, ?, 'owl', 't0', 1, NULL, NULL)", (IMAGE,))
    connection.close()
    store = Store(workspace)
    await store.open()
    assert (await store.labels.snapshot("birds")).current == (
        Label(1, IMAGE, "owl", "t0", new_class=True, model="birds", action=1),
    )
    assert (await store.labels.snapshot("birds")).held_out == frozenset()
    (run,) = await store.runs.all("birds")
    assert run.imported_from == ""
    await store.close()


async def test_labels_that_nothing_was_learned_from_belong_to_the_only_model_there_was(
    workspace: Workspace,
) -> None:
    with sqlite3.connect(workspace.backend_database) as connection:
        connection.executescript(SCHEMA_1)
        connection.execute("INSERT INTO labels VALUES (1, ?, 'owl', 't0', 1, NULL, NULL)", (IMAGE,))
    connection.close()
    store = Store(workspace)
    await store.open()
    assert await store.labels.totals() == {"starter": 1}
    await store.close()
