"""What a long history costs the window: time, memory and disk.

    python -m tests.benchmarks.history [--photos 100000]

A history is filled with made-up photos, then read as the window does at its start: the newest page
first, then page after page into a gallery. No window is shown.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from pathlib import Path

import psutil

from desktop.classify.gallery import Gallery
from desktop.classify.history import PAGE, History
from desktop.classify.photo import Photo
from serving.predict.prediction import Prediction, Score

CLASSES = [f"class {number}" for number in range(1000)]
SCORES = 10


def made_up(number: int) -> Photo:
    chosen = random.Random(number).sample(CLASSES, SCORES)
    path = Path(f"/photos/folder {number // 500}/photo {number}.jpg")
    scores = tuple(Score(name, 0.5 / (place + 1)) for place, name in enumerate(chosen))
    prediction = Prediction("model", 1, scores, "instance", 20.0)
    return Photo(path, path.name, float(number), prediction, waiting=False)


async def measure(database: Path, count: int) -> None:
    async with History(database) as history:
        for start in range(0, count, PAGE):
            await history.remember([made_up(n) for n in range(start, min(count, start + PAGE))])
    process = psutil.Process()
    before = process.memory_info().rss
    gallery = Gallery(unsure_below=0.5)
    async with History(database) as history:
        started = time.perf_counter()
        page = await history.page()
        gallery.restore(page)
        print(f"the first {len(page):,} photos       {time.perf_counter() - started:6.2f} s")
        longest = 0.0
        while page := await history.page(page[-1]):
            held = time.perf_counter()
            gallery.restore(page)
            longest = max(longest, time.perf_counter() - held)
        print(f"all {count:,} photos         {time.perf_counter() - started:6.2f} s")
        print(f"longest hold of the event loop {1000 * longest:6.0f} ms")
    print(f"memory                         {(process.memory_info().rss - before) / 1e6:6.0f} MB")


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure what a long history costs.")
    parser.add_argument("--photos", type=int, default=100_000)
    count = parser.parse_args().photos
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "history.sqlite"
        asyncio.run(measure(database, count))
        print(f"database                       {database.stat().st_size / 1e6:6.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
