"""How the window is with a long history: from its start to a search among all photos.

    python -m tests.benchmarks.long_history [--photos 100000] [--repeats 5] [--stacks 3]

A history is filled with made-up photos. The real window is started on a virtual screen (Xvfb), in
a workspace of its own, without a fleet and a backend. Processor time is that of its process. Each
search and filter counts from what a person does to the end of the painting.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from tests.benchmarks.history import made_up

REPEATS = 5
TYPED = ("c", "class 7", "photo 99", "nothing like it", "")


async def fill(database: Path, count: int) -> None:
    from desktop.classify.history import PAGE, History

    async with History(database) as history:
        for start in range(0, count, PAGE):
            await history.remember([made_up(n) for n in range(start, min(count, start + PAGE))])


def window(folder: Path, count: int, repeats: int, stacks: int, started: float) -> int:
    """Run the window and print what was measured; `started` is when this program was. Returns the
    exit code."""
    import desktop.app
    from desktop.classify.gallery_query import Facet, Query
    from serving.workspace import Workspace
    from tests.benchmarks.heartbeat import Heartbeat
    from tests.benchmarks.measure import Figure
    from tests.benchmarks.waits import reach, run_window

    def moment(name: str) -> None:
        seconds = time.monotonic() - started
        print(f"{name:36} {seconds:6.2f} s, {time.process_time():6.2f} s of a core", flush=True)

    class WithHistoryAlone(desktop.app.App):
        async def build(self, stack: AsyncExitStack) -> None:
            moment("the window is there")
            page, heartbeat = self.classify_page, Heartbeat()
            heartbeat.begin("read the history")
            await stack.enter_async_context(self.history)
            await self.classify.load()
            self.first_steps.finish()  # as the application does once there are photos
            await reach("the newest photos to be shown", page.grid.isVisible)
            page.grid.viewport().repaint()
            moment("the newest photos are shown")
            await reach(
                "all photos of the history",
                lambda: len(self.gallery.photos) == count,
                progress=lambda: f"{len(self.gallery.photos):,} of {count:,}",
            )
            moment(f"all {count:,} are there")
            await asyncio.sleep(1)

            async def measure(
                name: str, act: Callable[[], object], back: Callable[[], object]
            ) -> None:
                taken = []
                for _ in range(repeats):
                    heartbeat.begin("search and filter")
                    began = time.thread_time()
                    act()
                    page.repaint()
                    taken.append(1000 * (time.thread_time() - began))
                    await asyncio.sleep(0.5)  # the charts follow
                    heartbeat.begin("")
                    back()
                    await asyncio.sleep(0.5)
                print(Figure(name, taken, "ms"), flush=True)

            search, everything = page.header.search, Query()
            for text in TYPED:
                before = "" if text else "class 7"
                search.setText(before)
                name = f"search for {text!r}" if text else "search for nothing again"
                await measure(name, partial(search.setText, text), partial(search.setText, before))
            for facet, value in ((Facet.CLASS, "class 7"), (Facet.STATE, "answered")):
                show = partial(page.set_query, everything.with_values(facet, [value]))
                name = f"filter by {facet.value.lower()}"
                await measure(name, show, partial(page.set_query, everything))
            heartbeat.stop()
            heartbeat.print(stacks)
            print(f"load {os.getloadavg()[0]:.2f}", flush=True)

    async def use(app: desktop.app.App) -> None:
        """All is measured while it is built."""

    desktop.app.App = WithHistoryAlone  # type: ignore[misc]
    return run_window(desktop.app.Options(Workspace(folder / "workspace"), "process"), use)


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure the window with a long history.")
    parser.add_argument("--photos", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=REPEATS, help="of each search and filter")
    parser.add_argument("--stacks", type=int, default=3, help="how many stacks to print")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--started", type=float, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.folder is not None:
        return window(
            *(arguments.folder, arguments.photos, arguments.repeats),
            *(arguments.stacks, arguments.started),
        )
    from serving.workspace import Workspace
    from tests.benchmarks.screen import screen

    with tempfile.TemporaryDirectory(prefix="servery-history-") as folder, screen() as environment:
        workspace = Workspace(Path(folder) / "workspace")
        workspace.create()
        asyncio.run(fill(workspace.desktop_database, arguments.photos))
        command = [sys.executable, "-m", __spec__.name, "--folder", folder]
        command += ["--photos", str(arguments.photos), "--stacks", str(arguments.stacks)]
        command += ["--repeats", str(arguments.repeats)]
        command += ["--started", str(time.monotonic())]
        return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
