"""Who is let in: the person and root over loopback, everybody else with the token."""

from __future__ import annotations

import os

import httpx
import pytest

from backend.client import BackendClient, BackendRefused
from serving.access_token import AccessToken
from tests.support.backend_env import URL, Service


def client_at(service: Service, host: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(service.app, client=(host, 5000))
    return httpx.AsyncClient(transport=transport, base_url=URL)


@pytest.mark.parametrize("owner", [1234, 65534, None])
async def test_another_user_and_an_unknown_one_are_asked_for_the_token(
    service: Service, owner: int | None
) -> None:
    service.peer.owner = owner
    with pytest.raises(BackendRefused, match="servery token") as refused:
        await service.client.models()
    assert refused.value.status == 401
    transport = httpx.ASGITransport(service.app)
    token = AccessToken(service.workspace.token)
    async with BackendClient(URL, token=token, transport=transport) as client:
        with pytest.raises(BackendRefused):
            await client.models()
        token.renew()
        assert len(await client.models()) == 1


@pytest.mark.parametrize("owner", [0, os.getuid()])
async def test_the_person_and_root_are_let_in(service: Service, owner: int) -> None:
    service.peer.owner = owner
    assert len(await service.client.models()) == 1


@pytest.mark.parametrize("host", ["192.168.1.7", "::ffff:192.168.1.7", "10.0.0.1", "unix", ""])
async def test_beyond_loopback_it_does_not_matter_whose_program_it_is(
    service: Service, host: str
) -> None:
    async with client_at(service, host) as http:
        assert (await http.get("/models")).status_code == 401
        assert (await http.get("/healthz")).text == "ok"
        token = AccessToken(service.workspace.token).renew()
        headers = {"Authorization": f"bearer  {token} "}
        assert (await http.get("/models", headers=headers)).status_code == 200


async def test_two_tokens_at_once_are_none(service: Service) -> None:
    token = AccessToken(service.workspace.token).renew()
    headers = [("Authorization", f"Bearer {token}"), ("Authorization", "Bearer other")]
    async with client_at(service, "192.168.1.7") as http:
        assert (await http.get("/models", headers=headers)).status_code == 401


async def test_requests_from_other_web_sites_are_refused_even_with_the_token(
    service: Service,
) -> None:
    token = AccessToken(service.workspace.token).renew()
    headers = {"Authorization": f"Bearer {token}", "Origin": "https://evil.example"}
    async with client_at(service, "192.168.1.7") as http:
        assert (await http.post("/training", headers=headers)).status_code == 403


@pytest.mark.parametrize("content", [b"", b"short\n", b"\xff" * 40, b"with spaces in it " * 3])
async def test_a_file_without_a_usable_token_lets_nobody_in(
    service: Service, content: bytes
) -> None:
    service.workspace.token.write_bytes(content)
    text = content.decode("latin-1").strip()
    async with client_at(service, "192.168.1.7") as http:
        for value in (b"Bearer", b"Bearer ", b"Basic Og==", b"Bearer " + text.encode("latin-1")):
            answer = await http.get("/models", headers={b"Authorization": value})
            assert answer.status_code == 401


async def test_a_websocket_is_closed(service: Service) -> None:
    sent: list[object] = []

    async def send(message: object) -> None:
        sent.append(message)

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    scope = {"type": "websocket", "path": "/healthz", "headers": [(b"host", b"localhost")]}
    await service.app(scope, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]
