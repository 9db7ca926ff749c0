"""Following a log that begins with its last lines again whenever it is opened."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence

from serving.background import cancel_and_wait


def new_lines(shown: Sequence[str], latest: Sequence[str]) -> list[str] | None:
    """Return the lines of `latest` that follow `shown`.

    `latest` is the tail of the log now, `shown` what is known of it already. None
    if they do not overlap: lines in between were missed, or the log began again.
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
    """Yield lines in batches: gaps within one are `max_gap_seconds` at most, lines `max_lines`."""
    batch: list[str] = []
    line: asyncio.Future[str | None] | None = None
    try:
        while True:
            # A future of its own, since a timeout around anext() would end the iterator.
            line = line or asyncio.ensure_future(anext(lines, None))
            await asyncio.wait([line], timeout=max_gap_seconds if batch else None)
            if line.done():
                text, line = line.result(), None
                if text is None:
                    break
                batch.append(text)
                if len(batch) < max_lines:
                    continue
            yield batch
            batch = []
        if batch:
            yield batch
    finally:
        if line is not None:
            await cancel_and_wait(line)
