"""How long it takes to see what the answer of a photo depends on.

    python -m tests.benchmarks.explain [--photos FOLDER] [--count 20] [--instances 2]

In a workspace of its own, with the built-in model on that many instances as processes. Each photo
is read, classified, and explained for its best class through the client that the window uses. As
many answers for the photo as it is are timed beside it: what explaining takes more is the covering.
Says also what one answer takes of the processors, in which other programs have no part.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

PHOTOS = Path(__file__).resolve().parents[3] / "shared" / "data" / "photos"


def explain(folder: Path, photos: list[Path], instances: int) -> int:
    """Run the application, explain the photos, and print what was measured."""
    from functools import partial

    import psutil

    from desktop.app import App, Options
    from serving.normalize_image import read_normalized_image
    from serving.predict.occlusion import MAX_CONCURRENCY, occlude
    from serving.workspace import Workspace
    from tests.benchmarks.measure import Figure
    from tests.benchmarks.waits import reach, run_window

    def processor_seconds() -> float:
        times = [process.cpu_times() for process in psutil.Process().children(recursive=True)]
        return time.process_time() + sum(each.user + each.system for each in times)

    async def use(app: App) -> None:
        fleet, client = await app.fleet, await app.client
        await fleet.scale(instances)
        await reach(
            "all instances to be ready",
            lambda: fleet.view.ready == fleet.view.desired_count > 0,
        )
        seconds, computed, plain, parts = [], [], [], 0
        for photo in photos:
            jpeg = await asyncio.to_thread(read_normalized_image, photo)
            answer = await client.classify(jpeg)
            ask = partial(client.classify, version=answer.version)
            started, before = time.perf_counter(), processor_seconds()
            found = await occlude(jpeg, answer.scores[0].name, ask)
            seconds.append(time.perf_counter() - started)
            computed.append(processor_seconds() - before)
            parts = 1 + len(found.importances) * len(found.importances[0])
            started = time.perf_counter()
            at_a_time = asyncio.Semaphore(MAX_CONCURRENCY)

            async def classify(jpeg: bytes = jpeg, limit: asyncio.Semaphore = at_a_time) -> None:
                async with limit:
                    await client.classify(jpeg)

            await asyncio.gather(*(classify() for _ in range(parts)))
            plain.append(time.perf_counter() - started)
        print(Figure("explain one photo", seconds[1:], "s"))
        print(Figure("processor time of all processes", computed[1:], "s"))
        print(Figure("as many answers for the photo as it is", plain[1:], "s"))
        each = 1000 * statistics.median(computed) / parts
        print(f"about {parts} answers each, {each:.1f} ms of a processor each")
        print(f"load {os.getloadavg()[0]:.2f}", flush=True)

    return run_window(Options(Workspace(folder / "workspace"), "process"), use)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, default=PHOTOS)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--instances", type=int, default=2)
    options = parser.parse_args()
    photos = sorted(path for path in options.photos.glob("*") if path.suffix != ".csv")
    if not photos:
        raise SystemExit(f"There are no photos in {options.photos}.")
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    with tempfile.TemporaryDirectory() as folder:
        return explain(Path(folder), photos[: options.count + 1], options.instances)


if __name__ == "__main__":
    sys.exit(main())
