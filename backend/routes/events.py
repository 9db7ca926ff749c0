"""GET /events: what changed, as it changes (server-sent events)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import asdict

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from backend.events import EventBroker
from serving.http.connection import connection_of

EVENTS_PATH = "/events"
HEARTBEAT_SECONDS = 15.0
"""Seconds without an event after which a comment shows that the connection is alive."""


def routes(broker: EventBroker) -> APIRouter:
    router = APIRouter()

    @router.get(EVENTS_PATH, response_class=StreamingResponse)
    async def events(request: Request) -> StreamingResponse:
        """Stream an `Event` whenever something changed; fetch again what it names.

        The stream may be ended to make room for other connections; then open it again.
        """
        connection_of(request.scope).is_stream = True
        return StreamingResponse(
            _stream(broker),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    return router


async def _stream(broker: EventBroker) -> AsyncIterator[str]:
    yield "retry: 1000\n\n"
    async for event in broker.listen(HEARTBEAT_SECONDS):
        if event is None:
            yield ": heartbeat\n\n"
        else:
            yield f"event: {event.topic}\ndata: {json.dumps(asdict(event))}\n\n"
