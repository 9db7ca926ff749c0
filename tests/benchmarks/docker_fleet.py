"""A fleet in containers: growing, losing instances and owners, and changing, under load.

    python -m tests.benchmarks.docker_fleet [--image servery/model-server:0.1.0] [--rounds 20]

Runs the model of a new workspace in containers of a real engine, on a workspace of its own, and
removes every container at the end. `servery image build` makes the image. Callers send one drawn
photo.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
from PIL import Image

from serving.background import in_background
from serving.engines.docker import names
from serving.engines.docker.connection import EngineConnection
from serving.engines.docker.engine import DockerEngine
from serving.engines.docker.image.constants import OWN_IMAGE
from serving.engines.protocol import InstanceSpec, InstanceState
from serving.fleet.fleet import Fleet, FleetView
from serving.fleet.record import InstanceLimits
from serving.models.builtin.install import install_first_model
from serving.models.repository import ModelRepository
from serving.predict.client import PredictClient
from serving.workspace import Workspace
from tests.benchmarks.measure import Figure
from tests.support.load_generator import LoadGenerator
from tests.support.waiting import wait_for_view

PACED_CALLERS = 4
PAUSE = 0.1
"""Seconds that a paced caller waits between two requests."""


@dataclass
class DockerFleet:
    """One fleet of that model, and the engine's own interface."""

    workspace: Workspace
    engine: DockerEngine
    client: PredictClient
    fleet: Fleet
    api: docker.APIClient
    jpeg: bytes

    def containers(self) -> list[dict[str, Any]]:
        label = f"{names.WORKSPACE}={names.workspace_id(self.workspace)}"
        found: list[dict[str, Any]] = self.api.containers(all=True, filters={"label": [label]})
        return found

    def container(self, instance_id: str) -> str:
        rows = self.containers()
        (found,) = (row["Id"] for row in rows if row["Labels"][names.INSTANCE] == instance_id)
        return str(found)

    async def wait_until_ready(self, count: int) -> FleetView:
        return await wait_for_view(
            self.fleet, lambda view: view.ready == len(view.instances) == count, 120
        )


@asynccontextmanager
async def fleet_of(image: str, *, kept: bool) -> AsyncIterator[DockerFleet]:
    """A fleet on a new workspace; `kept` runs it, otherwise it is only watched."""
    connection = EngineConnection()
    found = await asyncio.to_thread(connection.find)
    api = found.connect()
    out = io.BytesIO()
    Image.linear_gradient("L").resize((640, 480)).convert("RGB").save(out, "JPEG")
    with tempfile.TemporaryDirectory(prefix="servery-fleet-") as folder:
        workspace = Workspace(Path(folder)).create()
        repository = ModelRepository(workspace.models)
        install_first_model(repository)
        engine = DockerEngine(workspace, [image])
        client = PredictClient(repository.served, timeout=60)
        fleet = Fleet(engine, repository, workspace, client)
        docker_fleet = DockerFleet(workspace, engine, client, fleet, api, out.getvalue())
        try:
            async with in_background(fleet.run() if kept else fleet.watch()):
                yield docker_fleet
        finally:
            for row in docker_fleet.containers():
                await asyncio.to_thread(api.remove_container, row["Id"], v=True, force=True)
            await client.close()
            await engine.close()
            await connection.close()
            api.close()


def print_row(name: str, measured: str, aim: str) -> None:
    print(f"{name:<58} {measured:<26} aim: {aim}", flush=True)


async def starting(image: str, rounds: int) -> None:
    seconds, memory = [], []
    async with fleet_of(image, kept=False) as docker_fleet:
        for _ in range(rounds):
            began = time.monotonic()
            await docker_fleet.fleet.scale(1)
            seconds.append(time.monotonic() - began)
            (only,) = docker_fleet.fleet.view.instances
            await asyncio.sleep(2)
            stats = await docker_fleet.engine.stats(only.instance.id)
            if stats is not None:
                memory.append(stats.memory_bytes / 1e6)
            await docker_fleet.fleet.scale(0)
    print(Figure("start of one instance to ready", seconds, "s"), flush=True)
    print(Figure("memory of an instance", memory, "MB"), flush=True)


