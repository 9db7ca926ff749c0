"""What must hold whatever goes wrong, checked while it does and at the end."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator

import psutil

from serving.errors import ModelError
from serving.models.repository import ModelRepository
from serving.models.staging import STAGING_PREFIX
from tests.chaos.faults import Faults
from tests.chaos.load import Load
from tests.chaos.report import Report
from tests.chaos.system import System
from tests.support.waiting import wait_until

SAMPLE_SECONDS = 2.0
END_SECONDS = 15.0
"""How long a process may run on after `servery stop`."""
_GROWTH = 1.25
_GROWTH_BYTES = 50_000_000
"""How much more a kind of process may take in the last quarter of a run than in the second."""


class LiveVersions:
    """Follows which version of the model is live."""

    def __init__(self, repository: ModelRepository, model: str, report: Report) -> None:
        self._repository = repository
        self._model = model
        self._report = report
        self.changes: list[int] = []
        """The version that became live at each change."""

    async def follow(self) -> None:
        """Follow until cancelled."""
        before = self._number()
        while True:
            await asyncio.sleep(0.05)
            now = self._number()
            if now is None:
                self._report.violate("No version was live.")
            elif now != before:
                self._report.note(f"version {now} is live, {before} was")
                self.changes.append(now)
            before = now

    def _number(self) -> int | None:
        try:
            return self._repository.live(self._model).number
        except ModelError:
            return None

    def check(self, system: System, faults: Faults) -> None:
        """Check that each change was the gate's or the person's."""
        with _database(system) as database:
            held_back = {
                int(version)
                for (version,) in database.execute(
                    "SELECT version FROM decisions WHERE decision = 'held_back'"
                )
            }
        for number in self.changes:
            if number in faults.broken:
                self._report.violate(f"Version {number} became live, which nothing can load.")
            elif number in faults.promoted_by_person:
                self._report.live_changes["by a person"] += 1
            elif number not in held_back and self._was_learned(number):
                self._report.live_changes["by the gate"] += 1
            else:
                self._report.violate(f"Version {number} became live, and nobody had promoted it.")

    def _was_learned(self, number: int) -> bool:
        try:
            return bool(self._repository.version(self._model, number).card().training_run)
        except ModelError:
            return True  # pruned since; a version that was never learned is the first, which stays


class Memory:
    """Samples what the processes take."""

    def __init__(self, system: System, report: Report) -> None:
        self._system = system
        self._report = report

    async def follow(self) -> None:
        """Sample until cancelled."""
        while True:
            sizes = defaultdict(list)
            for process, size in (await asyncio.to_thread(self._system.memory)).items():
                sizes[process.rpartition(" ")[0]].append(size)
            for kind, each in sizes.items():
                if kind in ("backend", "instance", "serve"):
                    samples = self._report.memory.setdefault(kind, [])
                    samples.append((self._report.elapsed, sum(each) // len(each)))
            await asyncio.sleep(SAMPLE_SECONDS)

    def check(self) -> None:
        """Check that no kind of process takes more and more."""
        for kind in self._report.memory:
            early, late = self._report.memory_of(kind, 1), self._report.memory_of(kind, 3)
            if early and late > early * _GROWTH + _GROWTH_BYTES:
                self._report.violate(
                    f"The memory of a {kind} grew from {early / 1e6:.0f} to {late / 1e6:.0f} MB."
                )


def check_labels(system: System, load: Load, report: Report) -> None:
    """Check that each acknowledged label is stored once, with its photo."""
    with _database(system) as database:
        rows = database.execute(
            "SELECT idempotency_key, id, class_name, image FROM labels"
        ).fetchall()
    stored = {key: (number, name, image) for key, number, name, image in rows}
    times = Counter(key for key, *_ in rows)
    for key, number in load.acknowledged.items():
        sent = load.sent[key]
        if stored.get(key) != (number, sent.class_name, sent.image):
            report.violate(f"{key} was acknowledged and is stored as {stored.get(key)}.")
        elif not any(system.workspace.images.rglob(f"{sent.image}*")):
            report.violate(f"The photo of {key} was acknowledged and is gone.")
    for key, count in times.items():
        if count > 1 or key not in load.sent:
            report.violate(f"{key} is stored {count} times.")


def check_training_runs(system: System, report: Report) -> None:
    """Check that every training run has an end state."""
    with _database(system) as database:
        rows = database.execute(
            "SELECT id FROM training_runs WHERE state IN ('queued', 'running')"
        ).fetchall()
    for (run,) in rows:
        report.violate(f"Training run {run} has no end.")


def check_leftovers(system: System, report: Report) -> None:
    """Check that no half-written version is left."""
    for path in system.workspace.models.rglob(f"{STAGING_PREFIX}*"):
        report.violate(f"{path.relative_to(system.workspace.root)} was left behind.")


async def check_orphans(system: System, report: Report) -> None:
    """Check that no process of the workspace runs on."""
    with contextlib.suppress(AssertionError):
        await wait_until(lambda: not system.processes(), END_SECONDS)
    for process in system.processes():
        with contextlib.suppress(psutil.Error):
            report.violate(f"Still running: {' '.join(process.cmdline())[:200]}")
            process.kill()


@contextlib.contextmanager
def _database(system: System) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(system.workspace.backend_database)) as database:
        yield database
