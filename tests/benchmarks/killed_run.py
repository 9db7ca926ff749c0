"""How much work a killed window does again: `python -m tests.benchmarks.killed_run --photos 13000`.

A page with a model that answers at the pace of two instances is given a folder and is killed with
SIGKILL at several moments. Of each answer that is not in the history then, its age at that moment
is work that is done again. Prints the oldest of these, and how many photos the history lacks.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from PySide6.QtWidgets import QApplication

from desktop.event_loop import EventLoop
from serving.predict.prediction import Prediction
from tests.gui.classify import classify_env
from tests.gui.classify.classify_env import ClassifyEnv, FakeModel, with_classify_env
from tests.support.drag_and_drop import drop_files
from tests.support.sample_images import image_file

_ANSWERS_PER_SECOND = 90.0
_MAX_LINKS = 50_000
"""That a file system allows to one file."""
_CHILD = "--child"


class _PacedModel(FakeModel):
    """Answers as fast as two instances do, however many ask."""

    next_at = 0.0

    async def predict(self, jpeg: bytes) -> Prediction:
        now = time.monotonic()
        self.next_at = max(now, self.next_at) + 1 / _ANSWERS_PER_SECOND
        await asyncio.sleep(self.next_at - now)
        return await super().predict(jpeg)


def _child(workspace: Path, album: Path) -> int:
    """Classify `album`, and print each answered photo with the time of its answer."""
    classify_env.FakeModel = _PacedModel  # type: ignore[misc]

    async def scenario(env: ClassifyEnv) -> None:
        set_result = env.gallery.set_result

        def note(path: Path, result: object) -> None:
            set_result(path, result)  # type: ignore[arg-type]
            os.write(1, f"{time.time()} {path}\n".encode())

        env.gallery.set_result = note  # type: ignore[method-assign]
        drop_files(env.page, [album])
        await asyncio.Event().wait()

    async def run() -> int:
        await with_classify_env(workspace, scenario)
        return 0

    return EventLoop(QApplication([])).run(run)


def _measure(folder: Path, album: Path, seconds: float) -> tuple[float, int, int]:
    """Return the age of the oldest answer that is lost, how many are, and how many there were."""
    folder.mkdir()
    log = folder / "answers"
    with log.open("wb") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.killed_run", _CHILD, folder, album],
            env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
            stdout=output,
        )
        try:
            while log.stat().st_size == 0:
                time.sleep(0.01)
            time.sleep(seconds)
        finally:
            killed_at = time.time()
            child.send_signal(signal.SIGKILL)
            child.wait()
    lines = [line.split(" ", 1) for line in log.read_text().splitlines()]
    with closing(sqlite3.connect(folder / "desktop.sqlite")) as database:
        rows = database.execute("SELECT path FROM history WHERE prediction IS NOT NULL")
        kept = {path for (path,) in rows}
    lost = [float(at) for at, path in lines if path not in kept]
    return killed_at - min(lost, default=killed_at), len(lost), len(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=13_000)
    photos = parser.parse_args().photos
    with tempfile.TemporaryDirectory() as name:
        album = Path(name) / "album"
        album.mkdir()
        original = album / "0.jpg"
        for number in range(photos):
            path = album / f"{number}.jpg"
            if number % _MAX_LINKS:
                path.hardlink_to(original)
            else:
                original = image_file(path)
        ages = []
        for run, seconds in enumerate((0.3, 0.9, 1.7, 3.1, 5.3)):
            age, lost, answers = _measure(Path(name) / str(run), album, seconds)
            ages.append(age)
            print(f"killed after {answers} answers: {lost} lost, the oldest {age:.2f} s old")
    print(f"{photos:,} photos: median {statistics.median(ages):.2f} s, worst {max(ages):.2f} s")
    print("load:", *(f"{load:.1f}" for load in os.getloadavg()))
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == [_CHILD]:
        sys.exit(_child(Path(sys.argv[2]), Path(sys.argv[3])))
    sys.exit(main())
