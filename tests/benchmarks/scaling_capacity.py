"""What one API process, its choice of an instance, and one label store carry.

    python -m tests.benchmarks.scaling_capacity [--parts api choice labels] [--rounds 3]
        [--seconds 4] [--callers 32] [--labels 100000]

- `api`: `servery serve` with two instances. Callers send photos to `POST /classify` over HTTP and,
  in turn, to the same instances over gRPC by the program's own client. First with the tiny model,
  which costs next to nothing, so that the API is what is measured, then with EfficientNet-Lite0.
- `choice`: how long the client takes to choose among so many instances.
- `labels`: a backend whose store is filled with so many labels. Callers post labels of known
  photos, with a photo each, and read summaries.

Processor time for an answer is that of one process alone, whatever else the machine does: a process
whose event loop takes 2 ms of it for each answer gives at most 500 a second on such a core.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import itertools
import os
import random
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast
from urllib.parse import urlsplit

import numpy as np
import psutil
from PIL import Image

from backend.contract import LabelKind, TrainingSettings
from backend.run_file import BackendRunFile
from backend.store.label_exchange import WrittenLabel
from backend.store.store import Store
from serving.engines.process import ProcessEngine
from serving.models.builtin.install import install_built_in
from serving.models.repository import ModelRepository
from serving.predict.balance import least_outstanding
from serving.predict.client import PredictClient
from serving.predict.load_balancer import InstanceAddress
from serving.workspace import Workspace
from tests.benchmarks.measure import Figure
from tests.benchmarks.scaling.balancing import SimulatedUpstream
from tests.benchmarks.scaling.instance import SimulatedInstance
from tests.benchmarks.scaling.service_times import percentile
from tests.benchmarks.service import service
from tests.benchmarks.serving_throughput_load import photos
from tests.support.tiny_model import TINY_MODEL, install_tiny

WARM_UP_SECONDS = 1.0
MIN_ANSWERS = 20
LITE0 = "efficientnet-lite0"
INSTANCES = 2
PARTS = ("api", "choice", "labels")

Send = Callable[[int], Awaitable[None]]
"""Sends the request of this number."""


@dataclass
class Results:
    """Figures by name, one value for each round."""

    values: dict[str, tuple[str, list[float]]]

    def add(self, name: str, value: float, unit: str) -> None:
        self.values.setdefault(name, (unit, []))[1].append(value)

    def print(self) -> None:
        for name, (unit, values) in self.values.items():
            print(Figure(name, values, unit), flush=True)
        self.values.clear()


def family_seconds(process: psutil.Process) -> float:
    """Return what a process and its children have spent."""
    spent = 0.0
    for each in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = each.cpu_times()
            spent += times.user + times.system
    return spent


async def load(send: Send, callers: int, seconds: float, spent: Callable[[], float]) -> list[float]:
    """Let callers send without a pause; returns answers/s, p50, p99 and what one answer `spent`.

    On a machine that is very busy it goes on until there are some answers.
    """
    numbers = itertools.count()
    answers: list[tuple[float, float]] = []
    """When each came, and how long it took."""
    enough = asyncio.Event()
    begins = time.perf_counter() + WARM_UP_SECONDS

    async def caller() -> None:
        while not enough.is_set():
            began = time.perf_counter()
            await send(next(numbers))
            now = time.perf_counter()
            if now >= begins:
                answers.append((now, now - began))
            if now >= begins + seconds and len(answers) >= MIN_ANSWERS:
                enough.set()

    async with asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(caller())
        await asyncio.sleep(WARM_UP_SECONDS)
        before = spent()
        await enough.wait()
        used, took = spent() - before, answers[-1][0] - begins
        counted = [latency for _, latency in answers]
    return [
        len(counted) / took,
        1000 * percentile(counted, 50),
        1000 * percentile(counted, 99),
        1000 * used / len(counted),
    ]


class HttpCallers:
    """A connection for each caller that waits for an answer."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._host, self._port = address.hostname or "", address.port or 0
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def post(self, path: str, body: bytes, kind: str = "image/jpeg") -> bytes:
        return await self._send("POST", path, body, kind)

    async def get(self, path: str) -> bytes:
        return await self._send("GET", path, b"", "text/plain")

    async def _send(self, method: str, path: str, body: bytes, kind: str) -> bytes:
        if self._idle:
            reader, writer = self._idle.pop()
        else:
            reader, writer = await asyncio.open_connection(self._host, self._port)
        writer.write(
            f"{method} {path} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\n"
            f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        )
        writer.write(body)
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = (line.partition(": ") for line in head.split("\r\n")[1:])
        length = next(int(value) for name, _, value in lines if name.lower() == "content-length")
        content = await reader.readexactly(length)
        if head.split()[1] not in ("200", "201"):
            raise SystemExit(f"{method} {path}: {head}{content.decode(errors='replace')[:500]}")
        self._idle.append((reader, writer))
        return content

    def close(self) -> None:
        for _, writer in self._idle:
            writer.close()


