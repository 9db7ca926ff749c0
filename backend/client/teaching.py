"""Calls about what is worth labelling next, and which labels are in doubt."""

from __future__ import annotations

from collections.abc import Sequence

from backend.client.connection import LONG_TIMEOUT, BackendConnection
from backend.client.paths import query
from backend.contract import Cluster, LabelIssue, QueueItem


class TeachingCalls(BackendConnection):
    """Which labels teach most."""

    async def queue(
        self, model: str | None = None, count: int = 20, exclude: Sequence[str] = ()
    ) -> list[QueueItem]:
        """Return photos without a label, the one that teaches most first.

        `exclude` are hashes of photos that are not wanted, such as those that were shown already.
        A BackendRefused says why the live version cannot learn, if it cannot.
        """
        return await self._request(
            list[QueueItem],
            "GET",
            "/queue",
            params={**query(model=model, count=count), "exclude": list(exclude)},
            timeout=LONG_TIMEOUT,
        )

    async def clusters(self, model: str | None = None, count: int = 10) -> list[Cluster]:
        """Return groups of photos without a label that look alike, the best to name first."""
        return await self._request(
            list[Cluster],
            "GET",
            "/clusters",
            params=query(model=model, count=count),
            timeout=LONG_TIMEOUT,
        )

    async def label_issues(self, model: str | None = None, count: int = 200) -> list[LabelIssue]:
        """Return labelled photos that should be looked at again, the worst first."""
        return await self._request(
            list[LabelIssue],
            "GET",
            "/label-issues",
            params=query(model=model, count=count),
            timeout=LONG_TIMEOUT,
        )
