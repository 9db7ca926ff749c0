"""Decodes photos: small ones at once, large ones as far as there is memory for them.

Ordinary small JPEG files are decoded by a thread of the backend, which takes half the time:
what that costs is known before, and is little. Everything else is decoded by other processes.
"""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from backend.photos.budget import PhotoBudget
from backend.photos.decoder import Decoded, DecodingJob
from backend.photos.decoder_pool import DecoderEnded, DecoderPool
from backend.photos.plain_jpeg import plain_jpeg_cost
from serving.background import finish
from serving.image_file import DecodingDeclined, ImageFault, UnusableImage
from serving.normalize_image import looks_normalized, normalize_image
from serving.tf.cores import core_count

_SMALL_FILE = 2 * 2**20
_SMALL_SECONDS, _LARGE_SECONDS = 1, 10
"""Processor time for decoding one photo. What takes longer than the first counts as large."""
_MAX_SMALL = 4
_LARGE_NICE = 10
"""Large photos yield the processor to small ones, and to the rest of the program."""


@dataclass(frozen=True)
class DecodedPhoto:
    """A file with a normalized photo in it."""

    file: int
    """Open; the one that was passed in if the photo is in it."""
    place: tuple[int, int]
    """Where in the file the photo begins and ends."""


class _CostsMore(DecodingDeclined):
    """Decoding takes more memory than was reserved for it."""


class PhotoDecoder:
    """Normalizes photos: the ordinary and small by threads, which takes a moment; others in
    other processes, which are ended if one takes too long."""

    def __init__(self, budget: PhotoBudget) -> None:
        self._budget = budget
        small = min(max(2, core_count()), _MAX_SMALL)
        self._allowance = budget.small_decoding.total // small
        self._small = DecoderPool(small, nice=0, keeps_last=True)
        self._large = DecoderPool(max(2, core_count() // 2), nice=_LARGE_NICE, keeps_last=False)
        self._free_threads = asyncio.Semaphore(small)
        self._threads = ThreadPoolExecutor(small, thread_name_prefix="decoder")

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        await self._small.close()
        await self._large.close()

    def is_ready(self, data: bytes) -> bool:
        """Whether a photo is an ordinary small JPEG that is normalized, but for hidden damage."""
        return plain_jpeg_cost(data) is not None and looks_normalized(data)

    async def normalize_plain(self, data: bytes) -> bytes | None:
        """Normalize a photo with a thread.

        None if it is no ordinary small JPEG file. Raises UnusableImage, and HttpError if there
        is no memory for it.
        """
        cost = plain_jpeg_cost(data)
        if cost is None or cost > self._budget.small_decoding.total:
            return None
        async with self._free_threads, self._budget.small_decoding.reserve(cost):
            loop = asyncio.get_running_loop()
            try:
                # Also if the caller leaves: the thread goes on, and so does what it takes.
                return await finish(loop.run_in_executor(self._threads, _normalize, data, cost))
            except _CostsMore:
                return None

    async def normalize(self, file: int, place: tuple[int, int] | None = None) -> DecodedPhoto:
        """Normalize the photo in an open file, which begins and ends at `place` if that is given.

        Raises UnusableImage, and HttpError if there is no memory for it. If cancelled, decoding
        ends.
        """
        return await self._decode(file, place)

    async def scale(self, file: int, side: int, *, always_encode: bool = False) -> DecodedPhoto:
        """Make a photo smaller; its shorter side gets at most `side` pixels. Raises as above.

        One that is no larger is what it was, unless it is to `always_encode` it.
        """
        return await self._decode(file, side=side, always_encode=always_encode)

    async def _decode(
        self,
        file: int,
        place: tuple[int, int] | None = None,
        side: int | None = None,
        always_encode: bool = False,
    ) -> DecodedPhoto:
        def job(allowance: int, cpu_seconds: int) -> DecodingJob:
            most = self._budget.large_decoding.total
            return DecodingJob(allowance, cpu_seconds, most, place, side, always_encode)

        cost = 0
        begin, end = place or (0, os.fstat(file).st_size)
        if end - begin <= _SMALL_FILE:
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
    if decoded.fault is not None:
        fault, what, advice = decoded.fault
        raise UnusableImage(ImageFault(fault), what, advice)
    if made is not None:
        return DecodedPhoto(made, (0, os.fstat(made).st_size))
    assert decoded.unchanged is not None
    begin, end = decoded.unchanged
    return DecodedPhoto(file, (begin, end))


def _undecodable() -> UnusableImage:
    return UnusableImage(
        ImageFault.DAMAGED,
        "The image takes too much time or memory to decode.",
        "Open it in a picture editor, save it as JPEG and try again.",
    )
