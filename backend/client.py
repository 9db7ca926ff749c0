"""The client of the backend's HTTP service, one method a route; light to import."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncGenerator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import httpx

from backend.contract import (
    BuiltInSummary,
    Classification,
    Comparison,
    DeletedModel,
    EvaluationReport,
    Event,
    Health,
    Label,
    LabeledPhoto,
    LabelSummary,
    ModelChange,
    ModelSummary,
    NewModel,
    TrainingRun,
    TrustSummary,
    Verification,
    VersionSummary,
)
from backend.peer import is_person_or_root, owner_of_listener
from backend.run_file import BackendRunFile, backend_lock_file
from serving.access_token import AccessToken
from serving.errors import BackendError, reading_error
from serving.json_decode import decode
from serving.workspace import Workspace

__all__ = ["BackendClient", "BackendRefused", "BackendRunFile", "backend_lock_file"]

T = TypeVar("T")

REQUEST_TIMEOUT = 30.0
"""Seconds that a response may take."""
LONG_TIMEOUT = 300.0
"""Seconds that a response may take for which models are loaded or many files are read."""
_CHUNK_BYTES = 1 << 20
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
            transport=transport,
            trust_env=False,
            event_hooks={"request": [self._authorize]},
        )

    @classmethod
    async def find(cls, workspace: Workspace) -> BackendClient | None:
        """Return a client of the workspace's running backend, or None without one."""
        running = BackendRunFile.read(workspace)
        if running is None or not await asyncio.to_thread(running.is_ours):
            return None
        client = cls(running.url, token=AccessToken(workspace.token))
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

    def move(self, url: str) -> None:
        """Call the backend at `url` from now on; with an empty one, every call fails at once.

        So no request goes to another program that gets the port of a backend that ended.
        """
        self.url = url.rstrip("/")
        self._http.base_url = httpx.URL(self.url)

    async def health(self, *, timeout_seconds: float = REQUEST_TIMEOUT) -> Health:
        return await self._request(Health, "GET", "/health", timeout=timeout_seconds)

    async def is_alive(self, *, timeout_seconds: float) -> bool:
        """Whether the backend answers at all, be it to say that it is overloaded."""
        try:
            await self._send("GET", "/healthz", timeout=timeout_seconds)
        except BackendRefused:
            return True
        except BackendError:
            return False
        return True

    async def classify(self, image: bytes, model: str | None = None) -> Classification:
        """Classify an image file that Servery reads; by default with the current model."""
        return await self._request(
            Classification,
            "POST",
            "/classify",
            params=_query(model=model),
            files={"file": image},
        )

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
            params=_query(model=model),
            files={"file": image},
            data={"class": class_name},
            headers={"Idempotency-Key": key or secrets.token_hex(16)},
        )

    async def undo_label(self, label_id: int) -> None:
        await self._send("DELETE", f"/labels/{label_id}")

    async def labels(self, model: str | None = None) -> LabelSummary:
        return await self._request(LabelSummary, "GET", "/labels", params=_query(model=model))

    async def train(self, model: str | None = None) -> TrainingRun:
        """Queue a training run; see `events` and `training_run` for its progress."""
        return await self._request(TrainingRun, "POST", "/training", params=_query(model=model))

    async def training_runs(self, model: str | None = None) -> list[TrainingRun]:
        """Return the runs of a model, or of every model, newest first."""
        return await self._request(
            list[TrainingRun], "GET", "/training", params=_query(model=model)
        )

    async def training_run(self, run_id: str) -> TrainingRun:
        return await self._request(TrainingRun, "GET", f"/training/{_quoted(run_id)}")

    async def cancel_training(self, run_id: str) -> TrainingRun:
        """Stop a run; returns it once it has stopped."""
        return await self._request(TrainingRun, "DELETE", f"/training/{_quoted(run_id)}")

    async def import_folder(self, model: str, folder: Path) -> TrainingRun:
        """Queue a run that learns from `folder`, which has a folder of photos for each class.

        `folder` is an absolute path on the machine of the backend, which looks at it
        before this returns: a folder that is none of that kind is a BackendRefused.
        """
        return await self._request(
            TrainingRun,
            "POST",
            _path(model, "import"),
            json={"folder": _checked_text(folder)},
            timeout=LONG_TIMEOUT,
        )

    async def import_zip(self, model: str, archive: Path) -> TrainingRun:
        """Send a zip file with a folder of photos for each class; queues a run like a folder."""
        return await self._request(
            TrainingRun,
            "POST",
            _path(model, "import"),
            params={"name": archive.name.encode(errors="replace").decode()},
            content=_chunks(archive),
            headers={"Content-Type": "application/zip"},
            timeout=LONG_TIMEOUT,
        )

    async def models(self) -> list[ModelSummary]:
        """Return every model, the current one first."""
        return await self._request(list[ModelSummary], "GET", "/models")

    async def model(self, name: str) -> ModelSummary:
        return await self._request(ModelSummary, "GET", _path(name))

    async def create_model(self, new: NewModel) -> ModelSummary:
        """Make a model with a version 1, which has the classes of its backbone or none."""
        return await self._request(ModelSummary, "POST", "/models", json=asdict(new))

    async def rename_model(self, name: str, new_name: str) -> ModelSummary:
        """Rename a model, which may be served meanwhile."""
        return await self._change(name, ModelChange(name=new_name))

    async def keep_versions(self, name: str, count: int) -> ModelSummary:
        """Keep the newest `count` versions; the live one, pinned ones and version 1 stay too."""
        return await self._change(name, ModelChange(keep_versions=count))

    async def duplicate_model(self, name: str, new_name: str) -> ModelSummary:
        return await self._request(
            ModelSummary, "POST", _path(name, "duplicate"), json={"name": new_name}
        )

    async def delete_model(self, name: str) -> DeletedModel:
        """Delete a model with its labels; `restore_model` undoes it until the backend ends."""
        return await self._request(DeletedModel, "DELETE", _path(name))

    async def deleted_models(self) -> list[DeletedModel]:
        """Return what can be restored, the last one deleted first."""
        return await self._request(list[DeletedModel], "GET", "/deleted")

    async def restore_model(self, token: str) -> ModelSummary:
        return await self._request(ModelSummary, "POST", f"/deleted/{_quoted(token)}/restore")

    async def use_model(self, name: str) -> ModelSummary:
        """Make a model the current one; returns once it is, loaded by every instance."""
        return await self._request(ModelSummary, "POST", _path(name, "use"), timeout=LONG_TIMEOUT)

    async def serve_model(self, name: str) -> ModelSummary:
        """Serve a model beside the current one; returns once every instance has loaded it."""
        return await self._request(ModelSummary, "PUT", _path(name, "served"), timeout=LONG_TIMEOUT)

    async def unserve_model(self, name: str) -> ModelSummary:
        return await self._request(
            ModelSummary, "DELETE", _path(name, "served"), timeout=LONG_TIMEOUT
        )

    async def versions(self, model: str) -> list[VersionSummary]:
        """Return the versions of `model`, newest first."""
        return await self._request(list[VersionSummary], "GET", _path(model, "versions"))

    async def promote(self, model: str, number: int) -> VersionSummary:
        """Make a version the one that the fleet serves; rolling back is the same.

        It is tried before: a BackendRefused says why it cannot be served.
        """
        return await self._request(
            VersionSummary, "POST", _version_path(model, number, "promote"), timeout=LONG_TIMEOUT
        )

    async def pin_version(self, model: str, number: int) -> VersionSummary:
        """Keep a version, however many come after it."""
        return await self._request(VersionSummary, "PUT", _version_path(model, number, "pinned"))

    async def unpin_version(self, model: str, number: int) -> VersionSummary:
        return await self._request(VersionSummary, "DELETE", _version_path(model, number, "pinned"))

    async def delete_version(self, model: str, number: int) -> None:
        """Delete a version for good; a live or pinned one is refused."""
        await self._send("DELETE", _version_path(model, number))

    async def verify_version(self, model: str, number: int) -> Verification:
        """Compare the files of a version with their recorded checksums."""
        return await self._request(
            Verification, "POST", _version_path(model, number, "verify"), timeout=LONG_TIMEOUT
        )

    async def trust(self, model: str, number: int) -> TrustSummary:
        """Return what in a version can do more than compute, unless it is trusted."""
        return await self._request(TrustSummary, "GET", _version_path(model, number, "trust"))

    async def trust_version(self, model: str, number: int) -> TrustSummary:
        """Let a version do more than compute, as its files are now."""
        return await self._request(TrustSummary, "POST", _version_path(model, number, "trust"))

    async def withdraw_trust(self, model: str, number: int) -> None:
        """Trust a version no longer; a BackendRefused of status 404 if it was not trusted."""
        await self._send("DELETE", _version_path(model, number, "trust"))

    async def report(self, model: str, number: int) -> EvaluationReport:
        """Return what training measured; a BackendRefused of status 404 where it did not."""
        return await self._request(EvaluationReport, "GET", _version_path(model, number, "report"))

    async def compare(
        self,
        model: str,
        versions: tuple[int, int],
        images: Sequence[str] | None = None,
        files: Sequence[Path] | None = None,
    ) -> list[Comparison]:
        """Return what two versions answer for `images` and `files`, or for the labelled photos.

        Files are absolute paths on the machine of the backend, which has to be this one; those
        that cannot be read are skipped, and those whose names are not UTF-8, which JSON is.
        """
        body = {
            "versions": list(versions),
            "images": None if images is None else list(images),
            "files": None if files is None else list(filter(_is_text, map(str, files))),
        }
        return await self._request(
            list[Comparison],
            "POST",
            _path(model, "compare"),
            json=body,
            # Large photos take a good part of a second each on a busy machine.
            timeout=LONG_TIMEOUT + len(files or ()),
        )

    async def photos(self, model: str, count: int = 9) -> list[LabeledPhoto]:
        """Return labelled photos of `model`, the newest of different classes first."""
        return await self._request(
            list[LabeledPhoto], "GET", _path(model, "photos"), params={"count": count}
        )

    async def image(self, sha256: str, *, side: int | None = None) -> bytes:
        """Return a labelled photo as a JPEG file, its shorter side `side` pixels if given."""
        response = await self._send("GET", f"/images/{_quoted(sha256)}", params=_query(side=side))
        return response.content

    async def built_in_models(self) -> list[BuiltInSummary]:
        return await self._request(list[BuiltInSummary], "GET", "/built-in")

    async def add_built_in(self, name: str) -> ModelSummary:
        """Install a built-in model, or return it if it is there."""
        return await self._request(
            ModelSummary, "POST", f"/built-in/{_quoted(name)}", timeout=LONG_TIMEOUT
        )

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
                        if event is not None:
                            yield event
            except (httpx.HTTPError, httpx.StreamError):
                pass
            await asyncio.sleep(delay)
            delay = min(2 * delay, _MAX_RECONNECT_DELAY)

    async def _change(self, name: str, change: ModelChange) -> ModelSummary:
        return await self._request(ModelSummary, "PATCH", _path(name), json=asdict(change))

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
        if not self.url:
            raise BackendError(
                "The backend is not running at the moment.",
                "It is started again as soon as that is possible.",
            )
        try:
            response = await self._http.request(method, path, **request)
        except httpx.TimeoutException as error:
            raise BackendError(
                f"The backend at {self.url} did not answer in time.",
                "Try again in a minute; if it is still so, end it with `servery stop`, then start"
                " Servery again.",
            ) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise BackendError(
                f"The backend at {self.url} cannot be reached.",
                "Start it with `servery serve`, or open Servery's window.",
            ) from error
        if response.is_success:
            return response
        raise self._refused(response)

    async def _authorize(self, request: httpx.Request) -> None:
        """Say who asks, and only to a program of the person: another may have taken the port."""
        owner = _listener_owner(request.url)
        if owner is not None and not is_person_or_root(owner):
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


