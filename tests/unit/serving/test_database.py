"""A database: whole transactions, kept through a power cut, and no sqlite3 error above it."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from serving.database import Connection, Database
from serving.errors import BackendError


def prepare(connection: Connection) -> None:
    connection.execute("CREATE TABLE IF NOT EXISTS pets (name TEXT NOT NULL)")


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(tmp_path / "folder" / "a.sqlite", prepare, BackendError)
    await database.open()
    yield database
    await database.close()


async def test_what_was_written_is_there_after_reopening(database: Database) -> None:
    await database.execute("INSERT INTO pets VALUES (?)", ("cat",))
    await database.close()
    again = Database(database.path, prepare, BackendError)
    rows = await again.execute("SELECT name FROM pets")
    assert [row["name"] for row in rows] == ["cat"]
    await again.close()


@pytest.mark.parametrize(("durable", "synchronous"), [(True, 2), (False, 1)])
async def test_a_durable_one_is_set_to_survive_a_power_cut(
    tmp_path: Path, durable: bool, synchronous: int
) -> None:
    database = Database(tmp_path / "a.sqlite", prepare, BackendError, durable=durable)
    assert (await database.execute("PRAGMA journal_mode"))[0][0] == "wal"
    assert (await database.execute("PRAGMA synchronous"))[0][0] == synchronous
    await database.close()


async def test_a_failing_transaction_leaves_nothing(database: Database) -> None:
    def half(connection: Connection) -> None:
        connection.execute("INSERT INTO pets VALUES ('cat')")
        connection.execute("INSERT INTO no_such_table VALUES (1)")

    with pytest.raises(BackendError, match="no_such_table"):
        await database.transaction(half)
    assert await database.execute("SELECT * FROM pets") == []


async def test_a_closed_database_refuses_statements(database: Database) -> None:
    await database.close()
    unopened = Database(database.path, prepare, BackendError)
    await unopened.close()
    for closed in (database, unopened):
        with pytest.raises(BackendError, match="is closed"):
            await closed.execute("SELECT * FROM pets")
        await closed.close()


async def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    path.write_bytes(b"this is not a database, whatever its name says" * 100)
    database = Database(path, prepare, BackendError)
    with pytest.raises(BackendError, match="damaged"):
        await database.open()
    await database.close()


async def test_a_file_in_the_way_of_the_folder_is_an_error_with_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    database = Database(tmp_path / "file" / "a.sqlite", prepare, BackendError)
    with pytest.raises(BackendError, match="could not be used"):
        await database.open()
    await database.close()


async def test_another_writer_is_named(database: Database) -> None:
    await database.execute("PRAGMA busy_timeout = 0")
    other = sqlite3.connect(database.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(BackendError, match="Another program holds"):
        await database.execute("INSERT INTO pets VALUES ('cat')")
    other.close()
