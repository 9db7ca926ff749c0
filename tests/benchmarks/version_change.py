"""What callers notice of changes of version, and what memory many of them leave behind.

    python -m tests.benchmarks.version_change [--changes 12] [--starts 0] [--callers 32]
        [--pause 4] [--runtime auto] [--model FOLDER]

One server goes back and forth between two copies of the built-in model, as a promotion and a
roll-back have it do. A change lasts from the configuration that asks for it until the former
version is unloaded and the new one computes as fast as it will. Latencies of calls that are
answered during changes are compared with those of calls answered in the pauses between them,
which are as long as `--pause` says. `--changes 500 --callers 2 --pause 0` says what memory they
leave behind: what the process alone has written to, after the last and after the twentieth.

With `--starts`, another instance starts that often beside the one that answers, in a session that
leaves the processor to others, as the engine for processes has it when limits change.
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
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from serving.engines.session_priority import leave_processor_to_others
from serving.models.builtin.catalog import DEFAULT_BUILT_IN
from serving.models.builtin.install import install_built_in
from serving.models.repository import ModelRepository
from serving.tf.messages import (
    get_model_status_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
)
from tests.benchmarks.serving_throughput_load import MODEL, Call, grpc_callers, photos
from tests.benchmarks.serving_throughput_servers import OurServer

POLL_SECONDS = 0.02
WARM_UP_SECONDS = 5.0
FIRST_MEMORY = 20
"""The memory after so many changes is what later ones are compared with."""
_AVAILABLE = get_model_status_pb2.ModelVersionStatus.AVAILABLE
_END = get_model_status_pb2.ModelVersionStatus.END


@dataclass
class Record:
    """What was measured; times are in seconds."""

    calls: list[tuple[float, float]] = field(default_factory=list)
    """When each was answered, and how long that took."""
    failures: Counter[str] = field(default_factory=Counter)
    changes: list[tuple[float, float]] = field(default_factory=list)
    """When each began and ended."""
    memory: list[float] = field(default_factory=list)
    """Megabytes after each change."""
    without_version: int = 0
    """How often no version was available when the server was asked."""

    def latencies(self, during: bool) -> list[float]:
        """Return those of the calls answered in changes, or in the pauses between them."""
        pauses = [
            (before[1], after[0])
            for before, after in zip(self.changes, self.changes[1:], strict=False)
        ]
        spans = self.changes if during else pauses
        return [
            latency
            for answered, latency in self.calls
            if any(start <= answered < end for start, end in spans)
        ]


class _OtherServer(OurServer):
    own_session = True


async def start_others(
    model: Path, folder: Path, record: Record, starts: int, pause: float
) -> None:
    """Start another server so many times; each ends once it listens."""
    for number in range(starts):
        await asyncio.sleep(pause)
        started = time.perf_counter()
        log = folder / f"other-{number}"
        with _OtherServer("other", model, log, wait=False) as other:
            leave_processor_to_others(other.process.pid)
            while not other.listens:
                other.check()
                await asyncio.sleep(POLL_SECONDS)
            record.changes.append((started, time.perf_counter()))


async def change_versions(
    server: OurServer, model: Path, record: Record, changes: int, pause: float
) -> None:
    """Change between the versions 1 and 2 so many times."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        service = model_service_pb2_grpc.ModelServiceStub(channel)
        for number in range(changes):
            await asyncio.sleep(pause)
            before, after = (1, 2) if number % 2 == 0 else (2, 1)
            started = time.perf_counter()
            await service.HandleReloadConfigRequest(_configuration(model, after))
            while not await _is_changed(service, before, after, record):
                server.check_alive()
                await asyncio.sleep(POLL_SECONDS)
            while server.runtimes_chosen < number + 2:
                server.check_alive()
                await asyncio.sleep(POLL_SECONDS)
            record.changes.append((started, time.perf_counter()))
            record.memory.append(server.written_memory)


def _configuration(model: Path, version: int) -> model_management_pb2.ReloadConfigRequest:
    request = model_management_pb2.ReloadConfigRequest()
    entry = request.config.model_config_list.config.add()
    entry.name, entry.base_path, entry.model_platform = MODEL, str(model), "tensorflow"
    entry.model_version_policy.specific.versions.append(version)
    return request


async def _is_changed(
    service: model_service_pb2_grpc.ModelServiceStub, before: int, after: int, record: Record
) -> bool:
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = MODEL
    rows = (await service.GetModelStatus(request)).model_version_status
    states = {row.version: row.state for row in rows}
    record.without_version += _AVAILABLE not in states.values()
    return (states.get(after), states.get(before)) == (_AVAILABLE, _END)


