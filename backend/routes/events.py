"""GET /events: what changed, as it changes (server-sent events)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request
from fastapi.responses import StreamingResponse

from backend.events import EventBroker
from serving.http.connection import connection_of

EVENTS_PATH = "/events"
HEARTBEAT_SECONDS = 15.0
"""Seconds without an event after which a comment shows that the connection is alive."""
MEDIA_TYPE = "text/event-stream"
_EXAMPLE = 'event: labels\nid: 5f2c91aa-7\ndata: {"topic": "labels", "id": "pets"}\n\n'
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A stream without an end.",
        "content": {MEDIA_TYPE: {"schema": {"type": "string"}, "example": _EXAMPLE}},
    }
}


def routes(broker: EventBroker) -> APIRouter:
    router = APIRouter()

    @router.get(EVENTS_PATH, response_class=StreamingResponse, responses=_RESPONSES)
    async def events(
        request: Request,
        last_event_id: Annotated[
            str, Header(max_length=64, description="The `id` of the last event that was received.")
        ] = "",
    ) -> StreamingResponse:
        """Stream an `Event` whenever something changed; fetch again what it names.

        With `Last-Event-ID`, as browsers send it by themselves, those since that event come
        first. The event `missed` says that there were more than are kept: fetch everything again.
        The stream may be ended to make room for other connections; then open it again.
        """
        connection_of(request.scope).is_stream = True
        return StreamingResponse(
            _stream(broker, last_event_id),
            media_type=MEDIA_TYPE,
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    return router


async def _stream(broker: EventBroker, last_id: str) -> AsyncIterator[str]:
    yield "retry: 1000\n\n"
    async for numbered in broker.resume(last_id, HEARTBEAT_SECONDS):
        if numbered is None:
            yield ": heartbeat\n\n"
        else:
            event = numbered.event
            data = json.dumps(asdict(event))
            yield f"event: {event.topic}\nid: {numbered.id}\ndata: {data}\n\n"
