"""How soon the next photo is on the screen after a key of the Learn page.

    python -m tests.benchmarks.labelling_keys [--data FOLDER-PER-CLASS] [--photos 200]

Runs the application with a workspace of its own, puts photos into its pool, and labels them with
key events: five a second, as a person does who is quick, then as fast as the window takes them.
Measured is the time from the key to the end of the paint event that has the picture of the next
photo. At the end the labels in the backend are compared with the keys. Needs a screen;
QT_QPA_PLATFORM=offscreen does.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from PySide6.QtCore import QEvent, QObject
from PySide6.QtTest import QTest

from desktop.app import App, Options
from desktop.learn.page import LearnPage
from desktop.main_window import PageName
from serving.workspace import Workspace
from tests.benchmarks.waits import reach, run_window, within

TRASHNET = Path(__file__).resolve().parents[3] / "shared" / "data" / "trashnet" / "train"
_PACE = 0.2
"""Seconds between two keys of a person who is quick."""
_COMPUTING = 300.0


class _Paints(QObject):
    """Notes when the photo was painted last."""

    def __init__(self) -> None:
        super().__init__()
        self.last = 0.0
        self.again = asyncio.Event()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Paint:
            watched.removeEventFilter(self)  # or it would come here again
            watched.event(event)
            watched.installEventFilter(self)
            self.last = time.perf_counter()
            self.again.set()
            return True
        return False


async def measure(app: App, files: list[Path]) -> None:
    backend = await app.backend
    for file in files:
        await backend.add_to_pool(await asyncio.to_thread(file.read_bytes))
    app.window.show_page(PageName.LEARN)
    page = app.window.page(PageName.LEARN)
    assert isinstance(page, LearnPage)
    view, stage = page.label_view, page.label_view.stage
    await reach(
        "the first photo to label", lambda: view.item is not None and stage.is_ready, _COMPUTING
    )
    paints = _Paints()
    stage.installEventFilter(paints)
    said: list[str] = []

    async def press(pace: float) -> tuple[float, float] | None:
        """Label the photo on the screen; returns the seconds until the next one is there, and
        how many of them the window's thread was at work: a busy machine makes it wait."""
        await reach("another photo to label", lambda: view.item is not None, _COMPUTING)
        assert view.item is not None
        said.append(view.item.image)
        start, worked = time.perf_counter(), time.thread_time()
        if view.picker.choices:
            QTest.keyClicks(app.window.focusWidget(), "1")
        else:
            QTest.keyClicks(view.picker.field, "waste\r")
        if view.item is None:  # the last of the queue that is known
            return None
        while not (stage.is_ready and paints.last > start):
            paints.again.clear()
            await within("the picture of the next photo", paints.again.wait(), _COMPUTING)
        taken = paints.last - start, time.thread_time() - worked
        await asyncio.sleep(max(0.0, pace - (time.perf_counter() - start)))
        return taken

    half = len(files) // 2
    for title, count, pace in (
        ("five keys a second", half, _PACE),
        ("as fast as the window takes them", len(files) - half, 0.0),
    ):
        taken = [each for each in [await press(pace) for _ in range(count)] if each]
        print(f"{title}, {count} photos: {_ms([wall for wall, _ in taken])}", end="")
        print(f"; at work {_ms([work for _, work in taken])}")

    async def all_arrived() -> bool:
        return (await backend.labels()).total == len(said)

    await reach("all labels to be in the backend", all_arrived, _COMPUTING)
    twice = len(said) - len(set(said))
    print(f"{len(said)} keys, {len(said)} labels in the backend, {twice} photos labelled twice")


def _ms(seconds: list[float]) -> str:
    ordered = sorted(1000 * each for each in seconds)
    at = [ordered[min(len(ordered) - 1, len(ordered) * part // 100)] for part in (50, 95, 100)]
    return f"median {at[0]:.0f} ms, p95 {at[1]:.0f}, max {at[2]:.0f}"


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure how soon the next photo is there.")
    parser.add_argument("--data", type=Path, default=TRASHNET, help="one folder a class")
    parser.add_argument("--photos", type=int, default=200)
    arguments = parser.parse_args()
    files = sorted(arguments.data.glob("*/*"))
    files = files[:: max(1, len(files) // arguments.photos)][: arguments.photos]
    with tempfile.TemporaryDirectory(prefix="servery-") as folder:
        options = Options(Workspace(Path(folder)), engine="process")
        return run_window(options, lambda app: measure(app, files))


if __name__ == "__main__":
    sys.exit(main())
