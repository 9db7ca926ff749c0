"""Finds damage in SQLite databases, and brings what can be read of them into new ones.

Rows are read in the order of their ids, past pages that cannot be read, from files that are not
changed; a new database takes the place of a damaged one only after SQLite found it whole.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from sqlite3 import Connection
from typing import Any

from serving.database import COMPANIONS, check_files
from serving.database_lock import exclusive
from serving.files import flush_file, flush_folder
from serving.state_files import DamagedFile

_LAST_ROW = 2**63 - 1
_BATCH = 500
_MAX_PATCHED = 2**32
"""Bytes; a larger database whose first page is damaged is not copied to try another."""
_HEADER = 100
"""Bytes of SQLite's own at the beginning of a database."""

Row = tuple[Any, ...]
IsRow = Callable[[Mapping[str, Any]], bool]
"""Says whether the values of a row, by column, can be what Servery wrote."""


@dataclass(frozen=True)
class Recovery:
    """What became of a damaged database."""

    kept: Path
    """The folder with the damaged files as they were."""
    rows: Mapping[str, int]
    """How many rows of each table are in the new database."""
    lost: int
    """Rows that were found but could not be read or made no sense."""
    stopped: bool
    """Whether some pages could not be read, so that nobody knows what was on them."""


def damage_of_database(path: Path) -> DamagedFile | None:
    """Return what is wrong with a database; None if it is whole, or there is none.

    Safe while other programs use it. Reads all of it.
    """
    try:
        check_files(path)
        if not path.exists() or not path.stat().st_size:
            return None
        with contextlib.closing(_open(path, "ro")) as connection:
            checked = connection.execute("PRAGMA integrity_check(3)").fetchall()
    except DamagedFile as error:
        return error
    except sqlite3.Error as error:
        # An extended error code has the kind of error in its lowest byte.
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in (
            sqlite3.SQLITE_CORRUPT,
            sqlite3.SQLITE_NOTADB,
        ):
            return DamagedFile(path, str(error))
        return None  # locked, or the disk fails: the program that uses it says so
    except OSError:
        return None
    faults = [row[0].decode(errors="replace") for row in checked]
    return None if faults == ["ok"] else DamagedFile(path, "; ".join(faults)[:200])


