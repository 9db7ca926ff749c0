"""How fast the model server answers, compared with TensorFlow alone and with LitServe.

    python -m tests.benchmarks.serving_throughput [--quick] [--parts PART ...]
        [--litserve PYTHON] [--models FOLDER] [--built-in NAME] [--rounds 3] [--seconds 5]

Everything runs on the reference MobileNetV2 (`compare` with `--built-in` on a built-in model) and
the photos of the shared data:

- `compare`: the limits, which are TensorFlow in-process at batch 32, and decoding and OpenVINO
  in-process; our server over gRPC with 1, 8, 32 and 128 callers, on each runtime that is
  installed; LitServe with dynamic batching over the plain Keras export. All are started first,
  then measured in turn, round after round, while the others are suspended;
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
from serving.tf.runtime_choice import OPENVINO
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
ROWS_PER_CORE = 4
"""Of a batch of our server."""
IN_PROCESS = "in-process, our version"
WARM_UP_SECONDS = 2.0
"""Calls in this time are not counted: batches grow to their size."""
CALLERS = (1, 8, 32, 128)
LITSERVE_CALLERS = (1, 32)
MAX_INSTANCES = 4
PARTS = ("compare", "start", "scaling")


@dataclass(frozen=True)
class Plan:
    """What to measure, and how long."""

    models: Path
    folder: Path
    """For logs and ports files."""
    rounds: int
    seconds: float
    litserve: str | None
    built_in: str | None = None
    """What `compare` measures in place of the reference model."""

    @property
    def servable(self) -> Path:
        return self.models / "servable"

    @property
    def compared(self) -> Path:
        """The model that `compare` serves."""
        if self.built_in is None:
            return self.servable
        repository = ModelRepository(self.folder / "compared")
        return install_built_in(repository, self.built_in).path.parent

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


def flood_litserve(ports: Sequence[int], callers: int, seconds: float) -> Flood:
    async def run() -> Flood:
        async with http_callers(ports[0], callers, photos()) as call:
            return await flood(call, callers, seconds, WARM_UP_SECONDS)

    return asyncio.run(run())


def compare(plan: Plan) -> None:
    """(a) the limit, (b) our server, (c) LitServe; all in turn."""
    results = Results()
    logs = plan.folder
    onednn = {ONEDNN: "1"}
    model = plan.compared
    limits = {"tensorflow": InProcess(f"a) {IN_PROCESS}", model, BATCH, logs / "a1", **onednn)}
    if OPENVINO in runtimes():
        rows = ROWS_PER_CORE * max(2, core_count())
        limits[OPENVINO] = InProcess(
            "a) decoding and OpenVINO in-process", model, rows, logs / "a3", runtime=OPENVINO
        )
    others = []
    servers = {runtime: _ours(model, runtime, logs / runtime) for runtime in runtimes()}
    litserves = []
    if plan.built_in is None:
        others.append(InProcess("a) in-process, plain export", plan.plain, BATCH, logs / "a2"))
    if plan.litserve and plan.built_in is None:
        litserves = [
            LitServer("c) LitServe", plan.litserve, plan.plain, logs / "c1"),
            LitServer("c) LitServe with oneDNN", plan.litserve, plan.plain, logs / "c2", **onednn),
        ]
    in_process = [*limits.values(), *others]
    with asleep([*in_process, *servers.values(), *litserves]):
        for _ in range(plan.rounds):
            # What is compared is measured one right after the other.
            for callers in sorted(CALLERS, key=lambda count: count != BATCH):
                for limit in in_process if callers == BATCH else ():
                    _add_limit(results, limit, plan.seconds)
                for server in servers.values():
                    _add_flood(results, server, callers, flood_grpc, plan.seconds)
                for litserve in litserves if callers in LITSERVE_CALLERS else ():
                    _add_flood(results, litserve, callers, flood_litserve, plan.seconds)
        for program in (*servers.values(), *litserves):
            results.add(f"{program.name}, memory after load", program.memory, "MB")
            results.add(f"{program.name}, of that its own", program.own_memory, "MB")
    name = plan.built_in or "Reference MobileNetV2"
    print(f"\n{name}, {len(photos())} photos in turn, {plan.rounds} rounds")
    results.print()
    for runtime, server in servers.items():
        at_32, at_8, alone = (_label(server, count) for count in (BATCH, 8, 1))
        results.ratio(f"{at_32}, to a)", at_32, limits[runtime].name, "0.85")
        results.ratio(
            f"{at_32}, a)'s processor time to its own",
            _processor(limits[runtime].name),
            _processor(at_32),
            "0.85",
        )
        results.ratio(f"{at_32}, to 8 callers", at_32, at_8, "1")
        if runtime != "tensorflow":
            plain = _label(servers["tensorflow"], BATCH)
            results.ratio(f"{at_32}, to TensorFlow", at_32, plain, "2")
        for litserve in litserves:
            litserve_at_32, litserve_alone = (_label(litserve, count) for count in (BATCH, 1))
            results.ratio(f"{at_32}, to {litserve.name}", at_32, litserve_at_32, "2.5")
            results.ratio(
                f"{at_32}, {litserve.name}'s processor time to its own",
                _processor(litserve_at_32),
                _processor(at_32),
                "2.5",
            )
            results.ratio(
                f"{alone}, median, to {litserve.name}",
                f"{alone}, median",
                f"{litserve_alone}, median",
                "0.45 at most",
            )


def _ours(model: Path, runtime: str, folder: Path) -> OurServer:
    server = OurServer(f"b) ours, {runtime}", model, folder, f"--runtime={runtime}")
    if runtime != "tensorflow":
        server.wait_for_runtime()
    return server


def _wait_for_runtime(server: OurServer) -> None:
    if len(runtimes()) > 1:
        server.wait_for_runtime()


def _label(program: Program, callers: int) -> str:
    return f"{program.name}, {callers} caller{'s' if callers > 1 else ''}"


def _add_limit(results: Results, limit: InProcess, seconds: float) -> None:
    with limit.awake():
        before = limit.processor_seconds
        rate = limit.rate(seconds)
        spent = limit.processor_seconds - before
    results.add(limit.name, rate, "/s")
    results.add(_processor(limit.name), 1000 * spent / (rate * seconds), "ms")


def _processor(name: str) -> str:
    """The figure that a busy machine disturbs least: processor time for an answer."""
    return f"{name}, processor"


def _add_flood(
    results: Results,
    program: OurServer | LitServer,
    callers: int,
    run: Callable[[Sequence[int], int, float], Flood],
    seconds: float,
) -> None:
    with program.awake():
        before = program.processor_seconds
        result = run([program.port], callers, seconds)
        spent = program.processor_seconds - before
    if result.refusals:
        raise SystemExit(f"{program.name} refused calls: {dict(result.refusals)}")
    if not result.latencies:
        raise SystemExit(f"{program.name} answered none of {callers} callers.")
    name = _label(program, callers)
    results.add(name, result.rate, "/s")
    # What is answered while it warms up takes time, too.
    answers = result.rate * (WARM_UP_SECONDS + seconds)
    results.add(_processor(name), 1000 * spent / answers, "ms")
    results.add(f"{name}, median", result.median, "ms")
    results.add(f"{name}, p99", result.p99, "ms")


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


def litserve_python(requested: str | None) -> str | None:
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
    parser.add_argument("--built-in", help="the built-in model that `compare` measures")
    parser.add_argument("--models", type=Path, help="output of reference_model")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    arguments = parser.parse_args()
    if not DATA.is_dir():
        sys.exit(f"The data for this benchmark is not at {DATA}.")
    steps: dict[str, Callable[[Plan], None]] = {
        "compare": compare,
        "start": start,
        "scaling": scaling,
    }
    with tempfile.TemporaryDirectory(prefix="servery-throughput-") as folder:
        models = arguments.models or write_models(Path(folder) / "reference")
        plan = Plan(
            models=models,
            folder=Path(folder),
            rounds=1 if arguments.quick else arguments.rounds,
            seconds=2.0 if arguments.quick else arguments.seconds,
            litserve=litserve_python(arguments.litserve) if "compare" in arguments.parts else None,
            built_in=arguments.built_in,
        )
        for part in PARTS:
            if part in arguments.parts:
                print(f"load of the last minute before `{part}`: {os.getloadavg()[0]:.2f}")
                steps[part](plan)


def write_models(folder: Path) -> Path:
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
