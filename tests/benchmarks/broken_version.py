"""How soon a version that cannot be served is refused, shown, and got rid of.

    python -m tests.benchmarks.broken_version

`servery serve` runs two instances as processes on a new workspace, with a model that loads at
once, and four callers classify a photo over HTTP without a pause. For each way in which a version
can be bad it is promoted with `servery promote`, which must refuse it; then it is made live behind
the backs of all programs, until `GET /health` says why it cannot be served, an instance that
starts again answers with the last good version, and rolling back has answered.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from backend.client import BackendClient
from serving.errors import BackendError
from serving.models.checksums import CHECKSUMS_PATH
from serving.models.repository import ModelRepository
from serving.models.staging import staged_version
from serving.tf.names import SAVED_MODEL_FILE, WARM_UP_FILE
from serving.workspace import ENVIRONMENT_VARIABLE, Workspace
from tests.support.sample_images import painting
from tests.support.tiny_model import TINY_MODEL, install_tiny
from tests.support.waiting import wait_until

CALLERS = 4
GOOD = 1


def replace_in_graph(old: bytes, new: bytes) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        graph = folder / SAVED_MODEL_FILE
        graph.write_bytes(graph.read_bytes().replace(old, new))

    return spoil


def make_pipe(folder: Path) -> None:
    (folder / "variables").mkdir()
    os.mkfifo(folder / "variables" / "variables.index")


WAYS: dict[str, Callable[[Path], object]] = {
    "garbage for a graph": lambda folder: (folder / SAVED_MODEL_FILE).write_bytes(b"garbage"),
    "an unknown operation": replace_in_graph(b"\x06Conv2D", b"\x06Conv9D"),
    "no signature": replace_in_graph(b"predict_images", b"predict_zzzzzz"),
    "damaged warm-up records": lambda folder: (folder / WARM_UP_FILE).write_bytes(b"junk"),
    "a pipe among the variables": make_pipe,
}


class Service:
    """`servery serve` on a workspace, and the commands that go with it."""

    def __init__(self, workspace: Workspace) -> None:
        self._environment = {**os.environ, ENVIRONMENT_VARIABLE: str(workspace.root)}

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "desktop", *arguments),
            env=self._environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )

    async def run(self, *arguments: str) -> tuple[float, int]:
        """Return how many seconds a command takes, and its exit code."""
        started = time.monotonic()
        process = await self.start(*arguments)
        await process.communicate()
        return time.monotonic() - started, process.returncode or 0


async def call(client: BackendClient, failures: list[BackendError]) -> None:
    jpeg = painting("red", 1)
    while True:
        try:
            await client.classify(jpeg)
        except BackendError as error:
            failures.append(error)
        await asyncio.sleep(0.01)


async def measure(workspace: Workspace) -> None:
    repository = ModelRepository(workspace.models)
    install_tiny(repository)
    service = Service(workspace)
    serving = await service.start("serve", "--instances", "2", "--port", "0", "--engine", "process")
    try:
        found = await wait_until(lambda: BackendClient.find(workspace), 120)
        assert found is not None
        async with found as client:
            await wait_until(lambda: _is_ok(client), 120)
            failures: list[BackendError] = []
            print("way | refused after | shown after | new instance after | rolled back after")
            async with asyncio.TaskGroup() as group:
                callers = [group.create_task(call(client, failures)) for _ in range(CALLERS)]
                for way, spoil in WAYS.items():
                    print(
                        f"{way} | {await _measure(service, client, repository, spoil)}", flush=True
                    )
                for task in callers:
                    task.cancel()
            print(f"failed requests: {len(failures)}")
            for failure in failures[:3]:
                print(failure)
    finally:
        serving.terminate()
        await serving.communicate()


async def _measure(
    service: Service,
    client: BackendClient,
    repository: ModelRepository,
    spoil: Callable[[Path], object],
) -> str:
    with staged_version(repository, TINY_MODEL) as staged:
        good = repository.version(TINY_MODEL, GOOD).path
        shutil.copytree(good, staged, dirs_exist_ok=True)
        (staged / CHECKSUMS_PATH).unlink()
        spoil(staged)
        # Not by `commit_version`, which reads every file.
        number = repository.versions(TINY_MODEL)[-1].number + 1
        staged.rename(repository.root / TINY_MODEL / str(number))
    refused, code = await service.run("promote", str(number))
    assert code == 1, code
    started = time.monotonic()
    repository.promote(TINY_MODEL, number)
    await wait_until(lambda: _says_why(client), 120)
    shown = time.monotonic() - started
    started_new, code = await service.run("fleet", "scale", "3", "--engine", "process")
    assert code == 0, code
    rolled_back, code = await service.run("promote", str(GOOD))
    assert code == 0, code
    await wait_until(lambda: _is_ok(client), 60)
    await service.run("fleet", "scale", "2", "--engine", "process")
    return " | ".join(f"{each:.1f} s" for each in (refused, shown, started_new, rolled_back))


async def _is_ok(client: BackendClient) -> bool:
    return (await client.health()).status == "ok"


async def _says_why(client: BackendClient) -> bool:
    return "cannot be served" in (await client.health()).status


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="servery-broken-") as folder:
        asyncio.run(measure(Workspace(Path(folder).resolve() / "workspace").create()))


if __name__ == "__main__":
    main()
