"""Looks at a model file, again whenever a person corrects something, and imports it; no Qt."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from backend.client import BackendClient
from backend.contract import ModelFileQuery, ModelImport, NewImport
from desktop.model_imports import STEPS, start_and_wait
from desktop.models.importing.draft import MAX_PHOTOS, ImportDraft
from desktop.translation import tr
from serving.errors import ServeryError
from serving.progress import Report

PAUSE_SECONDS = 0.4
"""How long corrections are waited for before the file is looked at with them."""


class StartedWork(Protocol):
    """Work that goes on; a job."""

    def cancel(self) -> object: ...


StartWork = Callable[[str, Callable[[Report], Awaitable[None]]], StartedWork]
"""Starts work under a title."""


class ImportPresenter:
    """Holds the draft of one import. What was asked last wins: earlier looking is cancelled."""

    def __init__(
        self,
        draft: ImportDraft,
        backend: BackendClient,
        start: StartWork,
        *,
        pause_seconds: float = PAUSE_SECONDS,
    ) -> None:
        self._draft = draft
        self._backend = backend
        self._start = start
        self._pause_seconds = pause_seconds
        self._work: StartedWork | None = None
        self._is_stale = True
        """`found` is not of the file, signature, labels and trust of now."""
        self.on_changed: Callable[[ImportDraft], object] = lambda draft: None

    @property
    def draft(self) -> ImportDraft:
        return self._draft

    def look(self) -> None:
        """Look at the file, then ask it about the photos."""
        self._is_stale = True
        self._begin(0.0)

    def correct(self, **facts: Any) -> None:
        """Say what the model takes or gives: fields of Corrections and their values."""
        self._draft = replace(
            self._draft,
            corrections=replace(self._draft.corrections, **facts),
        )
        # Another signature may have another number of classes; the rest changes only answers.
        self._is_stale = self._is_stale or "signature" in facts
        self._begin(self._pause_seconds)

    def choose_labels(self, path: Path | None) -> None:
        """Take the names of the classes from a file; None for those that the model brings."""
        self._draft = replace(self._draft, labels_path=path)
        self.look()

    def trust(self) -> None:
        """Say that the person trusts the model, which is looked at then."""
        self._draft = replace(self._draft, trust=True)
        self.look()

    def take_all_versions(self, all_versions: bool) -> None:
        """Import every version of a model folder, or its newest."""
        self._set(replace(self._draft, all_versions=all_versions))

    def add_photos(self, photos: Iterable[Path]) -> None:
        """Ask about these photos, too; those that were there longest give way."""
        chosen = tuple(dict.fromkeys((*photos, *self._draft.photos)))[:MAX_PHOTOS]
        self._show_photos(chosen)

    def remove_photo(self, photo: Path) -> None:
        self._show_photos(tuple(each for each in self._draft.photos if each != photo))

    def stop(self) -> None:
        """Stop looking at the file; an import goes on."""
        if self._work is not None:
            self._work.cancel()
            self._work = None

    async def import_model(self, name: str, report: Report) -> ModelImport:
        """Bring the model in under a name; cancelling this cancels the import.

        Raises ModelError and BackendError, which the draft says, too.
        """
        self.stop()
        self._set(
            replace(
                self._draft, progress=0.0, step=tr("Starting the import."), problem="", advice=""
            )
        )

        def show(done: int, total: int, text: str) -> None:
            report(done, total, text)
            self._set(replace(self._draft, progress=done / (total or STEPS), step=text))

        try:
            photos = tuple(map(str, self._draft.photos))
            new = NewImport(name, self._draft.request, photos=photos)
            return await start_and_wait(self._backend, self._backend.import_model(new), show)
        except ServeryError as error:
            self._set(replace(self._draft, problem=error.what, advice=error.advice))
            raise
        finally:
            self._set(replace(self._draft, progress=None, step=""))

    def _show_photos(self, photos: tuple[Path, ...]) -> None:
        kept = set(map(str, photos))
        previews = tuple(each for each in self._draft.previews if each.photo in kept)
        is_more = len(previews) < len(photos)
        self._set(replace(self._draft, photos=photos, previews=previews))
        if is_more:
            self._begin(self._pause_seconds)

    def _begin(self, pause: float) -> None:
        """Look again, after `pause` seconds in which nothing else is asked."""
        if self._draft.progress is not None:
            return
        self.stop()
        step = tr("Looking at the model.") if self._is_stale else self._next_step()
        self._set(replace(self._draft, step=step, is_looking=self._is_stale, problem="", advice=""))

        async def work(report: Report) -> None:
            await asyncio.sleep(pause)
            try:
                await self._look()
            except ServeryError as error:
                self._set(
                    replace(
                        self._draft,
                        step="",
                        is_looking=False,
                        problem=error.what,
                        advice=error.advice,
                    )
                )
            except Exception:
                self._set(replace(self._draft, step="", is_looking=False))
                raise
            else:
                self._set(replace(self._draft, step="", is_looking=False))

        self._work = self._start(f"Look at {self._draft.path.name}", work)

    async def _look(self) -> None:
        if self._is_stale:
            found = await self._backend.inspect_model(ModelFileQuery(self._draft.request))
            self._is_stale = False
            self._set(
                replace(
                    self._draft, found=found, is_looking=False, step=self._next_step(), previews=()
                )
            )
        found_now = self._draft.found
        photos = tuple(map(str, self._draft.photos))
        if found_now is None or found_now.interface is None or found_now.problems or not photos:
            return
        query = ModelFileQuery(self._draft.request, photos=photos)
        previews = tuple(await self._backend.preview_model(query))
        self._set(replace(self._draft, previews=previews))

    def _next_step(self) -> str:
        return tr("Asking the model about your photos.") if self._draft.photos else ""

    def _set(self, draft: ImportDraft) -> None:
        self._draft = draft
        self.on_changed(self._draft)
