"""A program of ours that does one job: it reads one request and reports until it answers.

The request is JSON on its standard input. Each line of its standard output is a JSON object: how
far it is (`done`, `total`, `text`), then the `answer`, or `error` and `advice`. It ends with the
program that started it. What must not run in the backend's process runs so, and can be killed at
any moment.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

from serving.background import cancel_and_wait
from serving.errors import BackendError, ModelError, ServeryError, system_error
from serving.parent import EXIT_WITHOUT_PARENT
from serving.private import set_private_umask
from serving.programs import child_environment, module_command
from serving.progress import Report, no_report

_LOG_BYTES = 20_000
_LINE_BYTES = 2**28
"""Of an answer: it may list a million classes, or what is known of 200,000 photos."""

_log = logging.getLogger(__name__)


class JobEnded(BackendError):
    """The program ended without an answer, with `code`."""

    def __init__(self, what: str, code: int | None) -> None:
        super().__init__(
            f"{what} ended unexpectedly (code {code}).",
            "See the backend's log for details, then try again.",
        )
        self.code = code


async def run_job(
    program: str,
    request: str,
    what: str,
    variables: Mapping[str, str],
    report: Report = no_report,
) -> Any:
    """Run `python -m program` and return its answer; no process is left afterwards.

    `request` is JSON in one line. `variables` are added to its environment. `report` is called
    with what the program reports. Raises ModelError with what the program says, and JobEnded if it
    ends without an answer; `what` is what it does, to begin a sentence with.
    """
    process = await asyncio.create_subprocess_exec(
        *module_command(program),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=_LINE_BYTES,
        env=child_environment(**variables),
        # Ctrl+C in a terminal is for the program that started this one, which ends it.
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    log = asyncio.create_task(_last_of(process.stderr))
    try:
        process.stdin.write(request.encode() + b"\n")
        # Left open: the end of its input tells the program that this one has ended.
        end = await _last_message(process.stdout, report)
        if end is None:
            code = await process.wait()
            _log.error("%s failed: %s", what, (await log).decode(errors="replace"))
            raise JobEnded(what, code)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        process.stdin.close()
        await cancel_and_wait(log)
    if "error" in end:
        raise ModelError(str(end["error"]), str(end["advice"]))
    return end["answer"]


async def _last_message(output: asyncio.StreamReader, report: Report) -> dict[str, Any] | None:
    """Return the message with an answer or an error; None if the program ends before."""
    async for line in output:
        # One that is killed may leave half a message.
        with contextlib.suppress(ValueError, KeyError, TypeError):
            message = json.loads(line)
            if "answer" in message or "error" in message:
                return dict(message)
            report(int(message["done"]), int(message["total"]), str(message["text"]))
    return None


async def _last_of(stream: asyncio.StreamReader) -> bytes:
    log = b""
    while chunk := await stream.read(_LOG_BYTES):
        log = (log + chunk)[-_LOG_BYTES:]
    return log


def be_job(handle: Callable[[Any, Report], Any], confine: Callable[[], None] | None = None) -> int:
    """Be such a program: `handle` turns the request into the answer. Returns the exit code.

    `confine` is called before there is any other thread, which it would not reach.
    """
    set_private_umask()
    # TensorFlow's C code prints to descriptor 1 too: keep a copy of it for the messages alone.
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    writing = threading.Lock()

    def send(**message: Any) -> None:
        with writing:
            output.write(json.dumps(message) + "\n")
            output.flush()

    def report(done: int, total: int, text: str) -> None:
        send(done=done, total=total, text=text)

    if confine is not None:
        confine()

    request = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    try:
        send(answer=handle(request, report))
    except (ServeryError, OSError, MemoryError, RuntimeError) as error:
        failure = error if isinstance(error, ServeryError) else system_error(error)
        if failure is None:
            raise
        send(error=failure.what, advice=failure.advice)
        return 1
    return 0


def _end_with_parent() -> None:
    while os.read(0, 4096):
        pass
    # Not `sys.exit`, which would end this thread alone.
    os._exit(EXIT_WITHOUT_PARENT)
