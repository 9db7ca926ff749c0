from __future__ import annotations

import asyncio
import fcntl
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from serving.errors import EngineError
from serving.file_lock import file_lock


async def test_a_lock_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "fleet.lock").mkdir()
    with pytest.raises(EngineError, match=r"fleet\.lock cannot be opened"):
        async with file_lock(tmp_path / "fleet.lock"):
            pass


async def test_one_coroutine_at_a_time_holds_it(tmp_path: Path) -> None:
    holders = 0
    most = 0

    async def hold() -> None:
        nonlocal holders, most
        async with file_lock(tmp_path / "run" / "fleet.lock"):
            holders += 1
            most = max(most, holders)
            await asyncio.sleep(0)
            holders -= 1

    await asyncio.gather(*(hold() for _ in range(5)))
    assert most == 1


async def test_waiting_for_it_can_be_cancelled(tmp_path: Path) -> None:
    lock = tmp_path / "fleet.lock"
    waited = asyncio.Event()

    async def hold() -> None:
        waited.set()
        async with file_lock(lock):
            raise AssertionError("held by two")

    async with file_lock(lock):
        waiting = asyncio.create_task(hold())
        await waited.wait()
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled()


async def test_it_excludes_programs_of_the_version_before(tmp_path: Path) -> None:
    """Which called `flock` themselves."""
    lock = tmp_path / "fleet.lock"
    with lock.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with pytest.raises(Timeout):
            FileLock(lock).acquire(blocking=False)
    async with file_lock(lock):
        with lock.open("ab") as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
