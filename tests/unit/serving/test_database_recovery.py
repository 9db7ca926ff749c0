"""A damaged database is recognised and not used; what can be read of it is recovered."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from serving.background import in_background
from serving.database import Connection, Database
from serving.database_lock import exclusive
from serving.database_recovery import damage_of_database, recover
from serving.errors import BackendError
from tests.support.damage import IN_ITS_PLACE, NO_TEXT, Damage

ROWS = 2000
PAGE = 4096


def prepare(connection: Connection) -> None:
    connection.execute(
        "CREATE TABLE IF NOT EXISTS pets"
        " (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, note TEXT)"
    )
    connection.execute("CREATE INDEX IF NOT EXISTS by_note ON pets (note, id)")
    connection.execute("CREATE TABLE IF NOT EXISTS people (name TEXT PRIMARY KEY, age REAL)")


def is_pet(row: Mapping[str, Any]) -> bool:
    return isinstance(row["name"], str) and row["name"].startswith("pet ")


TABLES = {"pets": is_pet, "people": lambda row: True}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database of a good many pages, whose log is merged into it."""
    path = tmp_path / "a.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA journal_mode = WAL")
        prepare(connection)
        connection.executemany(
            "INSERT INTO pets (name, note) VALUES (?, ?)",
            [(f"pet {number}", "x" * 100) for number in range(ROWS)],
        )
        connection.executemany("INSERT INTO people VALUES (?, 1.5)", [("Ann",), ("Käthe",)])
        connection.execute("DELETE FROM pets WHERE id = ?", (ROWS,))  # the highest id stays taken
    return path


def recovered(path: Path) -> tuple[int, int]:
    """Recover, check, and return how many pets and people there are in the new database."""
    damaged = path.parent / "damaged"
    result = recover(path, damaged, prepare, TABLES)
    assert damage_of_database(path) is None
    assert sorted(entry.name for entry in path.parent.iterdir()) == [
        ".a.sqlite.lock",
        ".a.sqlite.repair.lock",
        "a.sqlite",
        "damaged",
    ]
    with contextlib.closing(sqlite3.connect(path)) as connection:
        counts = [
            connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for table in TABLES
        ]
        names = dict(connection.execute("SELECT id, name FROM pets"))
        assert all(name == f"pet {number - 1}" for number, name in names.items())
    assert counts == [result.rows["pets"], result.rows["people"]]
    return counts[0], counts[1]


