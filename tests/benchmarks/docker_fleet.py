"""A fleet in containers: growing, losing instances and owners, and changing, under load.

    python -m tests.benchmarks.docker_fleet [--image servery/model-server:0.1.0] [--rounds 20]

Runs the starter model in containers of a real engine, on a workspace of its own, and removes
every container at the end. `servery image build` makes the image. Callers send one drawn photo.
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

from serving.engines.docker import names
from serving.engines.docker.engine import DockerEngine
from serving.engines.docker.link import Link
from serving.engines.protocol import InstanceSpec, InstanceState
from serving.fleet.fleet import Fleet, FleetView
from serving.fleet.record import Limits
from serving.image.names import OWN_IMAGE
from serving.models.repository import ModelRepository
from serving.models.starter.install import STARTER_MODEL, install_starter
from serving.predict.client import PredictClient
from serving.workspace import Workspace
from tests.benchmarks.measure import Figure
from tests.integration.fleet.load import Callers
from tests.unit.serving.fleet.ground import until

PACED_CALLERS = 4
PAUSE = 0.1
"""Seconds that a paced caller waits between two requests."""


@dataclass
class Ground:
    """One fleet of the starter model, and the engine's own interface."""

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

    async def until_ready(self, count: int) -> FleetView:
        return await until(self.fleet, lambda view: view.ready == len(view.instances) == count, 120)


@asynccontextmanager
async def fleet_of(image: str, *, kept: bool) -> AsyncIterator[Ground]:
    """A fleet on a new workspace; `kept` runs it, otherwise it is only watched."""
    link = Link()
    found = await asyncio.to_thread(link.find)
    api = found.connect()
    out = io.BytesIO()
    Image.linear_gradient("L").resize((640, 480)).convert("RGB").save(out, "JPEG")
    with tempfile.TemporaryDirectory(prefix="servery-fleet-") as folder:
        workspace = Workspace(Path(folder)).create()
        repository = ModelRepository(workspace.models)
        install_starter(repository)
        engine = DockerEngine(workspace, [image])
        client = PredictClient(STARTER_MODEL, patience=60)
        fleet = Fleet(STARTER_MODEL, engine, repository, workspace, client)
        ground = Ground(workspace, engine, client, fleet, api, out.getvalue())
        going_on = asyncio.create_task(fleet.run() if kept else fleet.watch())
        try:
            yield ground
        finally:
            going_on.cancel()
            await asyncio.gather(going_on, return_exceptions=True)
            for row in ground.containers():
                await asyncio.to_thread(api.remove_container, row["Id"], v=True, force=True)
            await client.close()
            await engine.close()
            await link.close()
            api.close()


def say(name: str, measured: str, aim: str) -> None:
    print(f"{name:<58} {measured:<26} aim: {aim}", flush=True)


async def starting(image: str, rounds: int) -> None:
    seconds, memory = [], []
    async with fleet_of(image, kept=False) as ground:
        for _ in range(rounds):
            began = time.monotonic()
            await ground.fleet.scale(1)
            seconds.append(time.monotonic() - began)
            (only,) = ground.fleet.view.instances
            await asyncio.sleep(2)
            stats = await ground.engine.stats(only.instance.id)
            if stats is not None:
                memory.append(stats.memory_bytes / 1e6)
            await ground.fleet.scale(0)
    print(Figure("start of one instance to ready", seconds, "s"), flush=True)
    print(Figure("memory of an instance", memory, "MB"), flush=True)


async def growing(image: str) -> None:
    async with fleet_of(image, kept=True) as ground:
        (first,) = ids(await ground.fleet.scale(1))
        async with Callers(ground.client, ground.jpeg, 50) as callers:
            four = ids(await ground.fleet.scale(4))
            await asyncio.sleep(3)
            two = ids(await ground.fleet.scale(2))
            await asyncio.sleep(3)
        kept = first in four and set(two) < set(four)
        total = sum(callers.answers.values())
        say(
            f"1 to 4 to 2 under 50 callers: failed of {total:,}",
            str(len(callers.failures)),
            "0",
        )
        say("ids of survivors unchanged", "yes" if kept else "no", "yes")


async def sharing(image: str) -> None:
    async with fleet_of(image, kept=False) as ground:
        four = ids(await ground.fleet.scale(4))
        taken: Counter[str] = Counter()
        for _ in range(50):
            wave = (ground.client.classify(ground.jpeg) for _ in range(8))
            taken.update(answer.instance_id for answer in await asyncio.gather(*wave))
        shares = [100 * taken[name] / 400 for name in four]
        say("share of 400 requests, four instances", _range(shares, "%"), "25 ± 5 %")
        await losing(ground, four[0])


