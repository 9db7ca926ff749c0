"""The end of a process is told, and not looked for."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator

import pytest

from serving.process_exit import ExitWatch, wait_for_exit


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as started:
        yield started
        started.kill()


async def test_the_end_of_a_process_is_reported_once(process: subprocess.Popen[bytes]) -> None:
    ended: list[int] = []
    told = asyncio.Event()

    def on_exit() -> None:
        ended.append(1)
        told.set()

    with ExitWatch(on_exit) as watch:
        assert watch.keep([process.pid])
        process.kill()
        await told.wait()
        await asyncio.sleep(0.02)
    assert ended == [1]


async def test_no_event_for_what_is_not_watched_and_one_for_what_is_removed(
    process: subprocess.Popen[bytes],
) -> None:
    ended: list[int] = []
    with ExitWatch(lambda: ended.append(1)) as watch:
        assert watch.keep([process.pid])
        assert watch.keep([])
        process.kill()
        process.wait()
        assert not watch.keep([process.pid])
    assert ended == []


def test_a_thread_can_wait_for_the_end() -> None:
    with subprocess.Popen(["true"]) as process:
        assert wait_for_exit(process.pid)
    assert wait_for_exit(process.pid), "it is gone"
