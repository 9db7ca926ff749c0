"""The desktop's database as version 0.1.0 wrote it opens and loses nothing."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from desktop.classify.history import History
from desktop.classify.photo import Photo, PhotoFailure
from desktop.learn.outbox_store import OutboxStore, RefusedLabel
from serving.predict.prediction import Prediction, Score
from serving.workspace import Workspace

VERSION_0_1_0 = """
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS history (
    path TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    added REAL NOT NULL,
    label TEXT NOT NULL DEFAULT '',
    prediction TEXT,
    problem TEXT
);
CREATE TABLE IF NOT EXISTS outbox (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    image TEXT NOT NULL,
    jpeg BLOB NOT NULL,
    class_name TEXT NOT NULL,
    created TEXT NOT NULL,
    sent INTEGER NOT NULL DEFAULT 0,
    withdrawn INTEGER NOT NULL DEFAULT 0,
    label_id INTEGER,
    refusal TEXT NOT NULL DEFAULT ''
);
INSERT INTO history VALUES ('/photos/cat.jpg', 'cat.jpg', 1.0, 'tabby',
    '{"model": "starter", "version": 2, "scores": [{"name": "cat", "score": 0.9}],
      "instance_id": "a1b2", "milliseconds": 12.5}', NULL);
INSERT INTO history VALUES ('/photos/dog.jpg', 'dog.jpg', 2.0, '', NULL,
    '{"what": "The fleet is stopped.", "advice": "Start an instance.", "passing": true}');
INSERT INTO history VALUES ('/photos/new.jpg', 'new.jpg', 3.0, '', NULL, NULL);
INSERT INTO outbox (key, image, jpeg, class_name, created)
    VALUES ('k1', 'aa', x'ffd8', 'tabby', '2026-11-26T10:00:00Z');
INSERT INTO outbox (key, image, jpeg, class_name, created, sent, refusal)
    VALUES ('k2', 'bb', x'ffd9', 'otter', '2026-11-26T10:01:00Z', 1, 'Too large.');
"""


async def test_photos_and_labels_are_all_there(workspace: Workspace) -> None:
    with closing(sqlite3.connect(workspace.desktop_database)) as database:
        database.executescript(VERSION_0_1_0)
    async with History(workspace.desktop_database) as history:
        photos = await history.photos()
    assert photos == [
        Photo(
            Path("/photos/cat.jpg"),
            "cat.jpg",
            1.0,
            prediction=Prediction("starter", 2, (Score("cat", 0.9),), "a1b2", 12.5),
            label="tabby",
            waiting=False,
        ),
        Photo(
            Path("/photos/dog.jpg"),
            "dog.jpg",
            2.0,
            failure=PhotoFailure("The fleet is stopped.", "Start an instance.", transient=True),
            waiting=False,
        ),
        Photo(Path("/photos/new.jpg"), "new.jpg", 3.0, waiting=True),
    ]
    store = OutboxStore(workspace.desktop_database)
    await store.database.open()
    try:
        (pending,) = await store.pending()
        assert (pending.key, pending.class_name) == ("k1", "tabby")
        assert await store.begin("k1") == b"\xff\xd8"
        assert await store.refused() == (RefusedLabel("k2", "otter", "Too large."),)
    finally:
        await store.database.close()
