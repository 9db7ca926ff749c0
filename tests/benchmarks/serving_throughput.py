"""How fast the model server answers, beside TensorFlow alone and beside LitServe.

    python -m tests.benchmarks.serving_throughput [--quick] [--parts PART ...]
        [--peer PYTHON] [--models FOLDER] [--rounds 3] [--seconds 5]

Everything runs on the reference MobileNetV2 and the photos of the shared data:

- `compare`: TensorFlow in-process at batch 32, which is the limit; our server over
  gRPC with 1, 8, 32 and 128 callers, on each runtime that is installed; LitServe with
  dynamic batching over the plain Keras export. All are started first, then measured in
  turn, round after round, while the others sleep;
- `overload`: twice as many callers as may wait;
- `start`: cold start to AVAILABLE and memory of the starter model;
- `growth`: from 1 to 4 instances that share the processor's cores.

The callers run on the same machine and take their share of it. LitServe is no part of
this project: install it and TensorFlow where you like, such as
`python3 -m venv peer && peer/bin/pip install litserve tensorflow`, and name its
interpreter, `--peer peer/bin/python`.
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

from serving.models.repository import ModelRepository
from serving.models.starter.install import install_starter
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
LEAD = 2.0
"""Seconds of calls that are not counted: batches grow to their size."""
CALLERS = (1, 8, 32, 128)
PEER_CALLERS = (1, 32)
OVERLOAD = 512
MAX_INSTANCES = 4
PARTS = ("compare", "overload", "start", "growth")


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
    """Figures by name, one value a round, in the order in which they were first added."""

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


def flood_ours(ports: Sequence[int], callers: int, seconds: float) -> Flood:
    async def run() -> Flood:
        async with grpc_callers(ports, callers, photos()) as call:
            return await flood(call, callers, seconds, LEAD)

    return asyncio.run(run())


def flood_peer(port: int, callers: int, seconds: float) -> Flood:
    async def run() -> Flood:
        async with http_callers(port, callers, photos()) as call:
            return await flood(call, callers, seconds, LEAD)

    return asyncio.run(run())


def compare(plan: Plan) -> None:
    """(a) the limit, (b) our server, (c) the peer; all in turn."""
    results = Results()
    logs = plan.folder
    ours_as_set = {ONEDNN: "1"}
    limits = [
        InProcess("a) in-process, our version", plan.servable, BATCH, logs / "a1", **ours_as_set),
        InProcess("a) in-process, plain export", plan.plain, BATCH, logs / "a2"),
    ]
    servers = [_ours(plan, runtime, logs / runtime) for runtime in runtimes()]
    peers = []
    if plan.litserve:
        peers = [
            LitServer("c) LitServe", plan.litserve, plan.plain, logs / "c1"),
            LitServer(
                "c) LitServe with oneDNN", plan.litserve, plan.plain, logs / "c2", **ours_as_set
            ),
        ]
    with asleep([*limits, *servers, *peers]):
        for _ in range(plan.rounds):
            # What is compared is measured one right after the other.
            for callers in sorted(CALLERS, key=lambda count: count != BATCH):
                for limit in limits if callers == BATCH else ():
                    with limit.awake():
                        results.add(limit.name, limit.rate(plan.seconds), "/s")
                for server in servers:
                    with server.awake():
                        came = flood_ours([server.port], callers, plan.seconds)
                    _add_flood(results, server, callers, came)
                for litserve in peers if callers in PEER_CALLERS else ():
                    with litserve.awake():
                        came = flood_peer(litserve.port, callers, plan.seconds)
                    _add_flood(results, litserve, callers, came)
        for program in (*servers, *peers):
            results.add(f"{program.name}, memory after load", program.memory, "MB")
    print(f"\nReference MobileNetV2, {len(photos())} photos in turn, {plan.rounds} rounds")
    results.print()
    for server in servers:
        at_32, alone = (_about(server, count) for count in (BATCH, 1))
        results.ratio(f"{at_32}, to a)", at_32, limits[0].name, "0.9")
        for litserve in peers:
            of_peer, peer_alone = (_about(litserve, count) for count in (BATCH, 1))
            results.ratio(f"{at_32}, to {litserve.name}", at_32, of_peer, "1.8")
            results.ratio(
                f"{alone}, median, to {litserve.name}",
                f"{alone}, median",
                f"{peer_alone}, median",
                "0.6 at most",
            )


def _ours(plan: Plan, runtime: str, folder: Path) -> OurServer:
    server = OurServer(f"b) ours, {runtime}", plan.servable, folder, f"--runtime={runtime}")
    if runtime != "tensorflow":
        server.settle()
    return server


def _settle(server: OurServer) -> None:
    if len(runtimes()) > 1:
        server.settle()


def _about(program: Program, callers: int) -> str:
    return f"{program.name}, {callers} caller{'s' if callers > 1 else ''}"


def _add_flood(results: Results, program: Program, callers: int, came: Flood) -> None:
    if came.refusals:
        raise SystemExit(f"{program.name} refused calls: {dict(came.refusals)}")
    if not came.latencies:
        raise SystemExit(f"{program.name} answered none of {callers} callers.")
    name = _about(program, callers)
    results.add(name, came.rate, "/s")
    results.add(f"{name}, median", came.median, "ms")
    results.add(f"{name}, p99", came.p99, "ms")


def overload(plan: Plan) -> None:
    """More callers than may wait: the rest is refused at once, and memory stays."""
    with OurServer("ours", plan.servable, plan.folder / "overload") as server:
        _settle(server)
        rest = server.memory
        calm = flood_ours([server.port], BATCH, plan.seconds)
        loaded = server.memory
        storm = flood_ours([server.port], OVERLOAD, 2 * plan.seconds)
        after = server.memory
    refused = storm.refusals.total()
    print(f"\nOverload: {OVERLOAD} callers, each waiting longer after each refusal")
    print(f"answers a second: {storm.rate:.1f} (with {BATCH} callers {calm.rate:.1f})")
    print(
        f"refused: {refused / (refused + len(storm.latencies)):.0%} of the calls, "
        f"{', '.join(storm.refusals) or 'none'}"
    )
    print(f"answered: median {storm.median:.0f} ms, p99 {storm.p99:.0f} ms")
    print(f"memory: {rest:.0f} MB at rest, {loaded:.0f} with {BATCH} callers, {after:.0f} after it")


def start(plan: Plan) -> None:
    """Cold start to AVAILABLE and memory, of the starter model and of the reference."""
    results = Results()
    starter = install_starter(ModelRepository(plan.folder / "models")).path.parent
    for number in range(plan.rounds):
        for name, model in (("starter", starter), ("reference", plan.servable)):
            for runtime in runtimes():
                folder = plan.folder / f"start-{name}-{runtime}-{number}"
                about = f"{name}, {runtime}"
                with OurServer(about, model, folder, f"--runtime={runtime}") as server:
                    results.add(f"{about}, to AVAILABLE", server.start_seconds, "s")
                    if runtime != "tensorflow":
                        server.settle()
                        spent = time.perf_counter() - server.started_at
                        results.add(f"{about}, to its own speed", spent, "s")
                    results.add(f"{about}, memory at rest", server.memory, "MB")
    print("\nCold start (aim for the starter: 4 s)")
    results.print()


def growth(plan: Plan) -> None:
    """1 to 4 instances, threads shared out as the engine of processes does it."""
    results = Results()
    for _ in range(max(1, plan.rounds - 1)):
        for count in range(1, MAX_INSTANCES + 1):
            _grow(plan, results, count)
    print(f"\nInstances on {core_count()} cores, 32 callers over all of them")
    results.print()


def _grow(plan: Plan, results: Results, count: int) -> None:
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
            _settle(server)
        name = f"{count} instance{'s' if count > 1 else ''} of {threads} threads"
        results.add(f"{name}, all AVAILABLE", max(s.start_seconds for s in servers), "s")
        results.add(f"{name}, memory at rest", sum(s.memory for s in servers), "MB")
        came = flood_ours([server.port for server in servers], BATCH, plan.seconds)
        results.add(f"{name}, answers", came.rate, "/s")
        results.add(f"{name}, p99", came.p99, "ms")
        results.add(f"{name}, memory under load", sum(s.memory for s in servers), "MB")


def _peer(named: str | None) -> str | None:
    """Return an interpreter that can run LitServe, or say what is missing."""
    python = named or sys.executable
    found = subprocess.run(
        [python, "-c", "import importlib.util as u, sys; sys.exit(not u.find_spec('litserve'))"],
        check=False,
    )
    if found.returncode == 0:
        return python
    print(
        f"LitServe is not installed for {python}, so nothing is compared with it. "
        "`python3 -m venv peer && peer/bin/pip install litserve tensorflow` installs it; "
        "then add --peer peer/bin/python."
    )
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how fast the model server answers.")
    parser.add_argument("--quick", action="store_true", help="one short round of everything")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--peer", help="interpreter that has litserve and tensorflow")
    parser.add_argument("--models", type=Path, help="what reference_model wrote before")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    arguments = parser.parse_args()
    if not DATA.is_dir():
        sys.exit(f"The data for this benchmark is not at {DATA}.")
    steps: dict[str, Callable[[Plan], None]] = {
        "compare": compare,
        "overload": overload,
        "start": start,
        "growth": growth,
    }
    with tempfile.TemporaryDirectory(prefix="servery-throughput-") as folder:
        models = arguments.models or _write_models(Path(folder) / "reference")
        plan = Plan(
            models=models,
            folder=Path(folder),
            rounds=1 if arguments.quick else arguments.rounds,
            seconds=2.0 if arguments.quick else arguments.seconds,
            litserve=_peer(arguments.litserve) if "compare" in arguments.parts else None,
        )
        for part in PARTS:
            if part in arguments.parts:
                print(f"load of the last minute before `{part}`: {os.getloadavg()[0]:.2f}")
                steps[part](plan)


def _write_models(folder: Path) -> Path:
    print("Exporting the reference model; --models FOLDER takes one that is there already.")
    subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.reference_model", str(folder)],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return folder


if __name__ == "__main__":
    main()
