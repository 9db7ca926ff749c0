"""How soon the backend answers while it finds out what to label.

    python -m tests.benchmarks.queue_load [--photos 10000]

Starts `servery serve` on a workspace whose pool has so many photos without a label, and a tenth
as many with one, all of them with made-up embeddings of ten classes. `/healthz` is requested all
the time: first while nothing else happens, then while `/queue`, `/clusters` and `/label-issues` are
computed.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from backend.client import BackendClient
from backend.store.labels import NewLabel
from backend.store.store import Store
from backend.training.embeddings import EmbeddingCache
from backend.training.head import ServableGraph
from serving.models.builtin.catalog import DEFAULT_BUILT_IN
from serving.models.builtin.install import install_first_model
from serving.models.repository import ModelRepository
from serving.workspace import Workspace
from tests.benchmarks.service import service

PAUSE = 0.01
"""Seconds between requests."""
CLASSES = 10
IDLE_SECONDS = 5


def jpeg(number: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(number).integers(0, 255, (8, 8, 3), np.uint8)).resize(
        (96, 96)
    ).save(out, "JPEG")
    return out.getvalue()


async def fill(workspace: Workspace, photos: int) -> None:
    """Put photos into a workspace, as if they had been classified, and label some."""
    repository = ModelRepository(workspace.models)
    install_first_model(repository)
    version = repository.live(DEFAULT_BUILT_IN)
    graph = ServableGraph(version.path)
    labelled = photos // 10
    store = Store(workspace)
    await store.open()
    try:
        images = store.images.put_many([jpeg(number) for number in range(photos + labelled)])
        for number in range(photos):
            await store.pool.add(version.model, jpeg(number), max_photos=photos + 1)
        new = [NewLabel(image, f"kind {i % CLASSES}") for i, image in enumerate(images[photos:])]
        await store.labels.add_many(version.model, new, lambda name: True)
    finally:
        await store.close()
    rng = np.random.default_rng(0)
    size = graph.head().kernel.shape[0] // 2
    middles = np.abs(rng.normal(size=(CLASSES, size)))
    truth = np.arange(len(images)) % CLASSES
    rows = np.abs(middles[truth] + rng.normal(size=(len(images), size))).astype(np.float32)
    cache = EmbeddingCache(workspace.embeddings, graph.backbone_hash())
    cache.add(dict(zip(images, rows, strict=True)))


@asynccontextmanager
async def measured(client: BackendClient) -> AsyncIterator[list[float]]:
    """Request `/healthz` until the end of the block; yields the milliseconds of each."""
    found: list[float] = []

    async def request() -> None:
        while True:
            started = time.perf_counter()
            await client.is_alive(timeout_seconds=30)
            found.append(1000 * (time.perf_counter() - started))
            await asyncio.sleep(PAUSE)

    task = asyncio.create_task(request())
    try:
        yield found
    finally:
        task.cancel()


async def report(name: str, client: BackendClient, work: Awaitable[object]) -> None:
    started = time.monotonic()
    async with measured(client) as found:
        await work
        seconds = time.monotonic() - started
        await asyncio.sleep(5 * PAUSE)  # an answer that was kept takes less than one request
    ordered = sorted(found)
    print(
        f"{name:28}{seconds:8.1f} s   /healthz median {statistics.median(found):6.1f} ms,"
        f" 99% {ordered[int(0.99 * len(ordered))]:6.1f} ms, longest {ordered[-1]:6.1f} ms",
        flush=True,
    )


async def measure(photos: int) -> None:
    with tempfile.TemporaryDirectory(prefix="servery-queue-") as folder:
        workspace = Workspace(Path(folder)).create()
        await fill(workspace, photos)
        async with service(folder, 1, "--engine", "process") as client:
            await report("nothing", client, asyncio.sleep(IDLE_SECONDS))
            await report("/queue, 200 of them", client, client.queue(None, 200))
            await report("/queue again", client, client.queue(None, 200))
            await report("/clusters, 40 of them", client, client.clusters(None, 40))
            await report("/label-issues", client, client.label_issues())


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure answers during the queue.")
    parser.add_argument("--photos", type=int, default=10_000)
    arguments = parser.parse_args()
    print(f"{arguments.photos:,} photos without a label, {arguments.photos // 10:,} with one")
    asyncio.run(measure(arguments.photos))


if __name__ == "__main__":
    main()
