"""`python -m backend`: it starts, is found, refuses to run twice and shuts down cleanly."""

from __future__ import annotations

import asyncio
import io
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager

import httpx
import pytest
from PIL import Image

from backend.client import BackendClient
from backend.contract import Event
from backend.run_file import BackendRunFile
from serving.models.repository import ModelRepository
from serving.normalize_image import MAX_BYTES
from serving.workspace import Workspace
from tests.integration.backend.conftest import ROOT, command
from tests.support.tiny_model import TINY_MODEL, install_tiny
from tests.support.waiting import TIMEOUT_SECONDS

Start = Callable[..., AbstractContextManager[subprocess.Popen[str]]]


@pytest.fixture
def workspace(workspace: Workspace) -> Workspace:
    install_tiny(ModelRepository(workspace.models))
    return workspace


def photo(side: int = 40) -> bytes:
    out = io.BytesIO()
    Image.radial_gradient("L").resize((side, side)).convert("RGB").save(out, "JPEG")
    return out.getvalue()


async def test_a_second_one_exits_and_names_the_first(workspace: Workspace, start: Start) -> None:
    with start(workspace):
        running = BackendRunFile.read(workspace)
        assert running is not None
        second = await asyncio.to_thread(
            subprocess.run, command(workspace), cwd=ROOT, capture_output=True, text=True
        )
        assert second.returncode == 3
        assert running.url in second.stderr
        assert "Traceback" not in second.stderr
        assert BackendRunFile.read(workspace) == running


async def test_a_taken_port_is_replaced_by_a_free_one(workspace: Workspace, start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with start(workspace, "--port", str(port)):
            client = await BackendClient.find(workspace)
            assert client is not None
            async with client:
                assert not client.url.endswith(f":{port}")
                assert (await client.health()).live_version == 1


def test_sigterm_shuts_it_down_cleanly(workspace: Workspace, start: Start) -> None:
    with start(workspace) as process:
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode == 0
    assert "Traceback" not in output
    assert not workspace.backend_run_file.exists()


async def test_an_open_event_stream_does_not_hold_up_its_end(
    workspace: Workspace, start: Start
) -> None:
    with start(workspace) as process:
        client = await BackendClient.find(workspace)
        assert client is not None
        async with client:
            events = client.events()
            assert (await anext(events)).topic == "labels"
            process.send_signal(signal.SIGTERM)
            output, _ = await asyncio.to_thread(process.communicate, timeout=TIMEOUT_SECONDS)
            await events.aclose()
    assert process.returncode == 0
    # uvicorn's words for having waited for the stream until its timeout.
    assert "graceful shutdown exceeded" not in output


async def test_labels_survive_a_kill_and_events_come_back(
    workspace: Workspace, start: Start
) -> None:
    with start(workspace) as process:
        client = await BackendClient.find(workspace)
        assert client is not None
        port = client.url.rpartition(":")[2]
        label = await client.label(photo(), "zebra", key="k1")
        process.kill()
        process.communicate()
    events = client.events()
    waiting = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0.1)  # it tries to connect while there is no backend
    with start(workspace, "--port", port):
        assert await asyncio.wait_for(waiting, TIMEOUT_SECONDS) == Event("labels")
        assert (await client.label(photo(), "zebra", key="k1")).id == label.id
        assert (await client.labels()).total == 1
        await events.aclose()
        await client.close()


async def test_events_name_what_changed(client: BackendClient) -> None:
    events = client.events()
    assert [(await anext(events)).topic for _ in range(3)] == ["labels", "training", "models"]
    await client.label(photo(), "zebra")
    assert await asyncio.wait_for(anext(events), TIMEOUT_SECONDS) == Event("labels", TINY_MODEL)
    await client.promote(TINY_MODEL, 1)
    assert await asyncio.wait_for(anext(events), TIMEOUT_SECONDS) == Event("models", TINY_MODEL)
    await events.aclose()


async def test_bad_uploads_do_no_harm(client: BackendClient) -> None:
    async with httpx.AsyncClient(base_url=client.url, timeout=TIMEOUT_SECONDS) as http:

        async def too_much() -> AsyncIterator[bytes]:
            for _ in range(MAX_BYTES // 2**20 + 8):
                yield bytes(2**20)

        too_large = await http.post("/classify", content=too_much())
        assert too_large.status_code == 413
        assert too_large.json()["detail"]
        address = ("127.0.0.1", int(client.url.rpartition(":")[2]))
        for half in (b"POST /labels HTTP/1.1\r\n", b"\x00\xff\r\n\r\n"):
            _, writer = await asyncio.open_connection(*address)
            writer.write(half + b"Host: localhost\r\nContent-Length: 5000\r\n\r\nabc")
            await writer.drain()
            writer.close()
            await writer.wait_closed()
        assert (await http.post("/classify", content=b"text")).status_code == 415
        assert (await client.labels()).total == 0


async def test_without_an_instance_it_answers_503(client: BackendClient) -> None:
    async with httpx.AsyncClient(base_url=client.url, timeout=TIMEOUT_SECONDS) as http:
        answer = await http.post("/classify", content=photo())
    assert answer.status_code == 503
    assert answer.json()["advice"]
    assert (await client.health()).instances_ready == 0
