"""The client turns every failure into a sentence."""

from __future__ import annotations

import os

import httpx
import pytest

from backend.client import BackendClient, BackendRefused
from backend.run_file import BackendRunFile
from serving.errors import BackendError
from serving.workspace import Workspace
from tests.support.backend_env import Service
from tests.support.sample_images import image_bytes


def client_of(answer: httpx.Response | Exception) -> BackendClient:
    def handler(request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return BackendClient("http://127.0.0.1:1", transport=httpx.MockTransport(handler))


async def test_every_route_has_its_method(service: Service) -> None:
    client = service.client
    assert (await client.classify(image_bytes())).scores[0].name == "cat"
    label = await client.label(image_bytes(), "zebra")
    run = await client.train()
    assert (await client.training_run(run.id)).id == run.id
    assert [one.id for one in await client.training_runs()] == [run.id]
    await client.undo_label(label.id)
    assert (await client.promote("starter", 1)).number == 1


async def test_a_refusal_keeps_its_sentence_and_its_code(service: Service) -> None:
    with pytest.raises(BackendRefused) as caught:
        await service.client.classify(b"text")
    assert caught.value.status == 415
    assert caught.value.what == "The file is not an image that Servery can read."
    assert caught.value.advice.startswith("Choose a JPEG")


@pytest.mark.parametrize(
    "answer",
    [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        httpx.RemoteProtocolError("gone"),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json={"other": "service"}),
        httpx.Response(502, text="bad gateway"),
        httpx.Response(500, json=["odd"]),
    ],
    ids=repr,
)
async def test_anything_else_is_a_backend_error(answer: httpx.Response | Exception) -> None:
    async with client_of(answer) as client:
        with pytest.raises(BackendError) as caught:
            await client.health()
    assert caught.value.what.endswith(".")
    assert caught.value.advice


async def test_a_closed_client_says_so() -> None:
    client = client_of(httpx.Response(200))
    await client.close()
    with pytest.raises(BackendError, match="closed"):
        await client.health()


async def test_find_needs_a_run_file_and_a_living_backend(workspace: Workspace) -> None:
    assert await BackendClient.find(workspace) is None
    BackendRunFile(os.getpid(), "http://127.0.0.1:9").write(workspace)
    assert await BackendClient.find(workspace) is None
    workspace.backend_run_file.write_text("{}")
    assert await BackendClient.find(workspace) is None
