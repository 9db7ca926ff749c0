"""Calls about container images of versions."""

from __future__ import annotations

from dataclasses import asdict

from backend.client.connection import BackendConnection
from backend.client.paths import model_path, query, quoted, version_path
from backend.contract import BaseImage, ImageBuild, ImageSettings, NewImage


class ModelImageCalls(BackendConnection):
    """Images of versions, and what they are based on."""

    async def make_image(self, model: str, number: int, new: NewImage) -> ImageBuild:
        """Queue the image of a version."""
        return await self._request(
            ImageBuild, "POST", version_path(model, number, "image"), json=asdict(new)
        )

    async def image_builds(self, model: str | None = None) -> list[ImageBuild]:
        """Return the images that are being made and were made, newest first."""
        return await self._request(
            list[ImageBuild], "GET", "/image-builds", params=query(model=model)
        )

    async def image_build(self, build_id: str) -> ImageBuild:
        return await self._request(ImageBuild, "GET", f"/image-builds/{quoted(build_id)}")

    async def cancel_image(self, build_id: str) -> ImageBuild:
        """Cancel a build; returns once nothing of it is left."""
        return await self._request(ImageBuild, "DELETE", f"/image-builds/{quoted(build_id)}")

    async def image_log(self, build_id: str) -> str:
        """Return what the engine and the registry answered."""
        response = await self._send("GET", f"/image-builds/{quoted(build_id)}/log")
        return response.text

    async def image_bases(self) -> list[BaseImage]:
        """Return the images of a model server that the engine has."""
        return await self._request(list[BaseImage], "GET", "/image-bases")

    async def image_settings(self, model: str) -> ImageSettings:
        return await self._request(ImageSettings, "GET", model_path(model, "image-settings"))

    async def set_image_settings(self, model: str, settings: ImageSettings) -> ImageSettings:
        return await self._request(
            ImageSettings, "PUT", model_path(model, "image-settings"), json=asdict(settings)
        )
