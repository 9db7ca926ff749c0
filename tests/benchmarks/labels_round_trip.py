"""Labels that go out in each format and come into a fresh workspace: differences and seconds.

    python -m tests.benchmarks.labels_round_trip [--labels 1000]

The labels are of every kind, by several people, with conflicts and names that files cannot have;
the photos are small. Both workspaces are served by a backend, which is asked over HTTP.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from backend.client import BackendClient
from backend.contract import LabelFormat
from backend.store.label_exchange import WrittenLabel
from backend.store.store import Store
from serving.workspace import Workspace
from tests.support.backend_env import MODEL, backend_on_thread, repository_with_live_version
from tests.support.many_labels import add_labels


@contextlib.contextmanager
def served(folder: Path) -> Iterator[tuple[Workspace, str]]:
    workspace = Workspace(folder).create()
    repository_with_live_version(workspace)
    with backend_on_thread(workspace, folder / "no worker") as url:
        yield workspace, url


async def fill(workspace: Workspace, count: int) -> list[WrittenLabel]:
    store = Store(workspace)
    await store.open()
    await add_labels(store, MODEL, count=count)
    labels = await store.exchange.labels(MODEL)
    await store.close()
    return labels


async def labels_of(workspace: Workspace) -> list[WrittenLabel]:
    store = Store(workspace)
    await store.open()
    labels = await store.exchange.labels(MODEL)
    await store.close()
    return labels


async def round_trip(
    form: LabelFormat, source: str, folder: Path, before: list[WrittenLabel]
) -> int:
    """Print one line for a format; returns the number of differences."""
    target = folder / form
    async with BackendClient(source) as client:
        started = time.perf_counter()
        await client.export_labels(MODEL, target, form)
        writing = time.perf_counter() - started
    with served(folder / f"fresh {form}") as (workspace, url):
        async with BackendClient(url) as client:
            started = time.perf_counter()
            await client.import_labels(MODEL, target)
            reading = time.perf_counter() - started
        after = await labels_of(workspace)
    # Label Studio has one task for each photo, so that labels come photo by photo.
    differences = len(set(before) ^ set(after)) + abs(len(before) - len(after))
    seconds = f"{writing:6.2f} s out, {reading:6.2f} s in"
    print(f"{form:<13} {differences} differences, {seconds}", flush=True)
    return differences


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--labels", type=int, default=1000)
    count = parser.parse_args().labels
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with served(folder / "source") as (workspace, url):
            before = asyncio.run(fill(workspace, count))
            photos = len({label.image for label in before})
            print(f"{len(before):,} labels of {photos:,} photos")
            found = [asyncio.run(round_trip(form, url, folder, before)) for form in LabelFormat]
    return 1 if any(found) else 0


if __name__ == "__main__":
    sys.exit(main())
