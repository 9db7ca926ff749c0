"""Exports of versions: what is checked at once, and what a program of its own then does."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from backend.contract import ModelFileJob, NewExport
from backend.model_files.archive_program import ARCHIVE_PROGRAM, ArchiveRequest
from backend.model_files.jobs import ModelFileJobs
from backend.store.store import Store
from backend.training.worker_process import worker_variables
from serving.errors import BackendError
from serving.exporting.formats import ExportFormat, check_target
from serving.exporting.request import PROGRAM, ExportRequest
from serving.job_program import run_job
from serving.leftovers import sweep
from serving.models.repository import ModelRepository
from serving.models.version import Version
from serving.private import persons_umask
from serving.progress import Report
from serving.workspace import Workspace

PHOTOS = 8
"""Labelled photos, and as many others of the pool, on which scores are compared."""

_log = logging.getLogger(__name__)


class ModelExports:
    """Exports versions, which stay as they are."""

    def __init__(
        self,
        jobs: ModelFileJobs,
        repository: ModelRepository,
        store: Store,
        workspace: Workspace,
    ) -> None:
        self._jobs = jobs
        self._repository = repository
        self._store = store
        self._workspace = workspace

    async def start(self, version: Version, new: NewExport) -> ModelFileJob:
        """Begin an export; raises TargetExists, or another ModelError, if it may not be written."""
        target = _normal(new.target)
        models = self._repository.root
        await asyncio.to_thread(check_target, target, new.format, models, replace=new.replace)

        async def work(report: Report) -> dict[str, Any]:
            try:
                if new.format is ExportFormat.SERVERY:
                    return await self._archive(version, new, target, report)
                return await self._export(version, new, target, report)
            finally:
                # What a killed program was writing; most often nothing.
                await asyncio.to_thread(sweep, [target.parent])

        return self._jobs.start(version.model, version.number, str(target), work)

    async def _export(
        self, version: Version, new: NewExport, target: Path, report: Report
    ) -> dict[str, Any]:
        request = ExportRequest(
            version_folder=str(version.path),
            format=new.format,
            target=str(target),
            umask=_umask(),
            photos=await self._photos(version.model),
            replace=new.replace,
        )
        return await _run(PROGRAM, request, report)

    async def _archive(
        self, version: Version, new: NewExport, target: Path, report: Report
    ) -> dict[str, Any]:
        request = ArchiveRequest(
            version_folder=str(version.path),
            target=str(target),
            umask=_umask(),
            replace=new.replace,
            with_photos=new.with_photos,
            labels=await self._store.archived_labels.read(version.model),
            images_folder=str(self._workspace.images),
            embeddings_folder=str(self._workspace.embeddings),
        )
        return await _run(ARCHIVE_PROGRAM, request, report)

    async def _photos(self, model: str) -> list[str]:
        try:
            labelled = [label.image for label in await self._store.labels.photos(model, PHOTOS)]
            others = (await self._store.pool.unlabelled(model))[:PHOTOS]
        except BackendError as error:
            # A version can be exported while the database cannot be read.
            _log.error("The export is checked on generated photos alone: %s", error)
            return []
        return [str(self._store.images.path(image)) for image in (*labelled, *others)]


async def _run(
    program: str, request: ExportRequest | ArchiveRequest, report: Report
) -> dict[str, Any]:
    content = await asyncio.to_thread(lambda: json.dumps(asdict(request)))
    return dict(await run_job(program, content, "The export", worker_variables(), report))


def _normal(path: str) -> Path:
    return Path(os.path.normpath(path))


def _umask() -> int:
    with persons_umask() as umask:
        return umask
