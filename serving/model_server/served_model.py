"""The life of one model and its versions: polled, loaded, served, unloaded."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from serving.model_server.configuration import ModelConfig
from serving.model_server.load_threads import LoadThreads
from serving.model_server.servable import Servable
from serving.model_server.versions import (
    VersionState,
    aspired_versions,
    next_steps,
    version_folders,
)
from serving.tf.file_watch import FileState, file_state
from serving.tf.status import Code, ServingError

log = logging.getLogger(__name__)

Load = Callable[[str, int, Path], Servable]


@dataclass
class VersionRecord:
    """What is known of one version; kept after its END, for GetModelStatus."""

    number: int
    state: VersionState = VersionState.START
    error: ServingError | None = None
    servable: Servable | None = None
    retired: bool = False
    """At its END and not aspired: it is loaded again when it is aspired again."""
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True)
class RetryPolicy:
    """How failed loads are retried."""

    retries: int = 5
    seconds_between: float = 60.0


_LISTING_SECONDS = 10.0
"""After which a look lists the folder even if it seems to be as it was."""


class ServedModel:
    """One model: keeps the versions that its policy aspires to loaded."""

    def __init__(
        self,
        config: ModelConfig,
        load: Load,
        threads: LoadThreads,
        retry_policy: RetryPolicy,
    ) -> None:
        self.config = config
        self.labels: dict[str, int] = {}
        self.records: dict[int, VersionRecord] = {}
        self.changed = asyncio.Condition()
        self._load = load
        self._threads, self._retry_policy = threads, retry_policy
        self._folders: dict[int, str] = {}
        self._seen: tuple[Path, FileState] | None = None
        """What the base folder was at the last look."""
        self._is_settled = False
        """Whether it was that at the look before, too."""
        self._listed = -math.inf
        self._aspired: frozenset[int] = frozenset()
        self._retired = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def look(self) -> None:
        """Do what `poll` does if the base folder has changed since."""
        base = Path(self.config.base_path)
        before, self._seen = self._seen, (base, file_state(base))
        was_settled, self._is_settled = self._is_settled, self._seen == before
        # At the first look without a change too: two changes within one tick of the file system's
        # clock look like one. Now and then, since the folder does not show what becomes of links.
        is_due = asyncio.get_running_loop().time() - self._listed >= _LISTING_SECONDS
        if is_due or not (was_settled and self._is_settled):
            await self.poll()

    async def poll(self) -> None:
        """List the base folder once, and load and unload versions accordingly.

        A missing folder changes nothing; an empty one unloads every version.
        """
        base = Path(self.config.base_path)
        self._listed = asyncio.get_running_loop().time()
        try:
            names = await asyncio.to_thread(_folder_names, base)
        except OSError as error:
            log.warning("Model %s: %s cannot be read: %s", self.config.name, base, error.strerror)
            return
        # The model may have been retired while the folder was being read.
        if self._retired:
            return
        self._folders = version_folders(names)
        self._set_aspired(aspired_versions(self.config.policy, self._folders))

    async def retire(self) -> None:
        """Aspire to no version, and wait until every one is unloaded."""
        self._retired = True
        self._set_aspired(frozenset())
        while self._tasks:
            await asyncio.wait(self._tasks)

    @property
    def aspires(self) -> bool:
        """Whether there is a version on disk that it should serve."""
        return bool(self._aspired)

    def available(self) -> list[Servable]:
        """Return the versions that answer, highest first."""
        return [
            record.servable
            for _, record in sorted(self.records.items(), reverse=True)
            if record.state is VersionState.AVAILABLE and record.servable is not None
        ]

    def retry_refused(self) -> None:
        """Load again the versions that were refused with PERMISSION_DENIED."""
        for record in self.records.values():
            if record.state is VersionState.END and _is_refused(record):
                record.retired = True
        self._advance()

    async def wait_until_loaded(self) -> None:
        """Wait until a version is available or all aspired ones have failed."""

        def reached() -> bool:
            aspired = [self.records[number] for number in self._aspired if number in self.records]
            failed = all(record.state is VersionState.END for record in aspired)
            return bool(self.available()) or (bool(aspired) and failed)

        async with self.changed:
            await self.changed.wait_for(reached)

    def _set_aspired(self, aspired: frozenset[int]) -> None:
        self._aspired = aspired
        self._advance()

    def _advance(self) -> None:
        for number, record in self.records.items():
            if record.state is VersionState.END and number not in self._aspired:
                record.retired = True
        # Without the retired ones: what is not there is loaded if it is aspired.
        states = {
            number: record.state for number, record in self.records.items() if not record.retired
        }
        steps = next_steps(self._aspired, states)
        for number in steps.cancel:
            self.records[number].cancelled.set()
        for number in steps.load:
            record = self.records[number] = VersionRecord(number)
            folder = Path(self.config.base_path) / self._folders[number]
            self._start(self._load_version(record, folder))
        for number in steps.unload:
            self.records[number].state = VersionState.UNLOADING
            self._start(self._unload_version(self.records[number]))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _load_version(self, record: VersionRecord, folder: Path) -> None:
        name, number = self.config.name, record.number
        record.state = VersionState.LOADING
        for attempt in range(self._retry_policy.retries + 1):
            if attempt:
                with suppress(TimeoutError):
                    await asyncio.wait_for(
                        record.cancelled.wait(), self._retry_policy.seconds_between
                    )
            if record.cancelled.is_set():
                record.error = ServingError(Code.CANCELLED, "Loading was cancelled.")
                break
            try:
                record.servable = await self._load_unless_cancelled(record, folder)
                record.error = None
                break
            except ServingError as error:
                record.error = error
                log.error("Model %s version %d failed to load: %s", name, number, error.message)
                if _is_refused(record):  # it would be again
                    break
            except Exception as error:
                record.error = ServingError(Code.INTERNAL, f"{type(error).__name__}: {error}")
                log.exception("Model %s version %d failed to load", name, number)
        if record.servable is not None:
            record.state = VersionState.AVAILABLE
            log.info("Model %s version %d is available", name, number)
        else:
            record.state = VersionState.END
        await self._notify_changed()

    async def _load_unless_cancelled(self, record: VersionRecord, folder: Path) -> Servable:
        """Load a version; raises ServingError once it is cancelled, even if it loads for ever."""
        loading = asyncio.create_task(
            self._threads.run(
                *(self._load, self.config.name, record.number, folder),
                discard=lambda servable: self._start(self._threads.run(servable.session.close)),
            )
        )
        cancelled = asyncio.create_task(record.cancelled.wait())
        await asyncio.wait([loading, cancelled], return_when=asyncio.FIRST_COMPLETED)
        cancelled.cancel()
        if not loading.done():
            loading.cancel()
            await asyncio.wait([loading])
        if loading.cancelled():
            raise ServingError(Code.CANCELLED, "Loading was cancelled.")
        return loading.result()

    async def _unload_version(self, record: VersionRecord) -> None:
        servable, record.servable = record.servable, None
        if servable is not None:
            await servable.wait_until_unused()
            await self._threads.run(servable.session.close)
        record.state = VersionState.END
        record.retired = True
        log.info("Model %s version %d is unloaded", self.config.name, record.number)
        await self._notify_changed()

    async def _notify_changed(self) -> None:
        self._advance()
        async with self.changed:
            self.changed.notify_all()


def _is_refused(record: VersionRecord) -> bool:
    return record.error is not None and record.error.code is Code.PERMISSION_DENIED


def _folder_names(base: Path) -> list[str]:
    return [entry.name for entry in base.iterdir() if entry.is_dir()]
