"""The person's programs are let in, another user's only with the token."""

from __future__ import annotations

import base64
import os
import re
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from subprocess import Popen
from urllib.parse import urlsplit

import pytest
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Route

from backend.client import BackendClient
from backend.routes.plain_query import PlainQueryRoute
from backend.run_file import BackendRunFile
from serving.access_token import AccessToken
from serving.models.repository import ModelRepository
from serving.workspace import Workspace
from tests.integration.backend.conftest import started
from tests.support.backend_env import Service
from tests.support.other_user import NOBODY, Answer, Call, as_root, call_as
from tests.support.tiny_model import TINY_MODEL, install_tiny

Start = Callable[..., AbstractContextManager[Popen[str]]]
VALUES = {"model": TINY_MODEL, "number": "1", "name": TINY_MODEL}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A workspace whose backend runs, with a token."""
    workspace = Workspace(tmp_path_factory.mktemp("access") / "workspace").create()
    install_tiny(ModelRepository(workspace.models))
    AccessToken(workspace.token).renew()
    with started(workspace):
        yield workspace


def address(workspace: Workspace) -> tuple[str, int]:
    running = BackendRunFile.read(workspace)
    assert running is not None
    url = urlsplit(running.url)
    assert url.hostname is not None
    assert url.port is not None
    return url.hostname, url.port


def call(workspace: Workspace, user: int, *calls: Call) -> list[Answer]:
    return call_as(user, *address(workspace), calls)


def bearer(workspace: Workspace) -> dict[str, str]:
    return {"Authorization": f"Bearer {AccessToken(workspace.token).read()}"}


def walk(routes: Sequence[BaseRoute]) -> Iterator[Route | APIRoute]:
    """Yield every route, those of included routers too."""
    for route in routes:
        if isinstance(route, Route | APIRoute):
            yield route
        elif not isinstance(route, PlainQueryRoute):  # which has the path of an APIRoute
            # FastAPI's class of included routers is private.
            yield from walk(route.original_router.routes)  # type: ignore[attr-defined]


def all_calls(service: Service, headers: dict[str, str]) -> list[Call]:
    """Return a call of every route with every method, and of what there is not."""
    calls = [
        Call(method, re.sub(r"{(\w+)[^}]*}", lambda match: VALUES.get(match[1], "1"), route.path))
        for route in walk(service.app.routes)
        for method in sorted(route.methods or ())
    ]
    assert len(calls) > 40
    calls += [Call("OPTIONS", "/labels"), Call("GET", "/nothing"), Call("PUT", "/healthz")]
    # What deletes comes last, for the others to have something to answer about.
    calls.sort(key=lambda each: each.method == "DELETE")
    return [Call(each.method, each.path, headers) for each in calls]


def is_open(each: Call) -> bool:
    return each.path == "/healthz" and each.method in ("GET", "HEAD")


@as_root
def test_another_user_gets_nothing_from_any_route(running: Workspace, service: Service) -> None:
    calls = all_calls(service, {})
    for each, answer in zip(calls, call(running, NOBODY, *calls), strict=True):
        if is_open(each):
            assert answer.status == 200, each
            assert answer.text == ("" if each.method == "HEAD" else "ok")
        else:
            assert answer.status == 401, each
            assert [value.split()[0] for value in answer.challenges] == ["Bearer", "Basic"]
            assert each.method == "HEAD" or "servery token" in answer.text


@as_root
@pytest.mark.parametrize("kind", ["the token", "the person"])
def test_the_person_gets_an_answer_from_every_route(
    kind: str, service: Service, tmp_path: Path, start: Start
) -> None:
    workspace = Workspace(tmp_path / "real").create()
    install_tiny(ModelRepository(workspace.models))
    AccessToken(workspace.token).renew()
    with start(workspace):
        headers, user = (bearer(workspace), NOBODY) if kind == "the token" else ({}, os.getuid())
        calls = all_calls(service, headers)
        answers = call(workspace, user, *calls)
    refused = [(each, answer) for each, answer in zip(calls, answers, strict=True)]
    assert [each for each, answer in refused if answer.status in (401, 403)] == []


@as_root
@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "127.0.0.1"},
        {"Forwarded": "for=127.0.0.1", "X-Real-IP": "127.0.0.1", "X-Forwarded-Proto": "https"},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer null"},
        {"Authorization": "Basic Og=="},
        {"Authorization": "Basic ?"},
        {"Authorization": "Bearer \xe4\xf6\xfc"},
        {"Upgrade": "websocket", "Connection": "Upgrade"},
        {"Cookie": "token=1"},
    ],
    ids=str,
)
def test_nothing_that_a_caller_claims_lets_it_in(
    running: Workspace, headers: dict[str, str]
) -> None:
    (answer,) = call(running, NOBODY, Call("GET", "/labels", headers))
    assert answer.status == 401


@as_root
@pytest.mark.parametrize(
    "path",
    [
        "http://127.0.0.1/healthz",
        "/healthz/",
        "//healthz",
        "/healthz/../labels",
        "/healthz%2f..",
        "*",
    ],
)
def test_only_the_one_path_is_open(running: Workspace, path: str) -> None:
    (answer,) = call(running, NOBODY, Call("GET", path))
    assert answer.status in (400, 401)


@as_root
def test_a_browser_sends_the_token_as_a_password(running: Workspace) -> None:
    token = AccessToken(running.token).read()
    right = base64.b64encode(f"me:{token}".encode()).decode()
    as_the_user = base64.b64encode(f"{token}:".encode()).decode()
    answers = call(
        running,
        NOBODY,
        Call("GET", "/", {"Authorization": f"Basic {right}"}),
        Call("GET", "/events", {"Authorization": f"basic {right}"}),
        Call("GET", "/", {"Authorization": f"Basic {as_the_user}"}),
    )
    assert [answer.status for answer in answers] == [200, 200, 401]
    assert "<!doctype html>" in answers[0].text


@as_root
def test_a_new_token_holds_at_once_and_the_one_before_no_longer(
    workspace: Workspace, start: Start
) -> None:
    install_tiny(ModelRepository(workspace.models))
    with start(workspace):
        (without,) = call(workspace, NOBODY, Call("GET", "/models", {"Authorization": "Bearer x"}))
        before = AccessToken(workspace.token).renew()
        old = bearer(workspace)
        first = call(workspace, NOBODY, Call("GET", "/models", old))
        assert AccessToken(workspace.token).renew() != before
        later = call(
            workspace,
            NOBODY,
            Call("GET", "/models", old),
            Call("GET", "/models", bearer(workspace)),
        )
    statuses = [answer.status for answer in (without, *first, *later)]
    assert statuses == [401, 200, 401, 200]


@as_root
def test_another_user_with_the_token_may_name_a_folder(running: Workspace, tmp_path: Path) -> None:
    body = f'{{"folder": "{tmp_path}"}}'
    headers = {"Content-Type": "application/json", **bearer(running)}
    (answer,) = call(running, NOBODY, Call("POST", f"/models/{TINY_MODEL}/import", headers, body))
    assert answer.status == 400  # it was read, and has no photos
    assert "photos" in answer.text


def exchange(workspace: Workspace, *requests: bytes, half_close: bool = False) -> list[bytes]:
    """Send requests on one connection and return the status of each answer."""
    with socket.create_connection(address(workspace), timeout=60) as connection:
        connection.sendall(b"".join(requests))
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        received = b""
        while received.count(b"HTTP/1.1 ") < len(requests) or b"ok" not in received[-3:]:
            chunk = connection.recv(65536)
            if not chunk:
                break
            received += chunk
        return re.findall(rb"HTTP/1.1 (\d+)", received)


def test_pipelined_requests_and_a_half_closed_connection_are_the_persons(
    running: Workspace,
) -> None:
    one = b"GET /models HTTP/1.1\r\nHost: localhost\r\n\r\n"
    last = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert exchange(running, one, one, last) == [b"200", b"200", b"200"]
    (status, *_) = exchange(running, one, half_close=True) or [b"closed"]
    assert status in (b"200", b"closed")  # never 401


async def test_a_program_of_another_user_on_the_port_gets_no_request(
    workspace: Workspace,
) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can act as another user")
    AccessToken(workspace.token).renew()
    with socket.socket() as listener:
        os.seteuid(NOBODY)
        try:
            foreign = socket.create_server(("127.0.0.1", 0))
        finally:
            os.seteuid(0)
        del listener
        with foreign:
            foreign.settimeout(0.2)
            url = f"http://127.0.0.1:{foreign.getsockname()[1]}"
            async with BackendClient(url, token=AccessToken(workspace.token)) as client:
                with pytest.raises(Exception, match="another user answers"):
                    await client.health()
            with pytest.raises(TimeoutError):
                foreign.accept()
