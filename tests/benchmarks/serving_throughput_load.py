"""Callers: each sends a photo, waits for the answer, and sends the next."""

from __future__ import annotations

import asyncio
import base64
import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc

from serving.tf.messages import predict_pb2
from tests.benchmarks.reference_model import DATA

MODEL = "model"
ANSWER_SECONDS = 60.0
_PREDICT = "/tensorflow.serving.PredictionService/Predict"
_MAX_CHANNELS = 8
_FIRST_PAUSE, _MAX_PAUSE = 0.05, 1.0
"""Seconds that a refused caller waits before its next request; twice as long each time."""

Call = Callable[[int], Awaitable[str]]
"""Send the photo of this number; returns "" if it was answered, otherwise the error."""


def say_rates(rate: Callable[[float], float]) -> None:
    """Say `0` once `rate` is warm, then its result for every line of the standard input.

    `rate` takes seconds, and returns the images that it answered a second.
    """
    rate(0.1)
    print(0, flush=True)
    for line in sys.stdin:
        print(rate(float(line)), flush=True)


def photos() -> list[bytes]:
    """Return the shared photos, in the order of their names."""
    return [path.read_bytes() for path in sorted((DATA / "photos").glob("*.JPEG"))]


@dataclass
class Flood:
    """The results of some seconds of calls."""

    seconds: float
    latencies: list[float] = field(default_factory=list)
    """Seconds, of the calls that were answered."""
    refusals: Counter[str] = field(default_factory=Counter)
    spent: float = 0.0
    """What grew meanwhile by this much, such as processor seconds."""

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.latencies) / self.seconds

    @property
    def median(self) -> float:
        """Milliseconds."""
        return 1000 * statistics.median(self.latencies)

    @property
    def p99(self) -> float:
        """Milliseconds."""
        return 1000 * sorted(self.latencies)[int(0.99 * (len(self.latencies) - 1))]


async def flood(
    call: Call,
    callers: int,
    seconds: float,
    warm_up_seconds: float,
    *,
    pauses: bool = True,
    meter: Callable[[], float] = float,
) -> Flood:
    """Let `callers` call for `warm_up_seconds` and then `seconds`; only the latter are counted.

    With `pauses`, callers that were refused wait before they try again. `Flood.spent` is by how
    much `meter` grew.
    """
    clock = time.perf_counter
    start = clock() + warm_up_seconds
    end = start + seconds
    outcome = Flood(seconds)

    async def caller(number: int) -> None:
        pause = _FIRST_PAUSE
        while (sent := clock()) < end:
            refusal = await call(number)
            number += callers
            now = clock()
            if start <= now < end:
                if refusal:
                    outcome.refusals[refusal] += 1
                else:
                    outcome.latencies.append(now - sent)
            if refusal and pauses:
                await asyncio.sleep(pause)
            pause = min(2 * pause, _MAX_PAUSE) if refusal else _FIRST_PAUSE

    async def read_meter() -> None:
        await asyncio.sleep(start - clock())
        before = meter()
        await asyncio.sleep(end - clock())
        outcome.spent = meter() - before

    await asyncio.gather(read_meter(), *map(caller, range(callers)))
    return outcome


def grpc_request(photo: bytes) -> bytes:
    """Return a Predict request for one photo, as it is sent."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name = MODEL
    request.model_spec.signature_name = "predict_images"
    proto = request.inputs["images"]
    proto.dtype = 7
    proto.tensor_shape.dim.add(size=1)
    proto.string_val.append(photo)
    return bytes(request.SerializeToString())


@asynccontextmanager
async def grpc_callers(
    ports: Sequence[int], callers: int, images: Sequence[bytes]
) -> AsyncIterator[Call]:
    """Yield a call over gRPC; with several servers, to each in turn."""
    requests = [grpc_request(image) for image in images]
    options = [("grpc.use_local_subchannel_pool", 1)]
    count = len(ports) * max(1, min(callers, _MAX_CHANNELS) // len(ports))
    channels = [
        grpc.aio.insecure_channel(f"127.0.0.1:{ports[number % len(ports)]}", options)
        for number in range(count)
    ]
    methods = [channel.unary_unary(_PREDICT) for channel in channels]

    async def call(number: int) -> str:
        method = methods[number % count]
        try:
            answer = await method(requests[number % len(requests)], timeout=ANSWER_SECONDS)
        except grpc.aio.AioRpcError as error:
            return str(error.code().name)
        return "" if len(answer) > 0 else "EMPTY"

    try:
        yield call
    finally:
        for channel in channels:
            await channel.close()


@asynccontextmanager
async def http_callers(port: int, callers: int, images: Sequence[bytes]) -> AsyncIterator[Call]:
    """Yield a call over HTTP, to a server that takes a photo as base64 in JSON."""
    bodies = [json.dumps({"image": base64.b64encode(image).decode()}).encode() for image in images]
    requests = [
        b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        for body in bodies
    ]
    async with posted_callers(port, callers, requests) as call:
        yield call


@asynccontextmanager
async def posted_callers(port: int, callers: int, requests: Sequence[bytes]) -> AsyncIterator[Call]:
    """Yield a call that sends one of `requests`, whole requests of HTTP.

    Each caller keeps a connection of its own, and what it sends is made beforehand:
    the client's share of the processor is as small as it can be.
    """
    connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(callers)]

    async def call(number: int) -> str:
        reader, writer = connections[number % callers]
        writer.write(requests[number % len(requests)])
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), ANSWER_SECONDS)
        status, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (x.partition(": ") for x in lines)}
        await reader.readexactly(int(headers["content-length"]))
        code = status.split()[1]
        return "" if code == "200" else code

    try:
        yield call
    finally:
        for _, writer in connections:
            writer.close()
