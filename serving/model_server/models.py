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

from serving.model_server.accelerated import AcceleratedSession
from serving.model_server.configuration import ModelConfig
from serving.model_server.servable import Servable
from serving.model_server.status import (
    Code,
    ServingError,
    failed_precondition,
    invalid,
    not_found,
)
from serving.model_server.versions import State, aspired, plan, version_folders

log = logging.getLogger(__name__)

Load = Callable[[str, int, Path], Servable]
Improve = Callable[[Servable, Path], AcceleratedSession | None]
"""Looks for a faster way to compute a version that is served already; never raises."""


@dataclass
class VersionRecord:
    """What is known of one version; END rows stay, for GetModelStatus to tell."""

    number: int
    state: State = State.START
    error: ServingError | None = None
    servable: Servable | None = None
    retired: bool = False
    """Ended and not wanted: it may be loaded anew when it is wanted again."""
    given_up: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True)
class Patience:
    """How failed loads are tried again."""

    retries: int = 5
    seconds_between: float = 60.0


class ServedModel:
    """One model: keeps the versions that its policy wants loaded."""

    def __init__(
        self,
        config: ModelConfig,
        load: Load,
        improve: Improve | None,
        threads: ThreadPoolExecutor,
        patience: Patience,
    ) -> None:
        self.config = config
        self.labels: dict[str, int] = {}
        self.records: dict[int, VersionRecord] = {}
        self.changed = asyncio.Condition()
        self._load, self._improve = load, improve
        self._threads, self._patience = threads, patience
        self._folders: dict[int, str] = {}
        self._wanted: frozenset[int] = frozenset()
        self._retired = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def look(self) -> None:
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
        self._want(aspired(self.config.policy, self._folders))

    async def retire(self) -> None:
        """Want nothing more, and wait until every version is unloaded."""
        self._retired = True
        self._want(frozenset())
        while self._tasks:
            await asyncio.wait(self._tasks)

    def available(self) -> list[Servable]:
        """Return the versions that answer, highest first."""
        return [
            record.servable
            for _, record in sorted(self.records.items(), reverse=True)
            if record.state is State.AVAILABLE and record.servable is not None
        ]

    async def settled(self) -> None:
        """Wait until a version is available or all wanted ones ended."""

        def reached() -> bool:
            wanted = [self.records[number] for number in self._wanted if number in self.records]
            ended = all(record.state is State.END for record in wanted)
            return bool(self.available()) or (bool(wanted) and ended)

        async with self.changed:
            await self.changed.wait_for(reached)

    def _want(self, wanted: frozenset[int]) -> None:
        self._wanted = wanted
        self._advance()

    def _advance(self) -> None:
        for number, record in self.records.items():
            if record.state is State.END and number not in self._wanted:
                record.retired = True
        states = {
            number: record.state for number, record in self.records.items() if not record.retired
        }
        steps = plan(self._wanted, states)
        for number in steps.give_up:
            self.records[number].given_up.set()
        for number in steps.load:
            record = self.records[number] = VersionRecord(number)
            folder = Path(self.config.base_path) / self._folders[number]
            self._begin(self._load_version(record, folder))
        for number in steps.unload:
            self.records[number].state = State.UNLOADING
            self._begin(self._unload_version(self.records[number]))

    def _begin(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _load_version(self, record: VersionRecord, folder: Path) -> None:
        name, number = self.config.name, record.number
        loop = asyncio.get_running_loop()
        record.state = State.LOADING
        for attempt in range(self._patience.retries + 1):
            if attempt:
                with suppress(TimeoutError):
                    await asyncio.wait_for(record.given_up.wait(), self._patience.seconds_between)
            if record.given_up.is_set():
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
            record.state = State.AVAILABLE
            log.info("Model %s version %d is available", name, number)
            if self._improve is not None:
                self._begin(self._improve_version(record.servable, folder, self._improve))
        else:
            record.state = State.END
        await self._tell()

    async def _improve_version(self, servable: Servable, folder: Path, improve: Improve) -> None:
        with servable.use():
            session = await asyncio.get_running_loop().run_in_executor(
                self._threads, improve, servable, folder
            )
            if session is not None:
                servable.run_on(session)

    async def _unload_version(self, record: VersionRecord) -> None:
        servable, record.servable = record.servable, None
        if servable is not None:
            await servable.released()
            await asyncio.get_running_loop().run_in_executor(self._threads, servable.session.close)
        record.state = State.END
        record.retired = True
        log.info("Model %s version %d is unloaded", self.config.name, record.number)
        await self._tell()

    async def _tell(self) -> None:
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
        improve: Improve | None = None,
        *,
        patience: Patience,
        poll_seconds: float,
        labels_may_wait: bool,
        load_threads: int,
    ) -> None:
        self._load, self._improve, self._patience = load, improve, patience
        self._poll_seconds = poll_seconds
        self._labels_may_wait = labels_may_wait
        self._threads = ThreadPoolExecutor(load_threads, thread_name_prefix="load")
        self._models: dict[str, ServedModel] = {}
        self._former: dict[str, ServedModel] = {}
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
            await asyncio.gather(*(self._models[name].look() for name in configs))
            models = [self._models[name] for name in new]
            await asyncio.gather(*(self._first_version(model) for model in models))
            _check_available(models)

    def _check_labels(self, configs: Mapping[str, ModelConfig]) -> None:
        for name, config in configs.items():
            model = self._models.get(name)
            available = {servable.version for servable in model.available()} if model else set()
            for label, number in config.labels.items():
                before = model.labels.get(label, number) if model else number
                if number not in available and not (self._labels_may_wait and before == number):
                    raise failed_precondition(
                        f"Request to assign label to version {number} of model {name}, "
                        "which is not currently available for inference"
                    )

    def _adopt(self, config: ModelConfig) -> None:
        model = self._models.get(config.name)
        if model is None:
            model = ServedModel(config, self._load, self._improve, self._threads, self._patience)
            earlier = self._former.pop(config.name, None)
            if earlier is not None:
                model.records.update(earlier.records)
            self._models[config.name] = model
        model.config = config
        model.labels = dict(config.labels)

    def _retire(self, model: ServedModel) -> None:
        self._former[model.config.name] = model
        task = asyncio.get_running_loop().create_task(model.retire())
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    async def _first_version(self, model: ServedModel) -> None:
        waiting = asyncio.ensure_future(model.settled())
        try:
            while not waiting.done():
                await asyncio.wait([waiting], timeout=self._poll_seconds or None)
                if not waiting.done():
                    await model.look()
        finally:
            waiting.cancel()

    async def watch(self) -> None:
        """Look at the version folders again and again, until cancelled."""
        while self._poll_seconds > 0:
            await asyncio.sleep(self._poll_seconds)
            for model in list(self._models.values()):
                await model.look()

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
        model = self._models.get(spec.name) or self._former.get(spec.name)
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
