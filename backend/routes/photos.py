"""/images and /models/{model}/photos: photos that people labelled."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse, Response

from backend.contract import LabeledPhoto
from backend.models.names import ModelNames
from backend.photos.disconnect import cancel_on_disconnect
from backend.photos.photo_decoder import PhotoDecoder
from backend.store.images import UnknownImage, read_image
from backend.store.store import Store
from serving.errors import ImageError, StorageUnavailable
from serving.image_file import UnusableImage
from serving.state_files import DamagedFile, UnreadableFile

MAX_PHOTOS = 1000
MAX_SIDE = 2048
"""Pixels."""
_JPEG = "image/jpeg"
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A JPEG file.",
        "content": {_JPEG: {"schema": {"type": "string", "format": "binary"}}},
    },
    304: {"description": "It is the one that `If-None-Match` names."},
}


def routes(store: Store, names: ModelNames, decoder: PhotoDecoder) -> APIRouter:
    router = APIRouter()

    @router.get("/models/{model}/photos")
    async def photos(
        model: str, count: Annotated[int, Query(ge=1, le=MAX_PHOTOS)] = 9
    ) -> list[LabeledPhoto]:
        """Return labelled photos: the newest of each class, then the second newest, and so on."""
        labels = await store.labels.photos(await names.find(model), count)
        return [LabeledPhoto(label.image, label.class_name) for label in labels]

    @router.get("/images/{image}", response_class=FileResponse, responses=_RESPONSES)
    async def image(
        request: Request, image: str, side: Annotated[int | None, Query(ge=1, le=MAX_SIDE)] = None
    ) -> Response:
        """Return a labelled photo, or a smaller one whose shorter side has `side` pixels."""
        path = await asyncio.to_thread(store.images.find, image)
        if path is None:
            raise UnknownImage(image)
        # The address is the hash of the content, which therefore never changes.
        headers = {
            "Cache-Control": "private, max-age=31536000, immutable",
            "ETag": f'"{image}"' if side is None else f'"{image}-{side}"',
        }
        if headers["ETag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        await asyncio.to_thread(_check, path)
        if side is None:
            return FileResponse(path, media_type=_JPEG, headers=headers)
        content = await cancel_on_disconnect(request, _scaled(decoder, path, side))
        return Response(content, media_type=_JPEG, headers=headers)

    return router


def _check(path: Path) -> None:
    """Raise ImageError if a photo is damaged: what is sent in its place is kept for good."""
    try:
        read_image(path)
    except DamagedFile as error:
        raise _damaged(path, error.fault) from error
    except UnreadableFile as error:
        raise StorageUnavailable(error.what, error.advice) from error


def _damaged(path: Path, fault: str) -> ImageError:
    return ImageError(
        f"The photo {path} is damaged: {fault}.",
        "Label the photo again, or run `servery doctor`.",
    )


async def _scaled(decoder: PhotoDecoder, path: Path, side: int) -> bytes:
    """Return a JPEG file of the photo, its shorter side at most `side` pixels."""
    file = os.open(path, os.O_RDONLY)
    try:
        try:
            photo = await decoder.scale(file, side)
        except UnusableImage as error:
            raise _damaged(path, "it cannot be decoded") from error
        try:
            begin, end = photo.place
            return await asyncio.to_thread(os.pread, photo.file, end - begin, begin)
        finally:
            if photo.file != file:
                os.close(photo.file)
    finally:
        os.close(file)