def _listener_owner(url: httpx.URL) -> int | None:
    """Return which user's program listens at an address of this machine; None elsewhere."""
    try:
        return owner_of_listener((url.host, url.port or 80))
    except ValueError:  # a host name
        return None


def _query(**parameters: str | int | None) -> dict[str, str | int]:
    return {name: value for name, value in parameters.items() if value is not None}


def _checked_text(folder: Path) -> str:
    """Return a folder's path as JSON can have it; raises BackendError."""
    if not _is_text(str(folder)):
        raise BackendError(
            f"The name of the folder {folder} is not text in UTF-8.",
            "Rename it, and the folders around it, then try again.",
        )
    return str(folder)


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _quoted(name: str) -> str:
    """Return a name as one segment of a path; names may have spaces, `%`, `?` and `#`."""
    quoted = quote(name, safe="")
    # These two would lead to another address.
    return quoted.replace(".", "%2E") if name in (".", "..") else quoted


def _path(model: str, action: str = "") -> str:
    path = f"/models/{_quoted(model)}"
    return f"{path}/{action}" if action else path


def _version_path(model: str, number: int, action: str = "") -> str:
    path = _path(model, f"versions/{number}")
    return f"{path}/{action}" if action else path


async def _chunks(file: Path) -> AsyncGenerator[bytes, None]:
    """Yield a file piece by piece; raises BackendError if it cannot be read."""
    try:
        opened = await asyncio.to_thread(file.open, "rb")
        try:
            while chunk := await asyncio.to_thread(opened.read, _CHUNK_BYTES):
                yield chunk
        finally:
            await asyncio.to_thread(opened.close)
    except OSError as error:
        raise reading_error(
            error, f"The file {file}", "Choose another file.", BackendError
        ) from error


def _event(line: str) -> Event | None:
    if not line.startswith("data:"):
        return None
    try:
        return decode(Event, json.loads(line.removeprefix("data:")))
    except ValueError:
        return None
