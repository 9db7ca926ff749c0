"""How much the HTTP API costs beside gRPC to the same instance, and how fast LitServe is.

    python -m tests.benchmarks.http_classify [--litserve PYTHON] [--models FOLDER] [--rounds 3]
        [--seconds 5] [--cores] [--quick]

One instance computes the reference MobileNetV2. It is asked over gRPC, and by `POST /classify` of a
backend of its own, with 1 and 32 callers; LitServe computes the same network with TensorFlow and
oneDNN. They are measured in turn, round after round, and ratios are those within a round: other
programs on the machine disturb them least. What is not measured is suspended.

The callers run on the same machine and take their share of it. On two cores the instance uses both
of them if nothing else does, so that what the backend takes is missing there; `--cores` keeps the
instance to the first half of the cores, and everything else to the second half: the ratio is then
what HTTP costs where the backend has cores of its own. `--models` and `--litserve` are as
for `tests.benchmarks.serving_throughput`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from serving.models.repository import ModelRepository
from serving.tf.runtime_choice import OPENVINO
from serving.workspace import Workspace
from tests.benchmarks.measure import Figure
from tests.benchmarks.reference_model import DATA
from tests.benchmarks.serving_throughput import litserve_python, runtimes, write_models
from tests.benchmarks.serving_throughput_load import (
    MODEL,
    Call,
    Flood,
    flood,
    grpc_callers,
    http_callers,
    photos,
    posted_callers,
)
from tests.benchmarks.serving_throughput_servers import ONEDNN, LitServer, OurServer, Program

MANY, ALONE = 32, 1
WARM_UP_SECONDS = 1.5
_LISTENS = "The backend listens at "

Callers = Callable[[int], AbstractAsyncContextManager[Call]]


@contextmanager
def kept_to(cores: set[int]) -> Iterator[None]:
    """Keep this thread, and the programs that it starts meanwhile, to some cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def shares(divided: bool) -> tuple[set[int], set[int]]:
    """Return the cores of the instance and those of everything else: all, or half for each."""
    cores = sorted(os.sched_getaffinity(0))
    if not divided:
        return set(cores), set(cores)
    if len(cores) == 1:
        raise SystemExit("--cores needs two cores.")
    middle = len(cores) // 2
    return set(cores[:middle]), set(cores[middle:])


class Backend(Program):
    """The HTTP API before an instance that somebody else started, ready when made."""

    def __init__(self, workspace: Path, instance: int, log: Path) -> None:
        super().__init__(
            "the backend",
            [
                *(sys.executable, "-m", "backend", "--workspace", str(workspace), "--port", "0"),
                *("--instances", f"127.0.0.1:{instance}"),
            ],
            log,
        )
        while _LISTENS not in (text := log.read_text()):
            self.check()
            time.sleep(0.05)
        self.port = int(text.partition(_LISTENS)[2].split()[0].rpartition(":")[2])


@dataclass
class Way:
    """One way to ask, and what came of it in each round."""

    name: str
    programs: Sequence[Program]
    """Which run meanwhile."""
    callers: Callers
    rates: list[float] = field(default_factory=list)
    """Answers a second of MANY callers."""
    medians: list[float] = field(default_factory=list)
    """Milliseconds that ALONE waits."""
    processor: list[list[float]] = field(default_factory=list)
    """Milliseconds of each of `programs` for one answer of MANY callers."""

    def measure(self, seconds: float) -> None:
        with ExitStack() as stack:
            for program in self.programs:
                stack.enter_context(program.awake())
            alone = asyncio.run(self._flood(ALONE, seconds))
            before = [program.processor_seconds for program in self.programs]
            many = asyncio.run(self._flood(MANY, seconds))
            after = [program.processor_seconds for program in self.programs]
        for result in (alone, many):
            if result.refusals or not result.latencies:
                raise SystemExit(f"{self.name} did not answer: {dict(result.refusals)}")
        self.rates.append(many.rate)
        self.medians.append(alone.median)
        answers = many.rate * (WARM_UP_SECONDS + seconds)
        spent = zip(after, before, strict=True)
        self.processor.append([1000 * (end - start) / answers for end, start in spent])

    async def _flood(self, callers: int, seconds: float) -> Flood:
        async with self.callers(callers) as call:
            return await flood(call, callers, seconds, WARM_UP_SECONDS)

    def print(self) -> None:
        print(Figure(f"{self.name}, {MANY} callers", self.rates, "/s"))
        print(Figure(f"{self.name}, {ALONE} caller, median", self.medians, "ms"))
        for at, program in enumerate(self.programs):
            values = [each[at] for each in self.processor]
            what = f"{self.name}, processor of {program.name} for an answer"
            print(Figure(what, values, "ms"))


