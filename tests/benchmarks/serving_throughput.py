"""How fast the model server answers, compared with TensorFlow alone and with LitServe.

    python -m tests.benchmarks.serving_throughput [--quick] [--parts PART ...]
        [--litserve PYTHON] [--models FOLDER] [--rounds 3] [--seconds 5]

Everything runs on the reference MobileNetV2 and the photos of the shared data:

- `compare`: TensorFlow in-process at batch 32, which is the limit; our server over
  gRPC with 1, 8, 32 and 128 callers, on each runtime that is installed; LitServe with
  dynamic batching over the plain Keras export. All are started first, then measured in
  turn, round after round, while the others are suspended;
- `overload`: twice as many callers as may wait;
- `start`: cold start to AVAILABLE and memory of the built-in model that people begin with;
- `scaling`: from 1 to 4 instances that share the processor's cores.

The callers run on the same machine and take their share of it. LitServe is not part of
this project: install it and TensorFlow anywhere, for example with
`python3 -m venv litserve && litserve/bin/pip install litserve tensorflow`, and pass its
interpreter, `--litserve litserve/bin/python`.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from serving.models.builtin.catalog import DEFAULT_BUILT_IN
from serving.models.builtin.install import install_built_in
from serving.models.repository import ModelRepository
from serving.tf.cores import core_count
from tests.benchmarks.measure import Figure
from tests.benchmarks.reference_model import DATA
from tests.benchmarks.serving_throughput_load import (
    Flood,
    flood,
    grpc_callers,
    http_callers,
    photos,
)
from tests.benchmarks.serving_throughput_servers import (
    ONEDNN,
    InProcess,
    LitServer,
    OurServer,
    Program,
    asleep,
)

BATCH = 32
WARM_UP_SECONDS = 2.0
"""Calls in this time are not counted: batches grow to their size."""
CALLERS = (1, 8, 32, 128)
LITSERVE_CALLERS = (1, 32)
OVERLOAD = 512
MAX_INSTANCES = 4
PARTS = ("compare", "overload", "start", "scaling")


@dataclass(frozen=True)
class Plan:
    """What to measure, and how long."""

    models: Path
    folder: Path
    """For logs and ports files."""
    rounds: int
    seconds: float
    litserve: str | None

    @property
    def servable(self) -> Path:
        return self.models / "servable"

    @property
    def plain(self) -> Path:
        return self.models / "plain"


class Results:
    """Figures by name, one value per round, in the order in which they were first added."""

    def __init__(self) -> None:
        self._values: dict[str, tuple[str, list[float]]] = {}

    def add(self, name: str, value: float, unit: str) -> None:
        self._values.setdefault(name, (unit, []))[1].append(value)

    def print(self) -> None:
        for name, (unit, values) in self._values.items():
            print(Figure(name, values, unit), flush=True)

    def ratio(self, name: str, more: str, less: str, aim: str) -> None:
        """Print the median of the rounds' own ratios, which a busy machine disturbs least."""
        pairs = zip(self._values[more][1], self._values[less][1], strict=True)
        values = [over / under for over, under in pairs]
        print(
            f"{name:<62} {statistics.median(values):6.2f} times "
            f"({min(values):.2f} to {max(values):.2f}; aim: {aim})",
            flush=True,
        )


def runtimes() -> list[str]:
    """Return the runtimes that are installed here."""
    return ["tensorflow", *(["openvino"] if importlib.util.find_spec("openvino") else [])]


def flood_grpc(ports: Sequence[int], callers: int, seconds: float) -> Flood:
    async def run() -> Flood:
        async with grpc_callers(ports, callers, photos()) as call:
            return await flood(call, callers, seconds, WARM_UP_SECONDS)

    return asyncio.run(run())


def flood_litserve(port: int, callers: int, seconds: float) -> Flood:
    async def run() -> Flood:
        async with http_callers(port, callers, photos()) as call:
            return await flood(call, callers, seconds, WARM_UP_SECONDS)

    return asyncio.run(run())


