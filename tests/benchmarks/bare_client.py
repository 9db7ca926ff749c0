"""The least that classifying photos takes: files are read and sent by gRPC, no more.

    python -m tests.benchmarks.bare_client ADDRESS,ADDRESS MODEL < PATHS

Prints the seconds and the processor seconds of this program.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
from pathlib import Path

from desktop.classify.classify_images import MAX_CONCURRENCY
from serving.predict.channels import open_channel
from serving.predict.request import predict_method, predict_request
from serving.tf.names import CLASSIFY_SIGNATURE


async def classify(addresses: list[str], model: str, photos: list[Path]) -> None:
    """Have the servers answer all photos, as many at a time as the window has."""
    channels = [open_channel(address) for address in addresses]
    waiting = iter(photos)

    async def work(channel: object) -> None:
        method = predict_method(channel)
        for photo in waiting:
            jpeg = await asyncio.to_thread(photo.read_bytes)
            await method(predict_request(model, CLASSIFY_SIGNATURE, jpeg).content)

    async with asyncio.TaskGroup() as group:
        for channel, _ in zip(itertools.cycle(channels), range(MAX_CONCURRENCY), strict=False):
            group.create_task(work(channel))
    for channel in channels:
        await channel.close()


def main() -> None:
    addresses, model = sys.argv[1].split(","), sys.argv[2]
    photos = [Path(line) for line in sys.stdin.read().splitlines()]
    began, computed = time.perf_counter(), time.process_time()
    asyncio.run(classify(addresses, model, photos))
    print(time.perf_counter() - began, time.process_time() - computed)


if __name__ == "__main__":
    main()
