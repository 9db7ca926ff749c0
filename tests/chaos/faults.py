"""What goes wrong: programs are killed and paused, the disk fills, people change things."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from backend.client import BackendClient
from serving.errors import BackendError, ServeryError
from serving.models.repository import ModelRepository
from serving.models.staging import commit_version, staged_version
from serving.tf.names import SAVED_MODEL_FILE
from tests.chaos.report import Report
from tests.chaos.system import System

_BLOCK = bytes(4096)


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong, and how often in relation to the others."""

    name: str
    weight: int
    happen: Callable[[], Awaitable[bool]]
    """Returns whether it could happen."""


class Faults:
    """Everything that may go wrong, chosen by a random number generator of its own."""

    def __init__(self, system: System, report: Report, model: str) -> None:
        self._system = system
        self._report = report
        self._model = model
        self._repository = ModelRepository(system.workspace.models)
        self._rng = random.Random(report.seed)
        self.promoted_by_person: set[int] = set()
        """Versions that the person asked to promote, whether or not that worked."""
        self.broken: set[int] = set()
        """Versions that nothing can load, which must never be live."""
        self._faults = (
            Fault("instance killed", 3, self._kill_instance),
            Fault("instance paused", 2, self._pause_instance),
            Fault("backend killed", 4, self._kill_backend),
            Fault("backend paused", 2, self._pause_backend),
            Fault("worker killed", 4, self._kill_worker),
            Fault("servery serve killed", 2, self._kill_serve),
            Fault("disk full", 3, self._fill_disk),
            Fault("version promoted by a person", 3, self._promote),
            Fault("broken version promoted by a person", 2, self._promote_broken),
            Fault("live version damaged", 2, self._damage_live),
            Fault("fleet scaled by a person", 1, self._scale),
        )

    async def one(self) -> None:
        """Let one thing go wrong, and put right what a person would."""
        weights = [fault.weight for fault in self._faults]
        (fault,) = self._rng.choices(self._faults, weights)
        self._report.note(fault.name)
        if await fault.happen():
            self._report.faults[fault.name] += 1

    def pause(self, low: float, high: float) -> float:
        """Return how many seconds pass before the next fault."""
        return self._rng.uniform(low, high)

    async def _kill_instance(self) -> bool:
        return self._kill(self._system.instance_processes())

    async def _kill_backend(self) -> bool:
        backend = self._system.backend()
        return self._kill([backend] if backend is not None else [])

    async def _kill_worker(self) -> bool:
        # Training runs are short: wait a moment for one to begin, then for it to be in the midst.
        for _ in range(50):
            workers = self._system.processes("worker")
            if workers:
                await asyncio.sleep(self._rng.uniform(0, 1.5))
                return self._kill(workers)
            await asyncio.sleep(0.1)
        return False

    async def _kill_serve(self) -> bool:
        """Kill it, leave all as it is for a while, and start it again, as a person does."""
        if self._system.serve is None:
            return False
        await self._system.kill()
        await asyncio.sleep(self._rng.choice((0.0, 1.0, 5.0, 12.0)))
        await self._system.start()
        return True

    async def _pause_instance(self) -> bool:
        return await self._pause(self._system.instance_processes(), self._rng.uniform(1, 20))

    async def _pause_backend(self) -> bool:
        backend = self._system.backend()
        return await self._pause([backend] if backend is not None else [], self._rng.uniform(1, 6))

    async def _fill_disk(self) -> bool:
        if not is_small_disk(self._system.workspace.root):
            return False
        filler = self._system.workspace.root / "filler"
        seconds = self._rng.uniform(1, 5)
        try:
            await asyncio.to_thread(_fill, filler)
            await asyncio.sleep(seconds)
        finally:
            filler.unlink(missing_ok=True)
        return True

    async def _promote(self) -> bool:
        with contextlib.suppress(BackendError, TimeoutError):
            async with BackendClient(self._system.url) as backend, asyncio.timeout(60):
                versions = await backend.versions(self._model)
                numbers = {version.number for version in versions} - self.broken
                number = self._rng.choice(sorted(numbers))
                self.promoted_by_person.add(number)
                await backend.promote(self._model, number)
                return True
        return False

    async def _promote_broken(self) -> bool:
        """Add a version of garbage, and ask for it; it must be refused, with the reason."""
        with contextlib.suppress(ServeryError, OSError, TimeoutError):
            number = await asyncio.to_thread(self._add_broken)
            self.broken.add(number)
            async with BackendClient(self._system.url) as backend, asyncio.timeout(60):
                await backend.promote(self._model, number)
                self._report.violate(f"Version {number}, which is garbage, could be promoted.")
        return True

    def _add_broken(self) -> int:
        with staged_version(self._repository, self._model) as staged:
            live = self._repository.live(self._model)
            shutil.copytree(live.path, staged, dirs_exist_ok=True)
            (staged / SAVED_MODEL_FILE).write_bytes(self._rng.randbytes(1000))
            return commit_version(self._repository, self._model, staged).number

    async def _damage_live(self) -> bool:
        """Damage the file of the live version, lose an instance, and put the file right."""
        with contextlib.suppress(ServeryError, OSError):
            path = self._repository.live(self._model).path / SAVED_MODEL_FILE
            content = path.read_bytes()
            try:
                path.write_bytes(content[: len(content) // 2])
                self._kill(self._system.instance_processes())
                await asyncio.sleep(self._rng.uniform(5, 15))
            finally:
                if path.parent.is_dir():
                    path.write_bytes(content)
            return True
        return False

    async def _scale(self) -> bool:
        count = self._rng.choice((1, self._system.instances + 1))
        await self._system.command("fleet", "scale", str(count))
        await self._system.command("fleet", "scale", str(self._system.instances))
        return True

    def _kill(self, processes: list[psutil.Process]) -> bool:
        if not processes:
            return False
        with contextlib.suppress(psutil.Error):
            self._rng.choice(processes).kill()
            return True
        return False

    async def _pause(self, processes: list[psutil.Process], seconds: float) -> bool:
        if not processes:
            return False
        process = self._rng.choice(processes)
        with contextlib.suppress(psutil.Error):
            process.suspend()
            try:
                await asyncio.sleep(seconds)
            finally:
                process.resume()
            return True
        return False


def is_small_disk(folder: Path) -> bool:
    """Say whether `folder` is on a disk of its own that may be filled to the last byte."""
    found = os.statvfs(folder)
    return folder.parent.is_mount() and found.f_blocks * found.f_frsize < 2**30


def _fill(path: Path) -> None:
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(_BLOCK)
