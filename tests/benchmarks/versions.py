"""How long rolling back takes, and what a canary costs, beside callers over HTTP.

    python -m tests.benchmarks.versions [--rounds 3] [--callers 4] [--seconds 15] [--share 0.1]

Runs `servery serve` with two instances on a new workspace, and two versions of the built-in
model that answer alike. A rollback is counted from the request until every instance answers with
the older version. Requests are posted to `/classify`, each of another photo.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import itertools
import shutil
import tempfile
import time
from collections import Counter
from pathlib import Path

from PIL import Image

from backend.client import BackendClient
from backend.contract import AuditAction, NewCanary
from serving.errors import ServeryError
from serving.models.canary import CanaryPhase
from serving.models.repository import ModelRepository
from serving.models.staging import commit_version, staged_version
from serving.workspace import Workspace
from tests.benchmarks.measure import Figure
from tests.benchmarks.service import service

POLL_SECONDS = 0.05
LIMIT_SECONDS = 120.0


def photo(number: int) -> bytes:
    """Another JPEG for each number."""
    out = io.BytesIO()
    image = Image.linear_gradient("L").rotate(number % 360).resize((640, 480)).convert("RGB")
    image.putpixel((number % 640, number // 640 % 480), (255, 0, 0))
    image.save(out, "JPEG")
    return out.getvalue()


class Callers:
    """Posts photos one after the other, `count` at a time, until the end of the block."""

    def __init__(self, client: BackendClient, count: int) -> None:
        self._client, self._count = client, count
        self._numbers = itertools.count()
        self._tasks: list[asyncio.Task[None]] = []
        self.versions: Counter[int] = Counter()
        self.milliseconds: list[float] = []
        self.failures: list[ServeryError] = []

    async def __aenter__(self) -> Callers:
        self._tasks = [asyncio.create_task(self._call()) for _ in range(self._count)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _call(self) -> None:
        while True:
            jpeg = await asyncio.to_thread(photo, next(self._numbers))
            started = time.monotonic()
            try:
                answer = await self._client.classify(jpeg)
            except ServeryError as error:
                self.failures.append(error)
                continue
            self.versions[answer.version] += 1
            self.milliseconds.append((time.monotonic() - started) * 1000)

    def p95(self) -> float:
        return sorted(self.milliseconds)[int(0.95 * len(self.milliseconds))]


async def until_everywhere(client: BackendClient, model: str, number: int) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < deadline:
        rollout = await client.rollout(model)
        if rollout.everywhere and rollout.version == number:
            return
        await asyncio.sleep(POLL_SECONDS)
    raise TimeoutError(f"Version {number} was not live everywhere within {LIMIT_SECONDS:.0f} s")


async def promoted(client: BackendClient, model: str, number: int) -> tuple[float, float]:
    """Return after how many seconds the promotion was answered, and live everywhere."""
    started = time.monotonic()
    await client.promote(model, number)
    answered = time.monotonic() - started
    await until_everywhere(client, model, number)
    return answered, time.monotonic() - started


async def measure(workspace: Workspace, arguments: argparse.Namespace) -> None:
    async with service(str(workspace.root), 2) as client:
        repository = ModelRepository(workspace.models)
        model = repository.served().current
        with staged_version(repository, model) as staged:
            shutil.copytree(repository.live(model).path, staged, dirs_exist_ok=True)
            newer = commit_version(repository, model, staged).number
        older = repository.live(model).number
        answered, forward, back = [], [], []
        async with Callers(client, arguments.callers) as load:
            for _ in range(arguments.rounds):
                forward.append((await promoted(client, model, newer))[1])
                said, everywhere = await promoted(client, model, older)
                answered.append(said)
                back.append(everywhere)
        print(Figure("a newer version live everywhere", forward, "s"))
        print(Figure("rolled back, answered", answered, "s"))
        print(Figure("rolled back, live everywhere", back, "s"))
        print(f"{load.versions.total()} requests answered, {len(load.failures)} failed", flush=True)
        await canary(client, model, newer, arguments)


async def canary(
    client: BackendClient, model: str, number: int, arguments: argparse.Namespace
) -> None:
    rates = {}
    async with Callers(client, arguments.callers) as load:
        await asyncio.sleep(arguments.seconds)
        rates["without a canary"] = load.versions.total() / arguments.seconds, load.p95()
    started = time.monotonic()
    await client.start_canary(model, number, NewCanary(share=arguments.share))
    while True:
        found = (await client.model(model)).canary
        if found is None or found.phase is CanaryPhase.RUNNING:
            break
        await asyncio.sleep(POLL_SECONDS)
    print(f"canary: loaded everywhere and running after {time.monotonic() - started:.1f} s")
    async with Callers(client, arguments.callers) as load:
        began = time.monotonic()
        while (await client.model(model)).canary is not None:
            if time.monotonic() - began > LIMIT_SECONDS:
                break
            await asyncio.sleep(0.5)
        seconds = time.monotonic() - began
        rates[f"with {100 * arguments.share:g}%"] = load.versions.total() / seconds, load.p95()
        share = load.versions[number] / load.versions.total()
        entry = (await client.audit(model))[0]
        await until_everywhere(client, model, number)
    for name, (rate, p95) in rates.items():
        print(f"{name}: {rate:.1f} requests/s, p95 {p95:.0f} ms")
    outcome = "live" if entry.what is AuditAction.PROMOTED else "going on"
    print(
        f"canary: {outcome} after {seconds:.0f} s and {load.versions.total()} requests, of which"
        f" it answered {100 * share:.1f}%; {len(load.failures)} failed. {entry.text}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--callers", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--share", type=float, default=0.1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="servery-versions-") as folder:
        workspace = Workspace(Path(folder)).create()
        asyncio.run(measure(workspace, arguments))


if __name__ == "__main__":
    main()
