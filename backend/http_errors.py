"""Answers every error as problem details (RFC 9457) with a fitting status code."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from backend.canary.canaries import CanaryRefused
from backend.label_files.found import LabelFileError
from backend.model_files.imports import ImportIsOver, UnknownImport
from backend.model_files.jobs import UnknownModelFileJob
from backend.model_files.uploads import UnknownUpload
from backend.model_images.builds import UnknownBuild
from backend.models.class_changes import ClassNameTaken, UnknownClass
from backend.models.lifecycle import ModelConflict
from backend.models.names import NoModel, UnknownModel
from backend.openapi import allowed_methods
from backend.person import PersonNameError
from backend.store.classes import UnknownClassChange
from backend.store.images import UnknownImage
from backend.store.label_writing import LabelConflict
from backend.store.labels import UnknownLabel
from backend.store.runs import UnknownRun
from backend.training.fine_tuning.fine_tuner import CannotFineTune
from backend.training.trainer import ModelBusy, NothingToLearn, RunIsOver
from serving.class_names import ClassNameError
from serving.engines.docker.model_image.request import ImageRequestError
from serving.engines.docker.model_image.tag import ImageNameError
from serving.errors import (
    REFUSALS,
    EngineError,
    FleetUnavailable,
    ImageError,
    ModelError,
    ModelNotServed,
    ServeryError,
    StorageUnavailable,
    storage_error,
)
from serving.export_folder import ExportRefused
from serving.fleet.version_trial import UnusableVersion
from serving.http.problem import PROBLEM_MEDIA_TYPE, problem
from serving.image_file import ImageFault, UnusableImage
from serving.importing.run_program import ImportRefused
from serving.models.fleet_image import ServedFromImage
from serving.models.model_names import ModelNameError
from serving.photo_folder import NotAPhotoFolder
from serving.text.visible import shortened, visible
from serving.zip_file import UnusableZip, ZipTooLarge

_log = logging.getLogger(__name__)

RETRY_SECONDS = 2
_RETRIED = (429, 503)
"""The statuses of what may succeed if it is sent again later, which `Retry-After` says."""

_FAULT_STATUS = {
    ImageFault.EMPTY: 400,
    ImageFault.TOO_LARGE: 413,
    ImageFault.NOT_AN_IMAGE: 415,
    ImageFault.DAMAGED: 422,
}
_FAULT_NAME = {
    ImageFault.EMPTY: "EmptyImage",
    ImageFault.TOO_LARGE: "ImageTooLarge",
    ImageFault.NOT_AN_IMAGE: "NotAnImage",
    ImageFault.DAMAGED: "DamagedImage",
}
_STATUS: tuple[tuple[type[ServeryError], int], ...] = (
    (ImageError, 422),
    (FleetUnavailable, 503),
    (StorageUnavailable, 503),
    (ClassNameError, 400),
    (PersonNameError, 400),
    (ModelNameError, 400),
    (NotAPhotoFolder, 400),
    (LabelFileError, 400),
    (ExportRefused, 409),
    (UnusableZip, 400),
    (ZipTooLarge, 413),
    (UnknownModel, 404),
    (UnknownUpload, 404),
    (UnknownImport, 404),
    (ImportIsOver, 409),
    (ImportRefused, 422),
    (UnknownImage, 404),
    (NoModel, 409),
    (ModelBusy, 409),
    (ModelConflict, 409),
    (CanaryRefused, 409),
    (UnknownLabel, 404),
    (UnknownRun, 404),
    (UnknownClass, 404),
    (UnknownClassChange, 404),
    (UnknownBuild, 404),
    (ImageNameError, 400),
    (ImageRequestError, 400),
    (EngineError, 503),
    (UnknownModelFileJob, 404),
    (ClassNameTaken, 409),
    (LabelConflict, 409),
    (NothingToLearn, 409),
    (CannotFineTune, 409),
    (RunIsOver, 409),
    (ModelNotServed, 409),
    (UnusableVersion, 422),
    (ServedFromImage, 409),
    (ModelError, 502),
)
_SENTENCES = {
    404: ("There is nothing at this address.", "/openapi.json lists all addresses."),
    405: ("This address does not accept this method.", "/openapi.json lists all addresses."),
}


_UNEXPECTED = (
    "An unexpected error occurred in the backend.",
    "See its log for details; try again, and report it if it comes back.",
)


class HttpError(ServeryError):
    """An error that is answered with a status code of its own."""

    def __init__(
        self, status: int, what: str, advice: str, *, retry_seconds: int = RETRY_SECONDS
    ) -> None:
        """With 429 or 503, it may be sent again after `retry_seconds`."""
        super().__init__(what, advice)
        self.status, self.retry_seconds = status, retry_seconds


class ProblemResponse(JSONResponse):
    media_type = PROBLEM_MEDIA_TYPE


def error_response(status: int, what: str, advice: str, name: str = "") -> JSONResponse:
    """Return an error response; names in its sentences may be anything, half a character too.

    `name` is the class of the error, if it says more than the status.
    """
    headers = {"Retry-After": str(RETRY_SECONDS)} if status in _RETRIED else None
    content = problem(status, visible(what), visible(advice), name)
    return ProblemResponse(content, status, headers=headers)


def install_error_handlers(app: FastAPI) -> None:
    """Make `app` answer every error in this form, the framework's included."""
    app.add_exception_handler(ServeryError, _servery_error)
    app.add_exception_handler(OSError, _disk_refusal)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _unexpected)


