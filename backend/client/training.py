"""Calls about training runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import asdict
from pathlib import Path

from backend.client.connection import LONG_TIMEOUT, BackendConnection
from backend.client.paths import checked_text, model_path, query, quoted
from backend.contract import FineTuningOffer, TrainingRun, TrainingSettings
from serving.errors import BackendError, reading_error

_CHUNK_BYTES = 1 << 20


class TrainingCalls(BackendConnection):
    """Learning from labels and from folders of photos."""

    async def train(self, model: str | None = None, *, fine_tune: bool = False) -> TrainingRun:
        """Queue a training run; see `events` and `training_run` for its progress.

        With `fine_tune` the last blocks of the network learn, too: see `fine_tuning`.
        """
        chosen = query(model=model) | ({"fine_tune": "true"} if fine_tune else {})
        return await self._request(TrainingRun, "POST", "/training", params=chosen)

    async def fine_tuning(self, model: str) -> FineTuningOffer:
        """Return whether the network of a model can be fine-tuned now, and how long it takes."""
        return await self._request(FineTuningOffer, "GET", model_path(model, "fine-tuning"))

    async def training_runs(self, model: str | None = None) -> list[TrainingRun]:
        """Return the runs of a model, or of every model, newest first."""
        return await self._request(list[TrainingRun], "GET", "/training", params=query(model=model))

    async def training_run(self, run_id: str) -> TrainingRun:
        return await self._request(TrainingRun, "GET", f"/training/{quoted(run_id)}")

    async def cancel_training(self, run_id: str) -> TrainingRun:
        """Stop a run; returns it once it has stopped."""
        return await self._request(TrainingRun, "DELETE", f"/training/{quoted(run_id)}")

    async def training_settings(self, model: str) -> TrainingSettings:
        """Return when a model is trained by itself."""
        return await self._request(TrainingSettings, "GET", model_path(model, "training-settings"))

    async def change_training_settings(
        self, model: str, settings: TrainingSettings
    ) -> TrainingSettings:
        """Say when a model is trained by itself, and whether what passes goes live by itself."""
        return await self._request(
            TrainingSettings,
            "PUT",
            model_path(model, "training-settings"),
            json=asdict(settings),
        )

    async def import_folder(self, model: str, folder: Path) -> TrainingRun:
        """Queue a run that learns from `folder`, which has a folder of photos for each class.

        `folder` is an absolute path on the machine of the backend, which looks at it
        before this returns: a folder that is none of that kind is a BackendRefused.
        """
        return await self._request(
            TrainingRun,
            "POST",
            model_path(model, "import"),
            json={"folder": checked_text(folder)},
            timeout=LONG_TIMEOUT,
        )

    async def import_zip(self, model: str, archive: Path) -> TrainingRun:
        """Send a zip file with a folder of photos for each class; queues a run like a folder."""
        return await self._request(
            TrainingRun,
            "POST",
            model_path(model, "import"),
            params={"name": archive.name.encode(errors="replace").decode()},
            content=_chunks(archive),
            headers={"Content-Type": "application/zip"},
            timeout=LONG_TIMEOUT,
        )


async def _chunks(file: Path) -> AsyncGenerator[bytes, None]:
    """Yield a file piece by piece; raises BackendError if it cannot be read."""
    try:
        opened = await asyncio.to_thread(file.open, "rb")
        try:
            while chunk := await asyncio.to_thread(opened.read, _CHUNK_BYTES):
                yield chunk
        finally:
            await asyncio.to_thread(opened.close)
    except OSError as error:
        raise reading_error(
            error, f"The file {file}", "Choose another file.", BackendError
        ) from error
