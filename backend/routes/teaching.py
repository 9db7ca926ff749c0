"""/queue, /clusters and /label-issues: what is worth labelling, and which labels are in doubt."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import StringConstraints

from backend.contract import Cluster, LabelIssue, QueueItem
from backend.labelling.suggestions import Suggestions
from backend.models.names import ModelNames
from backend.photos.disconnect import cancel_on_disconnect

MAX_QUEUE = 1_000
MAX_EXCLUDED = 200
"""More would not fit into the head of a request, which has at most 16 KiB."""
MAX_GROUPS = 200
MAX_ISSUES = 1_000

ImageHash = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
"""The SHA-256 of a normalized JPEG."""


def routes(suggestions: Suggestions, names: ModelNames) -> APIRouter:
    router = APIRouter()

    @router.get("/queue")
    async def queue(
        request: Request,
        model: str | None = None,
        count: Annotated[int, Query(ge=1, le=MAX_QUEUE)] = 20,
        exclude: Annotated[list[ImageHash] | None, Query(max_length=MAX_EXCLUDED)] = None,
    ) -> list[QueueItem]:
        """Return photos without a label, the one that teaches most first.

        None of those in `exclude`, by their hashes.
        """
        name = await names.find(model)
        return await cancel_on_disconnect(request, suggestions.queue(name, count, exclude or ()))

    @router.get("/clusters")
    async def clusters(
        request: Request,
        model: str | None = None,
        count: Annotated[int, Query(ge=1, le=MAX_GROUPS)] = 10,
    ) -> list[Cluster]:
        """Return groups of photos without a label that look alike, the best to name first."""
        name = await names.find(model)
        return await cancel_on_disconnect(request, suggestions.groups(name, count))

    @router.get("/label-issues")
    async def label_issues(
        request: Request,
        model: str | None = None,
        count: Annotated[int, Query(ge=1, le=MAX_ISSUES)] = 200,
    ) -> list[LabelIssue]:
        """Return labelled photos that should be looked at again, the worst first."""
        name = await names.find(model)
        return await cancel_on_disconnect(request, suggestions.issues(name, count))

    return router
