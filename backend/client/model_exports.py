"""Calls about versions as files."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from backend.client.connection import BackendConnection
from backend.client.paths import quoted, version_path
from backend.contract import ModelFileJob, NewExport


class ModelExportCalls(BackendConnection):
    """Exports of versions, and imports of what another Servery exported."""

    async def export_version(self, model: str, number: int, new: NewExport) -> ModelFileJob:
        """Begin to write a version to a folder or file; see `model_file_job`.

        A BackendRefused of status 409 if there is something in its place.
        """
        return await self._request(
            ModelFileJob, "POST", version_path(model, number, "export"), json=asdict(new)
        )

    async def import_archive(self, file: Path, name: str = "") -> ModelFileJob:
        """Begin to make a model of a zip file that another Servery exported."""
        body = {"file": str(file), "name": name}
        return await self._request(ModelFileJob, "POST", "/model-archives", json=body)

    async def model_file_job(self, job_id: str) -> ModelFileJob:
        """Return how far an export or an import is."""
        return await self._request(ModelFileJob, "GET", f"/model-jobs/{quoted(job_id)}")

    async def cancel_model_file_job(self, job_id: str) -> ModelFileJob:
        """Cancel an export or an import, and return it once nothing of it is left."""
        return await self._request(ModelFileJob, "DELETE", f"/model-jobs/{quoted(job_id)}")
