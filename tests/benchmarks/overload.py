"""What is answered while twice as many callers as may wait never pause.

    python -m tests.benchmarks.overload [--model FOLDER] [--runtime auto] [--rounds 3]
        [--seconds 6] [--rest]

Rounds of 32 callers, which are answered at the best rate, and of 512, of which half may wait and
the others are refused, and try again at once. The callers run on the same machine. On one that
other programs use too, answers for each second of the processor, that of the callers included,
say more than those for each second of the clock.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import tempfile
from pathlib import Path

from serving.models.builtin.catalog import DEFAULT_BUILT_IN
from serving.models.builtin.install import install_built_in
from serving.models.repository import ModelRepository
from tests.benchmarks.measure import Figure
from tests.benchmarks.serving_throughput_load import Flood, flood, grpc_callers, photos
from tests.benchmarks.serving_throughput_servers import OurServer

BEST, MANY = 32, 512
WARM_UP_SECONDS = 3.0


def _own_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def measure(server: OurServer, callers: int, seconds: float) -> Flood:
    """Return the results of so many callers, with the processor seconds that they took."""

    async def run() -> Flood:
        async with grpc_callers([server.port], callers, photos()) as call:
            return await flood(
                *(call, callers, seconds, WARM_UP_SECONDS),
                pauses=False,
                meter=lambda: server.processor_seconds + _own_seconds(),
            )

    return asyncio.run(run())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", type=Path, help="a folder of versions; else the built-in model")
    parser.add_argument("--runtime", default="auto")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="servery-overload-") as name:
        folder = Path(name)
        model = arguments.model
        if model is None:
            model = install_built_in(
                ModelRepository(folder / "models"), DEFAULT_BUILT_IN
            ).path.parent
        values: dict[str, list[float]] = {}
        with OurServer("ours", model, folder / "run", f"--runtime={arguments.runtime}") as server:
            if arguments.runtime != "tensorflow":
                server.wait_for_runtime()
            print(f"load of the last minute: {os.getloadavg()[0]:.2f}", flush=True)
            memory = server.memory
            for _ in range(arguments.rounds):
                best = measure(server, BEST, arguments.seconds)
                many = measure(server, MANY, arguments.seconds)
                refused = many.refusals.total()
                spent = many.spent - best.spent / len(best.latencies) * len(many.latencies)
                for what, value in (
                    (f"{BEST} callers, answers/s", best.rate),
                    (f"{MANY} callers, answers/s", many.rate),
                    (f"{MANY} callers, refusals/s", refused / many.seconds),
                    (f"{MANY} callers, p99 of answers, ms", many.p99),
                    ("answers, to those of the best rate", many.rate / best.rate),
                    (
                        "answers for a processor second, the same",
                        len(many.latencies) / many.spent / (len(best.latencies) / best.spent),
                    ),
                    ("a refusal takes, ms of a core", 1000 * spent / max(1, refused)),
                    ("memory, to that at rest", server.memory / memory),
                ):
                    values.setdefault(what, []).append(value)
                print(dict(many.refusals), flush=True)
        for what, figures in values.items():
            print(Figure(what, figures, ""))


if __name__ == "__main__":
    main()
