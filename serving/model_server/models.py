"""The life of models and their versions: watched, loaded, served, unloaded."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from serving.model_server.accelerated_session import AcceleratedSession
from serving.model_server.configuration import ModelConfig
from serving.model_server.servable import Servable
from serving.model_server.versions import (
    VersionState,
    aspired_versions,
    next_steps,
    version_folders,
)
from serving.tf.status import (
    Code,
    ServingError,
    failed_precondition,
    invalid,
    not_found,
)

log = logging.getLogger(__name__)

Load = Callable[[str, int, Path], Servable]
Accelerate = Callable[[Servable, Path], AcceleratedSession | None]
"""Looks for a faster way to compute a version that is served already; never raises."""


@dataclass
class VersionRecord:
    """What is known of one version; END rows stay, for GetModelStatus to tell."""

    number: int
    state: VersionState = VersionState.START
    error: ServingError | None = None
    servable: Servable | None = None
    retired: bool = False
    """Ended and not wanted: it may be loaded anew when it is wanted again."""
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True)
class RetryPolicy:
    """How failed loads are tried again."""

    retries: int = 5
    seconds_between: float = 60.0


class ServedModel:
    """One model: keeps the versions that its policy wants loaded."""

    def __init__(
        self,
        config: ModelConfig,
        load: Load,
        accelerate: Accelerate | None,
        threads: ThreadPoolExecutor,
        retry_policy: RetryPolicy,
    ) -> None:
        self.config = config
        self.labels: dict[str, int] = {}
        self.records: dict[int, VersionRecord] = {}
        self.changed = asyncio.Condition()
        self._load, self._accelerate = load, accelerate
        self._threads, self._retry_policy = threads, retry_policy
        self._folders: dict[int, str] = {}
        self._aspired: frozenset[int] = frozenset()
        self._retired = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def poll(self) -> None:
        """Read the base folder once and begin what follows from it.

        A missing folder changes nothing; an empty one unloads every version.
        """
        base = Path(self.config.base_path)
        try:
            names = await asyncio.to_thread(_folder_names, base)
        except OSError as error:
            log.warning("Model %s: %s cannot be read: %s", self.config.name, base, error.strerror)
            return
        if self._retired:
            return
        self._folders = version_folders(names)
        self._set_aspired(aspired_versions(self.config.policy, self._folders))

    async def retire(self) -> None:
        """Want nothing more, and wait until every version is unloaded."""
        self._retired = True
        self._set_aspired(frozenset())
        while self._tasks:
            await asyncio.wait(self._tasks)

    def available(self) -> list[Servable]:
        """Return the versions that answer, highest first."""
        return [
            record.servable
            for _, record in sorted(self.records.items(), reverse=True)
            if record.state is VersionState.AVAILABLE and record.servable is not None
        ]

    async def wait_until_loaded(self) -> None:
        """Wait until a version is available or all wanted ones ended."""

        def reached() -> bool:
            aspired = [self.records[number] for number in self._aspired if number in self.records]
            ended = all(record.state is VersionState.END for record in aspired)
            return bool(self.available()) or (bool(aspired) and ended)

        async with self.changed:
            await self.changed.wait_for(reached)

    def _set_aspired(self, aspired: frozenset[int]) -> None:
        self._aspired = aspired
        self._advance()

    def _advance(self) -> None:
        for number, record in self.records.items():
            if record.state is VersionState.END and number not in self._aspired:
                record.retired = True
        states = {
            number: record.state for number, record in self.records.items() if not record.retired
        }
        steps = next_steps(self._aspired, states)
        for number in steps.cancel:
            self.records[number].cancelled.set()
        for number in steps.load:
            record = self.records[number] = VersionRecord(number)
            folder = Path(self.config.base_path) / self._folders[number]
            self._begin(self._load_version(record, folder))
        for number in steps.unload:
            self.records[number].state = VersionState.UNLOADING
            self._begin(self._unload_version(self.records[number]))

    def _begin(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _load_version(self, record: VersionRecord, folder: Path) -> None:
        name, number = self.config.name, record.number
        loop = asyncio.get_running_loop()
        record.state = VersionState.LOADING
        for attempt in range(self._retry_policy.retries + 1):
            if attempt:
                with suppress(TimeoutError):
                    await asyncio.wait_for(
                        record.cancelled.wait(), self._retry_policy.seconds_between
                    )
            if record.cancelled.is_set():
                record.error = ServingError(Code.CANCELLED, "Loading was given up.")
                break
            try:
                record.servable = await loop.run_in_executor(
                    self._threads, self._load, name, number, folder
                )
                record.error = None
                break
            except ServingError as error:
                record.error = error
                log.error("Model %s version %d failed to load: %s", name, number, error.message)
            except Exception as error:
                record.error = ServingError(Code.INTERNAL, f"{type(error).__name__}: {error}")
                log.exception("Model %s version %d failed to load", name, number)
        if record.servable is not None:
            record.state = VersionState.AVAILABLE
            log.info("Model %s version %d is available", name, number)
            if self._accelerate is not None:
                self._begin(self._accelerate_version(record.servable, folder, self._accelerate))
        else:
            record.state = VersionState.END
        await self._notify_changed()

    async def _accelerate_version(
        self, servable: Servable, folder: Path, accelerate: Accelerate
    ) -> None:
        with servable.use():
            session = await asyncio.get_running_loop().run_in_executor(
                self._threads, accelerate, servable, folder
            )
            if session is not None:
                servable.replace_session(session)

    async def _unload_version(self, record: VersionRecord) -> None:
        servable, record.servable = record.servable, None
        if servable is not None:
            await servable.wait_until_unused()
            await asyncio.get_running_loop().run_in_executor(self._threads, servable.session.close)
        record.state = VersionState.END
        record.retired = True
        log.info("Model %s version %d is unloaded", self.config.name, record.number)
        await self._notify_changed()

    async def _notify_changed(self) -> None:
        self._advance()
        async with self.changed:
            self.changed.notify_all()


def _folder_names(base: Path) -> list[str]:
    return [entry.name for entry in base.iterdir() if entry.is_dir()]


def _check_available(models: Sequence[ServedModel]) -> None:
    failed = [model for model in models if not model.available()]
    if not failed:
        return
    reasons = []
    for model in failed:
        for record in model.records.values():
            error = record.error
            reason = f" due to error: {error.code.name}: {error.message}" if error else ""
            reasons.append(f"{{{{name: {model.config.name} version: {record.number}}}{reason}}}")
    raise ServingError(
        Code.UNKNOWN,
        f"{len(failed)} model(s) did not become available: {{{', '.join(reasons)}, }}",
    )


class ServedModels:
    """All models of one server."""

    def __init__(
        self,
        load: Load,
        accelerate: Accelerate | None = None,
        *,
        retry_policy: RetryPolicy,
        poll_seconds: float,
        allow_unavailable_labels: bool,
        load_threads: int,
    ) -> None:
        self._load, self._accelerate, self._retry_policy = load, accelerate, retry_policy
        self._poll_seconds = poll_seconds
        self._allow_unavailable_labels = allow_unavailable_labels
        self._threads = ThreadPoolExecutor(load_threads, thread_name_prefix="load")
        self._models: dict[str, ServedModel] = {}
        self._removed: dict[str, ServedModel] = {}
        self._reloading = asyncio.Lock()
        self._retiring: set[asyncio.Task[None]] = set()

    async def configure(self, configs: Mapping[str, ModelConfig]) -> None:
        """Serve exactly these models; returns once the new ones are available.

        Raises ServingError: FAILED_PRECONDITION where a label names a version that is
        not available now, and then nothing changes; UNKNOWN where a new model did not
        become available.
        """
        async with self._reloading:
            self._check_labels(configs)
            for name in [name for name in self._models if name not in configs]:
                self._retire(self._models.pop(name))
            new = [name for name in configs if name not in self._models]
            for config in configs.values():
                self._adopt(config)
            await asyncio.gather(*(self._models[name].poll() for name in configs))
            models = [self._models[name] for name in new]
            await asyncio.gather(*(self._first_version(model) for model in models))
            _check_available(models)

    def _check_labels(self, configs: Mapping[str, ModelConfig]) -> None:
        for name, config in configs.items():
            model = self._models.get(name)
            available = {servable.version for servable in model.available()} if model else set()
            for label, number in config.labels.items():
                before = model.labels.get(label, number) if model else number
                if number not in available and not (
                    self._allow_unavailable_labels and before == number
                ):
                    raise failed_precondition(
                        f"Request to assign label to version {number} of model {name}, "
                        "which is not currently available for inference"
                    )

    def _adopt(self, config: ModelConfig) -> None:
        model = self._models.get(config.name)
        if model is None:
            model = ServedModel(
                config, self._load, self._accelerate, self._threads, self._retry_policy
            )
            earlier = self._removed.pop(config.name, None)
            if earlier is not None:
                model.records.update(earlier.records)
            self._models[config.name] = model
        model.config = config
        model.labels = dict(config.labels)

    def _retire(self, model: ServedModel) -> None:
        self._removed[model.config.name] = model
        task = asyncio.get_running_loop().create_task(model.retire())
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    async def _first_version(self, model: ServedModel) -> None:
        waiting = asyncio.ensure_future(model.wait_until_loaded())
        try:
            while not waiting.done():
                await asyncio.wait([waiting], timeout=self._poll_seconds or None)
                if not waiting.done():
                    await model.poll()
        finally:
            waiting.cancel()

    async def watch(self) -> None:
        """Look at the version folders again and again, until cancelled."""
        while self._poll_seconds > 0:
            await asyncio.sleep(self._poll_seconds)
            for model in list(self._models.values()):
                await model.poll()

    async def close(self) -> None:
        """Unload everything, once nobody uses it."""
        for name in list(self._models):
            self._retire(self._models.pop(name))
        await asyncio.gather(*self._retiring)
        self._threads.shutdown()

    def servable(self, spec: Any) -> Servable:
        """Return the version that a `ModelSpec` asks for; raises ServingError."""
        if not spec.name:
            raise invalid("ModelSpec has no name specified.")
        model = self._models.get(spec.name)
        choice = spec.WhichOneof("version_choice")
        if choice is None:
            request = f"Latest({spec.name})"
            number = None
        else:
            number = self._number(model, spec, choice)
            request = f"Specific({spec.name}, {number})"
        for servable in model.available() if model else ():
            if number is None or servable.version == number:
                return servable
        raise not_found(f"Servable not found for request: {request}")

    def _number(self, model: ServedModel | None, spec: Any, choice: str) -> int:
        if choice == "version":
            return int(spec.version.value)
        label = spec.version_label
        if model is None or label not in model.labels:
            raise invalid(f"Unrecognized servable version label: {label}")
        return model.labels[label]

    def records(self, spec: Any) -> list[VersionRecord]:
        """Return what is known of the versions that a `ModelSpec` asks for, newest first.

        Raises ServingError (NOT_FOUND) where there is none. Labels are not looked at.
        """
        model = self._models.get(spec.name) or self._removed.get(spec.name)
        rows = sorted(
            model.records.values() if model else (), key=lambda row: row.number, reverse=True
        )
        if spec.WhichOneof("version_choice") == "version":
            number = spec.version.value
            rows = [row for row in rows if row.number == number]
            if not rows:
                raise not_found(f"Could not find version {number} of model {spec.name}")
        if not rows:
            raise not_found(f"Could not find any versions of model {spec.name}")
        return rows
