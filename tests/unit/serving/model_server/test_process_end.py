"""A process that ends while it loads a model ends well, and leaves no record of a crash."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

ENDING = """
import asyncio, atexit, os, sys, time
from serving.model_server.crash_record import recorded
from serving.model_server.load_threads import LoadThreads
from serving.model_server.process_end import end_process

def load():
    with recorded("network"):
        time.sleep(0.3)
        os.abort()  # as C code does that comes back to a Python that is being taken down

async def serve():
    task = asyncio.create_task(LoadThreads(1).run(load))
    await asyncio.sleep(0.1)

atexit.register(time.sleep, 5)
asyncio.run(serve())
{end}(3)
"""


@pytest.mark.parametrize(
    ("end", "code", "records"), [("end_process", 3, 0), ("sys.exit", -signal.SIGABRT, 1)]
)
def test_a_load_that_the_end_cuts_off_is_no_crash(
    tmp_path: Path, end: str, code: int, records: int
) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", ENDING.format(end=end)],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stderr=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )
    assert ended.returncode == code
    assert len(list(tmp_path.iterdir())) == records


def test_without_a_load_the_process_ends_as_every_other() -> None:
    program = (
        "import atexit\n"
        "from serving.model_server.process_end import end_process\n"
        "atexit.register(print, 'ended')\n"
        "end_process(2)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (2, "ended\n")