async def losing(ground: Ground, lost: str) -> None:
    container = ground.container(lost)
    async with Callers(ground.client, ground.jpeg, 8) as callers:
        await asyncio.sleep(1)
        await asyncio.to_thread(ground.api.kill, container)
        killed = time.monotonic()
        last, before = killed, _requests(ground, lost)
        while time.monotonic() - killed < 4:
            await asyncio.sleep(0.01)
            if (now := _requests(ground, lost)) != before:
                last, before = time.monotonic(), now
        say("killed one: last request to it after", f"{last - killed:.2f} s", "1 s")
        await asyncio.to_thread(ground.api.start, container)
        await ground.until_ready(4)
        ready = time.monotonic()
        await callers.answered(lost, callers.answers[lost] + 1)
        say("started again: from ready to an answer", f"{time.monotonic() - ready:.2f} s", "2 s")
    say("requests that failed meanwhile", str(len(callers.failures)), "0")


async def changing(image: str) -> None:
    async with fleet_of(image, kept=True) as ground:
        await ground.fleet.scale(3)
        before = set(ids(await ground.until_ready(3)))
        least: list[int] = []
        ground.fleet.subscribe(lambda view: least.append(view.ready))
        baseline = await paced(ground, asyncio.sleep(15))
        await ground.fleet.limit(Limits(memory_limit=1_000_000_000))
        during = await paced(ground, ground.fleet.settle())
        after = set(ids(ground.fleet.view))
        failed = baseline.failures + during.failures
        say(f"rolling change of 3: failed of {during.count:,}", str(failed), "0")
        say("exchanged", f"{len(after - before)} of 3", "3 of 3")
        say("least ready meanwhile", str(min(least)), "2")
        ratio = during.p99 / baseline.p99
        say(
            f"p99 before {1000 * baseline.p99:.0f} ms, during {1000 * during.p99:.0f} ms",
            f"{ratio:.2f} times",
            "2 times",
        )


@dataclass
class Paced:
    count: int
    failures: int
    p99: float


async def paced(ground: Ground, work: Any) -> Paced:
    """Let callers with pauses send requests while `work` goes on."""
    going_on = asyncio.ensure_future(work)
    seconds: list[float] = []
    failures = 0

    async def call() -> None:
        nonlocal failures
        while not going_on.done():
            began = time.perf_counter()
            try:
                await ground.client.classify(ground.jpeg)
            except Exception:
                failures += 1
            seconds.append(time.perf_counter() - began)
            await asyncio.sleep(PAUSE)

    await asyncio.gather(*(call() for _ in range(PACED_CALLERS)))
    await going_on
    return Paced(len(seconds), failures, sorted(seconds)[len(seconds) * 99 // 100])


async def crowding(image: str) -> None:
    async with fleet_of(image, kept=False) as ground:
        config_file = ground.workspace.models / STARTER_MODEL / "serving.config"
        spec = InstanceSpec(model=STARTER_MODEL, config_file=config_file.resolve())
        started = await asyncio.gather(
            *(ground.engine.start(spec, sharing=20) for _ in range(20)), return_exceptions=True
        )
        failed = sum(isinstance(each, BaseException) for each in started)
        rows = ground.containers()
        created = sum(row["State"] == "created" for row in rows)
        bound = {port["IP"] for row in rows for port in row["Ports"]}
        say("20 starts in parallel: failed", str(failed), "0")
        say("left over in state Created", str(created), "0")
        say("bound to", " ".join(sorted(bound)), "127.0.0.1")


async def killing(image: str, rounds: int) -> None:
    choice = random.Random(3)
    seconds: list[float] = []
    found: Counter[str] = Counter()
    async with fleet_of(image, kept=False) as ground:
        for seed in range(rounds):
            owner = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.integration.docker.owner"),
                *(STARTER_MODEL, str(seed), image),
                stdout=asyncio.subprocess.PIPE,
                env={**os.environ, "SERVERY_WORKSPACE": str(ground.workspace.root)},
            )
            assert owner.stdout is not None
            await owner.stdout.readline()
            await asyncio.sleep(choice.uniform(0, 6))
            owner.kill()
            await owner.wait()
            found.update(row["State"] for row in ground.containers())
            began = time.monotonic()
            keeping = asyncio.create_task(ground.fleet.run())
            while True:
                view = await ground.fleet.observe()
                running = {row["State"] for row in ground.containers()} <= {"running"}
                states = {each.state for each in view.instances}
                if running and states <= {InstanceState.STARTING, InstanceState.READY}:
                    break
            seconds.append(time.monotonic() - began)
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
    met = ", ".join(f"{number} {state}" for state, number in sorted(found.items()))
    say(f"{rounds} owners killed; met {met}", _range(seconds, "s", 1), "5 s")


def _requests(ground: Ground, instance_id: str) -> int:
    counters = ground.client.counters()
    return counters[instance_id].requests if instance_id in counters else 0


def _range(values: list[float], unit: str, digits: int = 0) -> str:
    return f"{min(values):.{digits}f} to {max(values):.{digits}f} {unit}"


def ids(view: FleetView) -> list[str]:
    return [each.instance.id for each in view.instances]


async def measure(image: str, rounds: int) -> None:
    await starting(image, 5)
    await growing(image)
    await sharing(image)
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
