"""Reads uploaded photos."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive

from backend.http_errors import HttpError
from serving.normalize_image import MAX_BYTES, normalize_image, too_many_bytes
from serving.tf.cores import core_count

_FORM_OVERHEAD = 64 * 1024
"""What a form adds to the file in it, at most."""
_DRAIN = 256 * 1024 * 1024
"""An upload that is too large is still received up to here: most clients only read the
response once they have sent everything, and would report a broken connection."""
_UPLOAD_TIMEOUT = 120.0
"""Seconds that an upload may take."""

_decoder = ThreadPoolExecutor(max(2, core_count()), thread_name_prefix="decoder")
"""Few threads: a large photo takes hundreds of megabytes while it is checked."""


@dataclass(frozen=True)
class Upload:
    """An uploaded photo, and the class and the model that came with it, if any."""

    jpeg: bytes
    """The photo, normalized."""
    class_name: str | None
    model: str | None


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
        raise HttpError(
            408, f"The photo did not arrive within {_UPLOAD_TIMEOUT:.0f} s.", "Send it again."
        ) from error
    except ClientDisconnect as error:
        raise HttpError(
            400, "The connection ended before the photo had arrived.", "Send it again."
        ) from error
    jpeg = await asyncio.get_running_loop().run_in_executor(_decoder, normalize_image, data)
    return Upload(jpeg, fields.get("class"), fields.get("model"))


async def _body(request: Request) -> tuple[bytes, dict[str, str]]:
    fields = dict(request.query_params)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    limited = Request(request.scope, _limited(request))
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


def _limited(request: Request) -> Receive:
    """Return a `receive` that raises once the body is too large, however it is sent."""
    received = 0
    limit = MAX_BYTES + _FORM_OVERHEAD

    async def receive() -> Message:
        nonlocal received
        message = await request.receive()
        received += len(message.get("body", b""))
        if received > limit:
            while message.get("more_body", False) and received < limit + _DRAIN:
                message = await request.receive()
                received += len(message.get("body", b""))
            raise too_many_bytes()
        return message

    return receive


def _missing_file() -> HttpError:
    return HttpError(
        400,
        "The request has no photo in it.",
        "Send one as the form's field `file`, or as the whole body.",
    )
