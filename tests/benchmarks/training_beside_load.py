"""How much longer answers take while a training run goes on.

    python -m tests.benchmarks.training_beside_load [--callers 4] [--labels 200] [--seconds 15]

Starts `servery serve` with two instances on a new workspace. Callers send a photo each, over
HTTP, as soon as the one before is answered: first alone, then while a run learns from labels
that are all new, until it ends. Prints the 95th percentile of both, and by how much it rises.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable

from backend.client import BackendClient
from backend.contract import TrainingSettings
from desktop.training_runs import wait_for_run
from tests.benchmarks.label_to_live import draw
from tests.benchmarks.service import service

PERCENTILE = 95


async def call(client: BackendClient, jpeg: bytes, times: list[float]) -> None:
    while True:
        began = time.monotonic()
        await client.classify(jpeg)
        times.append(time.monotonic() - began)


def p95(times: list[float]) -> float:
    """Return milliseconds."""
    return 1000 * statistics.quantiles(times, n=100)[PERCENTILE - 1]


async def measure(callers: int, labels: int, seconds: float) -> None:
    with tempfile.TemporaryDirectory(prefix="servery-beside-") as workspace:
        async with service(workspace, 2) as client:
            model = (await client.health()).model
            await client.change_training_settings(model, TrainingSettings(automatic=False))
            for number in range(labels):
                await client.label(draw("stripes", number), "stripes")
            jpeg = draw("slats", 0)

            async def under_load(ended: Callable[[], asyncio.Future[None]]) -> list[float]:
                times: list[float] = []
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(call(client, jpeg, times)) for _ in range(callers)]
                    await ended()
                    for task in tasks:
                        task.cancel()
                return times

            await under_load(lambda: asyncio.ensure_future(asyncio.sleep(3.0)))  # warm-up
            alone = await under_load(lambda: asyncio.ensure_future(asyncio.sleep(seconds)))
            began = time.monotonic()

            async def train() -> None:
                await wait_for_run(client, await client.train(), lambda done, total, text: None)

            beside = await under_load(lambda: asyncio.ensure_future(train()))
            took = time.monotonic() - began
    print(f"alone: p95 {p95(alone):.1f} ms, {len(alone) / seconds:.1f} answers/s")
    print(f"beside a run of {took:.1f} s: p95 {p95(beside):.1f} ms, {len(beside) / took:.1f} /s")
    print(f"p95 rises by {100 * (p95(beside) / p95(alone) - 1):.0f}%")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure answers beside a training run.")
    parser.add_argument("--callers", type=int, default=4)
    parser.add_argument("--labels", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=15.0)
    arguments = parser.parse_args()
    asyncio.run(measure(arguments.callers, arguments.labels, arguments.seconds))


if __name__ == "__main__":
    main()
