"""What it is like to drop thousands of photos on the window.

    python -m tests.benchmarks.drop [--photos 1000] [--answered 3000] [--stacks 3]

Opens the real window on a virtual screen (Xvfb), in a workspace of its own, with two instances of
the built-in model as processes and the backend. Photos of different content are made once and kept
for the next run. They are dropped in their folders, all at once, and as many as `--answered` says
are classified; then the gallery is scrolled, and another classification is cancelled. Before and
after, a program that does nothing but read some of the files and send them to the same instances
says how fast that can be. How far it is goes to standard error.

A heartbeat on the window's event loop says how long it was held up, and where the worst times.
What the window's thread computed meanwhile is the same beside other programs.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from tests.benchmarks.many_photos import FOLDER_PHOTOS, PHOTOS, many_photos
from tests.benchmarks.waits import NeverCame, reach, run_window, within

if TYPE_CHECKING:
    from desktop.app import App
    from desktop.jobs import Job

BARE_PHOTOS = 500
"""The bare client is given every so manieth photo, so that at most these are left: enough for a
rate, and half a minute on a slow machine."""
BARE_SECONDS = 600.0
ANSWERED = 3000
"""Photos that are classified; two slow cores take three minutes for them, and a quarter of an hour
for 13,000."""
QUIET_SECONDS = 3.0
FRAME_SECONDS = 1 / 60
FRAMES = 180
SCROLLS = {"a wheel's steps": 40, "a long way a frame": 400}
"""Pixels in a frame."""


class Moments:
    """When the tiles of dropped photos were first painted, with what on them."""

    def __init__(self, app: App) -> None:
        from PySide6.QtCore import QEvent, QObject, QTimer

        self.seen: dict[str, float] = {}
        """When it had been painted, by `time.perf_counter`."""
        gallery, note = app.gallery, self._note
        ready: set[str] = set()
        app.classify_page.thumbnails.ready.connect(lambda _: ready.add("first picture"))

        class Painted(QObject):
            def eventFilter(self, watched: QObject, event: QEvent) -> bool:
                if event.type() == QEvent.Type.Paint and gallery.photos:
                    names = {"first placeholders"} | ready
                    if any(photo.prediction for photo in gallery.photos[:12]):
                        names.add("first answer")
                    # After this event, so that the painting is over.
                    QTimer.singleShot(0, lambda: note(names))
                return False

        self._filter = Painted()
        app.classify_page.grid.viewport().installEventFilter(self._filter)

    def _note(self, names: set[str]) -> None:
        for name in sorted(names):
            self.seen.setdefault(name, time.perf_counter())


async def bare(app: App, photos: Sequence[Path]) -> tuple[float, float]:
    """Return the seconds, and processor seconds, that a bare client takes for a photo."""
    sent = photos[:: -(-len(photos) // BARE_PHOTOS)]
    print(f"the bare client sends {len(sent):,} photos", file=sys.stderr, flush=True)
    view = (await app.fleet).view
    addresses = ",".join(str(each.instance.grpc_address) for each in view.answering)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.benchmarks.bare_client", addresses, view.model),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        answers = process.communicate("\n".join(map(str, sent)).encode())
        out, _ = await within("the bare client", answers, BARE_SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode:
        raise NeverCame("The bare client failed; what it printed says why.")
    seconds, computed = map(float, out.split())
    return seconds / len(sent), computed / len(sent)


class Run:
    """The steps with one application, each of which prints what it measured."""

    def __init__(self, app: App, photos: Sequence[Path], answered: int) -> None:
        """`answered`: photos after whose answers the rest is cancelled."""
        from tests.benchmarks.heartbeat import Heartbeat

        self.app = app
        self.photos = photos
        self.answered = min(answered, len(photos))
        folders = sorted({photo.parent for photo in photos})
        self.dropped = list(photos) if len(photos) % FOLDER_PHOTOS else folders
        self.process = psutil.Process()
        self._seen_jobs: dict[int, Job[Any]] = {}
        self.heartbeat = Heartbeat()

    async def memory(self, moment: str) -> None:
        await asyncio.sleep(QUIET_SECONDS)
        used = self.process.memory_full_info()
        print(f"{moment:34} {used.uss / 1e6:6.0f} MB USS {used.rss / 1e6:6.0f} MB RSS", flush=True)

    async def compare(self) -> None:
        """Drop and classify the photos, and have the bare client do so before and after."""
        before = await bare(self.app, self.photos)
        seconds, computed = await self.drop()
        queue = self.app.pool_queue
        await self.until(
            "the backend to have the photos",
            lambda: len(queue) == 0,
            lambda: f"{len(queue):,} left",
        )
        after = await bare(self.app, self.photos)
        times = 2 * seconds / (before[0] + after[0])
        print(
            f"photos/s: window {1 / seconds:.1f}, bare client {1 / before[0]:.1f} before and"
            f" {1 / after[0]:.1f} after; {times:.2f} times its time"
        )
        print(
            f"processor time a photo: window {1000 * computed:.2f} ms, bare client"
            f" {500 * (before[1] + after[1]):.2f} ms",
            flush=True,
        )

    async def drop(self) -> tuple[float, float]:
        """Return the seconds, and processor seconds, that the window takes for a photo."""
        moments = Moments(self.app)
        self.heartbeat.begin("drop")
        started, computed = time.perf_counter(), time.process_time()
        self._drop()
        firsts = {"first picture", "first answer"}
        await self.until(
            "the first picture and answer",
            lambda: self._answers() and firsts <= moments.seen.keys(),
        )
        self.heartbeat.begin("classify")
        await self.until(
            "answers",
            lambda: self._answers() >= self.answered or not self.app.classify.is_classifying,
            lambda: f"{self._answers():,} of {self.answered:,} photos answered",
        )
        answers = max(1, self._answers())
        seconds, computed = time.perf_counter() - started, time.process_time() - computed
        self.heartbeat.begin("")
        if failed := sum(photo.failure is not None for photo in self.app.gallery.photos):
            print(f"{failed} photos have no answer", flush=True)
        self._cancel_jobs()
        await self.until("the rest to be cancelled", lambda: not self.app.classify.is_classifying)
        await asyncio.sleep(1)
        for name, moment in moments.seen.items():
            print(f"{name:34} {1000 * (moment - started):6.0f} ms", flush=True)
        print(f"{answers:,} photos answered", flush=True)
        return seconds / answers, computed / answers

    async def scroll(self) -> None:
        from PySide6.QtCore import QCoreApplication, QEvent

        from tests.benchmarks.measure import Figure

        grid = self.app.classify_page.grid
        for name, pixels in SCROLLS.items():
            self.heartbeat.begin(f"scroll by {name}")
            grid.verticalScrollBar().setValue(0)
            frames = []
            for _ in range(FRAMES):
                started = time.thread_time()
                grid.verticalScrollBar().setValue(grid.verticalScrollBar().value() + pixels)
                # What Qt wants to be painted then, and no more.
                QCoreApplication.sendPostedEvents(grid.window(), QEvent.Type.UpdateRequest)
                frames.append(1000 * (time.thread_time() - started))
                await asyncio.sleep(FRAME_SECONDS)
            self.heartbeat.begin("")
            print(Figure(f"processor time of a frame, {name}", frames, "ms"), flush=True)

    async def cancel(self) -> None:
        """Cancel a classification of what is classified, and one of new photos."""
        app, gallery = self.app, self.app.gallery
        keys = [photo.key for photo in gallery.photos]

        def is_busy() -> bool:
            return app.classify.is_classifying

        def is_quiet() -> bool:
            return not any(photo.waiting for photo in gallery.photos)

        await self._time("classify all again", lambda: app.classify.reclassify(keys), is_busy)
        await self._time("cancel that", self._cancel_jobs, is_quiet)
        remove = partial(app.classify.remove, keys)
        await self._time("remove all", remove, lambda: not gallery.photos)
        await self._time("drop again", self._drop, lambda: len(gallery.photos) == len(keys))
        await self._time("cancel the drop", self._cancel_jobs, is_quiet)

    async def until(
        self, what: str, done: Callable[[], object], progress: Callable[[], str] | None = None
    ) -> None:
        await reach(what, done, progress=progress)

    def _answers(self) -> int:
        """Return how many photos of the drop were answered; also counts a job that has ended."""
        self._seen_jobs.update((job.id, job) for job in self._classifying())
        return sum(job.done for job in self._seen_jobs.values())

    def _classifying(self) -> list[Job[Any]]:
        return [job for job in self.app.jobs.running if job.title.startswith("Classify")]

    def _drop(self) -> None:
        from tests.support.drag_and_drop import drop_files

        if not drop_files(self.app.classify_page, self.dropped):
            raise SystemExit("The window refused the photos.")

    def _cancel_jobs(self) -> None:
        for job in self._classifying():
            job.cancel()

    async def _time(self, name: str, act: Callable[[], object], done: Callable[[], bool]) -> None:
        self.heartbeat.begin(name)
        started = time.perf_counter()
        act()
        await self.until(f"the end of “{name}”", done)
        print(f"{name:34} {1000 * (time.perf_counter() - started):6.0f} ms", flush=True)
        await asyncio.sleep(1)  # what comes of it holds the event loop up, too
        self.heartbeat.begin("")


def window(folder: Path, photos: Sequence[Path], answered: int, stacks: int) -> int:
    """Run the application, drop the photos, and print what was measured; returns the exit code."""
    from desktop.app import Options
    from serving.workspace import Workspace

    async def use(app: App) -> None:
        await (await app.fleet).scale(2)
        await app.backend
        measured = Run(app, photos, answered)
        await measured.memory("memory without photos")
        await measured.compare()
        await measured.scroll()
        await measured.memory("memory with all of them, scrolled")
        await measured.cancel()
        measured.heartbeat.stop()
        measured.heartbeat.print(stacks)
        print(f"load {os.getloadavg()[0]:.2f}", flush=True)

    return run_window(Options(Workspace(folder / "workspace"), "process"), use)


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure the window while photos are classified.")
    parser.add_argument("--photos", type=int, default=1000)
    parser.add_argument("--answered", type=int, default=ANSWERED, help="how many to classify")
    parser.add_argument("--source", type=Path, default=PHOTOS)
    parser.add_argument("--stacks", type=int, default=3, help="how many stacks to print")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    photos = many_photos(arguments.photos, arguments.source)
    if arguments.folder is not None:
        return window(arguments.folder, photos, arguments.answered, arguments.stacks)
    from tests.benchmarks.screen import screen

    with tempfile.TemporaryDirectory(prefix="servery-drop-") as folder, screen() as environment:
        command = [sys.executable, "-m", __spec__.name, "--folder", folder]
        command += ["--photos", str(arguments.photos), "--stacks", str(arguments.stacks)]
        command += ["--answered", str(arguments.answered)]
        return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
