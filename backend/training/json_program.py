"""A program of ours that reads one request from its standard input and writes one answer.

Both are JSON. What must not run in the backend's process runs so: an answer that is an object
with `error` and `advice` says why there is none.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections.abc import Callable
from typing import Any

from backend.training.worker_process import worker_environment
from serving.errors import BackendError, ModelError, ServeryError, system_error
from serving.private import set_private_umask
from serving.programs import module_command

_log = logging.getLogger(__name__)


async def call(program: str, request: str, what: str) -> Any:
    """Run `python -m program` and return its answer; no process is left afterwards.

    Raises ModelError with what the program says, and BackendError if it ends without an
    answer. `what` is what it does, to begin a sentence with.
    """
    process = await asyncio.create_subprocess_exec(
        *module_command(program),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=worker_environment(),
    )
    try:
        output, log = await process.communicate(request.encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    try:
        answer = json.loads(output)
    except ValueError:
        _log.error("%s failed: %s", what, log.decode(errors="replace"))
        raise BackendError(
            f"{what} ended unexpectedly (code {process.returncode}).",
            "See the backend's log for details, then try again.",
        ) from None
    if isinstance(answer, dict) and "error" in answer:
        raise ModelError(str(answer["error"]), str(answer["advice"]))
    return answer


def answer(handle: Callable[[str], object]) -> int:
    """Be such a program: `handle` turns the request into the answer. Returns the exit code."""
    set_private_umask()
    # TensorFlow's C code prints to descriptor 1 too: keep a copy of it for the answer alone.
    result = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    code = 0
    try:
        content = handle(sys.stdin.read())
    except (ServeryError, OSError, MemoryError, RuntimeError) as error:
        failure = error if isinstance(error, ServeryError) else system_error(error)
        if failure is None:
            raise
        content, code = {"error": failure.what, "advice": failure.advice}, 1
    json.dump(content, result)
    result.flush()
    return code
