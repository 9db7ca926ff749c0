"""The client of the backend's HTTP service, one method a route; light to import."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncGenerator
from typing import Any, TypeVar

import httpx

from backend.contract import (
    Classification,
    Event,
    Health,
    Label,
    LabelSummary,
    ModelSummary,
    TrainingRun,
    VersionSummary,
)
from backend.json_decode import decode
from backend.run_file import BackendRunFile
from serving.errors import BackendError
from serving.workspace import Workspace

T = TypeVar("T")

REQUEST_TIMEOUT = 30.0
"""Seconds that a response may take."""
_EVENT_TIMEOUT = 40.0
"""Seconds without an event or a heartbeat after which the connection counts as lost."""
_MIN_RECONNECT_DELAY, _MAX_RECONNECT_DELAY = 0.25, 5.0
"""Seconds."""
_TOPICS = ("labels", "training", "models")


class BackendRefused(BackendError):
    """The backend answered with an error; `status` is its code."""

    def __init__(self, status: int, what: str, advice: str) -> None:
        super().__init__(what, advice)
        self.status = status


class BackendClient:
    """Calls the backend at `url`. Every failure is a BackendError with a sentence.

    It is a BackendRefused if the backend answered with an error, and another
    BackendError if it could not be reached, in which case a retry may help.
    """

    def __init__(self, url: str, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        """`transport` replaces the network, for an application in the same process."""
        self.url = url.rstrip("/")
        self._http = httpx.AsyncClient(
            base_url=self.url,
            timeout=httpx.Timeout(REQUEST_TIMEOUT, connect=5.0),
            transport=transport,
            trust_env=False,
        )

    @classmethod
    async def find(cls, workspace: Workspace) -> BackendClient | None:
        """Return a client of the workspace's running backend, or None without one."""
        running = BackendRunFile.read(workspace)
        if running is None:
            return None
        client = cls(running.url)
        try:
            health = await client.health(timeout_seconds=3.0)
        except BackendError:
            health = None
        # Another program may have the port of a backend that crashed.
        if health is None or health.process != running.pid:
            await client.close()
            return None
        return client

    async def __aenter__(self) -> BackendClient:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection; a running `events` ends with an error."""
        await self._http.aclose()

    async def health(self, *, timeout_seconds: float = REQUEST_TIMEOUT) -> Health:
        return await self._request(Health, "GET", "/health", timeout=timeout_seconds)

    async def classify(self, image: bytes) -> Classification:
        """Classify an image file of any kind that Servery reads."""
        return await self._request(Classification, "POST", "/classify", files={"file": image})

    async def label(
        self, image: bytes, class_name: str, *, model: str | None = None, key: str | None = None
    ) -> Label:
        """Label `image` (a whole file) with `class_name`; it is on disk on return.

        `model` learns it; without one, the model that is current.
        With the same `key`, the same label may be sent again after a failure and is
        stored once.
        """
        return await self._request(
            Label,
            "POST",
            "/labels",
            params={"model": model} if model else None,
            files={"file": image},
            data={"class": class_name},
            headers={"Idempotency-Key": key or secrets.token_hex(16)},
        )

    async def undo_label(self, label_id: int) -> None:
        await self._send("DELETE", f"/labels/{label_id}")

    async def labels(self) -> LabelSummary:
        return await self._request(LabelSummary, "GET", "/labels")

    async def train(self) -> TrainingRun:
        """Queue a training run; see `events` and `training_run` for its progress."""
        return await self._request(TrainingRun, "POST", "/training")

    async def training_runs(self) -> list[TrainingRun]:
        """Return every run, newest first."""
        return await self._request(list[TrainingRun], "GET", "/training")

    async def training_run(self, run_id: str) -> TrainingRun:
        return await self._request(TrainingRun, "GET", f"/training/{run_id}")

    async def cancel_training(self, run_id: str) -> TrainingRun:
        """Stop a run; returns it once it has stopped."""
        return await self._request(TrainingRun, "DELETE", f"/training/{run_id}")

    async def models(self) -> list[ModelSummary]:
        return await self._request(list[ModelSummary], "GET", "/models")

    async def versions(self, model: str) -> list[VersionSummary]:
        """Return the versions of `model`, newest first."""
        return await self._request(list[VersionSummary], "GET", f"/models/{model}/versions")

    async def promote(self, model: str, number: int) -> VersionSummary:
        """Make a version the one that the fleet serves; rolling back is the same."""
        return await self._request(
            VersionSummary, "POST", f"/models/{model}/versions/{number}/promote"
        )

    async def events(self) -> AsyncGenerator[Event, None]:
        """Yield what changed, without end; reconnects by itself.

        After each connection comes one event of each topic, since things may have
        changed while there was none.
        """
        delay = _MIN_RECONNECT_DELAY
        while True:
            self._check_open()
            try:
                async with self._http.stream(
                    "GET", "/events", timeout=httpx.Timeout(_EVENT_TIMEOUT, connect=5.0)
                ) as response:
                    response.raise_for_status()
                    delay = _MIN_RECONNECT_DELAY
                    for topic in _TOPICS:
                        yield Event(topic)
                    async for line in response.aiter_lines():
                        event = _event(line)
                        if event is not None:
                            yield event
            except (httpx.HTTPError, httpx.StreamError):
                pass
            await asyncio.sleep(delay)
            delay = min(2 * delay, _MAX_RECONNECT_DELAY)

    async def _request(self, kind: type[T], method: str, path: str, **request: Any) -> T:
        response = await self._send(method, path, **request)
        try:
            return decode(kind, response.json())
        except ValueError as error:
            raise BackendError(
                f"The response from {self.url} cannot be understood.",
                "Check that it is a Servery backend of the same version.",
            ) from error

    async def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        self._check_open()
        try:
            response = await self._http.request(method, path, **request)
        except httpx.TimeoutException as error:
            raise BackendError(
                f"The backend at {self.url} did not answer in time.", "Try again."
            ) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise BackendError(
                f"The backend at {self.url} cannot be reached.",
                "Start it with `servery serve`, or open Servery's window.",
            ) from error
        if response.is_success:
            return response
        raise self._refused(response)

    def _check_open(self) -> None:
        if self._http.is_closed:
            raise BackendError(
                "The connection to the backend was closed.", "Open Servery again to continue."
            )

    def _refused(self, response: httpx.Response) -> BackendRefused:
        try:
            raw = response.json()
            return BackendRefused(response.status_code, str(raw["error"]), str(raw["advice"]))
        except (ValueError, KeyError, TypeError):
            return BackendRefused(
                response.status_code,
                f"The server at {self.url} answered {response.status_code}.",
                "Check that it is a Servery backend.",
            )


def _event(line: str) -> Event | None:
    if not line.startswith("data:"):
        return None
    try:
        return decode(Event, json.loads(line.removeprefix("data:")))
    except ValueError:
        return None