def compare(what: str, values: Sequence[float], unit: str, aim: str) -> None:
    middle = statistics.median(values)
    print(f"{what:<62} {middle:6.2f} {unit} ({min(values):.2f} to {max(values):.2f}; aim: {aim})")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what the HTTP API costs.")
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--litserve", help="interpreter that has litserve and tensorflow")
    parser.add_argument("--models", type=Path, help="output of reference_model")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument(
        "--cores", action="store_true", help="the instance has half of the cores, for itself"
    )
    arguments = parser.parse_args()
    if not DATA.is_dir():
        sys.exit(f"The data for this benchmark is not at {DATA}.")
    print(f"load of the last minute before: {os.getloadavg()[0]:.2f}")
    of_instance, of_others = shares(arguments.cores)
    with tempfile.TemporaryDirectory(prefix="servery-http-") as name, ExitStack() as stack:
        folder = Path(name)
        stack.enter_context(kept_to(of_others))
        models = arguments.models or write_models(folder / "reference")
        ways = _start(stack, folder, models, litserve_python(arguments.litserve), of_instance)
        for _ in range(1 if arguments.quick else arguments.rounds):
            for way in ways:
                way.measure(2.0 if arguments.quick else arguments.seconds)
        print(f"{len(photos())} photos in turn")
        print(f"cores: {len(of_instance)} for the instance, {len(of_others)} for all others")
        for way in ways:
            way.print()
        _compare_all(*ways)


def _start(
    stack: ExitStack, folder: Path, models: Path, litserve: str | None, cores: set[int]
) -> list[Way]:
    """Start everything, suspended, and return the ways to ask: gRPC, HTTP, perhaps LitServe.

    The servers that compute are kept to `cores`.
    """
    images = photos()
    runtime = runtimes()[-1]
    servable = models / "servable"
    with kept_to(cores):
        server = stack.enter_context(
            OurServer("the instance", servable, folder / "ours", f"--runtime={runtime}")
        )
    if runtime == OPENVINO:
        server.wait_for_runtime()
    workspace = Workspace(folder / "workspace").create()
    shutil.copytree(servable, workspace.models / MODEL)
    repository = ModelRepository(workspace.models)
    repository.promote(MODEL, 1)
    backend = stack.enter_context(Backend(workspace.root, server.port, folder / "backend.txt"))
    requests = [
        b"POST /classify HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/jpeg\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(image), image)
        for image in images
    ]
    ways = [
        Way("gRPC", [server], lambda count: grpc_callers([server.port], count, images)),
        Way("HTTP", [server, backend], lambda count: posted_callers(backend.port, count, requests)),
    ]
    asyncio.run(_until_ready(backend.port, requests))
    if litserve is not None:
        model = models / "plain"
        with kept_to(cores):
            other = stack.enter_context(
                LitServer("LitServe", litserve, model, folder / "litserve.txt", **{ONEDNN: "1"})
            )
        ways.append(
            Way(
                "LitServe with oneDNN",
                [other],
                lambda count: http_callers(other.port, count, images),
            )
        )
    for way in ways:
        for program in way.programs:
            program.sleep()
    return ways


async def _until_ready(port: int, requests: Sequence[bytes]) -> None:
    """Wait until the backend has found the instance."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        async with posted_callers(port, 1, requests) as call:
            if not await call(0):
                return
        await asyncio.sleep(0.2)
    raise SystemExit("The backend has not found the instance.")


def _compare_all(grpc: Way, http: Way, litserve: Way | None = None) -> None:
    pairs = list(zip(http.rates, grpc.rates, strict=True))
    compare("rate over HTTP, to gRPC", [h / g for h, g in pairs], "times", "0.9")
    waits = zip(http.medians, grpc.medians, strict=True)
    compare("one caller over HTTP, more than gRPC", [h - g for h, g in waits], "ms", "3 at most")
    if litserve is None:
        print("nothing is compared with LitServe, which is not installed")
        return
    others = zip(http.rates, litserve.rates, strict=True)
    compare("rate over HTTP, to LitServe with oneDNN", [h / o for h, o in others], "times", "2.5")


if __name__ == "__main__":
    main()
