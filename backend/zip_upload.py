"""Receives uploaded zip files, straight to disk."""

from __future__ import annotations

import asyncio
import mmap
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

from fastapi import Request
from starlette.requests import ClientDisconnect

from backend.http_errors import HttpError
from backend.photos.form import FILE_FIELD, MalformedForm, boundary_of, read_form
from backend.uploads import broken, drain, malformed_form, missing_file, too_slow
from serving.errors import StorageUnavailable
from serving.units import format_bytes

_TIMEOUT = 1800.0
"""Seconds that a zip file may take."""
_WRITE_BYTES = 4 * 2**20
"""Kept in memory of each zip file."""
FREE_BYTES = 512 * 2**20
"""Left free on the disk, for everything else that is in the workspace."""
_FORM_OVERHEAD = 64 * 1024
_COPY_BYTES = 1 * 2**20


async def receive_file(request: Request, target: Path, limit: int) -> str | None:
    """Write the one file of a request to `target`; returns its name, if that was sent.

    It is the form's field `file`, or the whole body; the name is the form's, or the
    query's field `name`. Raises HttpError if there is none or it has more than `limit`
    bytes, and StorageUnavailable if the disk has no room for it.
    """
    name = request.query_params.get("name")
    content_type = request.headers.get("content-type", "")
    is_form = content_type.partition(";")[0].strip().lower() == "multipart/form-data"
    body = target.with_name(f"{target.name}.form") if is_form else target
    try:
        async with asyncio.timeout(_TIMEOUT):
            await _receive(request, body, limit + (_FORM_OVERHEAD if is_form else 0))
    except TimeoutError as error:
        raise too_slow("file", _TIMEOUT) from error
    except ClientDisconnect as error:
        raise broken("file") from error
    except (HttpError, StorageUnavailable):
        await drain(request)
        raise
    if not is_form:
        return name
    try:
        found = await asyncio.to_thread(_extract, body, target, content_type, limit)
        return found or name
    except MalformedForm as error:
        raise malformed_form(str(error)) from error
    finally:
        await asyncio.to_thread(body.unlink, missing_ok=True)


async def _receive(request: Request, target: Path, limit: int) -> None:
    declared = request.headers.get("content-length", "")
    size = int(declared) if declared.isdecimal() else 0
    await asyncio.to_thread(_check_room, target, size)
    received = 0
    with target.open("wb") as out:
        async for block in _blocks(request):
            received += len(block)
            if received > limit:
                raise _too_large(limit)
            await asyncio.to_thread(_check_room, target, len(block))
            await asyncio.to_thread(out.write, block)


async def _blocks(request: Request) -> AsyncIterator[bytes]:
    """Yield the body in pieces that are worth a write."""
    block = bytearray()
    async for chunk in request.stream():
        block += chunk
        if len(block) >= _WRITE_BYTES:
            yield bytes(block)
            block.clear()
    yield bytes(block)


def _check_room(target: Path, size: int) -> None:
    if size > shutil.disk_usage(target.parent).free - FREE_BYTES:
        raise StorageUnavailable(
            "The file does not fit: the disk is full.",
            "Make room on the disk, or import the folder itself instead.",
        )


def _too_large(limit: int) -> HttpError:
    return HttpError(
        413, f"The file is larger than {format_bytes(limit)}.", "Import the folder itself instead."
    )


def _extract(body: Path, target: Path, content_type: str, limit: int) -> str:
    """Copy the file out of a form; returns its name."""
    if body.stat().st_size == 0:
        raise MalformedForm("The form is empty.")
    with body.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        form = read_form(content, boundary_of(content_type))
        files = form.named(FILE_FIELD)
        if not files:
            raise missing_file("file")
        begin, end = files[0].place
        if end - begin > limit:
            raise _too_large(limit)
        with target.open("wb") as out:
            file.seek(begin)
            while (rest := end - file.tell()) > 0:
                out.write(file.read(min(rest, _COPY_BYTES)))
    return files[0].name
