"""What familiarity and embedding cost beside the scores.

    python -m tests.benchmarks.familiarity_cost [--rounds 5] [--seconds 4]

The built-in model that people begin with is served by our model server three times: with its
scores alone, as it is installed, and with the familiarity of ten taught classes, the largest that
training writes. Each answers the shared photos to eight callers with everything that it has,
round after round, while the others are suspended.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from serving.models.builtin.catalog import DEFAULT_BUILT_IN
from serving.models.builtin.efficientnet import EMBEDDING_SIZE
from serving.models.builtin.install import install_built_in
from serving.models.familiarity import Familiarity, TaughtClasses
from serving.models.familiarity_graph import with_familiarity
from serving.models.repository import ModelRepository
from serving.tf.names import SAVED_MODEL_FILE
from tests.benchmarks.serving_throughput import WARM_UP_SECONDS, Results, flood_grpc, runtimes
from tests.benchmarks.serving_throughput_servers import OurServer, asleep

CALLERS = 8
CLASSES, SPREAD = 10, 256
ALONE = "scores alone"


def ten_classes() -> Familiarity:
    """Return a familiarity of the size that training writes for ten classes."""
    matrix = np.random.default_rng(0).normal(size=(EMBEDDING_SIZE, SPREAD + CLASSES + 1))
    offsets = np.zeros(CLASSES, np.float32)
    return Familiarity(taught=TaughtClasses(matrix.astype(np.float32), offsets, 0.0, 0.1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="servery-familiarity-") as name:
        folder = Path(name)
        servers = []
        for title, changed in (
            (ALONE, lambda content: with_familiarity(content, None)),
            ("as installed", lambda content: content),
            ("of ten taught classes", lambda content: with_familiarity(content, ten_classes())),
        ):
            repository = ModelRepository(folder / title)
            version = install_built_in(repository, DEFAULT_BUILT_IN)
            graph = version.path / SAVED_MODEL_FILE
            graph.write_bytes(changed(graph.read_bytes()))
            runtime = runtimes()[-1]
            flag = f"--runtime={runtime}"
            server = OurServer(title, version.path.parent, folder / f"{title}, log", flag)
            if runtime != "tensorflow":
                server.wait_for_runtime()
            servers.append(server)
        results = Results()
        with asleep(servers):
            for _ in range(arguments.rounds):
                for server in servers:
                    with server.awake():
                        before = server.processor_seconds
                        answered = flood_grpc([server.port], CALLERS, arguments.seconds)
                        spent = server.processor_seconds - before
                    # The callers' first answers, which are not counted, cost time as well.
                    share = arguments.seconds / (arguments.seconds + WARM_UP_SECONDS)
                    results.add(server.name, answered.rate, "/s")
                    milliseconds = 1000 * spent * share / len(answered.latencies)
                    results.add(f"{server.name}, processor", milliseconds, "ms")
        results.print()
        for server in servers[1:]:
            results.ratio(f"{server.name}, to {ALONE}", server.name, ALONE, "0.97")
            more, less = f"{server.name}, processor", f"{ALONE}, processor"
            results.ratio(f"{more}, to {ALONE}", more, less, "1.03 at most")


if __name__ == "__main__":
    main()
