"""Versions as files: exports, and imports of what another Servery exported."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from fastapi import APIRouter, Request

from backend.contract import ModelFileJob, NewExport
from backend.http_errors import HttpError
from backend.model_files.archive_imports import ArchiveImports
from backend.model_files.exports import ModelExports
from backend.model_files.jobs import ModelFileJobs
from backend.models.names import ModelNames
from backend.this_machine import absolute_path, require_this_machine
from serving.errors import ModelError
from serving.exporting.formats import TargetExists
from serving.models.repository import ModelRepository


@dataclass(frozen=True)
class NewArchiveImport:
    """A request to import a zip file that another Servery exported."""

    file: str
    """An absolute path on this machine."""
    name: str = ""
    """Of the new model; that of the exported one if it is empty."""


def routes(
    repository: ModelRepository,
    names: ModelNames,
    jobs: ModelFileJobs,
    exports: ModelExports,
    imports: ArchiveImports,
) -> APIRouter:
    router = APIRouter()

    @router.post("/models/{model}/versions/{number}/export", status_code=202)
    async def export(model: str, number: int, new: NewExport, request: Request) -> ModelFileJob:
        """Begin to write a version to a folder or a zip file of this machine.

        409 if there is something at that place; `GET /model-jobs/{id}` says how far it is.
        """
        require_this_machine(request, "Files", "Export the version there.")
        absolute_path(new.target, "file")
        model = await names.find(model)
        try:
            version = await asyncio.to_thread(repository.version, model, number)
        except ModelError as error:
            raise HttpError(404, error.what, error.advice) from error
        try:
            return await exports.start(version, new)
        except TargetExists as error:
            raise HttpError(409, error.what, error.advice) from error
        except ModelError as error:
            raise HttpError(400, error.what, error.advice) from error

    @router.post("/model-archives", status_code=202)
    async def import_archive(new: NewArchiveImport, request: Request) -> ModelFileJob:
        """Begin to make a model of a zip file that another Servery exported."""
        require_this_machine(request, "Files", "Import the file there.")
        file = absolute_path(new.file, "file")
        try:
            return await imports.start(file, new.name)
        except ModelError as error:
            raise HttpError(400, error.what, error.advice) from error

    @router.get("/model-jobs/{job_id}")
    async def job(job_id: str) -> ModelFileJob:
        """Return how far an export or an import is, or what came of it."""
        return jobs.job(job_id)

    @router.delete("/model-jobs/{job_id}")
    async def cancel(job_id: str) -> ModelFileJob:
        """Cancel an export or an import; nothing of it is left."""
        return await jobs.cancel(job_id)

    return router
