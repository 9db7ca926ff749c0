"""POST /models/{model}/import: labels and a training run from a folder of folders."""

from __future__ import annotations

import json
from pathlib import Path

from fastapi import APIRouter, Request

from backend.access import caller_name
from backend.contract import TrainingRun
from backend.http_errors import HttpError
from backend.models.imports import PhotoImports
from backend.models.names import ModelNames
from backend.person import checked_person
from backend.routes.upload_schema import BINARY, file_body, parameters
from backend.this_machine import absolute_path, require_this_machine
from backend.zip_upload import receive_file

MAX_ZIP_BYTES = 8 * 2**30


_BODY = file_body(BINARY, {}, "application/zip", "application/octet-stream")
_BODY["content"]["application/json"] = {
    "schema": {"$ref": "#/components/schemas/PhotoFolderPath"},
}
_EXTRA = {
    "parameters": parameters({"name": {"type": "string", "description": "Of the zip file."}}),
    "requestBody": _BODY,
}


def routes(imports: PhotoImports, names: ModelNames) -> APIRouter:
    router = APIRouter()

    @router.post("/models/{model}/import", status_code=202, openapi_extra=_EXTRA)
    async def import_photos(model: str, request: Request, by: str = "") -> TrainingRun:
        """Queue a run that labels photos by the folders that they are in, then learns.

        The body is JSON, `{"folder": "/an/absolute/path"}` on this machine, or a zip
        file, as the form's field `file` or as the whole body.
        `by` is who says what they show, if not the user who sends it.
        """
        person = checked_person(by, caller_name(request.scope))
        model = await names.find(model)
        if request.headers.get("content-type", "").partition(";")[0].strip() == "application/json":
            folder = _folder(await request.body())
            require_this_machine(request, "Folders", "Send the photos in a zip file.")
            return await imports.import_folder(model, folder, person)
        async with imports.upload() as archive:
            name = await receive_file(request, archive, MAX_ZIP_BYTES)
            return await imports.import_zip(model, archive, name or "a zip file", person)

    return router


def _folder(body: bytes) -> Path:
    try:
        folder = str(Path(json.loads(body)["folder"]))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise HttpError(
            400, "The folder is missing.", 'Send it as `{"folder": "/an/absolute/path"}`.'
        ) from error
    return absolute_path(folder, "folder")
