"""Reads uploaded photos, within the budget of memory, and decodes them in other processes.

A request is received whole, then its photos are found in it, then each is normalized: one that
cannot be read costs the others nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import mmap
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field

from fastapi import Request
from starlette.requests import ClientDisconnect

from backend.http_errors import HttpError
from backend.photos.budget import PhotoBudget, Reservation
from backend.photos.disconnect import cancel_on_disconnect
from backend.photos.form import FILE_FIELD, Form, MalformedForm, boundary_of, read_form
from backend.photos.json_photos import MAX_JSON_BYTES, JsonPhotos, read_json_photos
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
_BEGINNING = 16 * 1024
"""Bytes that are reserved for a body before any of it has come: as many connections as there may
be take no more than a quarter of what small bodies have."""
_SMALL, _MEDIUM = 2 * 2**20, 16 * 2**20
"""Bytes that are reserved for a body whose length is not declared, until it is longer."""
_JSON_COPIES = 3
"""Of JSON while it is read: it, its text, and the photos in it."""
_COPIES = 3
"""Of a photo while an instance is asked: it, the request, and gRPC's slices."""


@dataclass(frozen=True)
class Upload:
    """An uploaded photo, and the text that came with it."""

    jpeg: bytes
    """The photo, normalized."""
    fields: Mapping[str, str]
    """Those of the form, else those of the query."""


@dataclass(frozen=True)
class _Part:
    """One photo of a request: its bytes, or where they are in the body."""

    content: bytes | None
    place: tuple[int, int] | None
    name: str = ""


class SentPhotos:
    """The photos of a request, all of which was received."""

    def __init__(
        self, uploads: Uploads, receiving: AsyncExitStack, body: UploadBody, found: _Found
    ) -> None:
        self._uploads, self._receiving, self._body = uploads, receiving, body
        self._parts, self.fields, self.is_list = found.parts, found.fields, found.is_list
        self._is_web_form = found.is_web_form
        self._unread = len(self._parts)

    def __len__(self) -> int:
        return len(self._parts)

    def name(self, number: int) -> str:
        """Return what a photo's file is called, if the request says it."""
        return self._parts[number].name

    @asynccontextmanager
    async def normalized(
        self, number: int, *, is_decoded_later: bool = False
    ) -> AsyncIterator[bytes]:
        """Yield one photo, normalized; its memory is reserved for the length of the block.

        To be called once for each. Raises UnusableImage, and HttpError if there is no memory. If
        it `is_decoded_later`, hidden damage may be left to that; then `check` says what is wrong.
        """
        part = self._parts[number]
        async with AsyncExitStack() as answering:
            try:
                jpeg = await self._uploads.normalize(
                    self._body, part, answering, is_decoded_later=is_decoded_later
                )
            except UnusableImage as error:
                if self._is_web_form and error.fault is ImageFault.NOT_AN_IMAGE:
                    raise missing_file("photo") from error
                raise
            finally:
                self._unread -= 1
                if not self._unread:  # the memory of the body is free for other requests
                    await self._receiving.aclose()
            yield jpeg

    async def check(self, jpeg: bytes) -> None:
        """Raise UnusableImage if a photo that `normalized` yielded is damaged."""
        await self._uploads.decoder.normalize_plain(jpeg)

    async def scaled(self, jpeg: bytes, side: int) -> bytes:
        """Return a JPEG file of a photo that `normalized` yielded, made by a decoder of ours.

        Its shorter side has at most `side` pixels. Raises UnusableImage, and HttpError.
        """
        with ExitStack() as files:
            file = _memory_file(jpeg)
            files.callback(os.close, file)
            made = await self._uploads.decoder.scale(file, side, always_encode=True)
            files.callback(os.close, made.file)
            return await asyncio.to_thread(_read, made.file, *made.place)


@dataclass(frozen=True)
class _Found:
    parts: list[_Part]
    fields: Mapping[str, str] = field(default_factory=dict)
    is_list: bool = False
    is_web_form: bool = False


