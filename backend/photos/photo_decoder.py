"""Decodes photos: small ones at once, large ones as far as there is memory for them.

Ordinary small JPEG files are decoded by a thread of the backend, which takes half the time:
what that costs is known before, and is little. Everything else is decoded by other processes.
"""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from backend.http_errors import HttpError
from backend.photos.budget import PhotoBudget
from backend.photos.decoder import Decoded, DecodingJob
from backend.photos.decoder_pool import DecoderEnded, DecoderPool
from backend.photos.form import BrokenForm, read_form
from backend.photos.plain_jpeg import plain_jpeg_cost
from serving.background import finish
from serving.image_file import DecodingDeclined, ImageFault, UnusableImage
from serving.normalize_image import normalize_image
from serving.tf.cores import core_count

_SMALL_FILE = 2 * 2**20
_SMALL_SECONDS, _LARGE_SECONDS = 1, 10
"""Processor time for decoding one photo. What takes longer than the first counts as large."""
_MOST_SMALL = 4
_LARGE_NICE = 10
"""Large photos yield the processor to small ones, and to the rest of the program."""


@dataclass(frozen=True)
class DecodedPhoto:
    """A file with a photo in it, and the fields of the form that it came in."""

    file: int
    """Open; the one that was passed in if the photo is in it."""
    place: tuple[int, int]
    """Where in the file the photo begins and ends."""
    fields: dict[str, str]


@dataclass(frozen=True)
class PlainPhoto:
    """A normalized photo, and the fields of the form that it came in."""

    jpeg: bytes
    fields: dict[str, str]


class _CostsMore(DecodingDeclined):
    """Decoding takes more memory than was reserved for it."""


class PhotoDecoder:
    """Normalizes photos: the ordinary and small by threads, which takes a moment; others in
    other processes, which are ended if one takes too long."""

    def __init__(self, budget: PhotoBudget) -> None:
        self._budget = budget
        small = min(max(2, core_count()), _MOST_SMALL)
        self._allowance = budget.small_decoding.total // small
        self._small = DecoderPool(small, nice=0, keeps_one=True)
        self._large = DecoderPool(max(2, core_count() // 2), nice=_LARGE_NICE, keeps_one=False)
        self._free_threads = asyncio.Semaphore(small)
        self._threads = ThreadPoolExecutor(small, thread_name_prefix="decoder")

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        await self._small.close()
        await self._large.close()

    async def normalize_plain(self, body: bytes, boundary: str | None) -> PlainPhoto | None:
        """Normalize the photo in `body`, a photo or a form divided by `boundary`, with a thread.

        None if it is no ordinary small JPEG file. Raises UnusableImage, and HttpError if there
        is no memory for it.
        """
        fields: dict[str, str] = {}
        data = body
        if boundary is not None:
            try:
                form = read_form(body, boundary.encode("latin-1"))
            except BrokenForm:
                return None
            if "file" not in form.files:
                return None
            fields = form.fields
            begin, end = form.files["file"]
            data = body[begin:end]
        cost = plain_jpeg_cost(data)
        if cost is None or cost > self._budget.small_decoding.total:
            return None
        async with self._free_threads, self._budget.small_decoding.reserve(cost):
            loop = asyncio.get_running_loop()
            try:
                # Also if the caller leaves: the thread goes on, and so does what it takes.
                jpeg = await finish(loop.run_in_executor(self._threads, _normalize, data, cost))
            except _CostsMore:
                return None
        return PlainPhoto(jpeg, fields)

    async def normalize(self, file: int, boundary: str | None = None) -> DecodedPhoto:
        """Normalize the photo in an open file, which may be a form divided by `boundary`.

        Raises UnusableImage, and HttpError if there is none or no memory for it. If cancelled,
        decoding ends.
        """
        return await self._decode(file, boundary)

    async def scale(self, file: int, side: int) -> DecodedPhoto:
        """Make a photo smaller; its shorter side gets at most `side` pixels. Raises as above."""
        return await self._decode(file, side=side)

    async def _decode(
        self, file: int, boundary: str | None = None, side: int | None = None
    ) -> DecodedPhoto:
        def job(allowance: int, cpu_seconds: int) -> DecodingJob:
            most = self._budget.large_decoding.total
            return DecodingJob(allowance, cpu_seconds, most, boundary, side)

        cost = 0
        if os.fstat(file).st_size <= _SMALL_FILE:
            try:
                async with self._budget.small_decoding.reserve(self._allowance):
                    small = job(self._allowance, _SMALL_SECONDS)
                    decoded, made = await self._small.decode(small, file)
                if not decoded.cost:
                    return _photo(decoded, file, made)
                cost = decoded.cost
            except DecoderEnded as error:
                if not error.out_of_time:
                    raise _undecodable() from error
        try:
            if not cost:
                # Its header alone says how much memory it takes.
                decoded, made = await self._large.decode(job(0, _LARGE_SECONDS), file)
                if not decoded.cost:
                    return _photo(decoded, file, made)
                cost = decoded.cost
            async with self._budget.large_decoding.reserve(cost):
                decoded, made = await self._large.decode(job(cost, _LARGE_SECONDS), file)
                return _photo(decoded, file, made)
        except DecoderEnded as error:
            raise _undecodable() from error


def _normalize(data: bytes, reserved: int) -> bytes:
    def check_cost(cost: int) -> None:
        if cost > reserved:
            raise _CostsMore

    return normalize_image(data, check_cost)


def _photo(decoded: Decoded, file: int, made: int | None) -> DecodedPhoto:
    if decoded.broken_form:
        raise HttpError(400, decoded.broken_form, "Send it as `curl -F file=@photo.jpg` does.")
    if not decoded.has_photo:
        raise HttpError(
            400,
            "The request has no photo in it.",
            "Send one as the form's field `file`, or as the whole body.",
        )
    if decoded.fault is not None:
        fault, what, advice = decoded.fault
        raise UnusableImage(ImageFault(fault), what, advice)
    if made is not None:
        return DecodedPhoto(made, (0, os.fstat(made).st_size), dict(decoded.fields))
    assert decoded.unchanged is not None
    begin, end = decoded.unchanged
    return DecodedPhoto(file, (begin, end), dict(decoded.fields))


def _undecodable() -> UnusableImage:
    return UnusableImage(
        ImageFault.DAMAGED,
        "The image takes too much time or memory to decode.",
        "Open it in a picture editor, save it as JPEG and try again.",
    )
