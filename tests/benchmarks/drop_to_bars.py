"""How soon a lone photo that is dropped on the window has its bars.

    python -m tests.benchmarks.drop_to_bars [--photos FOLDER] [--drops 30]

Opens the real window on a virtual screen (Xvfb), in a workspace of its own, with two instances as
processes and the backend, and drops photos on it one by one, each when the one before has been
painted and all is quiet again. Counts from the drop event to the end of the painting of the bars,
and says which part of that it takes to read the photo, be answered and paint. Meanwhile the photo
is shown in the gallery. What the window's own thread computes is the same beside other programs.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PHOTOS = Path(__file__).resolve().parents[3] / "shared" / "data" / "photos"
QUIET_SECONDS = 1.0
"""Between the bars of a photo and the next drop."""
STEPS = ("read it", "be answered", "paint")


def window(folder: Path, photos: list[Path]) -> int:
    """Run the application, drop the photos, and print what was measured; returns the exit code."""
    from PySide6.QtCore import QEvent, QObject, QTimer

    from desktop.app import App, Options
    from desktop.classify.score_chart import ScoreChart
    from serving.predict.prediction import Prediction
    from serving.workspace import Workspace
    from tests.benchmarks.measure import Figure
    from tests.benchmarks.waits import reach, run_window
    from tests.support.drag_and_drop import drop_files

    moments: dict[str, float] = {}

    class TimedApp(App):
        async def _predict(self, jpeg: bytes) -> Prediction:
            moments["asked"] = time.perf_counter()
            try:
                return await super()._predict(jpeg)
            finally:
                moments["answered"] = time.perf_counter()

    class Painted(QObject):
        """Notes when the bars of an answer have been painted."""

        def __init__(self, chart: ScoreChart) -> None:
            super().__init__()
            self._chart = chart

        def eventFilter(self, watched: QObject, event: QEvent) -> bool:
            if event.type() == QEvent.Type.Paint and self._chart.scores and "answered" in moments:
                self._chart.removeEventFilter(self)
                # After this event, so that the painting is over.
                QTimer.singleShot(0, note_painted)
            return False

    def note_painted() -> None:
        moments["computed"] = time.thread_time()
        moments["painted"] = time.perf_counter()

    async def use(app: App) -> None:
        chart = app.classify_page.pane.chart
        await (await app.fleet).scale(2)
        await app.backend
        select = app.classify_page.select

        def note_selected(key: str) -> None:
            moments["found"] = time.perf_counter()
            select(key)

        app.classify_page.select = note_selected  # type: ignore[method-assign]
        painted = Painted(chart)
        runs: list[list[float]] = []
        for photo in photos:
            await asyncio.sleep(QUIET_SECONDS)
            moments.clear()
            chart.installEventFilter(painted)
            started, computed = time.perf_counter(), time.thread_time()
            drop_files(app.classify_page, [photo])
            await reach("the bars of a photo", lambda: "painted" in moments)
            ends = [moments[name] for name in ("asked", "answered", "painted")]
            starts = [started, *ends[:-1]]
            steps = [1000 * (end - start) for start, end in zip(starts, ends, strict=True)]
            own = moments["computed"] - computed
            totals = (ends[-1] - started, moments["found"] - started, own)
            runs.append([*steps, *(1000 * seconds for seconds in totals)])
        names = ("drop to bars", "drop to gallery", "processor time of the window's thread")
        for number, name in enumerate((*STEPS, *names)):
            print(Figure(name, [run[number] for run in runs[1:]], "ms"))
        print(f"load {os.getloadavg()[0]:.2f}", flush=True)

    import desktop.app

    desktop.app.App = TimedApp  # type: ignore[misc]
    return run_window(Options(Workspace(folder / "workspace"), "process"), use)


def prepared(folder: Path, source: Path, drops: int) -> list[Path]:
    """Return so many photos, and one more for the start: those of a folder, then mirrored."""
    from PIL import Image, ImageOps

    photos = sorted(path for path in source.glob("*") if path.suffix != ".csv")
    if not photos:
        raise SystemExit(f"There are no photos in {source}.")
    found = list(photos)
    for number in range(max(0, drops + 1 - len(photos))):
        with Image.open(photos[number % len(photos)]) as photo:
            path = folder / f"mirrored {number}.jpg"
            ImageOps.mirror(photo.convert("RGB")).save(path, quality=92)
            found.append(path)
    return found[: drops + 1]


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure how soon a photo has its bars.")
    parser.add_argument("--photos", type=Path, default=PHOTOS)
    parser.add_argument("--drops", type=int, default=30)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.folder is not None:
        photos = prepared(arguments.folder, arguments.photos, arguments.drops)
        return window(arguments.folder, photos)
    from tests.benchmarks.screen import screen

    with tempfile.TemporaryDirectory(prefix="servery-drop-") as folder, screen() as environment:
        command = [sys.executable, "-m", __spec__.name, "--folder", folder]
        command += ["--photos", str(arguments.photos), "--drops", str(arguments.drops)]
        return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
