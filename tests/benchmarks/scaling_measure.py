"""What one instance takes for an answer, and what one, two and four real ones answer together.

    python -m tests.benchmarks.scaling_measure [--rounds 5] [--seconds 4] [--callers 32]
        [--model efficientnet-lite0] [--write]

The instances are those of a fleet that runs as processes, and are called by the program's own
client. First one instance is measured alone, with as many threads as there are cores and with
one: what a call with no photo, one photo, and batches of photos take of the processor. Then
callers that never pause ask one, two and four instances, and one with one thread, in turn, round
after round. At last
instances are killed, and what another one takes until it answers in their place is counted.

Times are those that the processor spent, which a busy machine changes least. `--write` keeps the
figures for `python -m tests.benchmarks.scaling_simulation`, which is also printed at the end:
calibrated with one instance alone, it has to say what two and four do.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import signal
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc
import psutil

from serving.background import in_background
from serving.engines.process import ProcessEngine
from serving.fleet.fleet import Fleet
from serving.fleet.record import InstanceLimits
from serving.models.builtin.install import install_built_in
from serving.models.repository import ModelRepository
from serving.predict.channels import open_channel
from serving.predict.client import PredictClient
from serving.tf.cores import core_count
from serving.tf.messages import predict_pb2, types_pb2
from serving.tf.names import CLASSIFY_SIGNATURE, IMAGES
from serving.workspace import Workspace
from tests.benchmarks.measure import Figure
from tests.benchmarks.scaling.instance import BATCH_SIZE
from tests.benchmarks.scaling.service_times import (
    MEASURED,
    Measured,
    Measurement,
    ServiceTimes,
    percentile,
)
from tests.benchmarks.scaling.simulate import loaded
from tests.benchmarks.scaling_simulation import Simulation, check
from tests.benchmarks.serving_throughput_load import photos
from tests.support.waiting import wait_for_view

MODEL = "efficientnet-lite0"
COUNTS = (1, 2, 4)
BATCHES = (2, 4, BATCH_SIZE)
CALLS = 5
"""Of each photo, and of each batch."""
KILLED = 3
WARM_UP_SECONDS = 1.5
ANSWERS_PER_CALLER = 10
"""At least, in each round."""


def processor_seconds(process: int) -> float:
    """Return what a process has spent so far, to the nanosecond."""
    return time.clock_gettime((~process << 3) | 2)  # clock_getcpuclockid(3)


def busy_seconds() -> float:
    """Return what all cores have spent on any program, or were kept from spending."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - times.iowait - times.guest - times.guest_nice)


@dataclass
class Spent:
    """What was spent while something happened."""

    seconds: float
    servers: float
    caller: float
    others: float


class Meter:
    """Counts processor time from when it is made."""

    def __init__(self, servers: Sequence[int]) -> None:
        self._servers = servers
        self._before = self._read()

    def _read(self) -> tuple[float, float, float, float]:
        servers = sum(map(processor_seconds, self._servers))
        return time.perf_counter(), servers, time.process_time(), busy_seconds()

    def read(self) -> Spent:
        now = self._read()
        seconds, servers, caller, busy = (
            after - before for after, before in zip(now, self._before, strict=True)
        )
        return Spent(seconds, servers, caller, max(0.0, busy - servers - caller))


@dataclass(frozen=True)
class Flood:
    """Some seconds of callers that never pause."""

    rate: float
    latencies: tuple[float, ...]
    left: float
    """Cores that other programs left."""
    server: float
    """Seconds of a core for an answer, like the next."""
    caller: float


def request(model: str, images: Sequence[bytes], signature: str = CLASSIFY_SIGNATURE) -> bytes:
    message = predict_pb2.PredictRequest()
    message.model_spec.name, message.model_spec.signature_name = model, signature
    tensor = message.inputs[IMAGES]
    tensor.dtype = types_pb2.DT_STRING
    tensor.tensor_shape.dim.add(size=len(images))
    tensor.string_val.extend(images)
    return bytes(message.SerializeToString())


async def calls_alone(address: str, process: int, requests: Sequence[bytes]) -> list[float]:
    """Send one request after the other; returns what each took, in seconds of a core."""
    channel = open_channel(address)
    predict = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
    found = []
    try:
        for content in requests:
            before = processor_seconds(process)
            try:
                await predict(content, timeout=60)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.FAILED_PRECONDITION:
                    raise
            found.append(processor_seconds(process) - before)
    finally:
        await channel.close()
    return found