def problem_of(error: BaseException | None) -> dict[str, Any]:
    """Return the problem details of an error; those of an unexpected one say nothing of it."""
    if not isinstance(error, ServeryError):
        return problem(500, *_UNEXPECTED)
    return problem(status_of(error), visible(error.what), visible(error.advice), name_of(error))


def name_of(error: ServeryError) -> str:
    """Return the name of the kind of an error; empty if its status says all."""
    if isinstance(error, UnusableImage):
        return _FAULT_NAME[error.fault]
    kind = next((kind for kind, _ in _STATUS if isinstance(error, kind)), None)
    return "" if kind is None or isinstance(error, HttpError) else kind.__name__


def status_of(error: ServeryError) -> int:
    """Return the status code for an error."""
    if isinstance(error, HttpError):
        return error.status
    if isinstance(error, UnusableImage):
        return _FAULT_STATUS[error.fault]
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


async def _servery_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ServeryError)
    status = status_of(error)
    if status == 500:
        _log.error("%s %s: %s", request.method, request.url.path, error, exc_info=error)
    response = error_response(status, error.what, error.advice, name_of(error))
    if isinstance(error, HttpError) and status in _RETRIED:
        response.headers["Retry-After"] = str(error.retry_seconds)
    return response


async def _disk_refusal(request: Request, error: Exception) -> JSONResponse:
    """Answer what a disk refused where nothing said it better."""
    assert isinstance(error, OSError)
    if error.errno not in REFUSALS:
        raise error
    path = Path(str(error.filename or "the workspace"))
    failure = storage_error(error, path, "The disk refused it", StorageUnavailable)
    _log.error("%s %s: %s", request.method, request.url.path, failure)
    return await _servery_error(request, failure)


async def _http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    what, advice = _SENTENCES.get(
        error.status_code, (f"{error.detail}.".replace("..", "."), "Check the request.")
    )
    response = error_response(error.status_code, what, advice)
    response.headers.update(error.headers or {})
    if error.status_code == 405 and (allowed := allowed_methods(request.app, request.url.path)):
        response.headers["Allow"] = allowed
    return response


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    kind = request.headers.get("content-type", "none").partition(";")[0].strip()
    if first["loc"] == ("body",) and not kind.endswith("json"):
        return error_response(
            400,
            f"The request should be JSON, and its Content-Type is {shortened(kind, 100)}.",
            "Send it with the header `Content-Type: application/json`.",
        )
    location = " ".join(str(part) for part in first["loc"])
    return error_response(
        400,
        f"The request is invalid at {location}: {first['msg']}.",
        "/openapi.json describes all requests.",
    )


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    return error_response(500, *_UNEXPECTED)