class Uploads:
    """Reads the photos of requests."""

    def __init__(self, budget: PhotoBudget, decoder: PhotoDecoder) -> None:
        self._budget, self.decoder = budget, decoder

    @asynccontextmanager
    async def photo(self, request: Request) -> AsyncIterator[Upload]:
        """Read the one photo of a request: the form's field `file`, or the whole body.

        Its memory is reserved for the length of the block. Raises UnusableImage or HttpError for
        anything that is not one photo of at most MAX_BYTES, and if there is no memory for it.
        """
        async with self.photos(request) as photos, AsyncExitStack() as answering:
            jpeg = await cancel_on_disconnect(
                request, answering.enter_async_context(photos.normalized(0))
            )
            yield Upload(jpeg, {**request.query_params, **photos.fields})

    @asynccontextmanager
    async def photos(
        self, request: Request, max_photos: int = 1, *, takes_json: bool = False
    ) -> AsyncIterator[SentPhotos]:
        """Receive the photos of a request: the form's field `file`, or the whole body.

        With `takes_json`, base64 in JSON too. Memory for them is reserved until each is
        normalized. Raises HttpError if there is no photo in it, more than `max_photos`, or no
        memory for them.
        """
        is_json = takes_json and _is_json(request)
        if _declared(request) > (MAX_JSON_BYTES if is_json else MAX_BYTES + _FORM_OVERHEAD):
            # What the client sends all the same is thrown away by the server as it comes.
            raise too_many_bytes()
        boundary = _boundary(request)
        async with AsyncExitStack() as receiving:
            body = await self._receive(request, receiving, is_json=is_json)
            if is_json:
                found = _from_json(read_json_photos(body.content or b"", max_photos))
            else:
                found = await _find(request, body, boundary, max_photos)
            yield SentPhotos(self, receiving, body, found)

    async def normalize(
        self,
        body: UploadBody,
        part: _Part,
        answering: AsyncExitStack,
        *,
        is_decoded_later: bool = False,
    ) -> bytes:
        """Return a normalized photo, for which memory is reserved in `answering`."""
        if part.content is not None:
            if is_decoded_later and self.decoder.is_ready(part.content):
                await self._reserve_answer(len(part.content), answering)
                return part.content
            plain = await self.decoder.normalize_plain(part.content)
            if plain is not None:
                await self._reserve_answer(len(plain), answering)
                return plain
        async with AsyncExitStack() as decoding:
            if part.place is None:
                file = _memory_file(part.content or b"")
                decoding.callback(os.close, file)
            else:
                file = body.file()
            decoded = await self.decoder.normalize(file, part.place)
            if decoded.file != file:
                decoding.callback(os.close, decoded.file)
            begin, end = decoded.place
            await self._reserve_answer(end - begin, answering)
            # A small photo is read in less time than it takes to ask a thread.
            if end - begin <= _SMALL:
                return _read(decoded.file, begin, end)
            return await asyncio.to_thread(_read, decoded.file, begin, end)

    async def _reserve_answer(self, size: int, answering: AsyncExitStack) -> None:
        copies = _COPIES * size
        small, large = self._budget.small_answers, self._budget.large_answers
        part = small if copies <= small.total // 4 else large
        # One photo at a time may take more than there is, rather than never.
        await answering.enter_async_context(part.reserve(min(copies, part.total)))

    async def _receive(
        self, request: Request, receiving: AsyncExitStack, *, is_json: bool
    ) -> UploadBody:
        """Return the body; memory for it is reserved in `receiving`, which closes it too."""
        received = 0
        max_received = MAX_JSON_BYTES if is_json else MAX_BYTES + _FORM_OVERHEAD
        # JSON is read where it is: as text, and as the photos in it.
        copies = _JSON_COPIES if is_json else 1
        body = UploadBody(max_received if is_json else _SMALL)
        receiving.callback(body.close)
        try:
            async with asyncio.timeout(_UPLOAD_TIMEOUT):
                memory = _UploadMemory(self._budget, copies * (_declared(request) or _SMALL))
                await memory.begin(receiving)
                async for chunk in request.stream():
                    received += len(chunk)
                    if received > max_received:
                        raise too_many_bytes()
                    await memory.hold(copies * received, copies * max_received)
                    body.write(chunk)
        except TimeoutError as error:
            raise too_slow("photo", _UPLOAD_TIMEOUT) from error
        except ClientDisconnect as error:
            raise broken("photo") from error
        except Exception:
            await drain(request, received)
            raise
        return body