async def measure(
    server: OurServer, arguments: argparse.Namespace, disturb: Callable[[Record], Awaitable[None]]
) -> Record:
    """Return what callers noticed while `disturb` went on."""
    record = Record()
    stopped = asyncio.Event()

    async def caller(call: Call, number: int) -> None:
        while not stopped.is_set():
            sent = time.perf_counter()
            failure = await call(number)
            number += arguments.callers
            answered = time.perf_counter()
            if failure:
                record.failures[failure] += 1
            else:
                record.calls.append((answered, answered - sent))

    async with (
        grpc_callers([server.port], max(1, arguments.callers), photos()) as call,
        asyncio.TaskGroup() as group,
    ):
        for number in range(arguments.callers):
            group.create_task(caller(call, number))
        await asyncio.sleep(WARM_UP_SECONDS)
        await disturb(record)
        await asyncio.sleep(arguments.pause)
        stopped.set()
    return record


def report(what: str, record: Record) -> None:
    """Print everything that was measured."""
    seconds = [end - start for start, end in record.changes]
    print(
        f"{len(record.changes)} {what}, each {statistics.median(seconds):.2f} s "
        f"({min(seconds):.2f} to {max(seconds):.2f}); calls answered: {len(record.calls)}, "
        f"failed: {dict(record.failures) or 0}; looks without an available version: "
        f"{record.without_version}"
    )
    pauses, during = record.latencies(False), record.latencies(True)
    if len(pauses) > 1 and len(during) > 1:
        for name, share in (("median", 0.5), ("p99", 0.99)):
            before, meanwhile = _quantile(pauses, share), _quantile(during, share)
            print(
                f"{name}: {1000 * before:.0f} ms between {what} ({len(pauses)} calls), "
                f"{1000 * meanwhile:.0f} ms during them ({len(during)}): "
                f"{meanwhile / before:.2f} times"
            )
    memory = record.memory
    if memory:
        marks = ", ".join(f"{memory[at]:.0f} MB after {at + 1}" for at in _marks(memory))
        print(f"memory: {marks}")
    if len(memory) > FIRST_MEMORY:
        print(
            f"after the last, to that after {FIRST_MEMORY}: "
            f"{memory[-1] / memory[FIRST_MEMORY - 1]:.3f} times (the median of the last ten "
            f"{statistics.median(memory[-10:]) / memory[FIRST_MEMORY - 1]:.3f})"
        )


def _quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[int(share * (len(values) - 1))]


def _marks(memory: Sequence[float]) -> list[int]:
    marks = {0, FIRST_MEMORY - 1, *range(99, len(memory), 100), len(memory) - 1}
    return sorted(mark for mark in marks if mark < len(memory))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--changes", type=int, default=12)
    parser.add_argument("--starts", type=int, default=0)
    parser.add_argument("--callers", type=int, default=32)
    parser.add_argument("--pause", type=float, default=4.0, help="seconds between two changes")
    parser.add_argument("--runtime", default="auto")
    parser.add_argument("--model", type=Path, help="one version; else that of the built-in model")
    arguments = parser.parse_args()
    print(f"load of the last minute: {os.getloadavg()[0]:.2f}", flush=True)
    with tempfile.TemporaryDirectory(prefix="servery-change-") as name:
        folder = Path(name)
        version = arguments.model
        if version is None:
            repository = ModelRepository(folder / "models")
            version = install_built_in(repository, DEFAULT_BUILT_IN).path
        model = folder / "two"
        for number in (1, 2):
            shutil.copytree(version, model / str(number))
        config = folder / "models.config"
        config.write_text(
            f'model_config_list {{ config {{ name: "{MODEL}" base_path: "{model}" '
            'model_platform: "tensorflow" model_version_policy { specific { versions: 1 } } } }'
        )
        flags = (f"--runtime={arguments.runtime}", f"--model_config_file={config}")
        with OurServer("ours", model, folder / "run", *flags) as server:

            async def change(record: Record) -> None:
                await change_versions(server, model, record, arguments.changes, arguments.pause)

            async def start(record: Record) -> None:
                await start_others(model, folder, record, arguments.starts, arguments.pause)

            server.wait_for_runtime()
            records = []
            for what, count, disturb in (
                ("changes", arguments.changes, change),
                ("starts", arguments.starts, start),
            ):
                if count:
                    records.append(asyncio.run(measure(server, arguments, disturb)))
                    report(what, records[-1])
    print(f"load of the last minute: {os.getloadavg()[0]:.2f}")
    sys.exit(any(record.failures or record.without_version for record in records))


if __name__ == "__main__":
    main()
