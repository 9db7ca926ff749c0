"""The models of one server: configured, polled, found by the `ModelSpec` of a request."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from serving.model_server.configuration import ModelConfig
from serving.model_server.load_threads import LoadThreads
from serving.model_server.servable import Servable
from serving.model_server.served_model import (
    Load,
    RetryPolicy,
    ServedModel,
    VersionRecord,
)
from serving.tf.file_watch import NOTIFIED_POLL_SECONDS, ChangeWatch
from serving.tf.status import Code, ServingError, failed_precondition, invalid, not_found


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


class ServerModels:
    """All models of one server."""

    def __init__(
        self,
        load: Load,
        *,
        retry_policy: RetryPolicy,
        poll_seconds: float,
        allow_unavailable_labels: bool,
        wait_for_missing: bool,
        load_threads: int,
    ) -> None:
        self._load, self._retry_policy = load, retry_policy
        self._poll_seconds = poll_seconds
        self._allow_unavailable_labels = allow_unavailable_labels
        self._wait_for_missing = wait_for_missing
        self._threads = LoadThreads(load_threads)
        self._models: dict[str, ServedModel] = {}
        self._removed: dict[str, ServedModel] = {}
        self._folder_watch: ChangeWatch | None = None
        self._reloading = asyncio.Lock()
        self._superseded = asyncio.Event()
        """Set for the configuration that was applied last, once there is a newer one."""
        self._awaited: set[str] = set()
        """Models whose first version was waited for, successfully or not."""
        self._retiring: set[asyncio.Task[None]] = set()

    async def configure(self, configs: Mapping[str, ModelConfig]) -> None:
        """Serve exactly these models; returns once the new ones are available.

        Raises ServingError: FAILED_PRECONDITION if a label names a version that is
        not available now, and then nothing changes; UNKNOWN if a new model did not
        become available; ABORTED if a newer configuration came while it waited for one.
        A model without any version on disk is waited for with `wait_for_missing` alone.
        """
        # Waiting for a model that never loads must not keep the next one from being served.
        self._superseded.set()
        superseded = self._superseded = asyncio.Event()
        async with self._reloading:
            self._check_labels(configs)
            for name in [name for name in self._models if name not in configs]:
                self._retire(self._models.pop(name))
                self._awaited.discard(name)
            new = [name for name in configs if name not in self._awaited]
            for config in configs.values():
                self._configure(config)
            if self._folder_watch is not None:
                self._folder_watch.wake()
            await asyncio.gather(*(self._models[name].poll() for name in configs))
            models = [self._models[name] for name in new]
            await self._first_versions(
                [model for model in models if self._wait_for_missing or model.aspires], superseded
            )
            self._awaited.update(new)
            _check_available(models)

    async def _first_versions(
        self, models: Sequence[ServedModel], superseded: asyncio.Event
    ) -> None:
        """Wait for models that are new; raises ServingError (ABORTED) once `superseded`."""
        if not models:
            return
        newer = asyncio.create_task(superseded.wait())
        loading = [asyncio.create_task(self._first_version(model)) for model in models]
        try:
            while not all(task.done() for task in loading):
                unfinished = [task for task in loading if not task.done()]
                await asyncio.wait([newer, *unfinished], return_when=asyncio.FIRST_COMPLETED)
                if newer.done():
                    raise ServingError(Code.ABORTED, "A newer configuration came meanwhile.")
            for task in loading:
                task.result()
        finally:
            newer.cancel()
            for task in loading:
                task.cancel()

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

    def _configure(self, config: ModelConfig) -> None:
        model = self._models.get(config.name)
        if model is None:
            model = ServedModel(config, self._load, self._threads, self._retry_policy)
            # Versions of the model that was removed before may still be unloading.
            earlier = self._removed.pop(config.name, None)
            if earlier is not None:
                model.records.update(earlier.records)
            self._models[config.name] = model
        model.config = config
        model.labels = dict(config.labels)

    def _retire(self, model: ServedModel) -> None:
        self._removed[model.config.name] = model
        task = asyncio.create_task(model.retire())
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
        """Look at the version folders after they have changed, until cancelled.

        That is once in `poll_seconds` at most, so that a version may take as long to be copied as
        if they were looked at regularly, which they are where the system does not tell.
        """
        while self._poll_seconds > 0:
            folders = {Path(model.config.base_path) for model in self._models.values()}
            with ChangeWatch(folders, poll_seconds=0) as self._folder_watch:
                await asyncio.sleep(self._poll_seconds)
                for model in list(self._models.values()):
                    await model.look()
                # It ends at once if something has changed since the watch was opened.
                await self._folder_watch.wait(NOTIFIED_POLL_SECONDS)

    def retry_refused(self) -> None:
        """Load again what was refused with PERMISSION_DENIED."""
        for model in self._models.values():
            model.retry_refused()

    async def close(self) -> None:
        """Unload every version as soon as no request uses it."""
        for name in list(self._models):
            self._retire(self._models.pop(name))
        await asyncio.gather(*self._retiring)

    def is_full(self) -> bool:
        """Say whether as many requests wait for each version that answers as may."""
        servables = [found for model in self._models.values() for found in model.available()]
        return bool(servables) and all(servable.is_full for servable in servables)

    def servable(self, spec: Any) -> Servable:
        """Return the version that a `ModelSpec` selects; raises ServingError."""
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
        """Return what is known of the versions that a `ModelSpec` selects, newest first.

        Raises ServingError (NOT_FOUND) if there are none. Labels are ignored.
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
