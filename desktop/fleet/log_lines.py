"""Following a log that begins with its last lines again whenever it is opened."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence


def new_lines(shown: Sequence[str], latest: Sequence[str]) -> list[str] | None:
    """Return the lines of `latest` that follow `shown`.

    `latest` is the tail of the log now, `shown` what is known of it already. None
    where they do not meet: lines in between were missed, or the log began anew.
    """
    if not shown:
        return list(latest)
    for length in range(min(len(shown), len(latest)), 0, -1):
        if list(shown[-length:]) == list(latest[:length]):
            return list(latest[length:])
    return None


async def batches(
    lines: AsyncIterator[str], max_gap_seconds: float, max_lines: int
) -> AsyncGenerator[list[str], None]:
    """Yield together what comes within `quiet` seconds of each other, at most `most` lines."""
    batch: list[str] = []
    coming: asyncio.Future[str | None] | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(_next(lines))
            await asyncio.wait([coming], timeout=max_gap_seconds if batch else None)
            if coming.done():
                line, coming = coming.result(), None
                if line is None:
                    break
                batch.append(line)
                if len(batch) < max_lines:
                    continue
            yield batch
            batch = []
        if batch:
            yield batch
    finally:
        if coming is not None:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)


async def _next(lines: AsyncIterator[str]) -> str | None:
    """Return the next line; None after the last."""
    return await anext(lines, None)
