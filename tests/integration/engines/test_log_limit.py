"""A program keeps its own log small, and what follows that misses nothing."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from serving.engines.log_files import follow, keep_log, tail
from serving.model_server.log_limit import LIMIT_VARIABLE, older_part
from serving.programs import child_environment
from tests.support.waiting import block_until

LIMIT = 20_000
LINES = 3000
PROGRAM = f"""
import os, time
from serving.model_server import log_limit
log_limit.POLL_SECONDS = 0.02
log_limit.limit_log_by_environment()
for number in range({LINES}):
    # Past Python, as TensorFlow prints.
    os.write(2, b"line %d of the log\\n" % number)
    time.sleep(0.001)
time.sleep(0.1)
os.write(1, b"the end")
"""
"""Prints several times as much as its log may hold."""


@contextmanager
def running(log: Path, limit: int = LIMIT) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            stdout=subprocess.PIPE,
            stderr=output,
            env=child_environment(**{LIMIT_VARIABLE: str(limit)}),
        )
    with process:
        yield process


def files_in(folder: Path) -> set[Path]:
    return {*folder.iterdir()}


async def test_a_log_is_bounded_and_followed_without_a_gap(tmp_path: Path) -> None:
    log = tmp_path / "one.log"
    log.touch()
    largest = 0
    with running(log) as process:

        def is_finished() -> bool:
            nonlocal largest
            largest = max(largest, log.stat().st_size)
            return process.poll() is not None

        async with asyncio.timeout(60):
            lines = [line async for line in follow(log, 10, is_finished)]
    assert lines == [f"line {number} of the log" for number in range(LINES)]
    older = older_part(log)
    assert 0 < older.stat().st_size < 3 * LIMIT
    assert largest < 3 * LIMIT
    assert files_in(tmp_path) == {log, older}
    # The last lines are there although the log itself may be empty.
    assert tail(log, 3).splitlines() == lines[-3:]
    keep_log(log, "It failed.")
    assert files_in(tmp_path) == {log}
    assert tail(log, 2).splitlines() == [lines[-1], "It failed."]


def test_a_file_that_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    log = tmp_path / "one.log"
    with running(log, 0) as process:
        process.wait(60)
    assert len(log.read_text().splitlines()) == LINES
    assert files_in(tmp_path) == {log}


def test_a_log_that_somebody_removed_takes_no_room(tmp_path: Path) -> None:
    log = tmp_path / "one.log"
    with running(log) as process:
        # It limits its log by then.
        block_until(older_part(log).exists)
        with log.open("rb") as opened:
            log.unlink()
            process.wait(60)
            # Several times as much was printed after that.
            assert opened.seek(0, os.SEEK_END) < 2 * LIMIT
    assert files_in(tmp_path) == {older_part(log)}


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
async def test_what_is_no_file_in_the_place_of_a_log_is_not_waited_for(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    log = tmp_path / "instance.log"
    make(log)
    assert tail(log, 10) == ""
    assert [line async for line in follow(log, 10, lambda: True)] == []