class _UploadMemory:
    """What is reserved for one body, the more the more of it has come.

    A body of which next to nothing has come holds next to nothing: connections on which no more
    comes leave the memory to others.
    """

    def __init__(self, budget: PhotoBudget, expected: int) -> None:
        """Take `expected` bytes once it is certain that more than _BEGINNING are needed."""
        self._budget, self._expected = budget, expected
        self._reserved = 0

    async def begin(self, receiving: AsyncExitStack) -> None:
        """Reserve for the first bytes, until `receiving` ends; raises HttpError."""
        self._receiving = receiving
        self._reserved = min(self._expected, _BEGINNING)
        # One reservation of each part that grows: a second one could wait for the first.
        self._small = await receiving.enter_async_context(
            self._budget.small_uploads.reserve(self._reserved)
        )
        self._large: Reservation | None = None

    async def hold(self, size: int, maximum: int) -> None:
        """Have at least `size` bytes reserved, and never more than `maximum`; raises HttpError."""
        if size <= self._reserved:
            return
        steps = (self._expected, _MEDIUM)
        reserved = next((step for step in steps if size <= step), maximum)
        if reserved <= min(_SMALL, self._budget.small_uploads.total // 4):
            await self._small.grow(reserved)
        elif self._large is None:
            self._large = await self._receiving.enter_async_context(
                self._budget.large_uploads.reserve(reserved)
            )
        else:
            await self._large.grow(reserved)
        self._reserved = reserved


async def _find(
    request: Request, body: UploadBody, boundary: str | None, max_photos: int
) -> _Found:
    """Find the photos of a body that is one, or a form divided by `boundary`."""
    content = body.content
    if boundary is None:
        size = os.fstat(body.file()).st_size if content is None else len(content)
        return _Found([_Part(content, (0, size))], is_web_form=_is_web_form(request))
    try:
        delimiter = boundary.encode("latin-1")
        if content is not None:
            form = read_form(content, delimiter, max_photos)
        else:
            form = await asyncio.to_thread(_read_form, body.file(), delimiter, max_photos)
    except MalformedForm as error:
        raise malformed_form(str(error)) from error
    files = form.named(FILE_FIELD)
    if not files:
        raise missing_file("photo")
    parts = [
        _Part(None if content is None else content[slice(*file.place)], file.place, file.name)
        for file in files
    ]
    return _Found(parts, form.fields, is_list=len(parts) > 1)


def _read_form(file: int, delimiter: bytes, max_photos: int) -> Form:
    with mmap.mmap(file, 0, access=mmap.ACCESS_READ) as content:
        return read_form(content, delimiter, max_photos)


def _from_json(found: JsonPhotos) -> _Found:
    return _Found([_Part(photo, None) for photo in found.photos], found.fields, found.is_list)


def _memory_file(content: bytes) -> int:
    file = os.memfd_create("photo")
    os.write(file, content)
    return file


def _declared(request: Request) -> int:
    """Return how many bytes the body has, by its head; 0 if that is not said."""
    declared = request.headers.get("content-length", "")
    return int(declared) if declared.isdecimal() else 0


def _boundary(request: Request) -> str | None:
    content_type = request.headers.get("content-type", "")
    if _kind(content_type) != "multipart/form-data":
        return None
    try:
        return boundary_of(content_type).decode("latin-1")
    except MalformedForm as error:
        raise malformed_form(str(error)) from error


def _is_json(request: Request) -> bool:
    return _kind(request.headers.get("content-type", "")) == "application/json"


def _is_web_form(request: Request) -> bool:
    """Whether the body is declared as fields, as curl declares any body by itself."""
    return _kind(request.headers.get("content-type", "")) == "application/x-www-form-urlencoded"


def _kind(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


async def drain(request: Request, received: int = 0) -> None:
    """Receive the rest of a body that is refused, without keeping it.

    Returns at once if all of it was received: what comes after it is only the client's leaving.
    """
    # A stream that has ended raises RuntimeError when it is read again.
    with contextlib.suppress(TimeoutError, ClientDisconnect, RuntimeError):
        async with asyncio.timeout(_DRAIN_TIMEOUT):
            async for chunk in request.stream():
                received += len(chunk)
                if received >= MAX_BYTES + _DRAIN:
                    return


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


def malformed_form(sentence: str) -> HttpError:
    return HttpError(400, sentence, "Send it as multipart/form-data, as `curl -F` does.")


def missing_file(what: str) -> HttpError:
    return HttpError(
        400,
        f"The request has no {what} in it.",
        "Send one as the form's field `file`, or as the whole body.",
    )
