"""Damaged databases: recognised by any program, recovered by the one that knows the tables."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from serving.database import Connection
from serving.database_recovery import IsRow, Recovery, damage_of_database, recover
from serving.repair.problem import NotRepaired, Repair, WorkspaceProblem, readable_again
from serving.units import format_bytes
from serving.workspace import Workspace

ADVICE = "Run `servery doctor --repair`: it keeps it, and brings what can be read into a new one."


def check_database(path: Path, repair: Repair) -> Iterator[WorkspaceProblem]:
    """Yield a problem if the database `path` is damaged; reads all of it."""
    damage = damage_of_database(path)
    if damage is not None:
        what = f"The database {path} is damaged: {damage.fault}."
        yield WorkspaceProblem(path, what, ADVICE, repair)


def recover_database(
    workspace: Workspace,
    path: Path,
    prepare: Callable[[Connection], None],
    tables: Mapping[str, IsRow],
    words: Mapping[str, str],
) -> str:
    """Recover a damaged database; returns what was done, as sentences. Raises NotRepaired.

    `words` say what the rows of each table are. If it only may not be read, it may be again.
    """
    if not os.access(path, os.R_OK) and (opened := readable_again(path, _check)):
        return opened
    try:
        recovery = recover(path, workspace.damaged, prepare, tables)
    except TimeoutError as error:
        raise NotRepaired(
            f"The database {path} is damaged, and another program uses it.",
            "Close Servery's window and end `servery serve`, then repair again.",
        ) from error
    except OSError:
        raise
    except Exception as error:  # whatever SQLite makes of a new database that is not whole
        raise NotRepaired(
            f"The database {path} could not be recovered: {error}.",
            f"Free {format_bytes(2 * _size(path))} of disk space, then repair again.",
        ) from error
    return " ".join(_sentences(path, recovery, words))


def _check(path: Path) -> None:
    """Raise DamagedFile if a database is damaged."""
    damage = damage_of_database(path)
    if damage is not None:
        raise damage


def _sentences(path: Path, recovery: Recovery, words: Mapping[str, str]) -> Iterator[str]:
    yield f"The database {path} was damaged; it is kept in {recovery.kept}."
    counted = [f"{recovery.rows[table]:,} {word}" for table, word in words.items()]
    yield f"Recovered: {', '.join(counted)}."
    if recovery.lost:
        yield f"{recovery.lost:,} more made no sense."
    if recovery.stopped:
        yield "A part of it could not be read, so some may be missing."


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
