"""Requests whose body or answer is long: loading, building, pulling, pushing, saving."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from docker.types import CancellableStream

from serving.engines.docker.discovery import FoundEngine
from serving.engines.docker.errors import SEE_ENGINE_LOG, disk_advice
from serving.errors import EngineError, reading_error

CHUNK_BYTES = 2**20


class TransferClosed(Exception):
    """The transfer was closed while it ran."""


class Transfer:
    """Posts `body` and yields the messages of the answer; another thread may close it.

    Raises EngineError if the engine refuses.
    """

    def __init__(
        self,
        found: FoundEngine,
        path: str,
        params: Mapping[str, str],
        body: Iterable[bytes] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.sent = 0
        """Bytes of the body so far."""
        self._client = found.connect()
        self._url = f"{self._client.base_url}/v{self._client.api_version}{path}"
        self._params = params
        self._headers = {"Content-Type": "application/x-tar", **(headers or {})}
        self._body = body
        self._answer: CancellableStream[bytes] | None = None
        self._closed = False

    def __iter__(self) -> Iterator[dict[str, Any]]:
        with self._client.post(
            self._url,
            params=dict(self._params),
            headers=self._headers,
            data=self._chunks(),
            stream=True,
            timeout=None,
        ) as response:
            if response.status_code >= 400:
                raise _refusal(response.text)
            self._answer = CancellableStream(response.iter_lines(), response)
            # `close` may have come between the request and this line, and found no answer to end.
            if self._closed:
                raise TransferClosed
            for line in self._answer:
                if line.strip():
                    yield json.loads(line)

    def close(self) -> None:
        self._closed = True
        try:
            if self._answer is not None:
                self._answer.close()
        finally:
            self._client.close()

    def _chunks(self) -> Iterator[bytes]:
        chunks = iter(self._body)
        while not self._closed:
            try:
                chunk = next(chunks)
            except StopIteration:
                return
            except OSError as error:
                raise reading_error(
                    error,
                    "A file that was being sent",
                    "Check that the files exist and do not change meanwhile.",
                    EngineError,
                ) from error
            yield chunk
            self.sent += len(chunk)
        raise TransferClosed


class Download:
    """Gets `path` and yields the answer's bytes; another thread may close it.

    Raises EngineError if the engine refuses.
    """

    def __init__(self, found: FoundEngine, path: str) -> None:
        self._client = found.connect()
        self._url = f"{self._client.base_url}/v{self._client.api_version}{path}"
        self._answer: CancellableStream[bytes] | None = None
        self._closed = False

    def __iter__(self) -> Iterator[bytes]:
        with self._client.get(self._url, stream=True, timeout=None) as response:
            if response.status_code >= 400:
                raise _refusal(response.text)
            self._answer = CancellableStream(response.iter_content(CHUNK_BYTES), response)
            if self._closed:  # as in `Transfer`
                raise TransferClosed
            yield from self._answer

    def close(self) -> None:
        self._closed = True
        try:
            if self._answer is not None:
                self._answer.close()
        finally:
            self._client.close()


def _refusal(text: str) -> EngineError:
    message = f"{_message(text).removesuffix('.')}."
    return EngineError(
        f"The container engine refused: {message}", disk_advice(message) or SEE_ENGINE_LOG
    )


def _message(text: str) -> str:
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text.strip()
