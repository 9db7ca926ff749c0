"""What it takes to start or wake a server, and to load another version of the same network.

    python -m tests.benchmarks.version_load [--rounds 8] [--model FOLDER]

A server of one thread serves the built-in model: the processor's time until it listens, its memory
then and after some calls, and what the first call to one that sleeps takes. In this process,
versions that differ in their number alone are loaded one after the other, as a change of version
does: the processor's time, and for how long other threads of Python did not get on meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import tempfile
import threading
import time
from pathlib import Path

import grpc
import psutil

from serving.model_server.loader import AUTO, Loader
from serving.models.builtin.catalog import DEFAULT_BUILT_IN
from serving.models.builtin.install import install_built_in
from serving.models.repository import ModelRepository
from serving.predict.request import predict_method, predict_request
from serving.tf.cores import core_count
from serving.tf.free_memory import allocate_from_few_arenas, return_large_blocks_at_once
from serving.tf.names import CLASSIFY_SIGNATURE
from tests.benchmarks.measure import Figure
from tests.benchmarks.serving_throughput_load import MODEL, grpc_callers, photos
from tests.benchmarks.serving_throughput_servers import OurServer

CALLERS, CALLS = 16, 12
TICK_SECONDS = 0.0005


class LockWatch(threading.Thread):
    """Notes for how long it did not get on, in milliseconds."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.longest = 0.0
        self._ends = threading.Event()

    def run(self) -> None:
        last = time.perf_counter()
        while not self._ends.is_set():
            time.sleep(TICK_SECONDS)
            now = time.perf_counter()
            self.longest = max(self.longest, 1000 * (now - last - TICK_SECONDS))
            last = now

    def end(self) -> float:
        """Return the longest time."""
        self._ends.set()
        self.join()
        return self.longest


async def call_server(port: int) -> None:
    async with grpc_callers([port], CALLERS, photos()) as call:

        async def caller(number: int) -> None:
            for at in range(CALLS):
                failure = await call(number + CALLERS * at)
                if failure:
                    raise SystemExit(f"A call failed: {failure}")

        await asyncio.gather(*map(caller, range(CALLERS)))


def measure_starts(model: Path, folder: Path, rounds: int) -> None:
    starts: list[float] = []
    rest: list[float] = []
    used: list[float] = []
    for number in range(rounds):
        flags = ("--runtime=auto", "--tensorflow_session_parallelism=1")
        with OurServer("ours", model, folder / str(number), *flags) as server:
            starts.append(server.processor_seconds)
            rest.append(server.written_memory)
            asyncio.run(call_server(server.port))
            used.append(server.written_memory)
    print(Figure("start until it listens, of a core", starts, "s"))
    print(Figure("memory that it alone has written to, then", rest, "MB"))
    print(Figure(f"the same after {CALLERS * CALLS} calls of {CALLERS} callers", used, "MB"))


class SleepingServer(OurServer):
    """A server on UNIX sockets that falls asleep after a second."""

    own_session = True

    def __init__(self, model: Path, folder: Path) -> None:
        self.socket = folder / "g.sock"
        super().__init__(
            *("sleeping", model, folder, "--runtime=auto", "--tensorflow_session_parallelism=1"),
            *("--enable_tcp=false", "--sleep_after_seconds=1"),
            *(f"--grpc_socket_path={self.socket}", f"--rest_api_socket_path={folder / 'r.sock'}"),
            wait=False,
        )

    def wait_until_asleep(self) -> None:
        while "-S" not in psutil.Process(self.process.pid).cmdline():
            self.check()
            time.sleep(0.05)


async def ask(path: Path) -> None:
    async with grpc.aio.insecure_channel(f"unix:{path}") as channel:
        request = predict_request(MODEL, CLASSIFY_SIGNATURE, photos()[0], None)
        await predict_method(channel)(request.content, timeout=60, wait_for_ready=True)


def measure_wakes(model: Path, folder: Path, rounds: int) -> None:
    waits: list[float] = []
    spent: list[float] = []
    with SleepingServer(model, folder) as server:
        for _ in range(rounds):
            server.wait_until_asleep()
            started, before = time.perf_counter(), server.processor_seconds
            asyncio.run(ask(server.socket))
            waits.append(time.perf_counter() - started)
            spent.append(server.processor_seconds - before)
    print(Figure("from the first call to its answer, asleep", waits, "s"))
    print(Figure("the same, of a core", spent, "s"))


def measure_loads(model: Path, rounds: int) -> None:
    return_large_blocks_at_once()
    allocate_from_few_arenas(max(2, core_count()))
    loader = Loader(
        intra_op_threads=1, inter_op_threads=1, runtime=AUTO, refuses_unsafe=True, root=model
    )
    served = loader.load(MODEL, 1, model / "1")
    spent: list[float] = []
    held: list[float] = []
    for number in range(2, 2 + rounds):
        (model / str(number)).symlink_to(model / "1")
        watch = LockWatch()
        watch.start()
        before = time.process_time()
        loaded = loader.load(MODEL, number, model / str(number))
        spent.append(1000 * (time.process_time() - before))
        held.append(watch.end())
        served.session.close()
        served = loaded
    print(Figure("another version is loaded, of a core", spent, "ms"))
    print(Figure("longest for which other threads did not get on", held, "ms"))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--model", type=Path, help="one version; else that of the built-in model")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="servery-load-") as name:
        folder = Path(name)
        version = arguments.model
        if version is None:
            version = install_built_in(ModelRepository(folder / "models"), DEFAULT_BUILT_IN).path
        model = folder / "model"
        shutil.copytree(version, model / "1")
        measure_starts(model, folder, max(1, arguments.rounds // 2))
        measure_wakes(model, folder / "wake", max(1, arguments.rounds // 2))
        measure_loads(model, arguments.rounds)


if __name__ == "__main__":
    main()
