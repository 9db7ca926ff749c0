"""The tables, and how an older database becomes a current one.

Migrations are only ever appended. Number n of the list takes a database from
schema n to schema n + 1, and the number reached is stored in the table
`schema_version`.
"""

from __future__ import annotations

from serving.database import Connection
from serving.errors import BackendError

MIGRATIONS = (
    """
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
    """,
    # Until schema 2 only the sentence in `step` said whether a run's version went live.
    """
    ALTER TABLE training_runs ADD COLUMN promoted INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE training_runs ADD COLUMN not_promoted_because TEXT NOT NULL DEFAULT '';
    UPDATE training_runs SET promoted = 1
    WHERE state = 'succeeded' AND (
        id IN (SELECT training_run FROM promotions)
        OR step LIKE 'Version ' || version || ' is live.%'
    );
    UPDATE training_runs SET not_promoted_because =
        CASE instr(step, ' Photos that could not be read any more: ')
            WHEN 0 THEN step
            ELSE substr(step, 1, instr(step, ' Photos that could not be read any more: ') - 1)
        END
    WHERE state = 'succeeded' AND version IS NOT NULL AND promoted = 0;
    """,
    # Until schema 3 a backend knew one model, which its labels did not name. Without any run
    # or promotion it was the only one that Servery brought along then, named 'starter'.
    """
    ALTER TABLE labels ADD COLUMN model TEXT NOT NULL DEFAULT '';
    ALTER TABLE labels ADD COLUMN held_out INTEGER NOT NULL DEFAULT 0;
    UPDATE labels SET model = COALESCE(
        (SELECT model FROM training_runs ORDER BY number DESC LIMIT 1),
        (SELECT model FROM promotions ORDER BY id DESC LIMIT 1),
        'starter'
    );
    CREATE INDEX labels_by_model ON labels (model, image, id);
    ALTER TABLE training_runs ADD COLUMN imported_from TEXT NOT NULL DEFAULT '';
    CREATE TABLE renamed_models (old TEXT PRIMARY KEY, new TEXT NOT NULL);
    """,
    # Until schema 4 nothing said whether a label was taken back before or after a run began.
    """
    ALTER TABLE labels ADD COLUMN undone_number INTEGER;
    CREATE INDEX labels_by_undone_number ON labels (undone_number);
    ALTER TABLE training_runs ADD COLUMN last_undone INTEGER NOT NULL DEFAULT 0;
    """,
    # Until schema 5 only promotions were recorded, by whom and by which rule was not, and a run
    # said whether its version had gone live. The only rule that held a version back was that
    # of the old classes; a version that another one overtook was told by its sentence alone.
    """
    ALTER TABLE promotions RENAME TO decisions;
    ALTER TABLE decisions ADD COLUMN decision TEXT NOT NULL DEFAULT 'promoted';
    ALTER TABLE decisions ADD COLUMN rule TEXT NOT NULL DEFAULT '';
    ALTER TABLE decisions ADD COLUMN decided_by TEXT NOT NULL DEFAULT '';
    ALTER TABLE decisions ADD COLUMN because TEXT NOT NULL DEFAULT '';
    UPDATE decisions SET rule = CASE WHEN training_run IS NULL THEN 'person' ELSE 'passed' END,
        decided_by = CASE WHEN training_run IS NULL THEN '' ELSE 'gate' END;
    ALTER TABLE training_runs ADD COLUMN decision TEXT NOT NULL DEFAULT '';
    ALTER TABLE training_runs ADD COLUMN rule TEXT NOT NULL DEFAULT '';
    ALTER TABLE training_runs ADD COLUMN decided_by TEXT NOT NULL DEFAULT '';
    ALTER TABLE training_runs ADD COLUMN decided TEXT;
    ALTER TABLE training_runs ADD COLUMN started_by TEXT NOT NULL DEFAULT 'person';
    ALTER TABLE training_runs ADD COLUMN confused TEXT NOT NULL DEFAULT '[]';
    UPDATE training_runs SET decision = 'promoted', rule = 'passed', decided_by = 'gate',
        decided = finished
    WHERE promoted = 1;
    UPDATE training_runs SET decision = 'held_back', decided_by = 'gate', decided = finished,
        rule = CASE WHEN not_promoted_because LIKE 'Another version was promoted meanwhile%'
            THEN 'other_promoted' ELSE 'old_recall' END
    WHERE state = 'succeeded' AND version IS NOT NULL AND promoted = 0;
    ALTER TABLE training_runs DROP COLUMN promoted;
    CREATE TABLE training_settings (
        model TEXT PRIMARY KEY,
        automatic INTEGER NOT NULL,
        promote INTEGER NOT NULL,
        after_labels INTEGER NOT NULL,
        quiet_seconds INTEGER NOT NULL
    );
    """,
    # Until schema 6 every label named a class, and nobody knew who gave it, or what with it.
    """
    ALTER TABLE labels ADD COLUMN kind TEXT NOT NULL DEFAULT 'class';
    ALTER TABLE labels ADD COLUMN author TEXT NOT NULL DEFAULT '';
    ALTER TABLE labels ADD COLUMN settles INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE labels ADD COLUMN action INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE labels ADD COLUMN batch TEXT;
    ALTER TABLE labels ADD COLUMN class_deleted INTEGER;
    UPDATE labels SET action = id;
    CREATE INDEX labels_by_action ON labels (model, action);
    CREATE INDEX labels_by_batch ON labels (batch) WHERE batch IS NOT NULL;
    CREATE TABLE pool (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        model TEXT NOT NULL,
        image TEXT NOT NULL,
        created TEXT NOT NULL,
        bytes INTEGER NOT NULL,
        backbone TEXT NOT NULL DEFAULT '',
        UNIQUE (model, image)
    );
    CREATE INDEX pool_by_image ON pool (image);
    """,
    # Until schema 7 only training changed what a model calls its classes.
    """
    CREATE TABLE class_changes (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        model TEXT NOT NULL,
        created TEXT NOT NULL,
        author TEXT NOT NULL,
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        new_name TEXT NOT NULL,
        base_version INTEGER,
        version INTEGER,
        state TEXT NOT NULL
    );
    CREATE TABLE class_change_labels (
        change INTEGER NOT NULL,
        label INTEGER NOT NULL,
        PRIMARY KEY (change, label)
    );
    CREATE INDEX class_change_labels_by_label ON class_change_labels (label);
    """,
    # Until schema 8 most queries read every label of a model.
    """
    CREATE INDEX labels_newest ON labels (model, image, id)
        WHERE undone IS NULL AND kind <> 'skip';
    CREATE INDEX labels_by_author ON labels (model, image, author)
        WHERE undone IS NULL AND kind <> 'skip' AND author <> '' AND class_deleted IS NULL;
    CREATE INDEX labels_skipped ON labels (model, image, id)
        WHERE undone IS NULL AND kind = 'skip';
    CREATE INDEX labels_by_class ON labels (model, class_name)
        WHERE undone IS NULL AND class_deleted IS NULL AND kind = 'class';
    """,
    # Until schema 9 nothing said who pinned or deleted a version.
    """
    CREATE TABLE kept_versions (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        model TEXT NOT NULL,
        version INTEGER NOT NULL,
        created TEXT NOT NULL,
        author TEXT NOT NULL,
        what TEXT NOT NULL
    );
    CREATE INDEX kept_versions_by_model ON kept_versions (model);
    """,
    # Until schema 10 training replaced heads alone.
    """
    ALTER TABLE training_runs ADD COLUMN fine_tunes INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE training_runs ADD COLUMN networks TEXT NOT NULL DEFAULT 'null';
    """,
)


def migrate(connection: Connection) -> None:
    """Bring the database to the current schema, each step completely or not at all.

    Raises BackendError for a database that a newer Servery wrote.
    """
    connection.execute("CREATE TABLE IF NOT EXISTS schema_version (number INTEGER NOT NULL)")
    row = connection.execute("SELECT number FROM schema_version").fetchone()
    if row is None:
        connection.execute("INSERT INTO schema_version VALUES (0)")
    reached = 0 if row is None else int(row[0])
    if reached > len(MIGRATIONS):
        raise BackendError(
            "The database was last used by a newer Servery.",
            "Update Servery, or point it at another workspace.",
        )
    for number in range(reached, len(MIGRATIONS)):
        connection.executescript(
            f"BEGIN IMMEDIATE; {MIGRATIONS[number]}"
            f"UPDATE schema_version SET number = {number + 1}; COMMIT;"
        )
