"""Fetches one file over HTTP: goes on where it ended, and checks what it got."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import re
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx

from serving.errors import ModelError, storage_error
from serving.file_lock import file_lock
from serving.files import flush_file, write_aside
from serving.progress import Report, no_report
from serving.units import format_bytes, format_duration

PAUSES = (1.0, 2.0, 4.0, 8.0)
"""Seconds between tries of which none brought a byte, after a connection that ended."""
TIMEOUT = httpx.Timeout(30.0)
_MD5_LENGTH = 32
_PARTIAL, _STATE = ".partial", ".partial.json"
_REPORT_SECONDS = 0.2
_ERROR_NUMBER = re.compile(r"^\[Errno -?\d+\] ")


class DownloadFailed(ModelError):
    """A file could not be fetched, or is not what it should be."""


@dataclass(frozen=True)
class FileDownload:
    """What to fetch."""

    what: str
    """For sentences: "The weights of ResNet50"."""
    url: str
    checksum: str
    """Hexadecimal: MD5, or SHA-256 if it is longer. Empty if nobody published one."""
    max_bytes: int
    """A longer file is not what it should be."""


@dataclass(frozen=True)
class _Origin:
    """Where a partial file came from; it is continued only from there, unchanged."""

    url: str
    validator: str
    """What the server calls this state of the file: its ETag, or when it was modified. Empty if
    it says neither and a checksum will tell."""


class _Interrupted(Exception):
    """The connection ended or was never there; another try may bring the rest."""

    def __init__(self, why: str, *, connected: bool = True) -> None:
        super().__init__(why)
        self.connected = connected


class _Changed(Exception):
    """The server has another file now, or cannot continue one."""


async def download(
    request: FileDownload,
    target: Path,
    report: Report = no_report,
    pauses: Sequence[float] = PAUSES,
) -> None:
    """Fetch a file to `target`, which appears once it is whole and checked.

    Proxies are those of the environment (HTTPS_PROXY, NO_PROXY). If the connection ends, the
    rest is asked for, as it is by the next call after this one was cancelled or killed: what came
    stays beside `target`. Two programs that want the same file fetch it once. Raises
    DownloadFailed.
    """
    try:
        await asyncio.to_thread(target.parent.mkdir, parents=True, exist_ok=True)
        async with file_lock(target.with_name(f".{target.name}.lock")):
            if not await asyncio.to_thread(target.exists):
                await _fetch(request, target, report, pauses)
    except OSError as error:
        raise storage_error(
            error, target.parent, f"{request.what} could not be stored", DownloadFailed
        ) from error


def matches(path: Path, checksum: str) -> bool:
    """Say whether a file has this checksum, as in `FileDownload`; raises OSError."""
    with path.open("rb") as file:
        algorithm = "md5" if len(checksum) == _MD5_LENGTH else "sha256"
        return hashlib.file_digest(file, algorithm).hexdigest() == checksum.lower()


async def _fetch(
    request: FileDownload, target: Path, report: Report, pauses: Sequence[float]
) -> None:
    partial = target.with_name(target.name + _PARTIAL)
    state = target.with_name(target.name + _STATE)
    pauses_left, received_any = iter(pauses), False
    report(0, 0, f"Connecting to {httpx.URL(request.url).host}.")
    async with httpx.AsyncClient(follow_redirects=True, timeout=TIMEOUT) as client:
        while True:
            before = _size(partial)
            try:
                await _continue(client, request, partial, state, report)
                break
            except _Changed:
                _forget(partial, state)
            except _Interrupted as error:
                if _size(partial) > before:
                    pauses_left, received_any = iter(pauses), True
                pause = next(pauses_left, None)
                if pause is None or not (error.connected or received_any):
                    raise _unreachable(request, _size(partial), str(error)) from error
                report(_size(partial), 0, f"The connection ended; trying again in {pause:.0f} s.")
                await asyncio.sleep(pause)
    report(_size(partial), _size(partial), "Checking what was downloaded.")
    if request.checksum and not await asyncio.to_thread(matches, partial, request.checksum):
        _forget(partial, state)
        raise _another_file(request, "its checksum is another")
    await asyncio.to_thread(flush_file, partial)
    partial.rename(target)
    state.unlink(missing_ok=True)


async def _continue(
    client: httpx.AsyncClient, request: FileDownload, partial: Path, state: Path, report: Report
) -> None:
    """Append what is missing to `partial`.

    Raises _Interrupted, _Changed if it must begin again, and DownloadFailed.
    """
    origin = _read_origin(state)
    start = _size(partial) if origin is not None and origin.url == request.url else 0
    # Compressed on its way, the bytes of a part would not be those of the file.
    headers = {"Accept-Encoding": "identity"}
    if start and origin is not None:
        headers["Range"] = f"bytes={start}-"
        if origin.validator:
            headers["If-Range"] = origin.validator
    try:
        async with client.stream("GET", request.url, headers=headers) as response:
            total = _checked_length(request, response, start)
            if response.status_code == httpx.codes.OK:
                start = 0
                _write_origin(state, request, response)
            await _append(request, response, partial, start, total, report)
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.TooManyRedirects) as error:
        raise DownloadFailed(
            f"{request.what} cannot be downloaded from {request.url}: {str(error).rstrip('.')}.",
            "Check the address of the mirror.",
        ) from error
    except httpx.TransportError as error:
        why = _ERROR_NUMBER.sub("", str(error)) or type(error).__name__
        connected = not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
        raise _Interrupted(why, connected=connected) from error


async def _append(
    request: FileDownload,
    response: httpx.Response,
    partial: Path,
    start: int,
    total: int,
    report: Report,
) -> None:
    done = start
    progress = _Progress(report, start, total)
    with partial.open("r+b" if start else "wb") as file:
        file.seek(start)
        # In pieces as they come: larger ones would be lost if the connection ends.
        async for chunk in response.aiter_raw():
            file.write(chunk)
            done += len(chunk)
            if done > request.max_bytes:
                break
            progress.show(done)
    if done > request.max_bytes:
        raise _another_file(request, f"it is longer than {format_bytes(request.max_bytes)}")
    if total and done < total:
        raise _Interrupted("the connection ended early")


def _checked_length(request: FileDownload, response: httpx.Response, start: int) -> int:
    """Return the length of the whole file, 0 if the server does not say.

    Raises _Changed, _Interrupted, and DownloadFailed.
    """
    status = response.status_code
    if status == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE or (
        status == httpx.codes.PARTIAL_CONTENT and _first_byte(response) != start
    ):
        raise _Changed
    if status >= 500 or status in (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.REQUEST_TIMEOUT):
        raise _Interrupted(f"it answered {status} {response.reason_phrase}")
    if status not in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
        raise DownloadFailed(
            f"{request.what} cannot be downloaded: {response.url.host} answered {status}"
            f" {response.reason_phrase} for {response.url.path}.",
            "Check the address of the mirror and the settings of the proxy.",
        )
    length = int(response.headers.get("Content-Length") or 0)
    total = length + start if status == httpx.codes.PARTIAL_CONTENT and length else length
    if total > request.max_bytes:
        raise _another_file(request, f"it has {format_bytes(total)}")
    return total


def _first_byte(response: httpx.Response) -> int | None:
    unit, _, positions = response.headers.get("Content-Range", "").partition(" ")
    first = positions.partition("-")[0]
    return int(first) if unit == "bytes" and first.isdecimal() else None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _forget(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _read_origin(state: Path) -> _Origin | None:
    with contextlib.suppress(OSError, ValueError, TypeError):
        raw: Any = json.loads(state.read_text("utf-8"))
        return _Origin(str(raw["url"]), str(raw["validator"]))
    return None


def _write_origin(state: Path, request: FileDownload, response: httpx.Response) -> None:
    """Keep what is needed to continue; nothing if it could not be told that a part still fits."""
    validator = response.headers.get("ETag", "")
    if not validator or validator.startswith("W/"):  # a weak one may stand for other bytes
        validator = response.headers.get("Last-Modified", "")
    if validator or request.checksum:
        write_aside(state, json.dumps(asdict(_Origin(request.url, validator))))
    else:
        _forget(state)


class _Progress:
    """Says how much has come, how fast, and how long the rest takes."""

    def __init__(self, report: Report, start: int, total: int) -> None:
        self._report, self._start, self._total = report, start, total
        self._began = self._shown = time.monotonic()

    def show(self, done: int) -> None:
        now = time.monotonic()
        if now - self._shown < _REPORT_SECONDS and done != self._total:
            return
        self._shown = now
        text = f"Downloading {format_bytes(done)}"
        if self._total:
            text = f"{text} of {format_bytes(self._total)}"
        rate = (done - self._start) / max(now - self._began, 1e-3)
        text = f"{text}, {format_bytes(rate)}/s"
        if self._total and rate:
            text = f"{text}, {format_duration((self._total - done) / rate)} left"
        self._report(done, self._total, f"{text}.")


def _unreachable(request: FileDownload, so_far: int, why: str) -> DownloadFailed:
    host = httpx.URL(request.url).host
    if so_far:
        return DownloadFailed(
            f"{request.what} came in part, {format_bytes(so_far)}, from {host}: {why}.",
            "Try again later: the download goes on from there.",
        )
    return DownloadFailed(
        f"{request.what} cannot be downloaded: {host} cannot be reached ({why}).",
        "Check the connection, or the proxy in HTTPS_PROXY.",
    )


def _another_file(request: FileDownload, why: str) -> DownloadFailed:
    return DownloadFailed(
        f"What {httpx.URL(request.url).host} sent is not the file that was published: {why}.",
        "Try again; if it happens again, use another mirror.",
    )
