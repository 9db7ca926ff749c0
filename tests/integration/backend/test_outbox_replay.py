"""Labels that were given while the backend was away, by a desktop that was killed twice."""

from __future__ import annotations

import asyncio
import sqlite3
from asyncio.subprocess import PIPE, Process
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from backend.client import BackendClient
from serving.programs import module_command
from serving.workspace import Workspace
from tests.support.backend_env import (
    add_version,
    backend_on_thread,
    repository_with_live_version,
)
from tests.support.outbox_sender import hash_of, known, photo
from tests.support.waiting import wait_until


async def sender(database: Path, url: str, first: int, last: int) -> Process:
    arguments = (str(database), url, str(first), str(last))
    return await asyncio.create_subprocess_exec(
        *module_command("tests.support.outbox_sender"), *arguments, stdout=PIPE
    )


async def safe_up_to(process: Process, number: int) -> None:
    """Read until the process says that the label with this number is safe."""
    assert process.stdout is not None
    while line := await process.stdout.readline():
        if int(line) == number:
            return
    raise AssertionError(f"it ended before label {number} was safe")


async def kill(process: Process) -> None:
    process.kill()
    await process.wait()


def stored(workspace: Workspace) -> list[tuple[str, str, str, int, int]]:
    with closing(sqlite3.connect(workspace.backend_database)) as database:
        return database.execute(
            "SELECT image, class_name, kind, settles, action FROM labels ORDER BY id"
        ).fetchall()


def waiting(database: Path) -> int:
    with closing(sqlite3.connect(database)) as outbox:
        return int(outbox.execute("SELECT COUNT(*) FROM outbox").fetchone()[0])


@pytest.mark.parametrize("labels", [150, pytest.param(500, marks=pytest.mark.long)])
async def test_labels_are_there_exactly_once_each(
    workspace: Workspace, worker_script: Path, tmp_path: Path, labels: int
) -> None:
    repository = repository_with_live_version(workspace)
    add_version(repository)
    database = tmp_path / "desktop.sqlite"
    with backend_on_thread(workspace, worker_script) as url:
        port = int(url.rpartition(":")[2])
        await put_into_pool(url, labels)
    # The backend is away; the desktop is killed in the middle of it.
    first = await sender(database, url, 1, labels)
    await safe_up_to(first, labels * 3 // 5)
    await kill(first)
    second = await sender(database, url, waiting(database) + 1, labels)
    await safe_up_to(second, labels)
    assert waiting(database) == labels
    # It answers again; the desktop is killed while it delivers.
    with backend_on_thread(workspace, worker_script, port):
        await wait_until(lambda: len(stored(workspace)) > labels // 5)
        await kill(second)
        third = await sender(database, url, 1, 0)
        await wait_until(lambda: waiting(database) == 0)
        await kill(third)
    rows = stored(workspace)
    by_class = Counter(name for _, name, kind, _, _ in rows if kind == "class")
    assert by_class == {
        f"class {number}": 3 if number % 5 == 4 else 1
        for number in range(1, labels + 1)
        if number % 5
    }
    none = [image for image, _, kind, _, _ in rows if kind == "none"]
    assert sorted(none) == sorted(hash_of(number) for number in range(5, labels + 1, 5))
    assert sum(settles for _, _, _, settles, _ in rows) == labels // 5
    for number in (4, labels - 1):
        of_batch = [row for row in rows if row[1] == f"class {number}"]
        assert sorted(row[0] for row in of_batch) == sorted(known(number))
        assert len({row[4] for row in of_batch}) == 1
    # Labels that were given at once are one action, though they came one by one.
    assert len({row[4] for row in rows if row[1] in ("class 2", "class 7", "class 47")}) == 1


async def put_into_pool(url: str, labels: int) -> None:
    numbers = [number + 1000 for number in range(3, labels + 1, 5)]
    numbers += [number + 1000 * part for number in range(4, labels + 1, 5) for part in (1, 2, 3)]
    async with BackendClient(url) as client:
        for number in numbers:
            await client.add_to_pool(photo(number))
