"""Reads uploaded photos."""

from __future__ import annotations

import asyncio
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive

from backend.http_errors import HttpError
from serving.normalize_image import MAX_BYTES, normalize_image, too_many_bytes
from serving.tf.cores import core_count
from serving.units import format_bytes

_FORM_OVERHEAD = 64 * 1024
"""What a form adds to the file in it, at most."""
_DRAIN = 256 * 1024 * 1024
"""An upload that is too large is still received up to here: most clients only read the
response once they have sent everything, and would report a broken connection."""
_UPLOAD_TIMEOUT, _FILE_TIMEOUT = 120.0, 1800.0
"""Seconds that the upload of a photo, and of a zip file, may take."""

_decoder = ThreadPoolExecutor(max(2, core_count()), thread_name_prefix="decoder")
"""Few threads: a large photo takes hundreds of megabytes while it is checked."""


@dataclass(frozen=True)
class Upload:
    """An uploaded photo, and the class and the model that came with it, if any."""

    jpeg: bytes
    """The photo, normalized."""
    class_name: str | None
    model: str | None


async def receive_file(request: Request, target: Path, limit: int) -> str | None:
    """Write the one file of a request to `target`; returns its name, if that was sent.

    It is the form's field `file`, or the whole body; the name is the form's, or the
    query's field `name`. Raises HttpError if there is none or it has more than `limit`
    bytes.
    """
    name = request.query_params.get("name")
    limited = Request(request.scope, _limited(request, limit, _too_large(limit)))
    try:
        async with asyncio.timeout(_FILE_TIMEOUT):
            if _content_type(request) != "multipart/form-data":
                with target.open("wb") as out:
                    async for chunk in limited.stream():
                        await asyncio.to_thread(out.write, chunk)
                return name
            async with limited.form(max_files=1, max_fields=8) as form:
                file = form.get("file")
                if not isinstance(file, UploadFile):
                    raise HttpError(
                        400,
                        "The request has no file in it.",
                        "Send one as the form's field `file`, or as the whole body.",
                    )
                with target.open("wb") as out:
                    await asyncio.to_thread(shutil.copyfileobj, file.file, out)
                return file.filename or name
    except TimeoutError as error:
        raise _too_slow("file", _FILE_TIMEOUT) from error
    except ClientDisconnect as error:
        raise _broken("file") from error


async def read_upload(request: Request) -> Upload:
    """Read the one photo of a request: the form's field `file`, or the whole body.

    The class is the form's field `class`, or else the query's; so with `model`. Raises HttpError or
    UnusableImage for anything that is not one photo of at most MAX_BYTES.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > MAX_BYTES + _DRAIN:
        raise too_many_bytes()
    try:
        async with asyncio.timeout(_UPLOAD_TIMEOUT):
            data, fields = await _body(request)
    except TimeoutError as error:
        raise _too_slow("photo", _UPLOAD_TIMEOUT) from error
    except ClientDisconnect as error:
        raise _broken("photo") from error
    jpeg = await asyncio.get_running_loop().run_in_executor(_decoder, normalize_image, data)
    return Upload(jpeg, fields.get("class"), fields.get("model"))


async def _body(request: Request) -> tuple[bytes, dict[str, str]]:
    fields = dict(request.query_params)
    kind = _content_type(request)
    limited = Request(
        request.scope, _limited(request, MAX_BYTES + _FORM_OVERHEAD, too_many_bytes())
    )
    if kind == "multipart/form-data":
        async with limited.form(max_files=1, max_fields=8, max_part_size=_FORM_OVERHEAD) as form:
            file = form.get("file")
            if not isinstance(file, UploadFile):
                raise _missing_file()
            data = await file.read()
            given = {name: value for name, value in form.items() if isinstance(value, str)}
            return data, fields | given
    if kind == "application/x-www-form-urlencoded":
        raise _missing_file()
    return await limited.body(), fields


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _too_slow(what: str, seconds: float) -> HttpError:
    return HttpError(408, f"The {what} did not arrive within {seconds:.0f} s.", "Send it again.")


def _too_large(limit: int) -> HttpError:
    return HttpError(
        413, f"The file is larger than {format_bytes(limit)}.", "Import the folder itself instead."
    )


def _broken(what: str) -> HttpError:
    return HttpError(400, f"The connection ended before the {what} had arrived.", "Send it again.")


def _limited(request: Request, limit: int, too_large: Exception) -> Receive:
    """Return a `receive` that raises once the body is too large, however it is sent."""
    received = 0

    async def receive() -> Message:
        nonlocal received
        message = await request.receive()
        received += len(message.get("body", b""))
        if received > limit:
            while message.get("more_body", False) and received < limit + _DRAIN:
                message = await request.receive()
                received += len(message.get("body", b""))
            raise too_large
        return message

    return receive


def _missing_file() -> HttpError:
    return HttpError(
        400,
        "The request has no photo in it.",
        "Send one as the form's field `file`, or as the whole body.",
    )
