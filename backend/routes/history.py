"""/models/{model}/audit and /rollout: what was done to versions, and where they are live."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from backend.contract import AuditEntry, RolloutSummary
from backend.models.audit import audit_entries
from backend.models.names import ModelNames
from backend.rollouts import Rollouts
from backend.store.store import Store

MAX_ENTRIES = 1_000


def routes(names: ModelNames, store: Store, rollouts: Rollouts) -> APIRouter:
    router = APIRouter(prefix="/models/{model}")

    @router.get("/audit")
    async def audit(
        model: str, count: Annotated[int, Query(ge=1, le=MAX_ENTRIES)] = 100
    ) -> list[AuditEntry]:
        """Return what was done to versions and classes and by whom, the newest first."""
        name = await names.find(model)
        decisions = await store.runs.decisions(name)
        kept = await store.kept_versions.all(name)
        return audit_entries(decisions, await store.classes.all(name), kept)[:count]

    @router.get("/rollout")
    async def rollout(model: str) -> RolloutSummary:
        """Return on which instances the live version of a model has arrived."""
        return rollouts.of(await names.find(model))

    return router
