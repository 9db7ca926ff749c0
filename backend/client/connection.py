"""The connection to the backend: requests, their errors, and its events."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator
from typing import Any, Self, TypeVar

import httpx

from backend.client.transport import BackendTransport
from backend.contract import Event
from backend.peer import is_loopback, is_person_or_root, owner_of_listener
from serving.access_token import AccessToken
from serving.errors import BackendError
from serving.json_decode import decode
from serving.progress import Report

T = TypeVar("T")

REQUEST_TIMEOUT = 30.0
"""Seconds that a response may take."""
LONG_TIMEOUT = 300.0
"""Seconds that a response may take for which models are loaded or many files are read."""
_EVENT_TIMEOUT = 40.0
"""Seconds without an event or a heartbeat after which the connection counts as lost."""
_MIN_RECONNECT_DELAY, _MAX_RECONNECT_DELAY = 0.25, 5.0
"""Seconds."""
_TOPICS = ("labels", "training", "models")
_MISSED = "missed"
"""The topic that says that there were more events than the backend kept."""


class BackendRefused(BackendError):
    """The backend answered with an error; `status` is its code."""

    def __init__(self, status: int, what: str, advice: str) -> None:
        super().__init__(what, advice)
        self.status = status


class BackendConnection:
    """Calls the backend at `url`. Every failure is a BackendError with a sentence.

    It is a BackendRefused if the backend answered with an error, and another
    BackendError if it could not be reached, in which case a retry may help.
    """

    def __init__(
        self,
        url: str,
        *,
        token: AccessToken | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """`token` is sent where there is one, as the backend asks for at addresses beyond loopback.

        `url` is empty while there is no backend: see `move`. `transport` replaces the network,
        for an application in the same process.
        """
        self.url = url.rstrip("/")
        self._token = token
        self._http = httpx.AsyncClient(
            base_url=self.url,
            timeout=httpx.Timeout(REQUEST_TIMEOUT, connect=5.0),
            transport=transport or BackendTransport(),
            verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),  # for no transport: those have theirs
            trust_env=False,
            event_hooks={"request": [self._authorize]},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection; a running `events` ends with an error."""
        await self._http.aclose()

    def move(self, url: str) -> None:
        """Call the backend at `url` from now on; with an empty one, every call fails at once.

        So no request goes to another program that gets the port of a backend that ended.
        """
        self.url = url.rstrip("/")
        self._http.base_url = httpx.URL(self.url)

    async def events(self) -> AsyncGenerator[Event, None]:
        """Yield what changed, without end; reconnects by itself.

        After each connection comes one event of each topic, since things may have
        changed while there was none.
        """
        delay = _MIN_RECONNECT_DELAY
        while True:
            self._check_open()
            if not self.url:
                await asyncio.sleep(_MIN_RECONNECT_DELAY)
                continue
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
                        if event is None:
                            continue
                        if event.topic == _MISSED:
                            for topic in _TOPICS:
                                yield Event(topic)
                        else:
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
            raise self._not_understood() from error

    async def _stream(self, kind: type[T], path: str, report: Report, **request: Any) -> T:
        """Return what comes at the end of a long answer; `report` gets how far it is.

        If this is cancelled, so is the work.
        """
        self._check_open()
        if not self.url:
            raise _not_running()
        timeout = httpx.Timeout(LONG_TIMEOUT, connect=5.0)
        try:
            async with self._http.stream("POST", path, timeout=timeout, **request) as response:
                if not response.is_success:
                    await response.aread()
                    raise self._refused(response)
                message: dict[str, Any] = {}
                # To its end, or the connection could not be used again.
                async for line in response.aiter_lines():
                    message = json.loads(line)
                    if "text" in message:
                        report(int(message["done"]), int(message["total"]), str(message["text"]))
            if "result" in message:
                return decode(kind, message["result"])
            if "problem" in message:
                raise _refusal(message["problem"])
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._unreachable(error) from error
        except (ValueError, KeyError, TypeError) as error:
            raise self._not_understood() from error
        raise BackendError(
            f"The backend at {self.url} ended before it was done.",
            "Start it again, then try again.",
        )

    async def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        self._check_open()
        if not self.url:
            raise _not_running()
        try:
            response = await self._http.request(method, path, **request)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._unreachable(error) from error
        if response.is_success:
            return response
        raise self._refused(response)

    async def _authorize(self, request: httpx.Request) -> None:
        """Say who asks, and only to a program of the person: another may have taken the port."""
        owner = _listener_owner(request.url)
        # Whoever has the port has some certificate, which says nothing there.
        needs_owner = request.url.scheme == "https" and is_loopback(request.url.host)
        if (owner is not None or needs_owner) and not is_person_or_root(owner):
            raise BackendError(
                f"A program of another user answers at {self.url}.",
                "Start the backend again: `servery serve`, or Servery's window.",
            )
        token = self._token.read() if self._token else None
        if token is not None:
            request.headers["Authorization"] = f"Bearer {token}"

    def _check_open(self) -> None:
        if self._http.is_closed:
            raise BackendError(
                "The connection to the backend was closed.", "Open Servery again to continue."
            )

    def _unreachable(self, error: httpx.HTTPError | httpx.InvalidURL) -> BackendError:
        if isinstance(error, httpx.TimeoutException):
            return BackendError(
                f"The backend at {self.url} did not answer in time.",
                "Try again in a minute; if it is still so, end it with `servery stop`, then start"
                " Servery again.",
            )
        return BackendError(
            f"The backend at {self.url} cannot be reached.",
            "Start it with `servery serve`, or open Servery's window.",
        )

    def _not_understood(self) -> BackendError:
        return BackendError(
            f"The response from {self.url} cannot be understood.",
            "Check that it is a Servery backend of the same version.",
        )

    def _refused(self, response: httpx.Response) -> BackendRefused:
        try:
            return _refusal(response.json())
        except (ValueError, KeyError, TypeError):
            return BackendRefused(
                response.status_code,
                f"The server at {self.url} answered {response.status_code}.",
                "Check that it is a Servery backend.",
            )


def _refusal(problem: dict[str, Any]) -> BackendRefused:
    """Return the error of problem details; raises ValueError, KeyError or TypeError."""
    status = int(problem["status"])
    return BackendRefused(status, str(problem["detail"]), str(problem["advice"]))


def _not_running() -> BackendError:
    return BackendError(
        "The backend is not running at the moment.",
        "It is started again as soon as that is possible.",
    )


def _listener_owner(url: httpx.URL) -> int | None:
    """Return which user's program listens at an address of this machine; None elsewhere."""
    try:
        return owner_of_listener((url.host, url.port or (443 if url.scheme == "https" else 80)))
    except ValueError:  # a host name
        return None


def _event(line: str) -> Event | None:
    if not line.startswith("data:"):
        return None
    try:
        return decode(Event, json.loads(line.removeprefix("data:")))
    except ValueError:
        return None
