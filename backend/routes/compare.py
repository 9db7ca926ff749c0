"""What versions, live or not, answer for the same photos.

POST /models/{model}/compare, and POST /models/{model}/versions/{number}/predictions.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from backend.contract import Comparison, FilePaths, FilePredictions
from backend.http_errors import HttpError
from backend.models.comparison import VersionComparison
from backend.models.names import ModelNames
from backend.photos.disconnect import cancel_on_disconnect
from backend.progress_stream import RESPONSES, progress_stream
from backend.this_machine import absolute_path, require_this_machine
from serving.errors import ModelError
from serving.models.repository import ModelRepository
from serving.progress import Report

MAX_FILES = 1_000


@dataclass(frozen=True)
class CompareRequest:
    """Two versions, and photos; all labelled ones if neither `images` nor `files` is given."""

    versions: tuple[int, int]
    images: list[str] | None = None
    """By their SHA-256."""
    files: list[str] | None = None
    """By their absolute paths on this machine."""


def routes(
    repository: ModelRepository,
    comparison: VersionComparison,
    names: ModelNames,
) -> APIRouter:
    router = APIRouter()

    @router.post("/models/{model}/compare")
    async def compare(model: str, body: CompareRequest, request: Request) -> list[Comparison]:
        """Return the best answer of both versions for each photo.

        Of one that cannot be read, why. The versions are asked no longer than somebody waits.
        """
        files = None
        if body.files is not None:
            advice = "Compare on labelled photos instead."
            require_this_machine(request, "Files", advice)
            files = _files(body.files)
        model = await names.find(model)
        for number in body.versions:
            await require(model, number)
        return await cancel_on_disconnect(
            request, comparison.compare(model, body.versions, body.images, files)
        )

    @router.post(
        "/models/{model}/versions/{number}/predictions",
        response_class=StreamingResponse,
        responses=RESPONSES,
    )
    async def predictions(
        model: str, number: int, body: FilePaths, request: Request
    ) -> StreamingResponse:
        """Ask one version, live or not, about files; answers with FilePredictions in a stream.

        It is loaded for that in a process of its own, so that no instance has to.
        """
        require_this_machine(request, "Files", "Send them to /classify instead.")
        files = _files(body.files)
        model = await names.find(model)
        await require(model, number)

        async def work(report: Report) -> FilePredictions:
            return await comparison.predict(model, number, files, report)

        return progress_stream(work)

    async def require(model: str, number: int) -> None:
        try:
            await asyncio.to_thread(repository.version, model, number)
        except ModelError as error:
            raise HttpError(404, error.what, error.advice) from error

    return router


def _files(named: list[str]) -> list[Path]:
    if len(named) > MAX_FILES:
        raise HttpError(
            400,
            f"{len(named):,} files are too many to compare on.",
            f"Send at most {MAX_FILES:,} at once.",
        )
    return [absolute_path(file, "file") for file in named]
