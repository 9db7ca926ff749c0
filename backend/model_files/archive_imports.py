"""Imports of what another Servery exported: a new model, its labels, and their embeddings."""

from __future__ import annotations

import asyncio
import itertools
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from backend.contract import Event, ModelFileJob
from backend.events import EventBroker
from backend.model_files.jobs import ModelFileJobs
from backend.models.lifecycle import ModelLifecycle
from backend.store.images import MAX_IMAGE_BYTES
from backend.store.store import Store
from backend.training.embeddings import append_embeddings
from backend.training.head import ServableGraph
from serving.background import finish
from serving.clock import utc_now
from serving.errors import ModelError, storage_error
from serving.exporting.archive import VERSION_FOLDER, Archive, read_archive
from serving.files import flush_tree
from serving.models.card import CARD_PATH, ModelCard
from serving.models.checksums import write_checksums
from serving.models.model_folders import add_model
from serving.models.model_names import checked_model_name
from serving.models.repository import ModelRepository
from serving.models.staging import staging_name
from serving.progress import Report
from serving.state_files import read_file
from serving.tf.graph_safety import check_operations
from serving.tf.status import ServingError
from serving.workspace import Workspace

_PHOTOS_AT_ONCE = 200
_EMBEDDINGS_AT_ONCE = 10_000
_JPEG = b"\xff\xd8\xff"


class ArchiveImports:
    """Makes models of zip files: completely, or not at all."""

    def __init__(
        self,
        jobs: ModelFileJobs,
        lifecycle: ModelLifecycle,
        repository: ModelRepository,
        store: Store,
        workspace: Workspace,
        broker: EventBroker,
    ) -> None:
        self._jobs = jobs
        self._lifecycle = lifecycle
        self._repository = repository
        self._store = store
        self._workspace = workspace
        self._broker = broker

    async def open(self) -> None:
        """Finish or forget what an earlier backend was importing when it ended."""
        for model in await self._store.archived_labels.waiting():
            if model in await asyncio.to_thread(self._repository.models):
                await self._store.archived_labels.arrive(model)
            else:
                await self._store.archived_labels.drop(model)

    async def start(self, file: Path, name: str = "") -> ModelFileJob:
        """Begin to make a model called `name`, or as the exported one, of a zip file.

        Raises ModelNameError, and ModelError without the file.
        """
        if name:
            name = checked_model_name(name)
        if not await asyncio.to_thread(file.is_file):
            raise ModelError(f"There is no file {file}.", "Check its name.")

        async def work(report: Report) -> dict[str, Any]:
            with _unpacking(self._repository) as folder:
                report(0, 100, "Unpacking the file")
                archive = await finish(asyncio.to_thread(read_archive, file, folder / "archive"))
                return await self._add(archive, name or archive.model, folder, report)

        return self._jobs.start(name, 0, str(file), work)

    async def _add(
        self, archive: Archive, name: str, folder: Path, report: Report
    ) -> dict[str, Any]:
        async with self._lifecycle.adding(name):
            report(40, 100, "Looking at the version")
            known, backbone = await finish(
                asyncio.to_thread(_prepare, archive, name, folder / "model")
            )
            report(60, 100, "Storing the embeddings and photos")
            await finish(asyncio.to_thread(self._store_photos, archive, backbone))
            report(80, 100, "Adding the labels")
            await finish(self._finish(archive, name, known, folder / "model"))
        self._broker.publish(Event("models", name))
        self._broker.publish(Event("labels", name))
        images = {label.image for label in archive.labels}
        return {
            "model": name,
            "version": 1,
            "labels": len(archive.labels),
            "photos": len(archive.photos),
            "without_embedding": len(images - archive.embeddings.keys() - archive.photos.keys()),
        }

    async def _finish(
        self, archive: Archive, name: str, known: frozenset[str], model_folder: Path
    ) -> None:
        """Add labels and model; not stopped half-way, and finished by `open` if it is killed."""
        await self._store.archived_labels.add(
            name, archive.labels, lambda class_name: class_name not in known
        )
        try:
            settings = replace(archive.settings, created=utc_now())
            commit = partial(add_model, self._repository, name, model_folder, settings, live=1)
            await asyncio.to_thread(commit)
        except BaseException:
            await self._store.archived_labels.drop(name)
            raise
        await self._store.archived_labels.arrive(name)

    def _store_photos(self, archive: Archive, backbone: str) -> None:
        embeddings = iter(archive.embeddings.items())
        while batch := dict(itertools.islice(embeddings, _EMBEDDINGS_AT_ONCE)):
            append_embeddings(self._workspace.embeddings, backbone, batch)
        photos = iter(archive.photos.values())
        while paths := list(itertools.islice(photos, _PHOTOS_AT_ONCE)):
            self._store.images.put_many([_photo(path) for path in paths])


@contextmanager
def _unpacking(repository: ModelRepository) -> Iterator[Path]:
    """Yield a new folder beside the models, which is removed; see `serving.leftovers`."""
    folder = repository.root / staging_name()
    try:
        folder.mkdir(parents=True)
        yield folder
    except OSError as error:
        raise storage_error(error, folder, "The file cannot be imported", ModelError) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _prepare(archive: Archive, name: str, model_folder: Path) -> tuple[frozenset[str], str]:
    """Make the folder of the model; returns its classes, and the hash of its backbone.

    Raises ModelError if the version could do more than compute, or its embeddings do not fit.
    """
    try:
        check_operations(archive.version_folder)
    except ServingError as error:
        raise ModelError(
            f"The model is not imported. {error.message}",
            "Only if you trust where it comes from: unpack the file, and run `servery models import"
            f" --trust` on its folder `{VERSION_FOLDER}`. Its labels do not come along then.",
        ) from error
    graph = ServableGraph(archive.version_folder)
    rows = graph.head().kernel.shape[0]
    sizes = {len(row) for row in archive.embeddings.values()}
    if not sizes <= {rows, rows // 2}:
        raise ModelError(
            "The zip file is damaged. Its embeddings are not those of its version.",
            "Have the model exported again.",
        )
    model_folder.mkdir()
    version = model_folder / "1"
    archive.version_folder.rename(version)
    # Versions that it was learned from, and runs that made it, are not here.
    card = replace(ModelCard.read(version), name=name, base_version=None, training_run=None)
    (version / CARD_PATH).write_text(card.to_json())
    write_checksums(version)
    flush_tree(model_folder)
    return frozenset(card.classes), graph.backbone_hash()


def _photo(path: Path) -> bytes:
    content = read_file(path, MAX_IMAGE_BYTES) or b""
    if not content.startswith(_JPEG):
        raise ModelError(
            f"The zip file is damaged. {path.name} is no JPEG file.",
            "Have the model exported again.",
        )
    return content
