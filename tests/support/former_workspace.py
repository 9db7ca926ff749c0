"""A workspace as Servery 0.1 left it: one model called "starter", which was taught two classes.

Everything is written here as that release wrote it, file by file, so that today's code is
tried on what people have.
"""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing

from serving.workspace import Workspace
from tests.support.former_version import write_former_taught_version, write_former_version
from tests.support.sample_images import drawing
from tests.support.tiny_model import COLORS

MODEL = "starter"
TAUGHT = ("stripes", "rings")
LABELS_PER_CLASS = 12
CLASSES = (*COLORS, *TAUGHT)
"""What the live version, number 2, answers with."""

FLEET = """{
  "wanted": 1,
  "retiring": [],
  "failures": [],
  "limits": {
    "threads": 1,
    "memory_limit": 3000000000,
    "cpu_limit": 0.0,
    "image": ""
  }
}
"""
SETTINGS = """appearance = "dark"
unsure_below = 0.6
"""
SERVING_CONFIG = """model_config_list {{
  config {{
    name: "{name}"
    base_path: "{folder}"
    model_platform: "tensorflow"
    model_version_policy {{
      specific {{
        versions: 2
      }}
    }}
  }}
}}
"""
BACKEND_DATABASE = """
PRAGMA journal_mode = WAL;
CREATE TABLE schema_version (number INTEGER NOT NULL);
INSERT INTO schema_version VALUES (2);
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
ALTER TABLE training_runs ADD COLUMN promoted INTEGER NOT NULL DEFAULT 0;
ALTER TABLE training_runs ADD COLUMN not_promoted_because TEXT NOT NULL DEFAULT '';
INSERT INTO training_runs VALUES (1, 'run-1', 'starter', 'succeeded', '2026-11-26T16:33:35.560Z',
    '2026-11-26T16:33:37.327Z', 'Version 2 is live.', 24, 24, 2, 0.91, 0.9, 1, '');
INSERT INTO training_runs VALUES (2, 'run-2', 'starter', 'cancelled', '2026-11-26T16:40:00.000Z',
    '2026-11-26T16:40:01.000Z', 'Cancelled.', 24, 0, NULL, NULL, NULL, 0, '');
INSERT INTO promotions VALUES (1, 'starter', 2, 'run-1', '2026-11-26T16:33:37.327Z');
INSERT INTO promotions VALUES (2, 'starter', 1, NULL, '2026-11-26T16:34:00.000Z');
INSERT INTO promotions VALUES (3, 'starter', 2, NULL, '2026-11-26T16:35:00.000Z');
"""
DESKTOP_DATABASE = """
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
"""
OUTBOX_CLASS = "smiley"
"""The class of the one label that still waits in the outbox."""


def write_former_workspace(workspace: Workspace) -> None:
    """Fill an empty workspace; no instance and no backend runs on it."""
    photos = {kind: [drawing(kind, seed) for seed in range(LABELS_PER_CLASS)] for kind in TAUGHT}
    folder = workspace.models / MODEL
    for number in ("1", "2"):
        (folder / number).mkdir(parents=True)
    write_former_version(folder / "1", MODEL)
    write_former_taught_version(folder / "2", MODEL, photos)
    config = SERVING_CONFIG.format(name=MODEL, folder=folder.resolve())
    (folder / "serving.config").write_text(config)
    (folder / "monitoring.config").write_text("prometheus_config { enable: true }\n")
    fleet = workspace.root / "fleet"
    fleet.mkdir()
    (fleet / f"{MODEL}.json").write_text(FLEET)
    workspace.settings.write_text(SETTINGS)
    _write_backend_database(workspace, photos)
    write_desktop_database(workspace)


def _write_backend_database(workspace: Workspace, photos: dict[str, list[bytes]]) -> None:
    with closing(sqlite3.connect(workspace.backend_database)) as database:
        database.executescript(BACKEND_DATABASE)
        for name, files in photos.items():
            for jpeg in files:
                database.execute(
                    "INSERT INTO labels (image, class_name, created, new_class)"
                    " VALUES (?, ?, '2026-11-26T16:33:00.000Z', 1)",
                    (_stored(workspace, jpeg), name),
                )
        # Taken back, and so no label any more.
        database.execute(
            "INSERT INTO labels (image, class_name, created, new_class, undone)"
            " VALUES (?, 'blue', '2026-11-26T16:36:00.000Z', 0, '2026-11-26T16:36:05.000Z')",
            (_stored(workspace, photos["rings"][0]),),
        )
        # Made since the last training run.
        database.execute(
            "INSERT INTO labels (image, class_name, created, new_class)"
            " VALUES (?, 'stripes', '2026-11-26T16:37:00.000Z', 0)",
            (_stored(workspace, drawing("stripes", "later")),),
        )
        database.commit()


def write_desktop_database(workspace: Workspace) -> None:
    """Write three photos of earlier days, a label on its way, and one that was refused."""
    waiting = drawing(OUTBOX_CLASS, "waiting")
    with closing(sqlite3.connect(workspace.desktop_database)) as database:
        database.executescript(DESKTOP_DATABASE)
        database.execute(
            "INSERT INTO outbox (key, image, jpeg, class_name, created)"
            " VALUES ('k1', ?, ?, ?, '2026-11-26T10:00:00Z')",
            (hashlib.sha256(waiting).hexdigest(), waiting, OUTBOX_CLASS),
        )
        database.execute(
            "INSERT INTO outbox (key, image, jpeg, class_name, created, sent, refusal)"
            " VALUES ('k2', 'bb', x'ffd9', 'otter', '2026-11-26T10:01:00Z', 1, 'Too large.')"
        )
        database.commit()


def _stored(workspace: Workspace, jpeg: bytes) -> str:
    """Store a labelled image as the backend did, and return its name."""
    image = hashlib.sha256(jpeg).hexdigest()
    path = workspace.images / image[:2] / f"{image}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(jpeg)
    return image
