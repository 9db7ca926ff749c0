"""GET /metrics: what Prometheus asks for."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

from backend.metrics import METRICS_PATH, Counts, ServiceMetrics
from backend.store.label_queries import Moment
from backend.store.store import Store
from serving.models.repository import ModelRepository


def routes(metrics: ServiceMetrics, store: Store, repository: ModelRepository) -> APIRouter:
    router = APIRouter()

    @router.get(METRICS_PATH, response_class=PlainTextResponse)
    async def read() -> PlainTextResponse:
        """Return requests by route and status, latencies, queue, instances, versions, labels and
        training runs, in Prometheus's text form."""
        labels = {}
        for model in await asyncio.to_thread(repository.models):
            counts = await store.labels.counts(model, Moment())
            labels[model] = sum(counts.classes.values()) + counts.none
        text = metrics.text(Counts(labels, await store.runs.all()))
        return PlainTextResponse(text, media_type=CONTENT_TYPE_LATEST)

    return router
