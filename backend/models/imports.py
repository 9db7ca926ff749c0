"""Imports of photos: folders with one folder a class, as they are or in a zip file."""

from __future__ import annotations

import asyncio
import secrets
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from backend.contract import TrainingRun
from backend.training.photo_source import PhotoSource
from backend.training.trainer import Trainer
from serving.errors import StorageUnavailable, storage_error
from serving.photo_folder import scan_photo_folder
from serving.workspace import Workspace
from serving.zip_file import unpack_zip


class PhotoImports:
    """Checks what is to be imported, and queues a training run that does it."""

    def __init__(self, trainer: Trainer, workspace: Workspace) -> None:
        self._trainer = trainer
        self._uploads = workspace.training_runs / "uploads"
        """Zip files, and what is unpacked of them until it was imported."""

    async def open(self) -> None:
        """Remove what an earlier backend was importing."""
        await asyncio.to_thread(shutil.rmtree, self._uploads, ignore_errors=True)

    async def import_folder(self, model: str, folder: Path, by: str) -> TrainingRun:
        """Queue a run that labels the photos of `folder`, as `by` says, then learns.

        Raises NotAPhotoFolder if it is none, and ModelBusy.
        """
        await asyncio.to_thread(scan_photo_folder, folder)
        return await self._trainer.queue_import(model, PhotoSource(folder, str(folder), by=by))

    @asynccontextmanager
    async def upload(self) -> AsyncIterator[Path]:
        """Yield where to write a zip file to, for `import_zip`; removed afterwards."""
        folder = self._uploads / secrets.token_hex(8)
        try:
            await asyncio.to_thread(folder.mkdir, parents=True)
            yield folder / "photos.zip"
        except OSError as error:
            what = "The zip file could not be stored"
            raise storage_error(error, self._uploads, what, StorageUnavailable) from error
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def import_zip(self, model: str, archive: Path, name: str, by: str) -> TrainingRun:
        """Queue a run that labels the photos in a zip file, which people call `name`.

        `by` says what they show. Raises UnusableZip, ZipTooLarge, StorageUnavailable,
        NotAPhotoFolder and ModelBusy.
        """
        source = PhotoSource(self._uploads / secrets.token_hex(8), name, temporary=True, by=by)
        try:
            await asyncio.to_thread(unpack_zip, archive, source.folder)
            await asyncio.to_thread(scan_photo_folder, source.folder)
            return await self._trainer.queue_import(model, source)
        except BaseException:
            await asyncio.to_thread(source.remove)
            raise
