"""Photos a second of one server over a UNIX socket and over TCP, in turn.

    python -m tests.benchmarks.unix_sockets [--rounds 6] [--seconds 4] [--callers 16]

The server runs the smaller built-in model and listens on both. Small requests for its status,
which need no computation, show what the connection alone costs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from serving.models.builtin.catalog import built_in_model
from serving.models.builtin.install import write_built_in
from serving.predict.channels import open_channel
from serving.predict.request import predict_request, probe_jpeg
from serving.tf.messages import (
    get_model_status_pb2,
    model_service_pb2_grpc,
    prediction_service_pb2_grpc,
)
from serving.tf.names import CLASSIFY_SIGNATURE
from tests.benchmarks.measure import Figure
from tests.support.waiting import block_until

MODEL = "efficientnet-lite0"


async def rate(call: Callable[[], Awaitable[object]], seconds: float, callers: int) -> float:
    """Return how many calls a second are answered to so many callers."""
    answered = 0
    ends = time.monotonic() + seconds

    async def caller() -> None:
        nonlocal answered
        while time.monotonic() < ends:
            await call()
            answered += 1

    started = time.monotonic()
    await asyncio.gather(*(caller() for _ in range(callers)))
    return answered / (time.monotonic() - started)


async def measure(addresses: dict[str, str], rounds: int, seconds: float, callers: int) -> None:
    """Print the figures of each address."""
    status = get_model_status_pb2.GetModelStatusRequest()
    status.model_spec.name = MODEL
    photo = predict_request(MODEL, CLASSIFY_SIGNATURE, probe_jpeg())
    rates: dict[str, list[float]] = {}
    channels = {name: open_channel(address) for name, address in addresses.items()}
    for number in range(rounds):
        # Each is first as often as the other, since the machine may become busier meanwhile.
        for name, channel in sorted(channels.items(), reverse=bool(number % 2)):
            predict = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict
            ask = model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus
            for what, call in (
                ("photos", lambda predict=predict: predict(photo)),
                ("small requests", lambda ask=ask: ask(status)),
            ):
                found = await rate(call, seconds, callers)
                rates.setdefault(f"{what} over {name}", []).append(found)
    for name, values in sorted(rates.items()):
        print(Figure(name, values, "/s"), flush=True)
    for channel in channels.values():
        await channel.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--callers", type=int, default=16)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        (folder / MODEL / "1").mkdir(parents=True)
        write_built_in(folder / MODEL / "1", built_in_model(MODEL))
        ports = folder / "ports.json"
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "serving.model_server", "--port=0"),
                *(f"--model_name={MODEL}", f"--model_base_path={folder / MODEL}"),
                *(f"--ports_file={ports}", f"--grpc_socket_path={folder / 'g'}"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            block_until(ports.exists)
            port = json.loads(ports.read_text())["grpc"]
            addresses = {"TCP": f"127.0.0.1:{port}", "a UNIX socket": f"unix:{folder / 'g'}"}
            asyncio.run(measure(addresses, options.rounds, options.seconds, options.callers))
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
