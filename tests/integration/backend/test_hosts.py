"""Beyond loopback: only with a token, with a warning, and by the names that were allowed."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from subprocess import Popen
from urllib.parse import urlsplit

import httpx
import pytest

from backend.client import BackendClient
from backend.run_file import BackendRunFile
from serving.access_token import AccessToken
from serving.listen_address import ListenAddress
from serving.models.repository import ModelRepository
from serving.workspace import Workspace
from tests.integration.backend.conftest import ROOT, command
from tests.support.requirements import missing
from tests.support.tiny_model import install_tiny

Start = Callable[..., AbstractContextManager[Popen[str]]]


@pytest.fixture
def workspace(workspace: Workspace) -> Workspace:
    install_tiny(ModelRepository(workspace.models))
    return workspace


@pytest.fixture
def own_address() -> str:
    """An IPv4 address of this machine that is not loopback."""
    urls = ListenAddress("0.0.0.0").urls_elsewhere(80)
    return str(urlsplit(urls[0]).hostname) if urls else missing("there is only loopback here")


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--host", "0.0.0.0", "there is no token"),
        ("--host", "::", "there is no token"),
        ("--host", "", "There is no address"),
        ("--host", "no.such.host.invalid", "There is no address"),
        ("--host", "192.0.2.1", "there is no token"),
        ("--allow-host", "http://nas:8080", "is no host name"),
    ],
)
def test_a_refused_option_is_explained(
    workspace: Workspace, option: str, value: str, sentence: str
) -> None:
    ended = subprocess.run(
        command(workspace, option, value), cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 1
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not workspace.token.exists()


async def test_at_an_own_address_everybody_needs_the_token(
    workspace: Workspace, start: Start, own_address: str
) -> None:
    token = AccessToken(workspace.token).renew()
    with start(workspace, "--host", own_address, "--allow-host", "NAS.example."):
        running = BackendRunFile.read(workspace)
        assert running is not None
        assert urlsplit(running.url).hostname == own_address
        async with httpx.AsyncClient(base_url=running.url, trust_env=False) as http:
            # The person's own program too: this is not loopback.
            assert (await http.get("/models")).status_code == 401
            assert (await http.get("/healthz")).status_code == 200
            headers = {"Authorization": f"Bearer {token}"}
            assert (await http.get("/models", headers=headers)).status_code == 200
            for host, status in (("nas.example:80", 200), ("other.example", 403)):
                named = headers | {"Host": host}
                assert (await http.get("/models", headers=named)).status_code == status
        client = await BackendClient.find(workspace)
        assert client is not None
        async with client:
            assert len(await client.models()) == 1


async def test_on_every_address_loopback_stays_the_persons(
    workspace: Workspace, start: Start, own_address: str
) -> None:
    AccessToken(workspace.token).renew()
    with start(workspace, "--host", "0.0.0.0"):
        running = BackendRunFile.read(workspace)
        assert running is not None
        url = urlsplit(running.url)
        assert url.hostname == "127.0.0.1"
        async with httpx.AsyncClient(trust_env=False) as http:
            assert (await http.get(f"{running.url}/models")).status_code == 200
            elsewhere = f"http://{own_address}:{url.port}/models"
            assert (await http.get(elsewhere)).status_code == 401
            # The host name of the machine is allowed by nobody.
            headers = {"Host": socket.gethostname() or "host"}
            answer = await http.get(f"{running.url}/models", headers=headers)
            assert answer.status_code == 403
