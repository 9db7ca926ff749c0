"""Make the image of a version: built, pushed and saved as asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from serving.clock import utc_now
from serving.engines.docker.connection import EngineConnection
from serving.engines.docker.image.build import build_from_files
from serving.engines.docker.image.lookup import ImageInfo
from serving.engines.docker.image.store import ImageStore
from serving.engines.docker.model_image import labels
from serving.engines.docker.model_image.base import find_base
from serving.engines.docker.model_image.contents import build_files
from serving.engines.docker.model_image.dockerfile import RUN_AS, dockerfile
from serving.engines.docker.model_image.prune import remove_replaced
from serving.engines.docker.model_image.request import USER_ARGUMENT, ModelImageRequest
from serving.engines.docker.model_image.steps import BuildProgress, Steps
from serving.engines.docker.tar_archive import Member
from serving.errors import EngineError, ModelError
from serving.models.repository import ModelRepository
from serving.models.version import Version
from serving.models.version_trust import untrusted_parts
from serving.progress import Report, no_report
from serving.tf.graph_safety import UnsafeModel, check_operations
from serving.tf.trust import version_digest
from serving.units import format_bytes


@dataclass(frozen=True)
class MadeImage:
    """What became of it."""

    name: str
    id: str
    size: int
    """Bytes, the base included."""
    base: str
    base_size: int
    pushed_digest: str = ""
    """What identifies it at the registry, if it was pushed."""
    saved_bytes: int = 0


async def make_image(
    connection: EngineConnection,
    repository: ModelRepository,
    version: Version,
    request: ModelImageRequest,
    workspace_id: str,
    build_id: str,
    report: Report = no_report,
    on_line: Callable[[str], None] = lambda _: None,
) -> MadeImage:
    """Build the image of a version, push it and save it.

    The tag leads to the whole image or to what it led to before. `workspace_id` and `build_id`
    become labels. `on_line` gets what the engine and the registry answer. Raises ModelError if
    the version can do more than compute and is not trusted, or its files have changed; raises
    EngineError if the engine, the registry or the disk refuses.
    """
    request = request.checked()
    store = ImageStore(connection)
    steps = Steps(2 + request.push + (request.save is not None), report)
    on_step = steps.begin("Prepare")
    unsafe = await asyncio.to_thread(_unsafe_parts, repository, version)
    base = await find_base(store, request.base, version.model, on_step)
    former = await _former(store, request.tag)
    origin = ImageOrigin(request.tag, base.name, unsafe, workspace_id, build_id)
    files = await asyncio.to_thread(_files, version, origin, request, base.user)
    on_line(f"Version {version.number} of {version.model} on {base.name}")
    progress = BuildProgress(steps.begin("Build"), on_line)
    made = await build_from_files(
        store,
        request.tag,
        base.name,
        files,
        progress.on_sent,
        progress.on_line,
        {name: value for name, value in request.arguments.items() if name != USER_ARGUMENT},
        build_id,
    )
    if former is not None and former.id != made.id:
        await remove_replaced(connection, former.id)
    on_line(f"{made.name} takes {format_bytes(max(0, made.size - base.size))} more than its base")
    pushed, saved = "", 0
    if request.push:
        pushed = await store.push(request.tag, steps.begin("Push"), on_line)
    if request.save is not None:
        saved = await store.save(request.tag, request.save, steps.begin("Save"))
        on_line(f"Saved as {request.save}, {format_bytes(saved)}")
    steps.end()
    return MadeImage(made.name, made.id, made.size, base.name, base.size, pushed, saved)


def _unsafe_parts(repository: ModelRepository, version: Version) -> list[str]:
    """Return what in a trusted version can do more than compute; raises ModelError."""
    if parts := untrusted_parts(repository, version.model, version.number):
        raise ModelError(
            f"Version {version.number} of {version.model} can do more than compute"
            f" ({', '.join(parts[:3])}), and nobody has said that it is trusted.",
            f"If you trust who made it: `servery models trust {version.model} --version"
            f" {version.number}`.",
        )
    try:
        check_operations(version.path)
    except UnsafeModel as error:
        return error.reasons
    return []


async def _former(store: ImageStore, tag: str) -> ImageInfo | None:
    """Return the image that `tag` leads to and that is replaced; raises EngineError if not ours."""
    former = await store.find([tag])
    if former is not None and former.baked is None:
        raise EngineError(
            f"The container engine has an image {tag} that was not made from a model.",
            f"Choose another tag, or remove that image: `docker rmi {tag}`.",
        )
    return former


@dataclass(frozen=True)
class ImageOrigin:
    """What the labels of an image say besides what its version says."""

    tag: str
    base: str
    unsafe: Sequence[str]
    workspace_id: str
    build_id: str


def _files(
    version: Version, origin: ImageOrigin, request: ModelImageRequest, base_user: str
) -> list[Member]:
    recipe = dockerfile(
        version.model,
        version.number,
        image_labels(version, origin),
        request.arguments.get(USER_ARGUMENT, RUN_AS),
        base_user,
    )
    return build_files(version, recipe)


def image_labels(version: Version, origin: ImageOrigin) -> dict[str, str]:
    """Return the labels of the image of a version: OCI's annotations, and ours."""
    card = version.card()
    oci = "org.opencontainers.image"
    found = {
        labels.BUILD: origin.build_id,
        labels.MODEL: version.model,
        labels.VERSION: str(version.number),
        labels.DIGEST: version_digest(version.path),
        labels.TAG: origin.tag,
        labels.WORKSPACE: origin.workspace_id,
        labels.UNSAFE: ", ".join(origin.unsafe),
        f"{oci}.title": version.model,
        f"{oci}.version": str(version.number),
        f"{oci}.created": utc_now(),
        f"{oci}.description": card.description,
        f"{oci}.licenses": card.licence,
        f"{oci}.base.name": origin.base,
        f"{oci}.ref.name": origin.tag,
    }
    return {name: value for name, value in found.items() if value}
