"""A minute of calls while the version changes every few seconds: nothing may fail.

    python -m tests.benchmarks.serving_soak [--seconds 60] [--change 5] [--callers 32]
        [--runtime auto]

Each change puts another copy of the built-in model beside the one that is served, waits
until it is, and removes the one before.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
from pathlib import Path

import grpc

from serving.models.builtin.catalog import DEFAULT_BUILT_IN
from serving.models.builtin.install import install_built_in
from serving.models.repository import ModelRepository
from serving.tf.messages import get_model_status_pb2
from tests.benchmarks.reference_model import DATA
from tests.benchmarks.serving_throughput_load import MODEL, flood, grpc_callers, photos
from tests.benchmarks.serving_throughput_servers import OurServer

_STATUS = "/tensorflow.serving.ModelService/GetModelStatus"
_AVAILABLE = get_model_status_pb2.ModelVersionStatus.AVAILABLE
_END = get_model_status_pb2.ModelVersionStatus.END


async def change_versions(server: OurServer, model: Path, seconds: float, pause: float) -> int:
    """Replace the version every `pause` seconds; returns how many times."""
    number = 1
    loop = asyncio.get_running_loop()
    start = loop.time()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        status = channel.unary_unary(
            _STATUS, response_deserializer=get_model_status_pb2.GetModelStatusResponse.FromString
        )
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = MODEL
        while number * pause < seconds:
            await asyncio.sleep(start + number * pause - loop.time())
            before, number = number, number + 1
            staged = model.parent / f"staged-{number}"
            await asyncio.to_thread(shutil.copytree, model / str(before), staged)
            staged.rename(model / str(number))
            while True:
                rows = (await status(request.SerializeToString())).model_version_status
                states = {row.version: row.state for row in rows}
                if (states.get(number), states[before]) == (_AVAILABLE, _END):
                    break
                server.check_alive()
                await asyncio.sleep(0.05)
            await asyncio.to_thread(shutil.rmtree, model / str(before))
    return number - 1


async def soak(server: OurServer, model: Path, arguments: argparse.Namespace) -> bool:
    """Print the results, and return whether every call was answered."""
    memory = [server.memory]

    async def read_memory_half_way() -> None:
        await asyncio.sleep(arguments.seconds / 2)
        memory.append(server.memory)

    async with grpc_callers([server.port], arguments.callers, photos()) as call:
        result, changes, _ = await asyncio.gather(
            flood(call, arguments.callers, arguments.seconds, 0.0),
            change_versions(server, model, arguments.seconds, arguments.change),
            read_memory_half_way(),
        )
    failures = ", ".join(f"{count} {name}" for name, count in result.refusals.items())
    print(f"{len(result.latencies)} calls answered by {changes + 1} versions, {result.rate:.1f}/s")
    print(f"failures: {failures or 0}")
    print(f"latency: median {result.median:.0f} ms, p99 {result.p99:.0f} ms")
    memory.append(server.memory)
    print("memory: {:.0f} MB at first, {:.0f} half-way, {:.0f} at the end".format(*memory))
    return not result.refusals


def main() -> None:
    parser = argparse.ArgumentParser(description="Change versions under load.")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--change", type=float, default=5.0, help="seconds between changes")
    parser.add_argument("--callers", type=int, default=32)
    parser.add_argument("--runtime", default="auto")
    arguments = parser.parse_args()
    if not DATA.is_dir():
        sys.exit(f"The data for this benchmark is not at {DATA}.")
    print(f"load of the last minute: {os.getloadavg()[0]:.2f}")
    with tempfile.TemporaryDirectory(prefix="servery-soak-") as name:
        folder = Path(name)
        repository = ModelRepository(folder / "models")
        model = install_built_in(repository, DEFAULT_BUILT_IN).path.parent
        with OurServer("ours", model, folder / "run", f"--runtime={arguments.runtime}") as server:
            sys.exit(not asyncio.run(soak(server, model, arguments)))


if __name__ == "__main__":
    main()
