"""Model files that were sent over HTTP: kept until they are removed or the backend ends."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from backend.contract import ModelUpload
from serving.errors import ModelError, StorageUnavailable, storage_error
from serving.models.staging import staging_name

MAX_UPLOADS = 8
"""The oldest beyond are removed."""
_DEFAULT_NAME = "model.keras"


class UnknownUpload(ModelError):
    """No model file was sent under this id, or it is gone."""


@dataclass(frozen=True)
class _Kept:
    name: str
    path: Path


class ModelUploads:
    """The files lie beside the models; what a backend that was killed left is swept there."""

    def __init__(self, models: Path) -> None:
        self._root = models
        self._kept: dict[str, _Kept] = {}

    @asynccontextmanager
    async def receiving(self) -> AsyncIterator[Path]:
        """Yield where to write a file to, for `keep`; removed afterwards if it was not kept."""
        folder = self._root / staging_name()
        path = folder / "received"
        try:
            await asyncio.to_thread(folder.mkdir, parents=True)
            yield path
        except OSError as error:
            what = "The model file could not be stored"
            raise storage_error(error, self._root, what, StorageUnavailable) from error
        finally:
            if not any(kept.path.parent == folder for kept in self._kept.values()):
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def keep(self, received: Path, name: str | None) -> ModelUpload:
        """Keep what was written; `name` is what people call it, whose extension says its kind."""
        plain = PurePosixPath((name or _DEFAULT_NAME).replace("\\", "/")).name or _DEFAULT_NAME
        path = received.with_name(plain.lstrip(".")[-100:] or _DEFAULT_NAME)
        await asyncio.to_thread(received.rename, path)
        upload = ModelUpload(secrets.token_hex(8), plain)
        self._kept[upload.id] = _Kept(plain, path)
        while len(self._kept) > MAX_UPLOADS:
            await self.remove(next(iter(self._kept)))
        return upload

    def path(self, upload: str) -> Path:
        """Return where a file lies; raises UnknownUpload."""
        kept = self._kept.get(upload)
        if kept is None:
            raise UnknownUpload(
                "The model file that was sent is not kept any more.",
                "Send the model file once more.",
            )
        return kept.path

    async def remove(self, upload: str) -> None:
        """Remove a file; raises UnknownUpload."""
        folder = self.path(upload).parent
        del self._kept[upload]
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def close(self) -> None:
        """Remove all files."""
        for upload in list(self._kept):
            with contextlib.suppress(UnknownUpload):
                await self.remove(upload)
