"""The client turns every failure into a sentence."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path

import httpx
import pytest

from backend.client import LONG_TIMEOUT, BackendClient, BackendRefused
from backend.contract import NewModel, RunState, TrainingRun
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
    assert (await client.promote("farm", 1)).number == 1


async def test_a_refusal_keeps_its_sentence_and_its_code(service: Service) -> None:
    with pytest.raises(BackendRefused) as caught:
        await service.client.classify(b"text")
    assert caught.value.status == 415
    assert caught.value.what == "The file is not an image that Servery can read."
    assert caught.value.advice.startswith("Choose a JPEG")


NOT_TEXT = Path(os.fsdecode(b"/caf\xe9.jpg"))
Call = Callable[[BackendClient], Awaitable[object]]


@pytest.mark.parametrize(
    ("call", "request_line", "body"),
    [
        (lambda c: c.classify(b"", "a b"), "POST /classify?model=a+b", None),
        (lambda c: c.labels("a?b"), "GET /labels?model=a%3Fb", None),
        (lambda c: c.labels(), "GET /labels", None),
        (lambda c: c.train("pets"), "POST /training?model=pets", None),
        (lambda c: c.training_runs("pets"), "GET /training?model=pets", None),
        (
            lambda c: c.import_folder("pets", Path("/x y")),
            "POST /models/pets/import",
            {"folder": "/x y"},
        ),
        (lambda c: c.models(), "GET /models", None),
        (lambda c: c.model("a/b %é"), "GET /models/a%2Fb%20%25%C3%A9", None),
        (lambda c: c.model("a#?b"), "GET /models/a%23%3Fb", None),
        (lambda c: c.versions(".."), "GET /models/%2E%2E/versions", None),
        (lambda c: c.training_run("a/b?c"), "GET /training/a%2Fb%3Fc", None),
        (lambda c: c.cancel_training("a b"), "DELETE /training/a%20b", None),
        (
            lambda c: c.compare("pets", (1, 2), files=[Path("/a.jpg"), NOT_TEXT, Path("/é.jpg")]),
            "POST /models/pets/compare",
            {"versions": [1, 2], "images": None, "files": ["/a.jpg", "/é.jpg"]},
        ),
        (
            lambda c: c.create_model(NewModel("pets", "backbone", True)),
            "POST /models",
            {"name": "pets", "backbone": "backbone", "keep_classes": True},
        ),
        (
            lambda c: c.rename_model("a", "b"),
            "PATCH /models/a",
            {"name": "b", "keep_versions": None},
        ),
        (
            lambda c: c.keep_versions("a", 3),
            "PATCH /models/a",
            {"name": None, "keep_versions": 3},
        ),
        (lambda c: c.duplicate_model("a", "b"), "POST /models/a/duplicate", {"name": "b"}),
        (lambda c: c.delete_model("a"), "DELETE /models/a", None),
        (lambda c: c.deleted_models(), "GET /deleted", None),
        (lambda c: c.restore_model("t"), "POST /deleted/t/restore", None),
        (lambda c: c.use_model("a"), "POST /models/a/use", None),
        (lambda c: c.serve_model("a"), "PUT /models/a/served", None),
        (lambda c: c.unserve_model("a"), "DELETE /models/a/served", None),
        (lambda c: c.versions("a"), "GET /models/a/versions", None),
        (lambda c: c.promote("a", 2), "POST /models/a/versions/2/promote", None),
        (lambda c: c.pin_version("a", 2), "PUT /models/a/versions/2/pinned", None),
        (lambda c: c.unpin_version("a", 2), "DELETE /models/a/versions/2/pinned", None),
        (lambda c: c.delete_version("a", 2), "DELETE /models/a/versions/2", None),
        (lambda c: c.verify_version("a", 2), "POST /models/a/versions/2/verify", None),
        (lambda c: c.report("a", 2), "GET /models/a/versions/2/report", None),
        (
            lambda c: c.compare("a", (1, 2), ["f"]),
            "POST /models/a/compare",
            {"versions": [1, 2], "images": ["f"], "files": None},
        ),
        (
            lambda c: c.compare("a", (1, 2), files=[Path("/photos/f.png")]),
            "POST /models/a/compare",
            {"versions": [1, 2], "images": None, "files": ["/photos/f.png"]},
        ),
        (lambda c: c.photos("a", 4), "GET /models/a/photos?count=4", None),
        (lambda c: c.image("f00d", side=64), "GET /images/f00d?side=64", None),
        (lambda c: c.built_in_models(), "GET /built-in", None),
        (lambda c: c.add_built_in("a"), "POST /built-in/a", None),
        (lambda c: c.catalogue(), "GET /catalogue", None),
        (lambda c: c.download_model("a", "m"), "POST /catalogue/a", {"mirror": "m"}),
    ],
)
async def test_what_is_asked_of_the_backend(
    call: Call, request_line: str, body: dict[str, object] | None
) -> None:
    requests: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(418, json={"status": 418, "detail": "No.", "advice": ""})

    async with BackendClient(
        "http://127.0.0.1:1", transport=httpx.MockTransport(handler)
    ) as client:
        with pytest.raises(BackendRefused):
            await call(client)
    (request,) = requests
    assert f"{request.method} {request.url.raw_path.decode()}" == request_line
    if body is not None:
        assert json.loads(request.content) == body


async def test_a_comparison_may_take_longer_the_more_files_it_reads() -> None:
    allowed: list[float] = []

    def handler(request: httpx.Request) -> httpx.Response:
        allowed.append(request.extensions["timeout"]["read"])
        return httpx.Response(200, json=[])

    async with BackendClient(
        "http://127.0.0.1:1", transport=httpx.MockTransport(handler)
    ) as client:
        await client.compare("a", (1, 2))
        await client.compare("a", (1, 2), files=[Path("/photos/f.png")] * 1_000)
    assert allowed == [LONG_TIMEOUT, LONG_TIMEOUT + 1_000]


async def test_a_zip_file_is_sent_as_it_is(tmp_path: Path) -> None:
    archive = tmp_path / "photos.zip"
    archive.write_bytes(bytes(range(256)) * 9_000)
    received: list[bytes] = []

    async def handler(request: httpx.Request) -> httpx.Response:
        received.append(await request.aread())
        run = TrainingRun("r1", "pets", RunState.QUEUED, "2026-01-01T00:00:00Z")
        return httpx.Response(202, json=asdict(run))

    async with BackendClient(
        "http://127.0.0.1:1", transport=httpx.MockTransport(handler)
    ) as client:
        assert (await client.import_zip("pets", archive)).id == "r1"
        with pytest.raises(BackendError, match="cannot be read"):
            await client.import_zip("pets", tmp_path / "missing.zip")
    assert received == [archive.read_bytes()]


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


@pytest.mark.parametrize("name", [b"/caf\xe9", b"/\xff/photos", b"/\x80 b"])
async def test_a_folder_whose_name_is_no_text_is_refused_with_a_sentence(name: bytes) -> None:
    with pytest.raises(BackendError, match="is not text in UTF-8") as caught:
        await client_of(httpx.Response(200)).import_folder("pets", Path(os.fsdecode(name)))
    assert "Rename it" in caught.value.advice


async def test_names_that_lead_elsewhere_are_of_no_model(service: Service) -> None:
    for name in (".", "..", "a/../b", "../labels", "%2e%2e"):
        with pytest.raises(BackendRefused) as caught:
            await service.client.model(name)
        assert caught.value.status == 404
