"""A desktop that labels photos number FIRST to LAST, and then delivers until it is killed.

`python -m tests.support.outbox_sender DATABASE URL FIRST LAST`. Prints each number once the label
is safe. What a label says depends on its number: see `submit`.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
from pathlib import Path

from backend.client import BackendClient
from desktop.learn.outbox import Outbox
from desktop.learn.outbox_store import LabelStatement
from tests.support.sample_images import image_bytes

TOGETHER = 3
"""Photos that one label is about, of those that the backend has."""


def photo(number: int) -> bytes:
    return image_bytes(size=(16 + number, 16))


def hash_of(number: int) -> str:
    return hashlib.sha256(photo(number)).hexdigest()


def known(number: int) -> list[str]:
    """Return the photos of a label that are in the backend's pool."""
    return [hash_of(number + 1000 * part) for part in range(1, TOGETHER + 1)]


async def submit(outbox: Outbox, number: int) -> None:
    name = f"class {number}"
    match number % 5:
        case 0:
            await outbox.submit(photo(number), None)
        case 1:
            await outbox.submit(photo(number), name)
        case 2:
            await outbox.submit(photo(number), name, batch=f"batch {number // 50}")
        case 3:
            await outbox.submit_known([hash_of(number + 1000)], LabelStatement(name, settles=True))
        case 4:
            await outbox.submit_known(known(number), LabelStatement(name))


async def main(database: Path, url: str, first: int, last: int) -> None:
    async with (
        BackendClient(url) as client,
        Outbox(database, client, initial_backoff=0.1, max_backoff=0.2) as outbox,
    ):
        for number in range(first, last + 1):
            await submit(outbox, number)
            print(number, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
