"""Imports of models: looked at, previewed, and carried out one after the other."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from backend.contract import Event, ImportState, ModelImport
from backend.events import EventBroker
from backend.job_queue import JobQueue, failure_of
from backend.models.lifecycle import ModelConflict
from backend.store.store import Store
from serving.catalogue.add import add_catalogue_model
from serving.catalogue.models import catalogue_model
from serving.errors import ModelError
from serving.importing.interface import ImportRequest, ModelInspection, Preview
from serving.importing.run_program import import_model, inspect_model, preview_model
from serving.models.model_names import checked_model_name, same_name
from serving.models.repository import ModelRepository
from serving.models.version import Version
from serving.progress import Report

MAX_KEPT = 50
"""Imports that have ended and can still be asked about."""

Work = Callable[[Report], Awaitable[Version]]
"""Makes a model and returns its live version."""


class UnknownImport(ModelError):
    """There is no import of this id."""


class ImportIsOver(ModelError):
    """An import that has ended cannot be cancelled."""


class ModelImports:
    """Runs imports in programs of their own, one at a time."""

    def __init__(
        self, repository: ModelRepository, downloads: Path, store: Store, broker: EventBroker
    ) -> None:
        """`downloads` is a folder for what comes from elsewhere, until it is a model."""
        self._repository, self._store, self._broker = repository, store, broker
        self._downloads = downloads
        self._queue: JobQueue[ModelImport] = JobQueue(MAX_KEPT)

    async def inspect(self, request: ImportRequest) -> ModelInspection:
        """Say what a path holds; raises ImportRefused for what is no model."""
        return await inspect_model(self._repository, request)

    async def preview(self, request: ImportRequest, photos: Sequence[Path]) -> list[Preview]:
        """Return what a model would answer for photos; raises ImportRefused."""
        return await preview_model(self._repository, request, photos)

    async def start(self, name: str, request: ImportRequest, photos: Sequence[Path]) -> ModelImport:
        """Queue an import; raises ModelNameError, and ModelConflict if the name is taken."""
        name = checked_model_name(name)
        return await self._start(
            name, lambda report: import_model(self._repository, name, request, photos, report)
        )

    async def start_download(self, name: str, mirror: str) -> ModelImport:
        """Queue the download of a model of the catalogue; `mirror` is an address, or empty.

        Raises ModelError if the catalogue has none of this name, and ModelConflict if the
        workspace has one.
        """
        catalogue_model(name)
        return await self._start(
            name,
            lambda report: add_catalogue_model(
                self._repository, self._downloads, name, report, mirror
            ),
        )

    async def _start(self, name: str, work: Work) -> ModelImport:
        going_on = [each.name for each in self.all() if not each.state.finished]
        for model in (*await asyncio.to_thread(self._repository.models), *going_on):
            if same_name(model, name):
                raise ModelConflict(
                    f"There is a model called {model} already.", "Choose another name."
                )
        started = ModelImport(secrets.token_hex(8), name, ImportState.QUEUED)
        self._queue.forget_oldest()
        return self._queue.start(
            started,
            lambda: self._carry_out(started.id, work),
            lambda error: self._end(started.id, name, error),
        )

    def all(self) -> list[ModelImport]:
        """Return the imports, the last one first."""
        return self._queue.all()

    def one(self, number: str) -> ModelImport:
        """Return one import; raises UnknownImport."""
        found = self._queue.find(number)
        if found is None:
            raise UnknownImport(
                "There is no such import: it is long over, or the backend was restarted.",
                "Look whether the model is there; import it again if it is not.",
            )
        return found

    async def cancel(self, number: str) -> ModelImport:
        """End an import; nothing of it stays. Raises UnknownImport and ImportIsOver."""
        found = self.one(number)
        if found.state.finished:
            raise ImportIsOver(
                f"The import of {found.name} is over already.", "Delete the model if it is there."
            )
        await self._queue.cancel(number)
        return self.one(number)

    async def close(self) -> None:
        """End what goes on."""
        await self._queue.close()

    async def _carry_out(self, number: str, work: Work) -> None:
        def report(done: int, total: int, text: str) -> None:
            self._queue.change(number, progress=done / total if total else 0.0, step=text)

        self._queue.change(number, state=ImportState.RUNNING)
        await self._succeeded(number, await work(report))

    async def _end(self, number: str, name: str, error: BaseException | None) -> None:
        if isinstance(error, asyncio.CancelledError):
            made = self._repository.versions(name)
            if made:  # it had just been renamed into place
                await self._succeeded(number, made[-1])
            else:
                self._queue.change(number, state=ImportState.CANCELLED, step="")
        elif error is not None:
            failure = failure_of(error, f"The import of {name} failed")
            self._queue.change(
                number,
                state=ImportState.FAILED,
                step="",
                error=failure.what,
                advice=failure.advice,
            )

    async def _succeeded(self, number: str, version: Version) -> None:
        await self._store.models.begin(version.model)
        self._queue.change(
            number, state=ImportState.SUCCEEDED, progress=1.0, step="", version=version.number
        )
        self._broker.publish(Event("models", version.model))
