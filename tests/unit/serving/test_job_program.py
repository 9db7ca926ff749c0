"""Programs of ours that do one job: their answers, their ends, and who ends them."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
import textwrap
from typing import Any

import psutil
import pytest

from serving.errors import ModelError
from serving.job_program import JobEnded, run_job
from serving.programs import child_environment
from serving.progress import Report, no_report

PROGRAM = "tests.support.sample_job"


async def run(report: Report = no_report, **request: Any) -> Any:
    return await run_job(PROGRAM, json.dumps(request), "The sample", {}, report)


async def test_it_answers_and_says_before_how_far_it_is() -> None:
    reports: list[tuple[int, int, str]] = []
    many = list(range(100_000))
    answer = await run(lambda *report: reports.append(report), do="answer", n=many)
    assert answer["n"] == many
    assert reports == [(1, 2, "Half of it")]
    # So that Ctrl+C in a terminal reaches the program that started it, and not this one.
    assert answer["session"] != os.getsid(0)


async def test_what_it_says_and_how_it_ended_are_errors(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ModelError, match=r"It is damaged\. Copy it again\."):
        await run(do="fail")
    with caplog.at_level(logging.CRITICAL), pytest.raises(JobEnded, match="The sample") as ended:
        await run(do="end")
    assert ended.value.code == 7


async def test_it_ends_with_who_waits_for_it() -> None:
    began: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(run(lambda _1, _2, text: began.set_result(int(text)), do="wait"))
    process_id = await began
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not psutil.pid_exists(process_id)


def test_it_ends_with_the_program_that_started_it() -> None:
    code = f"""
        import asyncio
        from serving.job_program import run_job
        report = lambda done, total, text: print(text, flush=True)
        asyncio.run(run_job({PROGRAM!r}, '{{"do": "wait"}}', "The sample", {{}}, report))
    """
    owner = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        env=child_environment(),
    )
    assert owner.stdout is not None
    job = psutil.Process(int(owner.stdout.readline()))
    owner.kill()
    owner.wait()
    owner.stdout.close()
    job.wait(timeout=60)