async def growing(image: str) -> None:
    async with fleet_of(image, kept=True) as docker_fleet:
        (first,) = ids(await docker_fleet.fleet.scale(1))
        async with LoadGenerator(docker_fleet.client, docker_fleet.jpeg, 50) as load:
            four = ids(await docker_fleet.fleet.scale(4))
            await asyncio.sleep(3)
            two = ids(await docker_fleet.fleet.scale(2))
            await asyncio.sleep(3)
        kept = first in four and set(two) < set(four)
        total = sum(load.answers.values())
        print_row(
            f"1 to 4 to 2 under 50 callers: failed of {total:,}",
            str(len(load.failures)),
            "0",
        )
        print_row("ids of survivors unchanged", "yes" if kept else "no", "yes")


async def fleet_size(image: str) -> None:
    async with fleet_of(image, kept=False) as docker_fleet:
        four = ids(await docker_fleet.fleet.scale(4))
        taken: Counter[str] = Counter()
        for _ in range(50):
            wave = (docker_fleet.client.classify(docker_fleet.jpeg) for _ in range(8))
            taken.update(answer.instance_id for answer in await asyncio.gather(*wave))
        shares = [100 * taken[name] / 400 for name in four]
        print_row("share of 400 requests, four instances", _range(shares, "%"), "25 ± 5%")
        await losing(docker_fleet, four[0])


async def losing(docker_fleet: DockerFleet, lost: str) -> None:
    container = docker_fleet.container(lost)
    async with LoadGenerator(docker_fleet.client, docker_fleet.jpeg, 8) as load:
        await asyncio.sleep(1)
        await asyncio.to_thread(docker_fleet.api.kill, container)
        killed = time.monotonic()
        last, before = killed, _requests(docker_fleet, lost)
        while time.monotonic() - killed < 4:
            await asyncio.sleep(0.01)
            if (now := _requests(docker_fleet, lost)) != before:
                last, before = time.monotonic(), now
        print_row("killed one: last request to it after", f"{last - killed:.2f} s", "1 s")
        await asyncio.to_thread(docker_fleet.api.start, container)
        await docker_fleet.wait_until_ready(4)
        ready = time.monotonic()
        await load.wait_for_answers(lost, load.answers[lost] + 1)
        print_row(
            "started again: from ready to an answer", f"{time.monotonic() - ready:.2f} s", "2 s"
        )
    print_row("requests that failed meanwhile", str(len(load.failures)), "0")


async def changing(image: str) -> None:
    async with fleet_of(image, kept=True) as docker_fleet:
        await docker_fleet.fleet.scale(3)
        before = set(ids(await docker_fleet.wait_until_ready(3)))
        least: list[int] = []
        docker_fleet.fleet.subscribe(lambda view: least.append(view.ready))
        baseline = await paced(docker_fleet, asyncio.sleep(15))
        await docker_fleet.fleet.set_limits(InstanceLimits(memory_limit=1_000_000_000))
        during = await paced(docker_fleet, docker_fleet.fleet.wait_until_converged())
        after = set(ids(docker_fleet.fleet.view))
        failed = baseline.failures + during.failures
        print_row(f"rolling change of 3: failed of {during.count:,}", str(failed), "0")
        print_row("exchanged", f"{len(after - before)} of 3", "3 of 3")
        print_row("least ready meanwhile", str(min(least)), "2")
        ratio = during.p99 / baseline.p99
        print_row(
            f"p99 before {1000 * baseline.p99:.0f} ms, during {1000 * during.p99:.0f} ms",
            f"{ratio:.2f} times",
            "2 times",
        )