def recover(
    path: Path,
    damaged: Path,
    prepare: Callable[[Connection], None],
    tables: Mapping[str, IsRow],
) -> Recovery:
    """Put a new database with what can be read of a damaged one in its place.

    `prepare` makes the tables, and `tables` are those whose rows count, with a check of each
    row. The damaged files are kept in a folder of `damaged`. Raises OSError, sqlite3.Error and,
    while another program uses the database, TimeoutError; the damaged one is in place then.
    """
    with exclusive(path):
        kept = _new_folder(damaged, f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{path.name}")
        new = path.with_name(f".{path.name}.new")
        with contextlib.suppress(FileNotFoundError):
            new.unlink()
        try:
            for file in (path, *(path.with_name(path.name + end) for end in COMPANIONS)):
                _keep(file, kept / file.name)
            rows, lost, stopped = _rebuild(kept / path.name, new, prepare, tables)
            flush_file(new)
            # The log of the damaged database would be applied to the new one.
            for end in COMPANIONS:
                _remove(path.with_name(path.name + end))
            new.replace(path)
            flush_folder(path.parent)
        except BaseException:
            new.unlink(missing_ok=True)
            raise
    return Recovery(kept, rows, lost, stopped)


def _rebuild(
    source: Path, target: Path, prepare: Callable[[Connection], None], tables: Mapping[str, IsRow]
) -> tuple[dict[str, int], int, bool]:
    """Write what can be read of `source` into a new database, and check that."""
    lost, stopped = 0, False
    with (
        contextlib.closing(sqlite3.connect(target, isolation_level=None)) as new,
        _readable(source, prepare) as (old, found),
    ):
        new.row_factory = sqlite3.Row
        new.execute("PRAGMA journal_mode = DELETE")
        new.execute("PRAGMA synchronous = FULL")
        is_older = old is not None and _is_older(old, found, prepare)
        if is_older:
            for statement in found.values():  # `prepare` migrates them, with their rows
                new.execute(statement)
        else:
            prepare(new)
        new.execute("BEGIN")
        for table in found if old is not None else ():
            # What `prepare` has written, such as the number of the schema, is right already.
            if old is not None and not new.execute(f"SELECT 1 FROM {_quoted(table)}").fetchone():
                copied = _copy(old, new, table, tables.get(table, _any_row))
                lost += copied.lost if table in tables else 0
                stopped = stopped or copied.stopped
        new.execute("COMMIT")
        if is_older:
            prepare(new)
        faults = [str(row[0]) for row in new.execute("PRAGMA integrity_check")]
        if faults != ["ok"]:
            raise sqlite3.DatabaseError(f"the new database is not whole: {faults[0]}")
        counts = {
            table: int(new.execute(f"SELECT COUNT(*) FROM {_quoted(table)}").fetchone()[0])
            for table in tables
        }
        return counts, lost, stopped or old is None


def _is_older(
    old: Connection, found: Mapping[str, str], prepare: Callable[[Connection], None]
) -> bool:
    """Whether the tables of a database are not yet as `prepare` makes them now."""
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as new:
        new.row_factory = sqlite3.Row
        prepare(new)
        return any(_columns(old, table) != _columns(new, table) for table in found)


def _columns(connection: Connection, table: str) -> set[str]:
    rows = connection.execute(f"PRAGMA table_info({_quoted(table)})").fetchall()
    return {name.decode() if isinstance(name := row[1], bytes) else name for row in rows}


def _any_row(row: Mapping[str, Any]) -> bool:
    return True


@contextlib.contextmanager
def _readable(
    source: Path, prepare: Callable[[Connection], None]
) -> Iterator[tuple[Connection | None, dict[str, str]]]:
    """Yield a connection that reads the damaged database, and the statements of its tables.

    If its first page, which says where its tables are, is damaged, it gets that of a database
    that was just made: the same statements put the same tables at the same places.
    """
    if not _is_file(source) or not source.stat().st_size:
        yield None, {}
        return
    with contextlib.closing(_open(source, "ro")) as old:
        if found := _tables(old):
            yield old, found
            return
    if source.stat().st_size > _MAX_PATCHED:
        yield None, {}
        return
    patched = source.with_name(f".{source.name}.patched")
    try:
        _with_first_page(source, patched, prepare)
        with contextlib.closing(_open(patched, "rw")) as old:
            yield old, _tables(old)
    finally:
        for end in ("", *COMPANIONS):
            patched.with_name(patched.name + end).unlink(missing_ok=True)


def _tables(connection: Connection) -> dict[str, str]:
    """Return the statement of each table that a database has; empty if that cannot be read."""
    try:
        found = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'table' ORDER BY rootpage"
        ).fetchall()
    except sqlite3.Error:
        return {}
    return {
        name.decode(): sql.decode()
        for name, sql in found
        if isinstance(name, bytes) and isinstance(sql, bytes) and not name.startswith(b"sqlite_")
    }


