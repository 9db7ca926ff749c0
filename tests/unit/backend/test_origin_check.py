"""Other web sites cannot reach the service through a person's browser."""

from __future__ import annotations

import pytest

from tests.support.backend_env import Service


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:8080", "localhost", "LOCALHOST:1", "[::1]:8080", "192.168.1.7", "a.localhost"],
)
async def test_names_of_this_machine_are_served(service: Service, host: str) -> None:
    assert (await service.http.get("/health", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "127.0.0.1.evil.example:8080", "localhost.evil.example", "", "[bad"),
        *("evil.example@127.0.0.1", "127.0.0.1/evil.example", "127.0.0.1?evil.example"),
        *("127.0.0.1#evil.example", "127.0.0.1:80:evil.example", "localhost:evil.example"),
    ],
)
async def test_a_rebound_name_is_refused(service: Service, host: str) -> None:
    answer = await service.http.get("/labels", headers={"Host": host})
    assert answer.status_code == 403
    assert "servery serve --allow-host" in answer.json()["advice"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:3000"},
        {"Origin": "http://127.0.0.1:8080@evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:8080"},
    ],
    ids=str,
)
async def test_other_sites_change_nothing(service: Service, headers: dict[str, str]) -> None:
    for method, path in [
        ("POST", "/labels"),
        ("DELETE", "/labels/1"),
        ("POST", "/training"),
        ("POST", "/classify"),
        ("POST", "/models/farm/versions/1/promote"),
    ]:
        answer = await service.http.request(method, path, headers=headers)
        assert answer.status_code == 403, path
        assert "Another web site" in answer.json()["detail"]


@pytest.mark.parametrize(
    "headers",
    [{}, {"Origin": "http://127.0.0.1:8080", "Sec-Fetch-Site": "same-origin"}],
    ids=["a program", "our own page"],
)
async def test_programs_and_our_own_page_are_allowed(
    service: Service, headers: dict[str, str]
) -> None:
    answer = await service.http.post("/models/farm/versions/1/promote", headers=headers)
    assert answer.status_code == 200


async def test_no_other_site_is_allowed_to_read(service: Service) -> None:
    answer = await service.http.get("/labels", headers={"Origin": "https://evil.example"})
    assert not any(name.startswith("access-control") for name in answer.headers)