@dataclass
class Paced:
    count: int
    failures: int
    p99: float


async def paced(docker_fleet: DockerFleet, work: Any) -> Paced:
    """Let callers with pauses send requests while `work` goes on."""
    going_on = asyncio.ensure_future(work)
    seconds: list[float] = []
    failures = 0

    async def call() -> None:
        nonlocal failures
        while not going_on.done():
            began = time.perf_counter()
            try:
                await docker_fleet.client.classify(docker_fleet.jpeg)
            except Exception:
                failures += 1
            seconds.append(time.perf_counter() - began)
            await asyncio.sleep(PAUSE)

    await asyncio.gather(*(call() for _ in range(PACED_CALLERS)))
    await going_on
    return Paced(len(seconds), failures, sorted(seconds)[len(seconds) * 99 // 100])


async def crowding(image: str) -> None:
    async with fleet_of(image, kept=False) as docker_fleet:
        config_file = docker_fleet.workspace.models / "serving.config"
        spec = InstanceSpec(config_file.resolve())
        started = await asyncio.gather(
            *(docker_fleet.engine.start(spec, fleet_size=20) for _ in range(20)),
            return_exceptions=True,
        )
        failed = sum(isinstance(each, BaseException) for each in started)
        rows = docker_fleet.containers()
        created = sum(row["State"] == "created" for row in rows)
        bound = {port["IP"] for row in rows for port in row["Ports"]}
        print_row("20 starts in parallel: failed", str(failed), "0")
        print_row("left over in state Created", str(created), "0")
        print_row("bound to", " ".join(sorted(bound)), "127.0.0.1")


async def killing(image: str, rounds: int) -> None:
    choice = random.Random(3)
    seconds: list[float] = []
    found: Counter[str] = Counter()
    async with fleet_of(image, kept=False) as docker_fleet:
        for seed in range(rounds):
            owner = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.support.fleet_owner"),
                *(str(seed), "docker", image),
                stdout=asyncio.subprocess.PIPE,
                env={**os.environ, "SERVERY_WORKSPACE": str(docker_fleet.workspace.root)},
            )
            assert owner.stdout is not None
            await owner.stdout.readline()
            await asyncio.sleep(choice.uniform(0, 6))
            owner.kill()
            await owner.wait()
            found.update(row["State"] for row in docker_fleet.containers())
            began = time.monotonic()
            async with in_background(docker_fleet.fleet.run()):
                while True:
                    view = await docker_fleet.fleet.observe()
                    running = {row["State"] for row in docker_fleet.containers()} <= {"running"}
                    states = {each.state for each in view.instances}
                    if running and states <= {InstanceState.STARTING, InstanceState.READY}:
                        break
                seconds.append(time.monotonic() - began)
    met = ", ".join(f"{number} {state}" for state, number in sorted(found.items()))
    print_row(f"{rounds} owners killed; met {met}", _range(seconds, "s", 1), "5 s")


def _requests(docker_fleet: DockerFleet, instance_id: str) -> int:
    counters = docker_fleet.client.balancer.counters()
    return counters[instance_id].requests if instance_id in counters else 0


def _range(values: list[float], unit: str, digits: int = 0) -> str:
    return f"{min(values):.{digits}f} to {max(values):.{digits}f} {unit}"


def ids(view: FleetView) -> list[str]:
    return [each.instance.id for each in view.instances]


async def measure(image: str, rounds: int) -> None:
    await starting(image, 5)
    await growing(image)
    await fleet_size(image)
    await changing(image)
    await crowding(image)
    await killing(image, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure a fleet in containers.")
    parser.add_argument("--image", default=OWN_IMAGE)
    parser.add_argument("--rounds", type=int, default=20, help="how many owners are killed")
    arguments = parser.parse_args()
    asyncio.run(measure(arguments.image, arguments.rounds))


if __name__ == "__main__":
    main()
