"""The log of a task, which its swarm gets from whichever node runs it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

from docker.types import CancellableStream

from serving.engines.docker.discovery import FoundEngine
from serving.errors import EngineError

RETRY_SECONDS = 5.0
"""How long to ask again: a manager knows a task to run before its node offers the log of it."""
SERVER_ERROR = 500
"""And above: the status of an answer by which the swarm, not the request, is at fault."""
_POLL_SECONDS = 0.25
_HEADER_BYTES = 8
"""Before each piece of output: which stream it is of, and its length as the last four of them."""


def read_log(found: FoundEngine, task: str, lines: int) -> str:
    """Return the last lines of a task's log; raises EngineError if its node does not answer."""
    deadline = time.monotonic() + RETRY_SECONDS
    while True:
        response = found.client.get(
            _url(found, task), params=_params(lines), timeout=found.client.timeout
        )
        if response.status_code < SERVER_ERROR or time.monotonic() >= deadline:
            break
        time.sleep(_POLL_SECONDS)
    _check(response)
    return b"".join(_pieces([response.content])).decode(errors="replace").rstrip("\n")


class FollowedLog:
    """Yields what a task has printed and prints, until it ends; another thread may close it."""

    def __init__(self, found: FoundEngine, task: str, lines: int) -> None:
        self._client = found.connect()
        self._url = _url(found, task)
        self._params = {**_params(lines), "follow": "1"}
        self._answer: CancellableStream[bytes] | None = None
        self._closed = False

    def __iter__(self) -> Iterator[bytes]:
        with self._client.get(
            self._url, params=self._params, stream=True, timeout=None
        ) as response:
            _check(response)
            self._answer = CancellableStream(response.iter_content(None), response)
            # `close` may have come between the request and this line, and found no answer to end.
            if not self._closed:
                yield from _pieces(self._answer)

    def close(self) -> None:
        self._closed = True
        try:
            if self._answer is not None:
                self._answer.close()
        finally:
            self._client.close()


def _url(found: FoundEngine, task: str) -> str:
    return f"{found.client.base_url}/v{found.client.api_version}/tasks/{task}/logs"


def _params(lines: int) -> dict[str, str]:
    return {"stdout": "1", "stderr": "1", "tail": str(lines)}


def _check(response: Any) -> None:
    if response.status_code < 400:
        return
    try:
        message = str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        message = str(response.text)
    raise EngineError(
        f"The swarm could not read the log: {message.strip().removesuffix('.')}.",
        "Try it again; its node may not answer.",
    )


def _pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Take the engine's headers out of a stream of output."""
    buffer = b""
    for chunk in chunks:
        buffer += chunk
        while len(buffer) >= _HEADER_BYTES:
            end = _HEADER_BYTES + int.from_bytes(buffer[4:_HEADER_BYTES], "big")
            if len(buffer) < end:
                break
            yield buffer[_HEADER_BYTES:end]
            buffer = buffer[end:]
