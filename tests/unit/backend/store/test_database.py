"""The database: migrated, guarded, and never an sqlite3 error above it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from backend.store.database import Database
from backend.store.schema import MIGRATIONS
from serving.errors import BackendError


async def test_a_new_file_gets_the_current_schema_and_reopens(tmp_path: Path) -> None:
    for _ in range(2):
        database = Database(tmp_path / "folder" / "a.sqlite")
        await database.open()
        row = await database.transaction(
            lambda connection: connection.execute("SELECT number FROM schema_version").fetchone()
        )
        assert row[0] == len(MIGRATIONS)
        await database.close()


async def test_it_is_set_to_survive_a_power_cut(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.sqlite")
    await database.open()

    def settings(connection: sqlite3.Connection) -> tuple[str, int]:
        mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
        return mode, connection.execute("PRAGMA synchronous").fetchone()[0]

    assert await database.transaction(settings) == ("wal", 2)
    await database.close()


async def test_a_failing_transaction_leaves_nothing(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.sqlite")
    await database.open()

    def half(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO promotions VALUES (1, 'm', 1, NULL, 'now')")
        connection.execute("INSERT INTO no_such_table VALUES (1)")

    with pytest.raises(BackendError, match="no_such_table"):
        await database.transaction(half)
    count = await database.transaction(
        lambda connection: connection.execute("SELECT COUNT(*) FROM promotions").fetchone()[0]
    )
    assert count == 0
    await database.close()


async def test_a_newer_schema_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE schema_version (number INTEGER NOT NULL)")
        connection.execute("INSERT INTO schema_version VALUES (99)")
    connection.close()
    database = Database(path)
    with pytest.raises(BackendError, match="newer Servery"):
        await database.open()
    await database.close()


async def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    path.write_bytes(b"this is not a database, whatever its name says" * 100)
    database = Database(path)
    with pytest.raises(BackendError, match="damaged"):
        await database.open()
    await database.close()
