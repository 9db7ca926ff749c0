"""Answers every error as `{"error": ..., "advice": ...}` with a fitting status code."""

from __future__ import annotations

import logging
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from backend.canary.canaries import CanaryRefused
from backend.models.class_changes import ClassNameTaken, UnknownClass
from backend.models.lifecycle import ModelConflict
from backend.models.names import NoModel, UnknownModel
from backend.models.zip_file import UnusableZip, ZipTooLarge
from backend.person import PersonNameError
from backend.store.classes import UnknownClassChange
from backend.store.images import UnknownImage
from backend.store.labels import LabelConflict, UnknownLabel
from backend.store.runs import UnknownRun
from backend.store.unavailable import StorageUnavailable
from backend.training.trainer import ModelBusy, NothingToLearn, RunIsOver
from serving.class_names import ClassNameError
from serving.errors import (
    REFUSALS,
    FleetUnavailable,
    ImageError,
    ModelError,
    ModelNotServed,
    ServeryError,
    storage_error,
)
from serving.fleet.version_trial import UnusableVersion
from serving.image_file import ImageFault, UnusableImage
from serving.models.model_names import ModelNameError
from serving.photo_folder import NotAPhotoFolder
from serving.text.visible import shortened, visible

_log = logging.getLogger(__name__)

_FAULT_STATUS = {
    ImageFault.EMPTY: 400,
    ImageFault.TOO_LARGE: 413,
    ImageFault.NOT_AN_IMAGE: 415,
    ImageFault.DAMAGED: 422,
}
_STATUS: tuple[tuple[type[ServeryError], int], ...] = (
    (ImageError, 422),
    (FleetUnavailable, 503),
    (StorageUnavailable, 503),
    (ClassNameError, 400),
    (PersonNameError, 400),
    (ModelNameError, 400),
    (NotAPhotoFolder, 400),
    (UnusableZip, 400),
    (ZipTooLarge, 413),
    (UnknownModel, 404),
    (UnknownImage, 404),
    (NoModel, 409),
    (ModelBusy, 409),
    (ModelConflict, 409),
    (CanaryRefused, 409),
    (UnknownLabel, 404),
    (UnknownRun, 404),
    (UnknownClass, 404),
    (UnknownClassChange, 404),
    (ClassNameTaken, 409),
    (LabelConflict, 409),
    (NothingToLearn, 409),
    (RunIsOver, 409),
    (ModelNotServed, 409),
    (UnusableVersion, 422),
    (ModelError, 502),
)
_SENTENCES = {
    404: ("There is nothing at this address.", "/openapi.json lists all addresses."),
    405: ("This address does not accept this method.", "/openapi.json lists all addresses."),
}


class HttpError(ServeryError):
    """An error that is answered with a status code of its own."""

    def __init__(self, status: int, what: str, advice: str) -> None:
        super().__init__(what, advice)
        self.status = status


def error_response(status: int, what: str, advice: str) -> JSONResponse:
    """Return an error response; names in its sentences may be anything, half a character too."""
    headers = {"Retry-After": "2"} if status == 503 else None
    content = {"error": visible(what), "advice": visible(advice)}
    return JSONResponse(content, status, headers=headers)


def install_error_handlers(app: FastAPI) -> None:
    """Make `app` answer every error in this form, the framework's included."""
    app.add_exception_handler(ServeryError, _servery_error)
    app.add_exception_handler(OSError, _disk_refusal)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _unexpected)


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
    return error_response(status, error.what, error.advice)


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
    return error_response(
        500,
        "An unexpected error occurred in the backend.",
        "See its log for details; try again, and report it if it comes back.",
    )
