"""/catalogue: classifiers that can be downloaded."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter

from backend.contract import CatalogueEntry, ModelImport, NewDownload
from backend.http_errors import HttpError
from backend.model_files.imports import ModelImports
from serving.catalogue.models import catalogue_models
from serving.models.repository import ModelRepository


def routes(repository: ModelRepository, imports: ModelImports) -> APIRouter:
    router = APIRouter()

    @router.get("/catalogue")
    async def catalogue() -> list[CatalogueEntry]:
        """Return what can be downloaded, the smallest first."""
        installed = await asyncio.to_thread(repository.models)
        return [
            CatalogueEntry(
                name=model.name,
                title=model.title,
                description=model.description,
                installed=model.name in installed,
                accuracy=model.accuracy,
                size_bytes=model.size,
                input_side=model.side,
                licence=model.licence,
                authors=model.authors,
            )
            for model in catalogue_models()
        ]

    @router.post("/catalogue/{name}", status_code=202)
    async def download(name: str, new: NewDownload) -> ModelImport:
        """Queue the download of a model, an import; nothing serves it by that.

        It is cancelled as one, and goes on with what came when it is asked for again.
        """
        if name not in [model.name for model in catalogue_models()]:
            raise HttpError(
                404,
                f"The catalogue has no model called {name}.",
                "`servery models add` and GET /catalogue list those that it has.",
            )
        return await imports.start_download(name, new.mirror)

    return router
