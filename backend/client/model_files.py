"""Calls about models that come in from other programs."""

from __future__ import annotations

import json
from dataclasses import asdict

from backend.client.connection import BackendConnection
from backend.client.paths import quoted
from backend.contract import (
    CatalogueEntry,
    ModelFileQuery,
    ModelImport,
    NewDownload,
    NewImport,
)
from serving.importing.interface import ModelInspection, Preview

INSPECT_TIMEOUT = 1800.0
"""Seconds: a large model is loaded, and photos are given to it."""


class ModelFileCalls(BackendConnection):
    """Model files, and their imports."""

    async def inspect_model(self, query: ModelFileQuery) -> ModelInspection:
        """Say what a file holds and what stands in the way; cancelling ends the program."""
        return await self._request(
            ModelInspection,
            "POST",
            "/model-files/inspect",
            json=_json(query),
            timeout=INSPECT_TIMEOUT,
        )

    async def preview_model(self, query: ModelFileQuery) -> list[Preview]:
        """Return what a model would answer for the photos of `query`."""
        return await self._request(
            list[Preview],
            "POST",
            "/model-files/preview",
            json=_json(query),
            timeout=INSPECT_TIMEOUT,
        )

    async def import_model(self, new: NewImport) -> ModelImport:
        """Queue an import; `model_import` says how far it is."""
        return await self._request(ModelImport, "POST", "/models/import", json=_json(new))

    async def catalogue(self) -> list[CatalogueEntry]:
        """Return the classifiers that can be downloaded, the smallest first."""
        return await self._request(list[CatalogueEntry], "GET", "/catalogue")

    async def download_model(self, name: str, mirror: str = "") -> ModelImport:
        """Queue the download of a model of the catalogue; `model_import` says how far it is."""
        return await self._request(
            ModelImport, "POST", f"/catalogue/{quoted(name)}", json=asdict(NewDownload(mirror))
        )

    async def model_imports(self) -> list[ModelImport]:
        """Return the imports since the backend started, the last one first."""
        return await self._request(list[ModelImport], "GET", "/model-imports")

    async def model_import(self, number: str) -> ModelImport:
        return await self._request(ModelImport, "GET", f"/model-imports/{quoted(number)}")

    async def cancel_model_import(self, number: str) -> ModelImport:
        """End an import; nothing of it stays."""
        return await self._request(ModelImport, "DELETE", f"/model-imports/{quoted(number)}")


def _json(query: ModelFileQuery | NewImport) -> object:
    # Paths may have bytes that are no UTF-8, which JSON has as escapes.
    return json.loads(json.dumps(asdict(query)))