@contextlib.asynccontextmanager
async def direct_client(workspace: Workspace) -> AsyncIterator[PredictClient]:
    """Yield a client of the instances that run."""
    engine = ProcessEngine(workspace)
    client = PredictClient(ModelRepository(workspace.models).served, timeout=30)
    client.balancer.set_instances(
        InstanceAddress(each.id, each.grpc_address)
        for each in await engine.instances()
        if each.grpc_address is not None
    )
    try:
        yield client
    finally:
        await client.close()
        await engine.close()


async def measure_api(arguments: argparse.Namespace, model: str, folder: Path) -> None:
    workspace = Workspace(folder).create()
    repository = ModelRepository(workspace.models)
    if model == TINY_MODEL:
        install_tiny(repository)
    else:
        install_built_in(repository, model)
    repository.change_served(lambda served: replace(served, current=model))
    images = photos()
    results = Results({})
    options = ("--engine", "process")
    async with (
        service(str(folder), INSTANCES, *options) as backend,
        direct_client(workspace) as client,
    ):
        running = BackendRunFile.read(workspace)
        assert running is not None
        api = psutil.Process(running.pid)
        http = HttpCallers(backend.url)

        async def by_http(number: int) -> None:
            await http.post("/classify", images[number % len(images)])

        async def by_grpc(number: int) -> None:
            await client.classify(images[number % len(images)])

        for _ in range(arguments.rounds):
            for callers in (1, arguments.callers):
                for way, send, spent in (
                    ("HTTP", by_http, lambda: family_seconds(api)),
                    ("gRPC", by_grpc, time.process_time),
                ):
                    rate, p50, p99, used = await load(send, callers, arguments.seconds, spent)
                    name = f"{model}, {way}, {callers} callers"
                    results.add(f"{name}: answers", rate, "/s")
                    results.add(f"{name}: p50", p50, "ms")
                    results.add(f"{name}: p99", p99, "ms")
                    whose = "the API" if way == "HTTP" else "the caller"
                    results.add(f"{name}: {whose} spends", used, "ms")
        http.close()
    results.print()


def measure_choice(rounds: int) -> None:
    """Print what it takes to choose an instance, of so many that are ready."""
    results = Results({})
    for count in (1, 10, 100, 1000):
        able = [
            SimulatedUpstream(cast(SimulatedInstance, SimpleNamespace(name=f"instance-{number}")))
            for number in range(count)
        ]
        choices = 20_000 // count + 100
        for _ in range(rounds):
            began = time.process_time()
            for turn in range(choices):
                chosen = least_outstanding(able)
                assert chosen is not None
                chosen.turn = turn
            spent = 1e6 * (time.process_time() - began) / choices
            results.add(f"choosing one of {count} instances", spent, "us")
    results.print()


