"""Reads uploaded photos, within the budget of memory, and decodes them in other processes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from fastapi import Request
from starlette.requests import ClientDisconnect

from backend.http_errors import HttpError
from backend.photos.budget import PhotoBudget, Reservation
from backend.photos.disconnect import cancel_on_disconnect
from backend.photos.form import BrokenForm, boundary_of
from backend.photos.photo_decoder import PhotoDecoder
from backend.photos.upload_body import UploadBody
from serving.image_file import ImageFault, UnusableImage
from serving.normalize_image import MAX_BYTES, too_many_bytes

_FORM_OVERHEAD = 64 * 1024
"""What a form adds to the file in it, at most."""
_DRAIN = 256 * 1024 * 1024
"""An upload that is refused is still received up to here: most clients only read the
response once they have sent everything, and would report a broken connection."""
_UPLOAD_TIMEOUT, _DRAIN_TIMEOUT = 120.0, 30.0
"""Seconds that the upload of a photo may take, and that the rest of one is received for."""
_SMALL, _MEDIUM = 2 * 2**20, 16 * 2**20
"""Bytes that are reserved for a body whose length is not declared, until it is longer."""
_COPIES = 3
"""Of a photo while an instance is asked: it, the request, and gRPC's slices."""


@dataclass(frozen=True)
class Upload:
    """An uploaded photo, and the text that came with it."""

    jpeg: bytes
    """The photo, normalized."""
    fields: Mapping[str, str]
    """Those of the form, else those of the query."""


class Uploads:
    """Reads the photos of requests."""

    def __init__(self, budget: PhotoBudget, decoder: PhotoDecoder) -> None:
        self._budget, self._decoder = budget, decoder

    @asynccontextmanager
    async def photo(self, request: Request) -> AsyncIterator[Upload]:
        """Read the one photo of a request: the form's field `file`, or the whole body.

        Its memory is reserved for the length of the block. Raises UnusableImage or HttpError for
        anything that is not one photo of at most MAX_BYTES, and if there is no memory for it.
        """
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > MAX_BYTES + _DRAIN:
            raise too_many_bytes()
        boundary = _boundary(request)
        async with AsyncExitStack() as answering:
            async with AsyncExitStack() as receiving:
                body = await self._receive(request, receiving)
                try:
                    jpeg, fields = await self._decode(request, body, boundary, answering, receiving)
                except UnusableImage as error:
                    if _is_web_form(request) and error.fault is ImageFault.NOT_AN_IMAGE:
                        raise missing_file("photo") from error
                    raise
            yield Upload(jpeg, dict(request.query_params) | fields)

    async def _decode(
        self,
        request: Request,
        body: UploadBody,
        boundary: str | None,
        answering: AsyncExitStack,
        receiving: AsyncExitStack,
    ) -> tuple[bytes, dict[str, str]]:
        """Return the normalized photo, for which memory is reserved in `answering`."""
        if body.content is not None:
            plain = await cancel_on_disconnect(
                request, self._decoder.normalize_plain(body.content, boundary)
            )
            if plain is not None:
                await self._reserve_answer(len(plain.jpeg), answering)
                return plain.jpeg, plain.fields
        file = body.file()
        decoded = await cancel_on_disconnect(request, self._decoder.normalize(file, boundary))
        if decoded.file != file:
            receiving.callback(os.close, decoded.file)
        begin, end = decoded.place
        await self._reserve_answer(end - begin, answering)
        # A small photo is read in less time than it takes to ask a thread.
        if end - begin <= _SMALL:
            return _read(decoded.file, begin, end), decoded.fields
        return await asyncio.to_thread(_read, decoded.file, begin, end), decoded.fields

    async def _reserve_answer(self, size: int, answering: AsyncExitStack) -> None:
        copies = _COPIES * size
        small, large = self._budget.small_answers, self._budget.large_answers
        part = small if copies <= small.total // 4 else large
        # One photo at a time may take more than there is, rather than never.
        await answering.enter_async_context(part.reserve(min(copies, part.total)))

    async def _receive(self, request: Request, receiving: AsyncExitStack) -> UploadBody:
        """Return the body; memory for it is reserved in `receiving`, which closes it too."""
        received = 0
        body = UploadBody(_SMALL)
        receiving.callback(body.close)
        try:
            async with asyncio.timeout(_UPLOAD_TIMEOUT):
                reserved = await self._reserve(request, receiving)
                growing: Reservation | None = None
                async for chunk in request.stream():
                    received += len(chunk)
                    if received > MAX_BYTES + _FORM_OVERHEAD:
                        raise too_many_bytes()
                    if received > reserved:
                        reserved = _MEDIUM if received <= _MEDIUM else MAX_BYTES + _FORM_OVERHEAD
                        # One reservation that grows: a second one could wait for the first.
                        if growing is None:
                            growing = await receiving.enter_async_context(
                                self._budget.large_uploads.reserve(reserved)
                            )
                        else:
                            await growing.grow(reserved)
                    body.write(chunk)
        except TimeoutError as error:
            raise too_slow("photo", _UPLOAD_TIMEOUT) from error
        except ClientDisconnect as error:
            raise broken("photo") from error
        except Exception:
            await drain(request, received)
            raise
        return body

    async def _reserve(self, request: Request, receiving: AsyncExitStack) -> int:
        declared = request.headers.get("content-length", "")
        size = int(declared) if declared.isdecimal() else _SMALL
        if size > MAX_BYTES + _FORM_OVERHEAD:
            raise too_many_bytes()
        small = self._budget.small_uploads
        if size <= min(_SMALL, small.total // 4):
            await receiving.enter_async_context(small.reserve(size))
        else:
            await receiving.enter_async_context(self._budget.large_uploads.reserve(size))
        return size


def _boundary(request: Request) -> str | None:
    content_type = request.headers.get("content-type", "")
    if _kind(content_type) != "multipart/form-data":
        return None
    try:
        return boundary_of(content_type).decode("latin-1")
    except BrokenForm as error:
        raise broken_form(str(error)) from error


def _is_web_form(request: Request) -> bool:
    """Whether the body is declared as fields, as curl declares any body by itself."""
    return _kind(request.headers.get("content-type", "")) == "application/x-www-form-urlencoded"


def _kind(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


async def drain(request: Request, received: int = 0) -> None:
    """Receive the rest of a body that is refused, without keeping it."""
    try:
        async with asyncio.timeout(_DRAIN_TIMEOUT):
            while received < MAX_BYTES + _DRAIN:
                message = await request.receive()
                received += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return
    except TimeoutError:
        pass


def _read(file: int, begin: int, end: int) -> bytes:
    return os.pread(file, end - begin, begin)


def too_slow(what: str, seconds: float) -> HttpError:
    return HttpError(
        408,
        f"The {what} did not arrive within {seconds:.0f} s.",
        "Send a smaller one, or over a faster connection.",
    )


def broken(what: str) -> HttpError:
    return HttpError(
        400,
        f"The connection ended before the {what} had arrived.",
        "Send it again, and wait for the answer.",
    )


def broken_form(sentence: str) -> HttpError:
    return HttpError(400, sentence, "Send it as multipart/form-data, as `curl -F` does.")


def missing_file(what: str) -> HttpError:
    return HttpError(
        400,
        f"The request has no {what} in it.",
        "Send one as the form's field `file`, or as the whole body.",
    )