def compare(plan: Plan) -> None:
    """(a) the limit, (b) our server, (c) LitServe; all in turn."""
    results = Results()
    logs = plan.folder
    onednn = {ONEDNN: "1"}
    limits = [
        InProcess("a) in-process, our version", plan.servable, BATCH, logs / "a1", **onednn),
        InProcess("a) in-process, plain export", plan.plain, BATCH, logs / "a2"),
    ]
    servers = [_ours(plan, runtime, logs / runtime) for runtime in runtimes()]
    litserves = []
    if plan.litserve:
        litserves = [
            LitServer("c) LitServe", plan.litserve, plan.plain, logs / "c1"),
            LitServer("c) LitServe with oneDNN", plan.litserve, plan.plain, logs / "c2", **onednn),
        ]
    with asleep([*limits, *servers, *litserves]):
        for _ in range(plan.rounds):
            # What is compared is measured one right after the other.
            for callers in sorted(CALLERS, key=lambda count: count != BATCH):
                for limit in limits if callers == BATCH else ():
                    with limit.awake():
                        results.add(limit.name, limit.rate(plan.seconds), "/s")
                for server in servers:
                    with server.awake():
                        result = flood_grpc([server.port], callers, plan.seconds)
                    _add_flood(results, server, callers, result)
                for litserve in litserves if callers in LITSERVE_CALLERS else ():
                    with litserve.awake():
                        result = flood_litserve(litserve.port, callers, plan.seconds)
                    _add_flood(results, litserve, callers, result)
        for program in (*servers, *litserves):
            results.add(f"{program.name}, memory after load", program.memory, "MB")
    print(f"\nReference MobileNetV2, {len(photos())} photos in turn, {plan.rounds} rounds")
    results.print()
    for server in servers:
        at_32, alone = (_label(server, count) for count in (BATCH, 1))
        results.ratio(f"{at_32}, to a)", at_32, limits[0].name, "0.9")
        for litserve in litserves:
            litserve_at_32, litserve_alone = (_label(litserve, count) for count in (BATCH, 1))
            results.ratio(f"{at_32}, to {litserve.name}", at_32, litserve_at_32, "1.8")
            results.ratio(
                f"{alone}, median, to {litserve.name}",
                f"{alone}, median",
                f"{litserve_alone}, median",
                "0.6 at most",
            )


def _ours(plan: Plan, runtime: str, folder: Path) -> OurServer:
    server = OurServer(f"b) ours, {runtime}", plan.servable, folder, f"--runtime={runtime}")
    if runtime != "tensorflow":
        server.wait_for_runtime()
    return server


def _wait_for_runtime(server: OurServer) -> None:
    if len(runtimes()) > 1:
        server.wait_for_runtime()


def _label(program: Program, callers: int) -> str:
    return f"{program.name}, {callers} caller{'s' if callers > 1 else ''}"


def _add_flood(results: Results, program: Program, callers: int, result: Flood) -> None:
    if result.refusals:
        raise SystemExit(f"{program.name} refused calls: {dict(result.refusals)}")
    if not result.latencies:
        raise SystemExit(f"{program.name} answered none of {callers} callers.")
    name = _label(program, callers)
    results.add(name, result.rate, "/s")
    results.add(f"{name}, median", result.median, "ms")
    results.add(f"{name}, p99", result.p99, "ms")


def overload(plan: Plan) -> None:
    """More callers than may wait: the others are refused at once, and memory does not grow."""
    with OurServer("ours", plan.servable, plan.folder / "overload") as server:
        _wait_for_runtime(server)
        idle = server.memory
        baseline = flood_grpc([server.port], BATCH, plan.seconds)
        loaded = server.memory
        overloaded = flood_grpc([server.port], OVERLOAD, 2 * plan.seconds)
        after = server.memory
    refused = overloaded.refusals.total()
    print(f"\nOverload: {OVERLOAD} callers, each waiting longer after each refusal")
    print(f"answers a second: {overloaded.rate:.1f} (with {BATCH} callers {baseline.rate:.1f})")
    print(
        f"refused: {refused / (refused + len(overloaded.latencies)):.0%} of the calls, "
        f"{', '.join(overloaded.refusals) or 'none'}"
    )
    print(f"answered: median {overloaded.median:.0f} ms, p99 {overloaded.p99:.0f} ms")
    print(f"memory: {idle:.0f} MB at rest, {loaded:.0f} with {BATCH} callers, {after:.0f} after it")


