"""/pool: photos that were classified, for people to label and training to learn from."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
from pathlib import Path
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query, Request

from backend.contract import PoolPhoto, PoolSummary
from backend.http_errors import HttpError
from backend.models.backbones import Backbones
from backend.models.names import ModelNames
from backend.routes.upload_schema import PHOTO, file_body
from backend.store.store import Store
from backend.training.embeddings import append_embeddings
from backend.training.head import Floats
from backend.uploads import Uploads
from serving.errors import ModelError
from serving.models.repository import ModelRepository
from serving.models.version import Version

# Not `contentEncoding`: tools would make it a file of the form.
_EMBEDDING = {
    "type": "string",
    "pattern": "^[A-Za-z0-9+/]*={0,2}$",
    "description": "What the version's output `embedding` was: base64 of float32 numbers.",
}
_BODY = file_body(PHOTO, {"embedding": _EMBEDDING}, "image/*", "application/octet-stream")


def routes(
    store: Store,
    names: ModelNames,
    repository: ModelRepository,
    uploads: Uploads,
    embeddings: Path,
) -> APIRouter:
    router = APIRouter()
    backbones = Backbones()

    @router.post("/pool", status_code=201, openapi_extra={"requestBody": _BODY})
    async def add(
        request: Request,
        model: str | None = None,
        version: Annotated[int | None, Query(ge=1)] = None,
    ) -> PoolPhoto:
        """Keep a photo that `version` of `model` classified, without a label.

        The field `embedding` may bring what the version's output `embedding` was for it, as
        base64 of float32 numbers, little-endian. The oldest photos that nobody labelled go
        when there are too many.
        """
        async with uploads.photo(request) as upload:
            name = await names.find(upload.fields.get("model") or model)
            sent = upload.fields.get("embedding", "")
            backbone = ""
            if sent:
                row = _embedding(sent)
                backbone = await keep_embedding(name, version, upload.jpeg, row)
            return await store.pool.add(name, upload.jpeg, backbone)

    async def keep_embedding(model: str, number: int | None, jpeg: bytes, row: Floats) -> str:
        """Put an embedding [D] into the cache; returns the hash of its backbone, or nothing."""
        backbone = await backbones.hash_of(await find(model, number))
        image = hashlib.sha256(jpeg).hexdigest()
        if backbone and await store.pool.backbone_of(model, image) != backbone:
            await asyncio.to_thread(append_embeddings, embeddings, backbone, {image: row})
        return backbone

    async def find(model: str, number: int | None) -> Version:
        try:
            if number is None:
                return await asyncio.to_thread(repository.live, model)
            return await asyncio.to_thread(repository.version, model, number)
        except ModelError as error:
            raise HttpError(404, error.what, error.advice) from error

    @router.get("/pool")
    async def summary(model: str | None = None) -> PoolSummary:
        """Count the photos of a model's pool."""
        return await store.pool.summary(await names.find(model))

    return router


def _embedding(sent: str) -> Floats:
    """Return the embedding [D] that a request brought; raises HttpError."""
    try:
        row = np.frombuffer(base64.b64decode(sent, validate=True), "<f4")
        if row.size and np.isfinite(row).all():
            return row.astype(np.float32)
    except (binascii.Error, ValueError):
        pass
    raise HttpError(
        400,
        "The embedding is not base64 of finite float32 numbers.",
        "Send the bytes of the version's output `embedding`, or leave the field out.",
    )