class Bench:
    """A fleet of processes with a built-in model, and its client."""

    def __init__(self, workspace: Workspace, model: str) -> None:
        self.model = model
        self.repository = ModelRepository(workspace.models)
        install_built_in(self.repository, model)
        self.repository.change_served(lambda served: replace(served, current=model))
        self.engine = ProcessEngine(workspace)
        self.client = PredictClient(self.repository.served, timeout=60)
        self.fleet = Fleet(self.engine, self.repository, workspace, self.client)
        self.images = photos()

    async def scale(self, count: int, threads: int) -> list[int]:
        """Run so many instances of so many threads; returns their process ids."""
        await self.fleet.scale(0)
        await self.fleet.set_limits(InstanceLimits(threads=threads, sleep_after=0))
        await self.fleet.scale(count)
        return self.processes()

    def processes(self) -> list[int]:
        found = [each.instance.process for each in self.fleet.view.instances]
        return [process for process in found if process is not None]

    async def flood(self, callers: int, seconds: float) -> Flood:
        """Let callers classify the photos in turn, all of them by the one client.

        On a machine that is very busy it takes longer, so that each caller has several answers.
        """
        numbers = itertools.count()
        answers: list[float] = []
        """How long each took."""
        warm, enough = asyncio.Event(), asyncio.Event()
        first = 0
        began = ends = time.perf_counter()

        async def caller() -> None:
            nonlocal first, ends
            while not enough.is_set():
                sent = time.perf_counter()
                await self.client.classify(self.images[next(numbers) % len(self.images)])
                now = time.perf_counter()
                answers.append(now - sent)
                if not warm.is_set():
                    if now - began >= WARM_UP_SECONDS and len(answers) >= 2 * callers:
                        first, ends = len(answers), now + seconds
                        warm.set()
                elif now >= ends and len(answers) - first >= ANSWERS_PER_CALLER * callers:
                    enough.set()

        async with asyncio.TaskGroup() as group:
            for _ in range(callers):
                group.create_task(caller())
            await warm.wait()
            meter = Meter(self.processes())
            await enough.wait()
            spent, counted = meter.read(), answers[first:]
        return Flood(
            len(counted) / spent.seconds,
            tuple(counted),
            core_count() - spent.others / spent.seconds,
            spent.servers / len(counted),
            spent.caller / len(counted),
        )

    async def alone(self, threads: int) -> ServiceTimes:
        """Measure what calls of one instance take that has nothing else to do."""
        (process,) = await self.scale(1, threads)
        address = self.fleet.view.instances[0].instance.grpc_address or ""

        async def medians(requests: Sequence[bytes]) -> list[float]:
            found = [await calls_alone(address, process, requests) for _ in range(CALLS)]
            return [statistics.median(values) for values in zip(*found, strict=True)]

        await medians([request(self.model, self.images[:BATCH_SIZE])])  # warms up
        none = [request(self.model, [image], "no such signature") for image in self.images]
        front = statistics.median(await medians(none))
        singles = await medians([request(self.model, [image]) for image in self.images])
        batched = {1: statistics.mean(singles)}
        for size in BATCHES:
            batches = [
                request(self.model, self.images[first : first + size])
                for first in range(0, len(self.images) - size + 1, size)
            ]
            batched[size] = statistics.mean(await medians(batches))
        slope, intercept = statistics.linear_regression(list(batched), list(batched.values()))
        # Photos differ by as much as their calls; the mean is that of a photo in a batch.
        photos = tuple(max(0.0, single - batched[1] + slope) for single in singles)
        print(
            f"one instance of {threads} threads, ms of a core: call without a photo "
            f"{1000 * front:.2f}, batch {1000 * (intercept - front):.2f}, photo {1000 * slope:.2f} "
            f"({1000 * min(photos):.2f} to {1000 * max(photos):.2f}); batches of",
            ", ".join(f"{size}: {1000 * spent:.1f}" for size, spent in batched.items()),
            flush=True,
        )
        return ServiceTimes(threads, 0.0, front, max(0.0, intercept - front), photos)

    async def together(
        self, callers: int, seconds: float, rounds: int
    ) -> tuple[list[Measured], dict[int, tuple[float, float]]]:
        """Let callers ask one, two and four instances, in turn.

        Also returns, by the number of threads, what an answer of one instance takes in the server
        and in the caller.
        """
        cores = core_count()
        kinds = dict.fromkeys((1, max(1, cores // count)) for count in COUNTS)
        kinds.update(dict.fromkeys((count, max(1, cores // count)) for count in COUNTS))
        floods: dict[tuple[int, int], list[Flood]] = {kind: [] for kind in kinds}
        for _ in range(rounds):
            for (count, threads), found in floods.items():
                await self.scale(count, threads)
                found.append(await self.flood(callers, seconds))
        for (count, threads), found in floods.items():
            for what, values in (
                ("answers/s", [flood.rate for flood in found]),
                ("ms of a core for an answer", [1000 * flood.server for flood in found]),
                ("the same, of the caller", [1000 * flood.caller for flood in found]),
                ("cores left by others", [flood.left for flood in found]),
            ):
                print(Figure(f"{count} of {threads} threads, {what}", values, ""), flush=True)
        measured = [
            Measured(
                count,
                threads,
                callers,
                flood.left,
                alone.server,
                alone.caller,
                flood.rate,
                percentile(flood.latencies, 50),
                percentile(flood.latencies, 99),
            )
            for (count, threads), found in floods.items()
            if threads == max(1, cores // count)
            for flood, alone in zip(found, floods[1, threads], strict=True)
        ]
        medians = {
            threads: (
                statistics.median(flood.server for flood in found),
                statistics.median(flood.caller for flood in found),
            )
            for (count, threads), found in floods.items()
            if count == 1
        }
        return measured, medians

    async def replacements(self) -> list[float]:
        """Kill instances; returns what each successor takes of the processor until it answers.

        It starts on one core nearly all the time, so that on a machine of its own it takes as
        many seconds of the clock.
        """
        spent, waited = [], []
        for _ in range(KILLED):
            await self.scale(2, 1)
            victim = self.fleet.view.instances[0].instance
            assert victim.process is not None
            before = set(self.processes())
            began = time.perf_counter()
            os.kill(victim.process, signal.SIGKILL)

            def replaced(view: Any, gone: str = victim.id) -> bool:
                return view.ready == 2 and all(each.instance.id != gone for each in view.answering)

            await wait_for_view(self.fleet, replaced, 240)
            waited.append(time.perf_counter() - began)
            (successor,) = set(self.processes()) - before
            spent.append(processor_seconds(successor))
        print(Figure("killed until another one answers", waited, "s"))
        print(Figure("what that one takes, seconds of a core", spent, "s"))
        return spent


async def measure(arguments: argparse.Namespace, folder: Path) -> Measurement:
    bench = Bench(Workspace(folder).create(), arguments.model)
    callers, seconds, rounds = arguments.callers, arguments.seconds, arguments.rounds
    try:
        async with in_background(bench.fleet.run()):
            cores = core_count()
            threads = sorted({max(1, cores // count) for count in COUNTS})
            alone = [await bench.alone(each) for each in threads]
            together, medians = await bench.together(callers, seconds, rounds)
            starts = await bench.replacements()
            await bench.fleet.scale(0)
    finally:
        for instance in await bench.engine.instances():
            await bench.engine.stop(instance.id, grace=0)
        await bench.client.close()
        await bench.engine.close()
    times = tuple(loaded(each, *medians[each.threads], callers) for each in alone)
    return Measurement(cores, times, tuple(starts), tuple(together))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default=MODEL, help="a built-in model (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each round")
    parser.add_argument("--callers", type=int, default=32)
    parser.add_argument("--write", nargs="?", type=Path, const=MEASURED, help="keep the figures")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="servery-scaling-") as folder:
        print(f"load of the last minute: {os.getloadavg()[0]:.2f}")
        measurement = asyncio.run(measure(arguments, Path(folder)))
    if arguments.write:
        measurement.write(arguments.write)
    return 0 if check(Simulation(measurement, 1.0, ())) else 1


if __name__ == "__main__":
    raise SystemExit(main())
