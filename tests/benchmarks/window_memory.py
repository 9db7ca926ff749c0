"""What the window holds in memory once it has classified and shown many photos.

    python -m tests.benchmarks.window_memory [--photos 1000]

Opens the real window on a virtual screen (Xvfb), in a workspace of its own, with an instance as a
process and the backend. Copies of photos are classified, then the gallery is scrolled from its
beginning to its end. Memory is what the window's process has to itself (USS) and what is resident.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil

from tests.benchmarks.drop_to_bars import PHOTOS
from tests.benchmarks.screen import screen

SCROLL_SECONDS = 0.2
QUIET_SECONDS = 5.0


def window(folder: Path) -> int:
    """Run the application, classify the photos of a folder, and print what it holds; returns the
    exit code."""
    from desktop.app import App, Options
    from serving.workspace import Workspace
    from tests.benchmarks.waits import reach, run_window

    process = psutil.Process()

    async def report(moment: str) -> None:
        await asyncio.sleep(QUIET_SECONDS)
        used = process.memory_full_info()
        print(f"{moment:<28} {used.uss / 1e6:6.0f} MB USS {used.rss / 1e6:6.0f} MB RSS", flush=True)

    async def use(app: App) -> None:
        await (await app.fleet).scale(1)
        await app.backend
        await report("after the start")
        photos = folder / "photos"
        count = len(list(photos.iterdir()))
        app.classify.classify([photos])

        def answered() -> int:
            return sum(photo.prediction is not None for photo in app.gallery.photos)

        await reach(
            "all photos to be answered",
            lambda: answered() == count,
            progress=lambda: f"{answered():,} of {count:,} answered",
        )
        await report(f"{count:,} photos classified")
        grid = app.classify_page.grid
        await reach("the gallery to be shown", grid.isVisible)
        bar = grid.verticalScrollBar()
        for position in range(0, bar.maximum(), max(1, bar.pageStep())):
            bar.setValue(position)
            await asyncio.sleep(SCROLL_SECONDS)
        await report("all of them scrolled past")

    return run_window(Options(Workspace(folder / "workspace"), "process"), use)


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure the memory of the window.")
    parser.add_argument("--photos", type=int, default=1000)
    parser.add_argument("--source", type=Path, default=PHOTOS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.folder is not None:
        return window(arguments.folder)
    found = sorted(path for path in arguments.source.glob("*") if path.suffix != ".csv")
    if not found:
        raise SystemExit(f"There are no photos in {arguments.source}.")
    with tempfile.TemporaryDirectory(prefix="servery-memory-") as folder, screen() as environment:
        copies = Path(folder) / "photos"
        copies.mkdir()
        for number, photo in zip(range(arguments.photos), itertools.cycle(found)):
            shutil.copy(photo, copies / f"{number:05} {photo.name}")
        command = [sys.executable, "-m", __spec__.name, "--folder", folder]
        print(f"load {os.getloadavg()[0]:.2f}", flush=True)
        return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
