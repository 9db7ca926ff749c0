"""The short way to POST /classify: what it takes, and that it takes nothing else than FastAPI."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from backend.routes import plain_query
from backend.routes.plain_query import PlainQueryRoute
from serving.errors import FleetUnavailable
from tests.support.backend_env import Service
from tests.support.problems import PROBLEM_FIELDS
from tests.support.sample_images import image_bytes


async def endpoint(request: Request, **arguments: Any) -> Response:
    return Response()


ROUTE = PlainQueryRoute(
    "POST",
    "/classify",
    endpoint,
    {
        "model": ("model", plain_query.text),
        "top": ("top", plain_query.number(1000)),
        "timeout": ("wait", plain_query.deadline_seconds),
    },
)


def arguments_of(
    query: bytes, *headers: tuple[bytes, bytes], method: str = "POST", path: str = "/classify"
) -> Any:
    """Return what the endpoint would get; None if another route is to look at the request."""
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query,
        "headers": list(headers),
    }
    match, found = ROUTE.matches(scope)
    assert match in (Match.FULL, Match.NONE)
    return found["plain_parameters"] if match is Match.FULL else None


@pytest.mark.parametrize(
    ("query", "arguments"),
    [
        (b"", {}),
        (b"top=3", {"top": 3}),
        (b"model=big+zoo&top=1000", {"model": "big zoo", "top": 1000}),
        (b"model=%C3%A4&timeout=2.5", {"model": "\u00e4", "wait": 2.5}),
        (b"model=", {"model": ""}),
    ],
)
def test_plain_parameters_are_taken(query: bytes, arguments: dict[str, Any]) -> None:
    assert arguments_of(query) == arguments


@pytest.mark.parametrize(
    "query",
    [
        *(
            b"top=0",
            b"top=1001",
            b"top=x",
            b"top=-1",
            b"top=+1",
            b"top=",
            b"top=1.0",
            b"top=%D9%A1",
        ),
        *(b"timeout=0", b"timeout=-1", b"timeout=nan", b"timeout=inf", b"timeout=1e3"),
        *(b"timeout=3601", b"other=1", b"top=1&top=2", b"top", b"&".join([b"model=a"] * 9)),
        "model=\u00e4".encode(),
    ],
)
def test_whatever_else_is_left_to_the_other_route(query: bytes) -> None:
    assert arguments_of(query) is None


def test_other_requests_are_left_to_the_other_routes() -> None:
    assert arguments_of(b"", method="GET") is None
    assert arguments_of(b"", path="/labels") is None
    assert arguments_of(b"", (b"x-request-timeout", b"1")) is None


async def test_both_ways_answer_alike(service: Service) -> None:
    async def ask(query: str, **headers: str) -> Any:
        answer = await service.http.post(
            f"/classify{query}", content=image_bytes(), headers=headers
        )
        body = answer.json()
        return answer.status_code, answer.headers["content-type"], body

    long_way = {"X-Request-Timeout": "60"}
    for query in ("", "?top=1", "?model=farm&top=2", "?version=1", "?timeout=30"):
        assert await ask(query) == await ask(query, **long_way)
    status, _, body = await ask("?top=0")
    assert (status, set(body)) == (400, PROBLEM_FIELDS)
    # Errors take the same form on both.
    service.classifier.failure = FleetUnavailable("No instance is ready.", "Start one.")
    short, long = await ask(""), await ask("", **long_way)
    assert short == long
    assert short[:2] == (503, "application/problem+json")


async def test_both_ways_are_counted_as_one_route(service: Service) -> None:
    await service.http.post("/classify", content=image_bytes())
    await service.http.post("/classify?top=0", content=image_bytes())
    counted = (await service.http.get("/metrics")).text
    for status in (200, 400):
        line = (
            f'servery_http_requests_total{{method="POST",route="/classify",status="{status}"}} 1.0'
        )
        assert line in counted
