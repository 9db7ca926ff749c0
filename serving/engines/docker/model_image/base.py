"""The image of a model server that the image of a version is built on."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from serving.engines.docker.connection import EngineConnection
from serving.engines.docker.discovery import FoundEngine
from serving.engines.docker.image.constants import IMAGES
from serving.engines.docker.image.lookup import ImageInfo
from serving.engines.docker.image.store import ImageStore
from serving.errors import EngineError
from serving.progress import Report, no_report

ENTRYPOINT = "tf_serving_entrypoint.sh"
"""What serves the model that MODEL_NAME names, in the official image and in ours."""

MAX_IMAGES = 200
"""How many images of an engine are looked at."""


async def find_base(
    store: ImageStore, base: str, model: str, report: Report = no_report
) -> ImageInfo:
    """Return the base for an image of `model`: loaded, pulled, or there already.

    `base` is the name of an image, or a file that `docker save` wrote; empty for the first of
    IMAGES that the engine has. Raises EngineError if there is none or it serves no model.
    """
    if not base:
        found = await store.find(IMAGES)
        if found is None:
            raise EngineError(
                "The container engine has no image of a model server to build on.",
                "Build ours with `servery image build`, pull the official one with"
                " `servery image pull`, or name another base.",
            )
        return _checked(found, model)
    if "/" in base and await asyncio.to_thread(Path(base).is_file):
        names = await store.load(Path(base), report)
        found = await store.find(names)
    else:
        found = await store.find([base]) or await store.pull(base, report)
    if found is None:
        raise EngineError(
            f"The image in {base} has no name.", "Save it by its name: `docker save NAME`."
        )
    return _checked(found, model)


async def present_bases(connection: EngineConnection) -> list[ImageInfo]:
    """Return the images of a model server that the engine has; raises EngineError.

    They are those that Servery knows by name, then others that begin as these do.
    """
    store = ImageStore(connection)

    def names(found: FoundEngine) -> list[str]:
        rows: list[Mapping[str, Any]] = found.client.images()
        tags = {tag for row in rows for tag in row.get("RepoTags") or () if "<none>" not in tag}
        return [*IMAGES, *sorted(tags - set(IMAGES))]

    found = []
    for name in (await connection.run("list its images", names))[:MAX_IMAGES]:
        image = await store.find([name])
        if image is not None and image.baked is None and _begins_as_server(image):
            found.append(image)
    return found


def _begins_as_server(image: ImageInfo) -> bool:
    return PurePosixPath((image.entrypoint or ("",))[0]).name == ENTRYPOINT


def _checked(base: ImageInfo, model: str) -> ImageInfo:
    if base.baked is not None:
        raise EngineError(
            f"The image {base.name} holds version {base.baked.version} of {base.baked.model}.",
            "Name an image of a model server without a model as the base.",
        )
    if not _begins_as_server(base):
        raise EngineError(
            f"The image {base.name} is no model server: it does not begin with {ENTRYPOINT}.",
            "Name tensorflow/serving, or ours, which `servery image build` makes, or an image"
            " that is based on one of these.",
        )
    if " " in model and not base.own:
        # Its shell script leaves the name unquoted.
        raise EngineError(
            f"The image {base.name} serves no model with a space in its name.",
            "Build on our own image (`servery image build`), or rename the model.",
        )
    return base
