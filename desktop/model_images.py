"""Follows the image of a version until it is made; knows no Qt."""

from __future__ import annotations

import asyncio
import contextlib

from backend.client import BackendClient
from backend.contract import ImageBuild, ImageBuildState
from desktop.formats import size
from desktop.translation import tr
from serving.errors import BackendError, ServeryError
from serving.progress import Report

POLL_SECONDS = 0.3
UNAVAILABLE_SECONDS = 30.0
"""How long the backend may be away before a build that it makes counts as lost."""


class ImageNotMade(ServeryError):
    """The image of a version could not be made."""


async def wait_for_image(client: BackendClient, build: ImageBuild, report: Report) -> ImageBuild:
    """Return a build once it has succeeded; raises ImageNotMade if it does not.

    Cancelling this cancels the build, and returns once nothing of it is left.
    """
    try:
        build = await _ended(client, build, report)
    except asyncio.CancelledError:
        with contextlib.suppress(BackendError):
            await client.cancel_image(build.id)
        raise
    if build.state is not ImageBuildState.SUCCEEDED:
        raise failure(build)
    return build


def failure(build: ImageBuild) -> ImageNotMade:
    """Return the error for a build that did not succeed."""
    if build.state is ImageBuildState.CANCELLED:
        return ImageNotMade(
            tr("The image {tag} was cancelled.", tag=build.tag),
            tr("Nothing of it is left; make it again."),
        )
    advice = build.advice or tr("Make it again.")
    return ImageNotMade(
        build.error or tr("The image {tag} was not made.", tag=build.tag),
        f"{advice} " + tr("Its log is {log}.", log=build.log),
    )


def outcome(build: ImageBuild) -> list[str]:
    """Return sentences about an image that was made."""
    known = {
        "tag": build.tag,
        "version": build.version,
        "model": build.model,
        "size": size(build.added_bytes),
    }
    if build.base:
        made = tr(
            "The image {tag} serves version {version} of {model};"
            " it takes {size} more than its base {base}.",
            base=build.base,
            **known,
        )
    else:
        made = tr("The image {tag} serves version {version} of {model}; it takes {size}.", **known)
    sentences = [made]
    if build.pushed_digest:
        sentences.append(tr("The registry has it as {digest}.", digest=build.pushed_digest))
    if build.saved_bytes:
        sentences.append(
            tr("Saved as {file}, {size}.", file=build.save, size=size(build.saved_bytes))
        )
    if build.removed:
        sentences.append(
            tr("Older images were removed: {images}.", images=", ".join(build.removed))
        )
    return sentences


async def _ended(client: BackendClient, build: ImageBuild, report: Report) -> ImageBuild:
    missed = 0.0
    while build.running:
        report(build.done, build.total, build.step or tr("Starting."))
        await asyncio.sleep(POLL_SECONDS)
        try:
            build, missed = await client.image_build(build.id), 0.0
        except BackendError:
            missed += POLL_SECONDS
            if missed >= UNAVAILABLE_SECONDS:
                raise
    return build
