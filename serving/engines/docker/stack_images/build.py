"""Build the images of API and trainer from what is on this machine, as our own image is built."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import StrEnum

from serving.engines.docker.image.base_python import DEFAULT_BASE, PYTHON
from serving.engines.docker.image.build import build_from_files
from serving.engines.docker.image.lookup import ImageInfo
from serving.engines.docker.image.own_base import own_base
from serving.engines.docker.image.store import ImageStore
from serving.engines.docker.stack_images.contents import api_files, dockerfile, trainer_files
from serving.engines.docker.tar_archive import Member
from serving.progress import Report, no_report
from serving.version import VERSION


class StackImage(StrEnum):
    """A target of the Dockerfile."""

    API = "api"
    TRAINER = "trainer"


async def build_stack_image(
    store: ImageStore,
    target: StackImage,
    tag: str,
    base: str = DEFAULT_BASE,
    report: Report = no_report,
    on_line: Callable[[str], None] | None = None,
) -> ImageInfo:
    """Build one of the images and return it.

    `base` is what `own_base` takes. `on_line` gets each line that the build prints. Raises
    BaseMissing if there is no base, and EngineError.
    """

    def files() -> list[Member]:
        found = [dockerfile(), *api_files()]
        return found if target is StackImage.API else [*found, *trainer_files()]

    arguments = {"VERSION": VERSION, "PYTHON": PYTHON}
    async with own_base(store, base, report) as found:
        members = await asyncio.to_thread(files)
        return await build_from_files(
            store, tag, found, members, report, on_line, arguments, target=target
        )
