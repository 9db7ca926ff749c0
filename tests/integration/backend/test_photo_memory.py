"""What photos may cost a real backend: memory is bounded, comes back, and nobody else waits."""

from __future__ import annotations

import contextlib
import io
import socket
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass

import httpx
import psutil
import pytest
from PIL import Image

from backend.run_file import BackendRunFile
from serving.models.repository import ModelRepository
from serving.workspace import Workspace
from tests.support.hostile_images import BOMBS, large_photo
from tests.support.problems import PROBLEM_FIELDS
from tests.support.process_memory import measured_memory, tree_memory
from tests.support.sample_images import image_bytes
from tests.support.tiny_model import TINY_MODEL, install_tiny
from tests.support.waiting import TIMEOUT_SECONDS, block_until

Start = Callable[..., AbstractContextManager[subprocess.Popen[str]]]
MEGABYTE = 1_000_000
MAX_GROWTH = 600 * MEGABYTE


@dataclass
class Running:
    pid: int
    url: str

    def post(self, path: str, photo: bytes) -> httpx.Response:
        return httpx.post(f"{self.url}{path}", content=photo, timeout=5 * TIMEOUT_SECONDS)

    def label(self, photo: bytes) -> httpx.Response:
        return self.post("/labels?class=cat", photo)

    def decoders(self) -> list[psutil.Process]:
        found = []
        for child in psutil.Process(self.pid).children():
            with contextlib.suppress(psutil.NoSuchProcess):
                if "backend.photos.decoder" in child.cmdline():
                    found.append(child)
        return found


@pytest.fixture
def backend(workspace: Workspace, start: Start) -> Iterator[Running]:
    install_tiny(ModelRepository(workspace.models))
    with start(workspace) as process:
        running = BackendRunFile.read(workspace)
        assert running is not None
        made = Running(process.pid, running.url)
        # A worker that embeds what was labelled takes memory of its own.
        settings = {"automatic": False, "promote": True, "after_labels": 20, "quiet_seconds": 60}
        path = f"/models/{TINY_MODEL}/training-settings"
        assert httpx.put(f"{made.url}{path}", json=settings).is_success
        assert made.label(image_bytes(form="PNG")).status_code == 201  # a decoder runs
        yield made
        assert process.poll() is None


def test_many_large_photos_take_bounded_memory(backend: Running) -> None:
    photo = large_photo()
    before = tree_memory(backend.pid)
    with measured_memory(backend.pid) as measured, ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(backend.label, [photo] * 20))
    statuses = {answer.status_code for answer in answers}
    assert statuses <= {200, 201, 503}
    assert statuses & {200, 201}
    for answer in answers:
        if answer.status_code == 503:
            assert answer.headers["retry-after"]
            assert set(answer.json()) == PROBLEM_FIELDS
    assert measured.growth < MAX_GROWTH
    block_until(lambda: tree_memory(backend.pid) < before + 60 * MEGABYTE)


def test_burst_of_ordinary_photos_is_answered(backend: Running) -> None:
    photos = [image_bytes(size=(900 + number, 700)) for number in range(40)]
    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(backend.label, photos))
    assert {answer.status_code for answer in answers} == {201}


@pytest.mark.parametrize("name", BOMBS)
def test_bomb_costs_its_own_request_alone(backend: Running, name: str) -> None:
    bomb = BOMBS[name]()
    ordinary = image_bytes(size=(640, 480))
    with measured_memory(backend.pid) as measured, ThreadPoolExecutor(8) as pool:
        bombs = [pool.submit(backend.label, bomb) for _ in range(4)]
        others = [pool.submit(backend.label, ordinary) for _ in range(4)]
        statuses = {other.result().status_code for other in others}
        assert statuses <= {200, 201}
        statuses = {future.result().status_code for future in bombs}
    assert statuses <= {200, 201, 413, 415, 422}
    for future in bombs:
        if future.result().status_code >= 400:
            assert set(future.result().json()) == PROBLEM_FIELDS
    assert measured.growth < MAX_GROWTH


def test_decoder_that_is_killed_costs_nobody_anything(backend: Running) -> None:
    for decoder in backend.decoders():
        decoder.kill()
        decoder.wait(TIMEOUT_SECONDS)  # until then it could be given a photo
    assert backend.label(image_bytes(form="PNG")).status_code == 201


def test_idle_decoders_end_but_for_one(backend: Running) -> None:
    photos = [image_bytes(form="PNG", size=(900 + number, 700)) for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(backend.label, photos))
    block_until(lambda: len(backend.decoders()) == 1)


def test_decoding_ends_with_its_caller(backend: Running) -> None:
    out = io.BytesIO()
    Image.new("RGB", (4000, 4000)).save(out, "PNG", compress_level=1)
    photo = out.getvalue() + bytes(3 * 2**20)  # not small
    head = "POST /labels?class=cat HTTP/1.1\r\nHost: localhost\r\n"
    head += f"Content-Length: {len(photo)}\r\n\r\n"
    port = int(backend.url.rpartition(":")[2])
    for _ in range(10):
        with socket.create_connection(("127.0.0.1", port)) as caller:
            caller.sendall(head.encode() + photo)
    small = image_bytes(form="PNG", size=(333, 222))
    assert backend.label(small).status_code == 201
    block_until(lambda: len(backend.decoders()) == 1)


def test_photo_that_could_never_fit_is_refused_for_good(workspace: Workspace, start: Start) -> None:
    install_tiny(ModelRepository(workspace.models))
    with start(workspace, "--memory-budget", "140MB"):
        running = BackendRunFile.read(workspace)
        assert running is not None
        url = f"{running.url}/labels?class=cat"
        large = httpx.post(url, content=large_photo(), timeout=TIMEOUT_SECONDS)
        assert large.status_code == 413
        assert "--memory-budget" in large.json()["advice"]
        assert httpx.post(url, content=image_bytes(), timeout=TIMEOUT_SECONDS).status_code == 201


@pytest.mark.parametrize(
    ("form", "size", "budget"),
    [("PNG", (8160, 6120), "512MB"), ("WEBP", (8000, 6000), "1400MB")],
)
def test_large_photo_fits_the_budget(
    workspace: Workspace, start: Start, form: str, size: tuple[int, int], budget: str
) -> None:
    install_tiny(ModelRepository(workspace.models))
    photo = io.BytesIO()
    options = {"lossless": True, "method": 0} if form == "WEBP" else {}
    Image.new("RGB", size, "green").save(photo, form, **options)
    with start(workspace, "--memory-budget", budget) as process:
        running = BackendRunFile.read(workspace)
        assert running is not None
        answer = Running(process.pid, running.url).label(photo.getvalue())
        assert answer.status_code == 201, answer.text


def test_decoders_end_when_the_backend_is_killed(workspace: Workspace, start: Start) -> None:
    install_tiny(ModelRepository(workspace.models))
    with start(workspace) as process:
        running = BackendRunFile.read(workspace)
        assert running is not None
        backend = Running(process.pid, running.url)
        assert backend.label(image_bytes(form="PNG")).status_code == 201
        decoders = backend.decoders()
        assert decoders
        process.kill()
        process.wait()
        block_until(lambda: not any(decoder.is_running() for decoder in decoders))
