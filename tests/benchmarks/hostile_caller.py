"""A caller who wants nothing but a photo classified, again and again, and notes how long it takes.

    python -m tests.benchmarks.hostile_caller "model server"|backend TARGET FILE

Appends a line to FILE for each call: when it began, when it was answered, and whether with classes.
"""

from __future__ import annotations

import http.client
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import grpc

from tests.benchmarks.attack import Target

_PAUSE_SECONDS = 0.02
_TIMEOUT_SECONDS = 60.0


def longest_wait(waits: Path, since: float) -> tuple[float, int]:
    """Return the longest wait of a call that was not over at `since`, and how many failed.

    One that is still waiting counts with what it has waited so far.
    """
    longest, failed = 0.0, 0
    for line in waits.read_text().splitlines():
        began, ended, answered = [*line.split(), "", ""][:3]
        end = float(ended) if ended else time.monotonic()
        if end >= since:
            longest = max(longest, end - float(began))
            failed += answered == "failed"
    return longest, failed


def ask_model_server(target: Target) -> Callable[[], bool]:
    from tests.benchmarks.raw_requests import field, predict, tensor

    request = predict(target.model, tensor(7, [1], field(8, target.photo)))
    channel = grpc.insecure_channel(target.grpc)
    call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")

    def ask() -> bool:
        with suppress(grpc.RpcError):
            return bool(call(request, timeout=_TIMEOUT_SECONDS))
        return False

    return ask


def ask_backend(target: Target) -> Callable[[], bool]:
    boundary = "photo"
    body = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'
    ).encode() + target.photo
    body += f"\r\n--{boundary}--\r\n".encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}

    def ask() -> bool:
        with suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection(*target.backend, timeout=_TIMEOUT_SECONDS)
            try:
                connection.request("POST", "/classify", body, headers)
                response = connection.getresponse()
                response.read()
                return response.status == 200
            finally:
                connection.close()
        return False

    return ask


def main(at: str, target_text: str, file: str) -> None:
    from tests.benchmarks.hostile import target_of

    target = target_of(target_text)
    ask = ask_backend(target) if at == "backend" else ask_model_server(target)
    with Path(file).open("w", buffering=1) as waits:
        while True:
            waits.write(f"{time.monotonic()} ")
            waits.flush()
            answered = ask()
            waits.write(f"{time.monotonic()} {'ok' if answered else 'failed'}\n")
            time.sleep(_PAUSE_SECONDS)


if __name__ == "__main__":
    main(*sys.argv[1:])
