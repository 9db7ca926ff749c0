"""Calls about canaries, and about what was done to versions."""

from __future__ import annotations

from dataclasses import asdict

from backend.client.connection import LONG_TIMEOUT, BackendConnection
from backend.client.paths import model_path, query, version_path
from backend.contract import AuditEntry, CanarySummary, ModelSummary, NewCanary, RolloutSummary


class CanaryCalls(BackendConnection):
    """Versions that answer a share of the requests, and the history of versions."""

    async def start_canary(
        self, model: str, number: int, new: NewCanary | None = None
    ) -> CanarySummary:
        """Let a version answer a share of the requests, once every instance has loaded it.

        It is tried before: a BackendRefused says why it cannot be served.
        """
        return await self._request(
            CanarySummary,
            "POST",
            version_path(model, number, "canary"),
            json=asdict(new or NewCanary()),
            timeout=LONG_TIMEOUT,
        )

    async def end_canary(self, model: str, number: int, *, by: str | None = None) -> ModelSummary:
        """Let the live version answer all requests again; `promote` ends it the other way."""
        return await self._request(
            ModelSummary, "DELETE", version_path(model, number, "canary"), params=query(by=by)
        )

    async def audit(self, model: str, count: int = 100) -> list[AuditEntry]:
        """Return what was done to the versions of a model and by whom, the newest first."""
        return await self._request(
            list[AuditEntry], "GET", model_path(model, "audit"), params=query(count=count)
        )

    async def rollout(self, model: str) -> RolloutSummary:
        """Return on which instances the live version of a model has arrived."""
        return await self._request(RolloutSummary, "GET", model_path(model, "rollout"))
