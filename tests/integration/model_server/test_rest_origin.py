"""A page of another web site reaches the REST API neither to read nor to compute."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.model_server.conftest import Reply, RunningServer, StartServer

STATUS = "/v1/models/half_plus_two"
PREDICT = f"{STATUS}:predict"
BODY = {"instances": [2.0]}
FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:3000"},
    {"Origin": "http://[bad"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]
REBOUND = [
    "evil.example",
    "127.0.0.1.evil.example:8501",
    "localhost.evil.example",
    "127.1",
    "[bad",
    "a" * 2000,
]


def asked(server: RunningServer, headers: dict[str, str]) -> list[Reply]:
    return [
        server.http(STATUS, headers=headers),
        server.http(PREDICT, BODY, headers=headers),
        server.http("/monitoring/prometheus/metrics", headers=headers),
    ]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_other_sites_get_nothing(sample_server: RunningServer, headers: dict[str, str]) -> None:
    for reply in asked(sample_server, headers):
        assert reply.status == 403
        assert "Another web site" in reply.json["error"]


@pytest.mark.parametrize("host", REBOUND, ids=lambda host: host[:30])
def test_a_rebound_name_is_refused(sample_server: RunningServer, host: str) -> None:
    for reply in asked(sample_server, {"Host": host}):
        assert reply.status == 403
        assert "--allow_host" in reply.json["error"]
        assert len(reply.body) < 500


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost:8501", "LOCALHOST", "[::1]:1", "192.168.1.7", "a.localhost"]
)
def test_a_program_is_answered(sample_server: RunningServer, host: str) -> None:
    assert [reply.status for reply in asked(sample_server, {"Host": host})] == [200, 200, 200]


def test_its_own_pages_would_be_answered(sample_server: RunningServer) -> None:
    origin = f"http://127.0.0.1:{sample_server.ports['rest']}"
    headers = {"Origin": origin, "Sec-Fetch-Site": "same-origin"}
    assert [reply.status for reply in asked(sample_server, headers)] == [200, 200, 200]


def test_with_cors_every_site_is_answered_and_a_rebound_name_is_not(
    start_server: StartServer, two: Path
) -> None:
    flags = ("--model_name=m", f"--model_base_path={two.parent}")
    server = start_server(*flags, "--rest_api_enable_cors_support", "--allow_host=Farm.example, b")
    page = {"Origin": "https://farm.example", "Sec-Fetch-Site": "cross-site"}
    assert server.http("/v1/models/m", headers=page).status == 200
    for host in ("farm.example:8501", "b"):
        assert server.http("/v1/models/m", headers={"Host": host}).status == 200
    assert server.http("/v1/models/m", headers={"Host": "evil.example"}).status == 403