def small_jpeg(number: int) -> bytes:
    out = io.BytesIO()
    noise = np.random.default_rng(number).integers(0, 255, (8, 8, 3), np.uint8)
    Image.fromarray(noise).resize((320, 240)).save(out, "JPEG", quality=90)
    return out.getvalue()


async def fill(workspace: Workspace, model: str, labels: int, images: int) -> list[str]:
    """Put labels of some photos into the store; returns the photos' hashes."""
    store = Store(workspace)
    await store.open()
    hashes = list(store.images.put_many([small_jpeg(number) for number in range(images)]))
    chance = random.Random(1)
    began = time.perf_counter()
    for first in range(0, labels, 10_000):
        batch = [
            WrittenLabel(
                image=chance.choice(hashes),
                class_name=f"class {chance.randrange(100)}",
                kind=LabelKind.CLASS,
                by="",
                created=f"2026-01-{1 + number // 86_400 % 28:02d}T{number // 3600 % 24:02d}:"
                f"{number // 60 % 60:02d}:{number % 60:02d}.{number // 86_400:03d}Z",
            )
            for number in range(first, min(first + 10_000, labels))
        ]
        await store.exchange.take(model, batch, lambda name: True)
    await store.close()
    print(f"{labels:,} labels of {images:,} photos written in {time.perf_counter() - began:.1f} s")
    return hashes


async def measure_labels(arguments: argparse.Namespace, labels: int, folder: Path) -> None:
    workspace = Workspace(folder).create()
    repository = ModelRepository(workspace.models)
    install_tiny(repository)
    hashes = await fill(workspace, TINY_MODEL, labels, max(1000, labels // 10))
    results = Results({})
    async with service(str(folder), 1, "--engine", "process") as backend:
        running = BackendRunFile.read(workspace)
        assert running is not None
        api = psutil.Process(running.pid)
        http = HttpCallers(backend.url)
        await backend.change_training_settings(TINY_MODEL, TrainingSettings(automatic=False))
        fresh = itertools.count(10**6)

        async def known(number: int) -> None:
            image = hashes[number % len(hashes)]
            path = f"/labels?model={TINY_MODEL}&image={image}&class=class+{number % 100}"
            await http.post(path, b"")

        async def with_photo(number: int) -> None:
            path = f"/labels?model={TINY_MODEL}&class=class+{number % 100}"
            await http.post(path, small_jpeg(next(fresh)))

        async def summary(_: int) -> None:
            await http.get(f"/labels?model={TINY_MODEL}")

        for _ in range(arguments.rounds):
            for callers in (1, arguments.callers):
                for what, send in (
                    ("label of a known photo", known),
                    ("label with its photo", with_photo),
                    ("summary", summary),
                ):
                    found = await load(
                        send, callers, arguments.seconds, lambda: family_seconds(api)
                    )
                    name = f"{labels:,} labels, {what}, {callers} callers"
                    for unit, value in zip(("/s", "p50", "p99", "ms"), found, strict=True):
                        results.add(f"{name}: {unit}", value, "")
        http.close()
    results.print()
    print(f"the database has {workspace.backend_database.stat().st_size / 1e6:.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement")
    parser.add_argument("--callers", type=int, default=32)
    parser.add_argument("--labels", type=int, default=100_000)
    arguments = parser.parse_args()
    print(f"load of the last minute: {os.getloadavg()[0]:.2f}")
    with tempfile.TemporaryDirectory(prefix="servery-capacity-") as name:
        if "api" in arguments.parts:
            for model in (TINY_MODEL, LITE0):
                asyncio.run(measure_api(arguments, model, Path(name) / model))
        if "choice" in arguments.parts:
            measure_choice(arguments.rounds)
        if "labels" in arguments.parts:
            for labels in (1000, arguments.labels):
                asyncio.run(measure_labels(arguments, labels, Path(name) / str(labels)))


if __name__ == "__main__":
    main()
