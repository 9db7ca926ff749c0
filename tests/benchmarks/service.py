"""The whole service, for benchmarks that call it as a program would."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from backend.client import BackendClient


@asynccontextmanager
async def service(workspace: str, instances: int, *options: str) -> AsyncIterator[BackendClient]:
    """Run `servery serve` until the end of the block; yields a client of it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "desktop.cli", "--workspace", workspace),
        *("serve", "--port", "0", "--instances", str(instances), *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
    )
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        line = (await process.stdout.readline()).decode()
        await process.stderr.readuntil(b"ready on")
        async with BackendClient(line.removeprefix("Servery answers at ").strip()) as client:
            yield client
    finally:
        process.send_signal(signal.SIGINT)
        await process.communicate()
