"""One run: the whole application under load, while one thing after another goes wrong."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from desktop.commands.connections import open_fleet
from serving.background import in_background
from serving.engines.names import PROCESS
from serving.models.repository import ModelRepository
from serving.workspace import Workspace
from tests.chaos import checks
from tests.chaos.faults import Faults
from tests.chaos.load import Load
from tests.chaos.report import Report
from tests.chaos.system import System
from tests.support.tiny_model import TINY_MODEL, install_tiny
from tests.support.waiting import wait_until

DISK_BYTES = 400 * 2**20
PAUSE_SECONDS = (2.0, 8.0)
"""The least and the most between two faults."""
_CALM_SECONDS = 20.0
"""Without a fault at the end, in which everything must come back by itself."""
_CALM_ANSWERS = 20
"""So many photos answered in that time show that it did."""


async def run(
    folder: Path,
    report: Report,
    minutes: float,
    instances: int,
    pause: tuple[float, float] = PAUSE_SECONDS,
) -> None:
    """Run in an empty folder for so many minutes; what is found goes into `report`.

    `pause` is the least and the most seconds between two faults.
    """
    workspace = Workspace(folder / "workspace").create()
    install_tiny(ModelRepository(workspace.models))
    system = System(workspace, folder.parent / "output.log", instances)
    faults = Faults(system, report, TINY_MODEL)
    live = checks.LiveVersions(ModelRepository(workspace.models), TINY_MODEL, report)
    memory = checks.Memory(system, report)
    await system.start()
    try:
        async with (
            open_fleet(workspace, PROCESS) as (fleet, client),
            in_background(fleet.run(), name="fleet"),
            in_background(system.follow(report), name="servery serve"),
            in_background(live.follow(), name="live versions"),
            in_background(memory.follow(), name="memory"),
        ):
            load = Load(system, client, report)
            async with _running(load, report):
                while report.elapsed < 60 * minutes - _CALM_SECONDS:
                    await asyncio.sleep(faults.pause(*pause))
                    await faults.one()
                await _come_back(report, fleet_is_ready=lambda: fleet.view.ready > 0)
        memory.check()
    finally:
        await system.stop()
        await checks.check_orphans(system, report)
    # A start sweeps what kills left, and marks the training runs that they ended.
    await system.start()
    await system.stop()
    await checks.check_orphans(system, report)
    live.check(system, faults)
    checks.check_labels(system, load, report)
    checks.check_training_runs(system, report)
    checks.check_leftovers(system, report)


@asynccontextmanager
async def _running(load: Load, report: Report) -> AsyncIterator[None]:
    async with in_background(load.run(), name="load") as running:
        yield
        load.stop()
        await running
    if not report.photos["answered"]:
        report.violate("No photo was answered.")


async def _come_back(report: Report, fleet_is_ready: Callable[[], bool]) -> None:
    """Wait until photos are answered again, with no fault any more."""
    before = report.photos["answered"]

    def is_back() -> bool:
        return fleet_is_ready() and report.photos["answered"] >= before + _CALM_ANSWERS

    try:
        await wait_until(is_back, _CALM_SECONDS)
    except AssertionError:
        report.violate(f"Nothing came back within {_CALM_SECONDS:.0f} s after the last fault.")


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Mount a disk of DISK_BYTES at `folder` if this user may; yields the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=700", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    try:
        yield folder
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
