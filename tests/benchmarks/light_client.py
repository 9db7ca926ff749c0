"""The time and memory that importing the message classes takes, light and plain.

    python -m tests.benchmarks.light_client [--runs 5]

Each import runs in its own process, the two kinds in turn. Memory is the resident set of
the whole process after the import.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys

from tests.benchmarks.measure import Figure, print_ratio

IMPORTS = {
    "light": "import serving.tf.messages",
    "plain": (
        "from tensorflow_serving.apis import predict_pb2, get_model_status_pb2, "
        "get_model_metadata_pb2, prediction_service_pb2_grpc, model_service_pb2_grpc"
    ),
}
PROGRAM = """
import time
began = time.perf_counter()
{statement}
seconds = time.perf_counter() - began
import json, psutil
print(json.dumps([seconds, psutil.Process().memory_info().rss / 1e6]))
"""


def measure(statement: str) -> tuple[float, float]:
    """Return the seconds and megabytes of one import in a new process."""
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(statement=statement)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
    )
    seconds, megabytes = json.loads(result.stdout.splitlines()[-1])
    return seconds, megabytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    for statement in IMPORTS.values():
        measure(statement)
    measured: dict[str, list[tuple[float, float]]] = {kind: [] for kind in IMPORTS}
    for _ in range(runs):
        for kind, statement in IMPORTS.items():
            measured[kind].append(measure(statement))
    times = {
        kind: Figure(f"import, {kind}", [t for t, _ in measured[kind]], "s") for kind in IMPORTS
    }
    memory = {
        kind: Figure(f"memory, {kind}", [m for _, m in measured[kind]], "MB") for kind in IMPORTS
    }
    for figure in (*times.values(), *memory.values()):
        print(figure)
    print_ratio("import, plain to light", times["plain"], times["light"])
    print_ratio("memory, plain to light", memory["plain"], memory["light"])


if __name__ == "__main__":
    main()
