"""What the backend does once its files can be used: at its start, or as soon as the disk allows.

A backend whose disk is full, can only be read or has a damaged database runs all the same: it
classifies, and answers what needs the disk with why that is not possible.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from backend.run_file import BackendRunFile
from serving.background import in_background
from serving.errors import ServeryError, storage_error
from serving.tf.file_watch import file_state, wait_for_change
from serving.workspace import Workspace

RETRY_SECONDS = 2.0
"""Between two attempts to use the disk."""
POLL_SECONDS = 30.0
"""Between two looks at the file that says where this backend is, in case no change is notified."""

log = logging.getLogger(__name__)

Step = Callable[[], Awaitable[object]]


@asynccontextmanager
async def opened(steps: Sequence[Step]) -> AsyncIterator[None]:
    """Carry out `steps` one after the other, for the length of the block if it takes that long.

    What raises ServeryError is tried again, with what comes after it; the first try has ended
    when the block is entered.
    """
    remaining = await _carry_out(list(steps), "")
    if not remaining:
        yield
        return
    async with in_background(_retry_steps(remaining), name="open what is on disk"):
        yield


async def _retry_steps(steps: list[Step]) -> None:
    last = ""
    while steps:
        await asyncio.sleep(RETRY_SECONDS)
        before = len(steps)
        steps = await _carry_out(steps, last)
        last = "" if len(steps) < before else "the same"
    log.info("The disk can be used again.")


async def _carry_out(steps: list[Step], last: str) -> list[Step]:
    """Return the steps that are left, after the first that failed, which is one of them."""
    for number, step in enumerate(steps):
        try:
            await step()
        except ServeryError as error:
            if not last:  # one line, and not one at each try
                log.error("%s", error)
            return steps[number:]
        except OSError as error:
            if not last:
                log.error("The disk cannot be used: %s", error)
            return steps[number:]
    return []


async def keep_run_file(
    workspace: Workspace, run_file: BackendRunFile, listening: asyncio.Event
) -> None:
    """Keep saying where this backend is, also after the file was damaged, until cancelled."""
    said = False
    await listening.wait()
    while True:
        pause, state = POLL_SECONDS, file_state(workspace.backend_run_file)
        if BackendRunFile.read(workspace) != run_file:
            pause = RETRY_SECONDS
            try:
                await asyncio.to_thread(run_file.write, workspace)
                said = False
            except OSError as error:
                if not said:
                    path = workspace.backend_run_file
                    what = "No program finds this backend"
                    log.error("%s", storage_error(error, path, what, ServeryError))
                said = True
        await wait_for_change(workspace.backend_run_file, state, pause)
