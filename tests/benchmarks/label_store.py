"""Labels a second, and how long one takes, with SQLite and with PostgreSQL.

    python -m tests.benchmarks.label_store [--seconds 5]

Each label names a photo that the backend has, so that it is the database that is measured; the last
rows send small photos along, each a new one. Both databases flush each label to the disk. The
PostgreSQL server and the backends, which are programs of their own, are on this machine, and so is
this program with its callers. Labels are read as `GET /labels`, which counts them by class.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path

import httpx

from serving.workspace import Workspace
from tests.support.backend_env import repository_with_live_version
from tests.support.backend_program import BackendProgram, running
from tests.support.postgresql import postgresql_server
from tests.support.sample_images import image_bytes

CALLERS = (1, 8, 32)
CLASSES = 10
PHOTOS = 500

Call = Callable[[httpx.AsyncClient, int], Awaitable[httpx.Response]]
_numbers = itertools.count()


@contextlib.contextmanager
def backends(folder: Path, database: str, apis: int) -> Iterator[list[str]]:
    """Run backends of one workspace; yields their addresses."""
    workspace = Workspace(folder).create()
    repository_with_live_version(workspace)
    options = ["--database", database] if database else []
    with contextlib.ExitStack() as stack:
        # None is a trainer: what it does after so many labels would be measured too.
        role = ["--role", "api"] if database else []
        yield [
            stack.enter_context(running(BackendProgram(workspace, *options, *role))).url
            for _ in range(apis)
        ]


async def photos(url: str) -> list[str]:
    """Give the backend photos to be labelled, and return their hashes."""
    async with httpx.AsyncClient(base_url=url, timeout=60) as client:
        # SQLite's backend trains by itself otherwise.
        settings = {"automatic": False, "promote": False, "after_labels": 20, "quiet_seconds": 120}
        await client.put("/models/farm/training-settings", json=settings)
        found = []
        for number in range(PHOTOS):
            answer = await client.post("/pool", content=image_bytes(size=(16 + number, 16)))
            found.append(answer.raise_for_status().json()["image"])
        return found


async def measure(urls: Sequence[str], callers: int, seconds: float, call: Call) -> list[float]:
    """Return how long each call took, of so many callers at once, spread over the backends."""
    took: list[float] = []

    async def caller(client: httpx.AsyncClient, end: float) -> None:
        while (begin := time.perf_counter()) < end:
            (await call(client, next(_numbers))).raise_for_status()
            took.append(time.perf_counter() - begin)

    async with contextlib.AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=60))
            for url in urls
        ]
        end = time.perf_counter() + seconds
        await asyncio.gather(*(caller(clients[n % len(urls)], end) for n in range(callers)))
    return took


def print_row(name: str, callers: int, what: str, took: list[float], seconds: float) -> None:
    ranked = sorted(took)
    p99 = ranked[min(len(ranked) - 1, len(ranked) * 99 // 100)]
    print(
        f"{name:<22} {callers:>3} callers  {what:<18} {len(took) / seconds:8.0f}/s"
        f"  p50 {1000 * statistics.median(took):7.1f} ms  p99 {1000 * p99:7.1f} ms",
        flush=True,
    )


async def rows(name: str, urls: Sequence[str], seconds: float) -> None:
    images = await photos(urls[0])

    async def label(client: httpx.AsyncClient, number: int) -> httpx.Response:
        query = {"image": images[number % len(images)], "class": f"class {number % CLASSES}"}
        return await client.post("/labels", params={**query, "by": f"person {number % 3}"})

    async def send(client: httpx.AsyncClient, number: int) -> httpx.Response:
        photo = image_bytes(size=(16 + number % 1000, 17 + number // 1000))
        return await client.post("/labels", params={"class": "sent"}, content=photo)

    async def read(client: httpx.AsyncClient, number: int) -> httpx.Response:
        return await client.get("/labels")

    for what, call in (("label", label), ("read the counts", read), ("label with photo", send)):
        for callers in CALLERS:
            print_row(name, callers, what, await measure(urls, callers, seconds, call), seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each row")
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as name, postgresql_server() as server:
        for title, database, apis in (
            ("SQLite", "", 1),
            ("PostgreSQL", server.new_database(), 1),
            ("PostgreSQL, 2 APIs", server.new_database(), 2),
        ):
            with backends(Path(name) / title, database, apis) as urls:
                asyncio.run(rows(title, urls, seconds))


if __name__ == "__main__":
    main()
