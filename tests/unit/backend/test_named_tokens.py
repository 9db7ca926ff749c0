"""What the owners of tokens may do, how often, and under which name."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from backend.rate_limit import RateLimit
from backend.token_roles import needed_role
from serving.named_tokens import NamedTokens, TokenRole
from tests.support.backend_env import MODEL, URL, Service
from tests.support.sample_images import gradient

EXPECTED = {
    "POST /classify": TokenRole.CLASSIFY,
    "GET /models": TokenRole.CLASSIFY,
    f"GET /models/{MODEL}/classes": TokenRole.CLASSIFY,
    "GET /labels": TokenRole.LABEL,
    "POST /labels": TokenRole.LABEL,
    "POST /labels/batch": TokenRole.LABEL,
    "DELETE /labels/7": TokenRole.LABEL,
    "DELETE /labels/actions/7": TokenRole.LABEL,
    f"POST /models/{MODEL}/labels/import": TokenRole.ADMINISTER,
    f"POST /models/{MODEL}/labels/export": TokenRole.ADMINISTER,
    "GET /queue": TokenRole.LABEL,
    "POST /training": TokenRole.ADMINISTER,
    f"DELETE /models/{MODEL}": TokenRole.ADMINISTER,
    f"POST /models/{MODEL}/versions/1/promote": TokenRole.ADMINISTER,
    f"PATCH /models/{MODEL}/classes/cat": TokenRole.ADMINISTER,
    "POST /anything/new": TokenRole.ADMINISTER,
    "GET /models/../training": TokenRole.ADMINISTER,
    "GET /classify/../labels": TokenRole.ADMINISTER,
}


@pytest.fixture
async def elsewhere(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    """A client on another machine."""
    transport = httpx.ASGITransport(service.app, client=("192.168.1.7", 5000))
    async with httpx.AsyncClient(transport=transport, base_url=URL) as client:
        yield client


def token_of(service: Service, role: TokenRole, per_minute: int = 0) -> dict[str, str]:
    """Return the header that shows a new token called as its role."""
    tokens = NamedTokens(service.workspace.named_tokens)
    _, text = tokens.create(role.value, role, per_minute)
    return {"Authorization": f"Bearer {text}"}


@pytest.mark.parametrize("request_line", EXPECTED)
def test_each_request_needs_a_role(request_line: str) -> None:
    assert needed_role(*request_line.split()) is EXPECTED[request_line]


def test_every_listed_path_exists(service: Service) -> None:
    """So that no new name of a route is left without its role."""
    found = {
        needed_role(method, path.replace("{", "").replace("}", ""))
        for path, methods in service.app.openapi()["paths"].items()
        for method in (each.upper() for each in methods)
    }
    assert found == set(TokenRole)


async def test_a_token_may_do_what_its_role_says(
    service: Service, elsewhere: httpx.AsyncClient
) -> None:
    classify, label = (token_of(service, TokenRole(role)) for role in ("classify", "label"))
    photo = {"file": ("a.jpg", gradient(), "image/jpeg")}
    answer = await elsewhere.post("/classify", files=photo, headers=classify)
    assert answer.status_code == 200
    refused = await elsewhere.post("/labels", files=photo, headers=classify)
    assert refused.status_code == 403
    assert "its role is classify" in refused.text
    assert "--role label" in refused.text
    assert (await elsewhere.get("/labels", headers=label)).status_code == 200
    assert (await elsewhere.post("/training", headers=label)).status_code == 403


async def test_a_label_is_that_of_the_token(service: Service, elsewhere: httpx.AsyncClient) -> None:
    headers = token_of(service, TokenRole.LABEL)
    photo = {"file": ("a.jpg", gradient(), "image/jpeg")}
    kept = await elsewhere.post("/labels", files=photo, data={"class": "cat"}, headers=headers)
    assert kept.is_success, kept.text
    assert kept.json()["by"] == "label"


async def test_a_revoked_token_is_refused_at_once(
    service: Service, elsewhere: httpx.AsyncClient
) -> None:
    headers = token_of(service, TokenRole.ADMINISTER)
    assert (await elsewhere.get("/models", headers=headers)).status_code == 200
    NamedTokens(service.workspace.named_tokens).revoke("administer")
    assert (await elsewhere.get("/models", headers=headers)).status_code == 401


async def test_a_token_that_is_used_too_often_waits(
    service: Service, elsewhere: httpx.AsyncClient
) -> None:
    headers = token_of(service, TokenRole.CLASSIFY, per_minute=2)
    answers = [await elsewhere.get("/models", headers=headers) for _ in range(3)]
    assert [each.status_code for each in answers] == [200, 200, 429]
    assert int(answers[-1].headers["retry-after"]) in range(1, 31)
    # The person is not kept waiting by that.
    assert len(await service.client.models()) == 1


async def test_a_request_counts_as_what_it_computes(
    service: Service, elsewhere: httpx.AsyncClient
) -> None:
    """Each photo of several, and each prediction of an explanation."""
    files = [("file", (f"{number}.jpg", gradient())) for number in range(20)]
    several = token_of(service, TokenRole.CLASSIFY, per_minute=1)
    answer = await elsewhere.post("/classify", files=files, headers=several)
    assert len(answer.json()) == 20
    refused = await elsewhere.get("/models", headers=several)
    assert int(refused.headers["retry-after"]) in range(18 * 60, 20 * 60 + 1)
    explains = token_of(service, TokenRole.LABEL, per_minute=1)
    answer = await elsewhere.post("/classify?explain=true", content=gradient(), headers=explains)
    assert answer.json()["explanation"] is not None
    refused = await elsewhere.get("/models", headers=explains)
    assert int(refused.headers["retry-after"]) in range(41 * 60, 43 * 60 + 1)


async def test_what_computes_nothing_counts_as_one(
    service: Service, elsewhere: httpx.AsyncClient
) -> None:
    headers = token_of(service, TokenRole.CLASSIFY, per_minute=3)
    files = [("file", ("a.jpg", gradient()))] * 2
    for url in ("/classify?explain=true", "/classify?explain=cat"):
        refused = await elsewhere.post(url, files=files, headers=headers)
        assert refused.status_code == 422
    assert (await elsewhere.get("/models", headers=headers)).status_code == 200


def test_requests_are_allowed_again_as_time_passes() -> None:
    now = 100.0
    limit = RateLimit(lambda: now)
    assert [limit.wait_seconds("a", 60) for _ in range(61)] == [0] * 60 + [1]
    assert limit.wait_seconds("b", 60) == 0
    now += 1.0
    assert [limit.wait_seconds("a", 60) for _ in range(2)] == [0, 1]
    now += 3600
    assert [limit.wait_seconds("a", 60) for _ in range(61)] == [0] * 60 + [1]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/keywords", {"folder": "/etc"}),
        (f"/models/{MODEL}/import", {"folder": "/etc"}),
        (f"/models/{MODEL}/compare", {"versions": [1, 1], "files": ["/etc/passwd"]}),
    ],
)
async def test_another_user_here_cannot_name_files_with_a_token(
    service: Service, path: str, body: dict[str, object]
) -> None:
    """Over loopback too, where the person's own programs may."""
    service.peer.owner = 12345
    headers = token_of(service, TokenRole.ADMINISTER)
    answer = await service.http.post(path, json=body, headers=headers)
    assert answer.status_code == 403, answer.text
    assert "can only be named on it" in answer.text