def _with_first_page(source: Path, patched: Path, prepare: Callable[[Connection], None]) -> None:
    """Write a copy of `source` whose first page is that of a new database."""
    shutil.copyfile(source, patched)
    template = source.with_name(f".{source.name}.template")
    try:
        with contextlib.closing(sqlite3.connect(template, isolation_level=None)) as connection:
            connection.row_factory = sqlite3.Row
            prepare(connection)
            (size,) = connection.execute("PRAGMA page_size").fetchone()
        page = bytearray(template.read_bytes()[:size])
    finally:
        template.unlink(missing_ok=True)
    pages = max(1, patched.stat().st_size // size)
    # The header of a database: section 1.3 of SQLite's "Database File Format".
    page[28:32] = pages.to_bytes(4, "big")  # how many pages there are
    page[32:40] = bytes(8)  # no page is free, as far as anybody knows
    page[92:96] = page[24:28]  # so that the number of pages counts
    with patched.open("r+b") as file:
        file.write(page)
        file.truncate(pages * size)


@dataclass
class _Copied:
    rows: int = 0
    lost: int = 0
    stopped: bool = False


def _copy(old: Connection, new: Connection, table: str, is_row: IsRow) -> _Copied:
    """Copy the rows of a table, past those that cannot be read."""
    copied = _Copied()
    columns = [str(row[1]) for row in new.execute(f"PRAGMA table_info({_quoted(table)})")]
    names = ", ".join(map(_quoted, columns))
    insert = (
        f"INSERT INTO {_quoted(table)} (rowid, {names})"
        f" VALUES ({', '.join('?' * (len(columns) + 1))})"
    )
    for row in _rows(old, table, names, copied):
        try:
            values = [value.decode() if isinstance(value, _Text) else value for value in row]
            if is_row(dict(zip(columns, values[1:], strict=True))):
                new.execute(insert, values)
                copied.rows += 1
            else:
                copied.lost += 1
        except (sqlite3.Error, UnicodeDecodeError, ValueError, OverflowError):
            copied.lost += 1
    return copied


def _rows(old: Connection, table: str, names: str, copied: _Copied) -> Iterator[Row]:
    """Yield the rows that can be read, with the id before the columns, in the order of the ids."""
    select = f"SELECT rowid, {names} FROM {_quoted(table)} WHERE rowid > ? ORDER BY rowid"
    last = -(2**63)
    while True:
        try:
            cursor = old.execute(select, (last,))
            while batch := cursor.fetchmany(_BATCH):
                for row in batch:
                    last = row[0]
                    yield row
            return
        except sqlite3.Error:
            copied.stopped = True
        following = _next_readable(old, table, last)
        if following is None:
            return
        # What the failed batch had read of the rows before is read once more, one by one.
        yield from _one_by_one(old, select, last, following)
        last = following


def _one_by_one(old: Connection, select: str, last: int, until: int) -> Iterator[Row]:
    while True:
        try:
            row = old.execute(f"{select} LIMIT 1", (last,)).fetchone()
        except sqlite3.Error:
            return
        if row is None or row[0] > until:
            return
        last = row[0]
        yield row


def _next_readable(old: Connection, table: str, last: int) -> int | None:
    """Return an id after which rows can be read again, the smallest that is found; None if none."""

    def is_readable(rowid: int) -> bool:
        try:
            statement = f"SELECT * FROM {_quoted(table)} WHERE rowid > ? ORDER BY rowid LIMIT 1"
            return old.execute(statement, (rowid,)).fetchone() is not None
        except sqlite3.Error:
            return False

    # Steps that double pass what is damaged in few reads; the last one is then halved until the
    # row is found.
    start, step = max(last, 0), 1
    while not is_readable(start + step):
        step *= 2
        if start + step >= _LAST_ROW:
            return None
    low, high = start + step // 2, start + step
    while high - low > 1:
        middle = (low + high) // 2
        if is_readable(middle):
            high = middle
        else:
            low = middle
    return high


class _Text(bytes):
    """A text as it is stored, which need not be one."""


def _open(path: Path, mode: str) -> Connection:
    """Open a database whose text may be damaged; `ro` changes none of its files."""
    connection = sqlite3.connect(
        f"file:{_escaped(path)}?mode={mode}", uri=True, isolation_level=None, timeout=5.0
    )
    connection.text_factory = _Text
    return connection


def _escaped(path: Path) -> str:
    return str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _new_folder(parent: Path, name: str) -> Path:
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for number in itertools.count(1):
        folder = parent / (name if number == 1 else f"{name}-{number}")
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            return folder
    raise AssertionError


def _keep(file: Path, kept: Path) -> None:
    """Keep a damaged file in `kept`: the same file, or a copy on another file system."""
    if not os.path.lexists(file):
        return
    if not _is_file(file):
        file.rename(kept)
        return
    try:
        os.link(file, kept)
    except OSError:
        shutil.copy2(file, kept)


def _remove(file: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        file.unlink()


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False
