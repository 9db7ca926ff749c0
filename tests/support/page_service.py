"""The web page, and a service behind it that answers what a test sets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from backend.http_errors import error_response
from backend.routes import page
from serving.http.limits import DEFAULT_LIMITS
from tests.support.http_server import serving


def model(name: str, *, current: bool = False, classes: tuple[str, ...] = ()) -> dict[str, Any]:
    live = {"live": True, "number": 1, "classes": list(classes)}
    return {"name": name, "current": current, "served": True, "versions": [live]}


def answered(name: str, *classes: str, version: int = 1) -> dict[str, Any]:
    scores = [
        {"name": each, "score": round(0.8 / 2**place, 3)} for place, each in enumerate(classes)
    ]
    return {"model": name, "version": version, "scores": scores, "milliseconds": 3}


def refusal(status: int, what: str, advice: str) -> Response:
    return error_response(status, what, advice)


@dataclass
class PageService:
    """What the page asks for, and what it gets.

    `answers` are by method and address. `classify` answers for a file and what the query says;
    without one, the answer is that of `answers`.
    """

    answers: dict[str, Any] = field(
        default_factory=lambda: {
            "GET /health": {
                "status": "ok",
                "instances_ready": 1,
                "model": "pets",
                "live_version": 1,
            },
            "GET /models": [model("pets", current=True, classes=("cat", "dog"))],
            "GET /labels": {"total": 1, "since_last_run": 1, "classes": []},
            "GET /training": [],
            "POST /classify": answered("pets", "cat", "dog"),
            "POST /labels": {"id": 7, "class_name": "dog", "new_class": False},
        }
    )
    classify: Callable[[str, dict[str, str]], Awaitable[Any]] | None = None
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    """Method, address, and the fields of a form, of which a file is its name."""
    url: str = ""
    _events: list[asyncio.Queue[str]] = field(default_factory=list)

    def sent(self, method: str, path: str) -> list[dict[str, str]]:
        """Return the fields of the requests to a path, whatever their query."""
        return [
            fields
            for other, address, fields in self.requests
            if (other, address.partition("?")[0]) == (method, path)
        ]

    def tell(self, topic: str, **data: Any) -> None:
        """Send an event to all pages."""
        for queue in self._events:
            queue.put_nowait(f"event: {topic}\ndata: {json.dumps(data)}\n\n")

    async def _answer(self, request: Request) -> Response:
        query = f"?{request.url.query}" if request.url.query else ""
        address = request.url.path + query
        fields: dict[str, str] = {}
        async with request.form() as form:
            for name, value in form.items():
                fields[name] = value if isinstance(value, str) else value.filename or ""
        self.requests.append((request.method, address, fields))
        if request.url.path == "/classify" and self.classify is not None:
            answer = await self.classify(fields["file"], dict(request.query_params))
        else:
            by_path = self.answers.get(f"{request.method} {request.url.path}")
            answer = self.answers.get(f"{request.method} {address}", by_path)
        if isinstance(answer, Response):
            return answer
        if answer is None:
            return Response(status_code=204)
        return JSONResponse(answer)

    async def _stream(self, request: Request) -> Response:
        queue: asyncio.Queue[str] = asyncio.Queue()
        self._events.append(queue)

        async def events() -> AsyncIterator[str]:
            yield ": open\n\n"
            while event := await queue.get():
                yield event

        return StreamingResponse(events(), media_type="text/event-stream")

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[PageService]:
        app = FastAPI()
        app.include_router(page.routes())
        app.add_route("/events", self._stream)
        app.add_route("/{path:path}", self._answer, ["GET", "POST", "DELETE"])
        async with serving(app, DEFAULT_LIMITS) as port:
            self.url = f"http://127.0.0.1:{port}/"
            yield self
            for queue in self._events:
                queue.put_nowait("")  # the server would wait for their ends


def explanation(class_name: str) -> dict[str, Any]:
    """Return an explanation whose upper left part matters most."""
    rows = [[1.0, 0.4, 0.0], [0.1, -0.5, 0.0], [0.0, 0.0, 0.02]]
    return {
        "class_name": class_name,
        "score": 0.8,
        "lowest": 0.3,
        "scale": 2.2,
        "importances": rows,
    }
