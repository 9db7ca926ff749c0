"""The time to the window and to the first prediction, and the memory.

    python -m tests.benchmarks.startup [--runs 5]

Each run starts the application with a photo in a process of its own, on a workspace that
has never been used: the built-in model is installed, the fleet and the backend are
started. Times count from the start of the process. The window counts as shown after its
first paint, which may be off screen. What only the benchmark needs is imported inside
functions, after the clock has started.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

LIMIT_SECONDS = 180


def application(started_at: float, folder: Path) -> None:
    """Run the application once, and print what was measured as JSON."""
    from PySide6.QtCore import QEvent, QObject
    from PySide6.QtWidgets import QApplication

    import desktop.app
    from desktop.app import App, Options
    from serving.background import in_background
    from serving.workspace import Workspace
    from tests.benchmarks.waits import reach, run_window

    class FirstPaint(QObject):
        seconds: float | None = None

        def eventFilter(self, watched: QObject, event: QEvent) -> bool:
            if self.seconds is None and event.type() == QEvent.Type.Paint:
                self.seconds = time.time() - started_at
            return False

    measured: dict[str, float | None] = {}

    class TimedApp(App):
        async def build(self, stack: AsyncExitStack) -> None:
            async with in_background(self._note_answer()):
                await super().build(stack)

        async def _note_answer(self) -> None:
            await reach(
                "the first answer", lambda: any(each.prediction for each in self.gallery.photos)
            )
            measured["answer"] = time.time() - started_at

    async def use(app: App) -> None:
        await reach("the answer", lambda: all(photo.prediction for photo in app.gallery.photos))
        measured.setdefault("answer", time.time() - started_at)
        await app.backend
        import psutil

        measured["memory"] = psutil.Process().memory_info().rss / 1e6

    first_paint = FirstPaint()
    qt = QApplication(["servery"])
    qt.installEventFilter(first_paint)
    desktop.app.App = TimedApp  # type: ignore[misc]
    options = Options(Workspace(folder / "workspace"), photos=(folder / "photo.jpg",))
    if run_window(options, use):
        sys.exit(1)
    print(json.dumps({**measured, "window": first_paint.seconds}))


def measure() -> dict[str, float]:
    from PIL import Image

    with tempfile.TemporaryDirectory(prefix="servery-startup-") as folder:
        noise = Image.effect_noise((1600, 1200), 60).convert("RGB")
        noise.save(Path(folder) / "photo.jpg")
        command = [sys.executable, "-m", __spec__.name, "--folder", folder]
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}
        if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            environment.setdefault("QT_QPA_PLATFORM", "offscreen")
        result = subprocess.run(
            [*command, "--started-at", str(time.time())],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=LIMIT_SECONDS,
            env=environment,
        )
    measured: dict[str, float] = json.loads(result.stdout.splitlines()[-1])
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how Servery starts.")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--started-at", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.started_at is not None:
        application(arguments.started_at, arguments.folder)
        return
    from tests.benchmarks.measure import Figure

    runs = [measure() for _ in range(arguments.runs)]
    print(Figure("start to window", [run["window"] for run in runs], "s"))
    print(Figure("start to first prediction, new workspace", [run["answer"] for run in runs], "s"))
    print(Figure("memory of the desktop process", [run["memory"] for run in runs], "MB"))


if __name__ == "__main__":
    main()
