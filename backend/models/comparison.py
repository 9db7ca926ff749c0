"""What two versions of a model answer for the same photos."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

from backend.contract import Comparison, FilePrediction, FilePredictions
from backend.store.images import UnknownImage
from backend.store.store import Store
from backend.training.compare import ComparedPhoto, CompareSpec
from backend.training.worker_process import worker_variables
from serving.job_program import run_job
from serving.models.repository import ModelRepository
from serving.predict.prediction import Score
from serving.progress import Report, no_report
from serving.workspace import Workspace

PROGRAM = "backend.training.compare"

_log = logging.getLogger(__name__)


class VersionComparison:
    """Asks versions in a process of its own, one pair at a time."""

    def __init__(self, repository: ModelRepository, store: Store, workspace: Workspace) -> None:
        self._repository = repository
        self._store = store
        self._embeddings = workspace.embeddings
        self._one_at_a_time = asyncio.Lock()

    async def compare(
        self,
        model: str,
        numbers: tuple[int, int],
        images: Sequence[str] | None = None,
        files: Sequence[Path] | None = None,
    ) -> list[Comparison]:
        """Return the answers of two versions for `images`, by their SHA-256, then for `files`.

        Without either, for all labelled photos. Those that cannot be read are named with why.
        Raises ModelError if a version cannot answer, UnknownImage, and BackendError if
        the process ends without a result.
        """
        folders = [
            str((await asyncio.to_thread(self._repository.version, model, number)).path)
            for number in numbers
        ]
        snapshot = await self._store.labels.snapshot(model)
        labels = {label.image: label.class_name for label in snapshot.current}
        if images is None and files is None:
            hashes: Sequence[str] = list(labels)
        else:
            hashes = images or ()
        paths = await asyncio.to_thread(self._paths, hashes)
        if images is not None and len(paths) < len(set(images)):
            missing = next(image for image in images if image not in paths)
            raise UnknownImage(missing)
        gone = [
            Comparison(image, labels.get(image, ""), [], [], problem="It is gone.")
            for image in hashes
            if image not in paths
        ]
        if not paths and not files:
            return gone
        spec = CompareSpec(
            tuple(folders),
            tuple(paths.items()),
            str(self._embeddings),
            tuple(str(file) for file in files or ()),
        )
        async with self._one_at_a_time:
            photos = await _run(spec)
        return [
            Comparison(
                image=photo.image,
                label=labels.get(photo.image, ""),
                answers=[name for name, _ in photo.answers],
                scores=[score for _, score in photo.answers],
                file=photo.file,
                problem=photo.problem,
            )
            for photo in photos
        ] + gone

    async def predict(
        self, model: str, number: int, files: Sequence[Path], report: Report = no_report
    ) -> FilePredictions:
        """Return what one version answers for `files`, in their order, or why it cannot.

        Raises ModelError if the version cannot answer, and BackendError if the process ends
        without a result.
        """
        version = await asyncio.to_thread(self._repository.version, model, number)
        if not files:
            return FilePredictions([])
        spec = CompareSpec((str(version.path),), (), str(self._embeddings), tuple(map(str, files)))
        async with self._one_at_a_time:
            photos = await _run(spec, report)
        return FilePredictions(
            [
                FilePrediction(
                    photo.file,
                    # A version without classes has none.
                    [Score(*each) for ranking in photo.rankings for each in ranking if each[0]],
                    photo.problem,
                )
                for photo in photos
            ]
        )

    def _paths(self, images: Sequence[str]) -> dict[str, str]:
        """Return the paths of those images that there are."""
        found = {image: self._store.images.find(image) for image in images}
        return {image: str(path) for image, path in found.items() if path is not None}


async def _run(spec: CompareSpec, report: Report = no_report) -> list[ComparedPhoto]:
    what = "Comparing the versions"
    photos = await run_job(PROGRAM, spec.to_json(), what, worker_variables(), report)
    return [ComparedPhoto.from_json(photo) for photo in photos]
