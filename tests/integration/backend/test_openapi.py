"""What /openapi.json says is true: Schemathesis sends what it allows, and what it does not.

As a caller from another machine, with the token, so that no request names files of this one. The
models that are trained and converted meanwhile are tiny; what would download one is left out.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from backend.contract_examples import EXAMPLES
from serving.access_token import AccessToken
from serving.models.repository import ModelRepository
from serving.workspace import Workspace
from tests.conftest import ROOT
from tests.support.backend_env import Service, backend_on_thread
from tests.support.docker.fake_docker_api import DOCKER_ANSWERS, FakeDockerApi
from tests.support.tiny_model import install_tiny

CONFIG = ROOT / "tests" / "support" / "schemathesis.toml"
ELSEWHERE = ("192.0.2.7", 40000)
SECONDS = "60"
"""For one answer. Schemathesis would allow 10, which a version that is written takes under load."""
METHODS = ("get", "put", "post", "delete", "patch")


class _FromElsewhere:
    """Has every request come from another machine."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["client"] = ELSEWHERE
        await self._app(scope, receive, send)


def elsewhere(app: FastAPI) -> ASGIApp:
    return _FromElsewhere(app)


@pytest.fixture
def address(
    workspace: Workspace, worker_script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """The address of a backend, whose container engine is one that has nothing."""
    install_tiny(ModelRepository(workspace.models))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/engine.sock")
    with (
        FakeDockerApi(tmp_path / "engine.sock", {**DOCKER_ANSWERS, "/images/json": []}),
        backend_on_thread(workspace, worker_script, wrapped=elsewhere) as address,
    ):
        yield address


def check(address: str, workspace: Workspace, *options: str) -> None:
    """Fail, with what Schemathesis says, unless all of its checks pass."""
    token = AccessToken(workspace.token).read_or_make()
    program = Path(sys.executable).with_name("schemathesis")
    done = subprocess.run(
        [
            *(program, "--config-file", CONFIG, "run", f"{address}/openapi.json"),
            *("--checks", "all", "--no-color", "--warnings", "off", "--no-shrink"),
            *("--header", f"Authorization: Bearer {token}", "--request-timeout", SECONDS),
            *("--max-response-time", SECONDS),
            *("--generation-deterministic", *options),
        ],
        cwd=workspace.root,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "No issues found" in done.stdout


@pytest.mark.slow
def test_what_the_description_allows_is_answered_as_it_says(
    address: str, workspace: Workspace
) -> None:
    check(address, workspace, "--phases", "examples,fuzzing", "--max-examples", "1")


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_what_the_description_allows_is_answered_at_length(
    address: str, workspace: Workspace
) -> None:
    check(address, workspace, "--phases", "examples,coverage,fuzzing", "--max-examples", "30")


async def description(service: Service) -> dict[str, Any]:
    answer = await service.http.get("/openapi.json")
    content: dict[str, Any] = answer.json()
    return content


async def test_every_operation_says_what_it_does_and_how_it_fails(service: Service) -> None:
    described = await description(service)
    for path, methods in described["paths"].items():
        for method in (name for name in METHODS if name in methods):
            operation = methods[method]
            assert operation.get("description"), (method, path)
            assert {"4XX", "5XX"} <= set(operation["responses"]), (method, path)
            for status, response in operation["responses"].items():
                if status not in ("204", "304"):
                    assert response["content"], (method, path, status)
    assert "HTTPValidationError" not in described["components"]["schemas"]


async def test_examples_are_what_the_description_says(service: Service) -> None:
    described = await description(service)
    for example in EXAMPLES:
        name = type(example).__name__
        schema = {
            "$ref": f"#/components/schemas/{name}",
            "components": described["components"],
        }
        content = described["components"]["schemas"][name]["example"]
        assert jsonschema_rs.is_valid(schema, content), name
    body = described["paths"]["/classify"]["post"]["requestBody"]["content"]["application/json"]
    answer = await service.http.post("/classify", json=body["example"])
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/labels/actions", "GET, HEAD"),
        ("/labels/7", "DELETE"),
        ("/labels", "GET, HEAD, POST"),
        ("/model-files/inspect", "POST"),
        ("/model-files/abc", "DELETE"),
    ],
)
async def test_the_methods_of_an_address_are_said(
    service: Service, path: str, allowed: str
) -> None:
    answer = await service.http.patch(path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


def test_the_description_is_read_with_the_token(address: str, workspace: Workspace) -> None:
    url = f"{address}/openapi.json"
    assert httpx.get(url, trust_env=False).status_code == 401
    headers = {"Authorization": f"Bearer {AccessToken(workspace.token).read_or_make()}"}
    assert httpx.get(url, headers=headers, trust_env=False).status_code == 200
