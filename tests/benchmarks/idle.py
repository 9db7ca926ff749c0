"""What Servery costs while nobody asks it for anything.

    python -m tests.benchmarks.idle [--seconds 60] [--instances 2] [--threads]

Opens the real window on a virtual screen (Xvfb), in a workspace of its own, with instances as
processes and the backend. A photo is classified, so that everything has been used once. Then the
processor time of every process is measured while nothing happens: with the Classify page open,
and with the Fleet page open. Wake-ups are voluntary context switches of all threads.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

SETTLE_SECONDS = 20.0
"""After the start, and after another page was opened."""
START_SECONDS = 180.0
PAGES = ("classify", "fleet")
READY = "ready"


def window(folder: Path, instances: int) -> int:
    """Run the application; opens the page that each line of the standard input names. Returns the
    exit code."""
    from desktop.app import App, Options
    from serving.workspace import Workspace
    from tests.benchmarks.waits import reach, run_window

    async def use(app: App) -> None:
        fleet = await app.fleet
        await fleet.scale(instances)
        await app.backend
        await reach("the answer", lambda: all(photo.prediction for photo in app.gallery.photos))
        print(READY, flush=True)
        while page := (await asyncio.to_thread(sys.stdin.readline)).strip():
            app.window.show_page(page)

    options = Options(Workspace(folder / "workspace"), "process", photos=(folder / "photo.jpg",))
    return run_window(options, use)


@dataclass(frozen=True)
class Usage:
    """What one process has used so far."""

    name: str
    seconds: float
    wake_ups: Mapping[str, int]
    """By the name and number of the thread."""


def usage(process: psutil.Process) -> Usage:
    """Return what a process has used; raises psutil.NoSuchProcess."""
    times = process.cpu_times()
    return Usage(name(process), times.user + times.system, wake_ups(process.pid))


def name(process: psutil.Process) -> str:
    """Say which part of Servery a process is."""
    words = process.cmdline()
    parts = {
        "serving.model_server": "instance",
        "backend.photos.decoder": "decoder of photos",
        "backend": "backend",
        __spec__.name: "window",
    }
    for word in words:
        if word in parts:
            return f"{parts[word]} {process.pid}"
    return f"{' '.join(words)[:40]} {process.pid}"


def wake_ups(process_id: int) -> dict[str, int]:
    """Return how often each thread of a process gave up the processor by itself."""
    found = {}
    for task in Path(f"/proc/{process_id}/task").iterdir():
        try:
            status = (task / "status").read_text()
        except OSError:  # it has ended
            continue
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        found[f"{fields['Name']} {task.name}"] = int(fields["voluntary_ctxt_switches"])
    return found


def measure(root: psutil.Process, seconds: float) -> dict[int, tuple[Usage, Usage]]:
    """Return what the processes used before and after so many seconds, by process id."""
    processes = [root, *root.children(recursive=True)]
    before = {process.pid: usage(process) for process in processes}
    time.sleep(seconds)
    measured = {}
    for process in processes:
        try:
            measured[process.pid] = (before[process.pid], usage(process))
        except psutil.NoSuchProcess:
            print(f"{before[process.pid].name} ended meanwhile")
    return measured


def report(page: str, measured: Mapping[int, tuple[Usage, Usage]], seconds: float) -> None:
    print(f"{page} page, {seconds:.0f} s, load {os.getloadavg()[0]:.2f}")
    print(f"  {'process':<32} {'% of a core':>12} {'wake-ups/s':>11}")
    total_share = total_wakes = 0.0
    for before, after in measured.values():
        share = 100 * (after.seconds - before.seconds) / seconds
        wakes = sum(by_thread(before, after).values()) / seconds
        print(f"  {after.name:<32} {share:>12.2f} {wakes:>11.1f}")
        total_share, total_wakes = total_share + share, total_wakes + wakes
    print(f"  {'together':<32} {total_share:>12.2f} {total_wakes:>11.1f}", flush=True)


def report_threads(measured: Mapping[int, tuple[Usage, Usage]], seconds: float) -> None:
    for before, after in measured.values():
        print(f"  threads of {after.name}")
        for thread, count in by_thread(before, after).most_common(8):
            if count:
                print(f"    {thread:<30} {count / seconds:>11.1f}", flush=True)


def by_thread(before: Usage, after: Usage) -> Counter[str]:
    """Return the wake-ups meanwhile, by thread."""
    return Counter(
        {thread: count - before.wake_ups.get(thread, 0) for thread, count in after.wake_ups.items()}
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure what Servery costs when it is idle.")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--instances", type=int, default=2)
    parser.add_argument("--threads", action="store_true", help="the wake-ups of each thread too")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.folder is not None:
        return window(arguments.folder, arguments.instances)
    from PIL import Image

    from tests.benchmarks.screen import screen

    with tempfile.TemporaryDirectory(prefix="servery-idle-") as folder, screen() as environment:
        noise = Image.effect_noise((1600, 1200), 60).convert("RGB")
        noise.save(Path(folder) / "photo.jpg")
        command = [sys.executable, "-m", __spec__.name, "--folder", folder]
        program = subprocess.Popen(
            [*command, "--instances", str(arguments.instances)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert program.stdin is not None
        assert program.stdout is not None
        try:
            while READY not in (line := program.stdout.readline()):
                if not line:
                    raise SystemExit("The window ended before it was ready.")
            root = psutil.Process(program.pid)
            for page in PAGES:
                print(page, file=program.stdin, flush=True)
                time.sleep(SETTLE_SECONDS)
                measured = measure(root, arguments.seconds)
                report(page.capitalize(), measured, arguments.seconds)
                if arguments.threads:
                    report_threads(measured, arguments.seconds)
        finally:
            program.stdin.close()
            try:
                program.wait(START_SECONDS)
            except subprocess.TimeoutExpired:
                program.kill()
    return 0


if __name__ == "__main__":
    sys.exit(main())