def write_at(path: Path, offset: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(content)


def page_of(path: Path, text: bytes) -> int:
    """Return the number of the page, from 0, on which a text stands first."""
    return path.read_bytes().index(text) // PAGE


def test_a_whole_one_has_no_damage(path: Path, tmp_path: Path) -> None:
    assert damage_of_database(path) is None
    assert damage_of_database(tmp_path / "none") is None
    (tmp_path / "empty").touch()
    assert damage_of_database(tmp_path / "empty") is None


@pytest.mark.parametrize(
    ("harm", "least"),
    [
        (lambda path: write_at(path, 0, bytes(16)), ROWS - 1),
        (lambda path: write_at(path, 0, bytes(range(256)) * 16), ROWS - 1),
        (lambda path: write_at(path, 100, b"\xff" * 1000), ROWS - 1),
        (lambda path: write_at(path, 40 * PAGE, b"\xff" * PAGE), ROWS - 100),
        (lambda path: write_at(path, 40 * PAGE, bytes(3 * PAGE)), ROWS - 200),
        (lambda path: write_at(path, page_of(path, b"pet 1000x") * PAGE, bytes(PAGE)), ROWS - 100),
        (lambda path: write_at(path, page_of(path, b"pet 0x") * PAGE, bytes(PAGE)), ROWS - 100),
        (lambda path: os.truncate(path, path.stat().st_size * 2 // 3), ROWS // 4),
        (lambda path: os.truncate(path, path.stat().st_size - 7), ROWS - 100),
    ],
    ids=[
        "no header", "first page garbage", "schema garbage", "a page of garbage",
        "three pages of zeros", "a leaf in the middle", "the first leaf", "cut off",
        "the last page incomplete",
    ],
)  # fmt: skip
def test_rows_on_other_pages_are_recovered(
    path: Path, harm: Callable[[Path], object], least: int
) -> None:
    harm(path)
    before = path.read_bytes()
    assert damage_of_database(path) is not None
    pets, people = recovered(path)
    assert least <= pets <= ROWS - 1
    assert people in (0, 2)
    (kept,) = (path.parent / "damaged").iterdir()
    assert (kept / "a.sqlite").read_bytes() == before, "the damaged one was changed"


def test_a_row_that_makes_no_sense_is_not_believed(path: Path) -> None:
    write_at(path, path.read_bytes().index(b"pet 77x"), b"\xff\xfe\xfd")
    write_at(path, path.read_bytes().index(b"pet 99x"), b"dog")
    write_at(path, 0, b"nonsense")
    assert recovered(path) == (ROWS - 3, 2)


def test_ids_that_were_used_are_not_used_again(path: Path) -> None:
    write_at(path, 40 * PAGE, b"\xff" * PAGE)
    recovered(path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        number = connection.execute("INSERT INTO pets (name) VALUES ('pet n')").lastrowid
    assert number is not None
    assert number >= ROWS


def test_what_is_in_the_log_alone_is_recovered(path: Path, tmp_path: Path) -> None:
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        with connection:
            connection.execute("INSERT INTO people VALUES ('Eve', 3)")
        for file in (path, path.with_name("a.sqlite-wal")):
            (crashed / file.name).write_bytes(file.read_bytes())
    write_at(crashed / "a.sqlite", 40 * PAGE, b"\xff" * PAGE)
    assert recovered(crashed / "a.sqlite")[1] == 3


DAMAGED = {**IN_ITS_PLACE, **NO_TEXT}


@pytest.mark.parametrize("damage", DAMAGED.values(), ids=DAMAGED)
async def test_nothing_to_recover_gives_an_empty_one(path: Path, damage: Damage) -> None:
    damage(path)
    database = Database(path, prepare, BackendError)
    with pytest.raises(BackendError, match=r"a\.sqlite is damaged: .*doctor --repair"):
        await database.open()
    assert damage_of_database(path) is not None
    assert recovered(path) == (0, 0)
    assert await database.execute("SELECT * FROM pets") == []
    await database.close()


@pytest.mark.parametrize("damage", DAMAGED.values(), ids=DAMAGED)
@pytest.mark.parametrize("end", ["-wal", "-shm"])
async def test_damaged_companion_files_lose_no_row(path: Path, damage: Damage, end: str) -> None:
    damage(path.with_name(path.name + end))
    if damage_of_database(path) is not None:
        assert recovered(path) == (ROWS - 1, 2)
    database = Database(path, prepare, BackendError)
    assert (await database.execute("SELECT COUNT(*) FROM pets"))[0][0] == ROWS - 1
    await database.close()


async def test_one_that_is_damaged_while_it_is_used_is_left_until_it_is_repaired(
    path: Path,
) -> None:
    database = Database(path, prepare, BackendError)
    await database.open()
    await database.execute("PRAGMA cache_size = 1")  # so that it reads the file again
    write_at(path, page_of(path, b"pet 1000x") * PAGE, b"\xff" * PAGE)
    with pytest.raises(BackendError, match="is damaged"):
        await database.execute("SELECT SUM(LENGTH(note || name)) FROM pets")
    with pytest.raises(BackendError, match="is damaged"):
        await database.execute("INSERT INTO people VALUES ('Eve', 3)")
    assert recovered(path)[0] > ROWS - 100
    await database.execute("INSERT INTO people VALUES ('Eve', 3)")
    assert (await database.execute("SELECT COUNT(*) FROM people"))[0][0] == 3
    await database.close()


async def test_one_that_is_used_is_not_repaired(path: Path) -> None:
    database = Database(path, prepare, BackendError)
    await database.open()
    with pytest.raises(TimeoutError):
        recover(path, path.parent / "damaged", prepare, TABLES)
    await database.close()
    assert not (path.parent / "damaged").exists()


async def test_one_that_is_idle_lets_a_repair_go_first(path: Path) -> None:
    """Also if it has not noticed any damage, and if two programs use it."""
    databases = [Database(path, prepare, BackendError) for _ in range(2)]
    for database in databases:
        await database.open()
    write_at(path, page_of(path, b"pet 1000x") * PAGE, b"\xff" * PAGE)
    assert (await asyncio.to_thread(recovered, path))[0] > ROWS - 100
    for number, database in enumerate(databases):
        await database.execute("INSERT INTO people VALUES (?, 3)", (f"Eve {number}",))
        assert (await database.execute("SELECT COUNT(*) FROM people"))[0][0] == 3 + number
        await database.close()


async def test_a_use_waits_for_the_end_of_a_repair(path: Path) -> None:
    database = Database(path, prepare, BackendError)
    await database.open()
    with ExitStack() as repair:
        await asyncio.to_thread(repair.enter_context, exclusive(path))
        use = asyncio.create_task(database.execute("INSERT INTO people VALUES ('Eve', 3)"))
        await asyncio.sleep(0.3)
        assert not use.done()
        with contextlib.closing(sqlite3.connect(path)) as connection:
            assert connection.execute("SELECT COUNT(*) FROM people").fetchone()[0] == 2
    await use
    assert (await database.execute("SELECT COUNT(*) FROM people"))[0][0] == 3
    await database.close()


async def test_a_repair_that_takes_long_is_said(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.database_lock._REPAIR_SECONDS", 0.1)
    database = Database(path, prepare, BackendError)
    with exclusive(path), pytest.raises(BackendError, match="is being repaired"):
        await database.open()
    await database.open()  # the file that asked for it is still there, without the program
    await database.close()


async def test_labels_that_are_saved_all_the_time_do_not_keep_a_repair_away(path: Path) -> None:
    database = Database(path, prepare, BackendError)

    async def use() -> None:
        while True:
            await database.execute("SELECT COUNT(*) FROM people")

    async with in_background(use()):
        for _ in range(3):
            await asyncio.to_thread(recovered, path)
    await database.close()
