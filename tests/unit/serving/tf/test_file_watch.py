from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from serving.tf import file_watch
from serving.tf.file_watch import file_state, wait_for_change

NEVER = 1e6


async def test_a_file_that_is_replaced_ends_the_wait(tmp_path: Path) -> None:
    path, aside = tmp_path / "config", tmp_path / "aside"
    path.write_text("one")
    before = file_state(path)
    waiting = asyncio.create_task(wait_for_change(path, before, NEVER))
    await asyncio.sleep(0)
    assert not waiting.done()
    aside.write_text("two")
    # As long as before, and as old: a copy that keeps the time is another file all the same.
    status = path.stat()
    os.utime(aside, ns=(status.st_atime_ns, status.st_mtime_ns))
    aside.replace(path)
    await waiting
    assert file_state(path) != before


async def test_a_file_that_comes_or_goes_ends_the_wait(tmp_path: Path) -> None:
    path = tmp_path / "config"
    assert file_state(path) is None
    waiting = asyncio.create_task(wait_for_change(path, None, NEVER))
    await asyncio.sleep(0)
    path.touch()
    await waiting
    waiting = asyncio.create_task(wait_for_change(path, file_state(path), NEVER))
    await asyncio.sleep(0)
    path.unlink()
    await waiting


async def test_a_file_that_stays_as_it_is_is_waited_for_no_longer_than_said(
    tmp_path: Path,
) -> None:
    path = tmp_path / "config"
    path.touch()
    await wait_for_change(path, file_state(path), 0.0)
    await wait_for_change(tmp_path / "none", None, 0.01)


async def test_a_change_is_reported_without_polling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_watch, "POLL_SECONDS", NEVER)
    monkeypatch.setattr(file_watch, "NOTIFIED_POLL_SECONDS", NEVER)
    path = tmp_path / "config"
    waiting = asyncio.create_task(wait_for_change(path, None, NEVER))
    await asyncio.sleep(0)
    path.touch()
    await waiting


async def test_files_are_looked_at_where_the_system_does_not_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_watch, "watching", lambda folders: None)
    path = tmp_path / "config"
    waiting = asyncio.create_task(wait_for_change(path, None, NEVER))
    await asyncio.sleep(0)
    path.touch()
    await waiting


async def test_a_folder_may_come_later(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "config"
    waiting = asyncio.create_task(wait_for_change(path, None, NEVER))
    await asyncio.sleep(0)
    path.parent.mkdir()
    path.touch()
    await waiting
