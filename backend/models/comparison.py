"""What two versions of a model answer for the same photos."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence

from backend.contract import Comparison
from backend.store.store import Store
from backend.training.compare import CompareSpec
from backend.training.worker_process import worker_environment
from serving.errors import BackendError, ModelError
from serving.models.repository import ModelRepository
from serving.programs import module_command
from serving.workspace import Workspace

PROGRAM = "backend.training.compare"

_log = logging.getLogger(__name__)


class UnknownImage(BackendError):
    """No labelled photo has this hash."""


class VersionComparison:
    """Asks versions in a process of its own, one pair at a time."""

    def __init__(self, repository: ModelRepository, store: Store, workspace: Workspace) -> None:
        self._repository = repository
        self._store = store
        self._embeddings = workspace.embeddings
        self._one_at_a_time = asyncio.Lock()

    async def compare(
        self, model: str, numbers: tuple[int, int], images: Sequence[str] | None
    ) -> list[Comparison]:
        """Return the answers of two versions for `images`, or for all labelled photos.

        Raises ModelError if a version cannot answer, UnknownImage, and BackendError if
        the process ends without a result.
        """
        folders = [
            str((await asyncio.to_thread(self._repository.version, model, number)).path)
            for number in numbers
        ]
        snapshot = await self._store.labels.snapshot(model)
        labels = {label.image: label.class_name for label in snapshot.current}
        paths = await asyncio.to_thread(self._paths, list(labels) if images is None else images)
        if images is not None and len(paths) < len(set(images)):
            missing = next(image for image in images if image not in paths)
            raise UnknownImage(f"There is no image {missing[:64]}.", "It may have been deleted.")
        if not paths:
            return []
        spec = CompareSpec(tuple(folders), tuple(paths.items()), str(self._embeddings))
        async with self._one_at_a_time:
            answers = await _run(spec)
        return [
            Comparison(
                image=image,
                label=labels.get(image, ""),
                answers=[name for name, _ in row],
                scores=[score for _, score in row],
            )
            for image, row in zip(paths, answers, strict=True)
        ]

    def _paths(self, images: Sequence[str]) -> dict[str, str]:
        """Return the paths of those images that there are."""
        found = {image: self._store.images.find(image) for image in images}
        return {image: str(path) for image, path in found.items() if path is not None}


async def _run(spec: CompareSpec) -> list[list[tuple[str, float]]]:
    process = await asyncio.create_subprocess_exec(
        *module_command(PROGRAM),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=worker_environment(),
    )
    try:
        output, log = await process.communicate(spec.to_json().encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    try:
        result = json.loads(output)
    except ValueError:
        _log.error("Comparing two versions failed: %s", log.decode(errors="replace"))
        raise BackendError(
            f"Comparing the versions ended unexpectedly (code {process.returncode}).",
            "See the backend's log for details, then try again.",
        ) from None
    if isinstance(result, dict):
        raise ModelError(str(result["error"]), str(result["advice"]))
    return [[(str(name), float(score)) for name, score in row] for row in result]