def start(plan: Plan) -> None:
    """Cold start to AVAILABLE and memory, of the first built-in model and of the reference."""
    results = Results()
    repository = ModelRepository(plan.folder / "models")
    built_in = install_built_in(repository, DEFAULT_BUILT_IN).path.parent
    for number in range(plan.rounds):
        for name, model in (("built-in", built_in), ("reference", plan.servable)):
            for runtime in runtimes():
                folder = plan.folder / f"start-{name}-{runtime}-{number}"
                label = f"{name}, {runtime}"
                with OurServer(label, model, folder, f"--runtime={runtime}") as server:
                    results.add(f"{label}, to AVAILABLE", server.start_seconds, "s")
                    if runtime != "tensorflow":
                        server.wait_for_runtime()
                        spent = time.perf_counter() - server.started_at
                        results.add(f"{label}, to its own speed", spent, "s")
                    results.add(f"{label}, memory at rest", server.memory, "MB")
    print("\nCold start (aim for the built-in model: 4 s)")
    results.print()


def scaling(plan: Plan) -> None:
    """1 to 4 instances that divide the threads as the engine `process` does."""
    results = Results()
    for _ in range(max(1, plan.rounds - 1)):
        for count in range(1, MAX_INSTANCES + 1):
            _measure_scaling(plan, results, count)
    print(f"\nInstances on {core_count()} cores, 32 callers over all of them")
    results.print()


def _measure_scaling(plan: Plan, results: Results, count: int) -> None:
    threads = max(1, core_count() // count)
    flags = [f"--tensorflow_{kind}_op_parallelism={threads}" for kind in ("intra", "inter")]
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(dir=plan.folder))
        servers = [
            OurServer("ours", plan.servable, folder / str(number), *flags, wait=False)
            for number in range(count)
        ]
        for server in servers:
            stack.enter_context(server)
        for server in servers:
            server.wait()
        for server in servers:
            _wait_for_runtime(server)
        name = f"{count} instance{'s' if count > 1 else ''} of {threads} threads"
        results.add(f"{name}, all AVAILABLE", max(s.start_seconds for s in servers), "s")
        results.add(f"{name}, memory at rest", sum(s.memory for s in servers), "MB")
        result = flood_grpc([server.port for server in servers], BATCH, plan.seconds)
        results.add(f"{name}, answers", result.rate, "/s")
        results.add(f"{name}, p99", result.p99, "ms")
        results.add(f"{name}, memory under load", sum(s.memory for s in servers), "MB")


def _litserve_python(requested: str | None) -> str | None:
    """Return an interpreter that can run LitServe; if there is none, print how to install it."""
    python = requested or sys.executable
    found = subprocess.run(
        [python, "-c", "import importlib.util as u, sys; sys.exit(not u.find_spec('litserve'))"],
        check=False,
    )
    if found.returncode == 0:
        return python
    print(
        f"LitServe is not installed for {python}, so nothing is compared with it. "
        "`python3 -m venv litserve && litserve/bin/pip install litserve tensorflow` installs it; "
        "then add --litserve litserve/bin/python."
    )
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how fast the model server answers.")
    parser.add_argument("--quick", action="store_true", help="one short round of everything")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--litserve", help="interpreter that has litserve and tensorflow")
    parser.add_argument("--models", type=Path, help="output of reference_model")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    arguments = parser.parse_args()
    if not DATA.is_dir():
        sys.exit(f"The data for this benchmark is not at {DATA}.")
    steps: dict[str, Callable[[Plan], None]] = {
        "compare": compare,
        "overload": overload,
        "start": start,
        "scaling": scaling,
    }
    with tempfile.TemporaryDirectory(prefix="servery-throughput-") as folder:
        models = arguments.models or _write_models(Path(folder) / "reference")
        plan = Plan(
            models=models,
            folder=Path(folder),
            rounds=1 if arguments.quick else arguments.rounds,
            seconds=2.0 if arguments.quick else arguments.seconds,
            litserve=_litserve_python(arguments.litserve) if "compare" in arguments.parts else None,
        )
        for part in PARTS:
            if part in arguments.parts:
                print(f"load of the last minute before `{part}`: {os.getloadavg()[0]:.2f}")
                steps[part](plan)


def _write_models(folder: Path) -> Path:
    print("Exporting the reference model; --models FOLDER takes one that exists already.")
    subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.reference_model", str(folder)],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return folder


if __name__ == "__main__":
    main()
