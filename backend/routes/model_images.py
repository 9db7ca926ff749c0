"""Container images of versions: /image-builds, /image-bases, and those of a model."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse

from backend.contract import BaseImage, ImageBuild, ImageSettings, NewImage
from backend.http_errors import HttpError
from backend.model_images.builds import ImageBuilds
from backend.models.names import ModelNames
from backend.this_machine import absolute_path, require_this_machine
from serving.engines.docker.model_image.tag import tag_of_version
from serving.errors import ModelError
from serving.models.repository import ModelRepository
from serving.models.version import Version


def routes(images: ImageBuilds, repository: ModelRepository, names: ModelNames) -> APIRouter:
    router = APIRouter()

    @router.post("/models/{model}/versions/{number}/image", status_code=202)
    async def make(model: str, number: int, new: NewImage, request: Request) -> ImageBuild:
        """Queue the image of a version. Files can only be named on this machine."""
        if new.save:
            require_this_machine(request, "Files", "Leave out `save`, and push the image.")
            absolute_path(new.save, "file")
        if Path(new.base).is_absolute():
            require_this_machine(request, "Files", "Name an image as the base.")
        return await images.start(await find(model, number), new)

    @router.get("/models/{model}/image-settings")
    async def settings(model: str) -> ImageSettings:
        """Return whether images are made by themselves, and which."""
        return (await asyncio.to_thread(repository.settings, await names.find(model))).image

    @router.put("/models/{model}/image-settings")
    async def change(model: str, settings: ImageSettings) -> ImageSettings:
        """Set how images of a model are called, and whether promotions make them."""
        model = await names.find(model)
        tag_of_version(settings.tag, model, 1)
        if settings.keep < 1:
            raise HttpError(400, "At least one image must be kept.", "Give a number of 1 or more.")
        live = await asyncio.to_thread(repository.live_number, model)
        # What is live already was not promoted since.
        image = replace(settings, seen_live=live)
        changed = await asyncio.to_thread(
            repository.change_settings, model, lambda known: replace(known, image=image)
        )
        return changed.image

    @router.get("/image-builds")
    async def builds(model: str | None = None) -> list[ImageBuild]:
        """Return the images that are being made and were made, newest first."""
        return images.builds(None if model is None else await names.find(model))

    @router.get("/image-builds/{build_id}")
    async def one(build_id: str) -> ImageBuild:
        """Return one build, with its progress."""
        return images.build(build_id)

    @router.delete("/image-builds/{build_id}")
    async def cancel(build_id: str) -> ImageBuild:
        """Cancel a build; what has ended stays as it is."""
        return await images.cancel(build_id)

    @router.get("/image-builds/{build_id}/log", response_class=PlainTextResponse)
    async def log(build_id: str) -> PlainTextResponse:
        """Return what the engine and the registry answered."""
        return PlainTextResponse(await images.log(build_id))

    @router.get("/image-bases")
    async def bases() -> list[BaseImage]:
        """Return the images of a model server that an image can be based on."""
        return await images.bases()

    async def find(model: str, number: int) -> Version:
        name = await names.find(model)
        try:
            return await asyncio.to_thread(repository.version, name, number)
        except ModelError as error:
            raise HttpError(404, error.what, error.advice) from error

    return router
