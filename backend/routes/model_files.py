"""/model-files and /model-imports: models of other programs, looked at and brought in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fastapi import APIRouter, Request

from backend.contract import ModelFileQuery, ModelImport, ModelUpload, NewImport
from backend.http_errors import HttpError
from backend.model_files.imports import ModelImports
from backend.model_files.uploads import ModelUploads
from backend.photos.disconnect import cancel_on_disconnect
from backend.routes.upload_schema import BINARY, file_body, parameters
from backend.this_machine import absolute_path, require_this_machine
from backend.uploads import missing_file
from backend.zip_upload import receive_file
from serving.importing.interface import ImportRequest, ModelInspection, Preview

MAX_MODEL_BYTES = 8 * 2**30
MAX_PHOTOS = 100


_EXTRA = {
    "parameters": parameters({"name": {"type": "string", "description": "What it is called."}}),
    "requestBody": file_body(BINARY, {}, "application/octet-stream"),
}


def routes(imports: ModelImports, uploads: ModelUploads) -> APIRouter:
    router = APIRouter()

    @router.post("/model-files", status_code=201, openapi_extra=_EXTRA)
    async def upload(request: Request) -> ModelUpload:
        """Keep a model file, or a zip file of an export, for the requests below."""
        async with uploads.receiving() as path:
            name = await receive_file(request, path, MAX_MODEL_BYTES)
            if not path.stat().st_size:
                raise missing_file("file")
            return await uploads.keep(path, name)

    @router.delete("/model-files/{upload}", status_code=204)
    async def remove(upload: str) -> None:
        """Remove a file that was sent for an import."""
        await uploads.remove(upload)

    @router.post("/model-files/inspect")
    async def inspect(query: ModelFileQuery, request: Request) -> ModelInspection:
        """Say what a file holds, what it takes and gives, and what stands in the way."""
        source = _source(query, request)
        return await cancel_on_disconnect(request, imports.inspect(source))

    @router.post("/model-files/preview")
    async def preview(query: ModelFileQuery, request: Request) -> list[Preview]:
        """Return what the model would answer for photos, before it is imported."""
        source, photos = _source(query, request), _photos(query, request)
        return await cancel_on_disconnect(request, imports.preview(source, photos))

    @router.post("/models/import", status_code=202)
    async def start(new: NewImport, request: Request) -> ModelImport:
        """Queue the import of a model; nothing serves it by that."""
        source, photos = _source(new, request), _photos(new, request)
        return await imports.start(new.name, source, photos)

    @router.get("/model-imports")
    async def history() -> list[ModelImport]:
        """Return the imports of this run of the backend, the last one first."""
        return imports.all()

    @router.get("/model-imports/{number}")
    async def one(number: str) -> ModelImport:
        """Return one import, with its progress."""
        return imports.one(number)

    @router.delete("/model-imports/{number}")
    async def cancel(number: str) -> ModelImport:
        """End an import; nothing of it stays."""
        return await imports.cancel(number)

    def _source(query: ModelFileQuery | NewImport, request: Request) -> ImportRequest:
        source = query.source
        if source.labels_path:
            require_this_machine(request, "Files", "Send the names of the classes as `labels`.")
            absolute_path(source.labels_path, "file")
        if query.upload:
            return replace(source, path=str(uploads.path(query.upload)))
        if not source.path:
            raise HttpError(
                400, "The request names no model file.", "Give its path, or send it first."
            )
        require_this_machine(request, "Files", "Send the model file to /model-files first.")
        absolute_path(source.path, "file")
        return source

    return router


def _photos(query: ModelFileQuery | NewImport, request: Request) -> list[Path]:
    if len(query.photos) > MAX_PHOTOS:
        raise HttpError(
            400,
            f"{len(query.photos):,} photos are too many to try a model with.",
            f"Name at most {MAX_PHOTOS}.",
        )
    if query.photos:
        require_this_machine(request, "Files", "Leave the photos out.")
    return [absolute_path(photo, "file") for photo in query.photos]
