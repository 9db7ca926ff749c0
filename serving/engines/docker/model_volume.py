"""A model inside an engine that does not see the folder it is kept in.

The engine gets a volume of its own for each model, which instances mount under
the path of the folder on this machine, so that `serving.config` is right there
too. The volume holds the versions, `serving.config`, and a list of what was
delivered. It is written through the API, by way of a container that mounts it
and never runs; since the name of that container can be had only once, one
program writes at a time.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import tarfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import docker.errors
from docker import APIClient

from serving.engines.docker import names
from serving.engines.docker.errors import LIBRARY_ERRORS, ContainerNotFound
from serving.engines.docker.tar_archive import Member, tar_archive
from serving.errors import EngineError
from serving.models.repository import CONFIG_NAME, MONITORING, MONITORING_NAME, ModelRepository
from serving.workspace import Workspace

LIST_NAME = ".delivered.json"
"""In the volume: the mark of each thing that was delivered, by its name."""
CONFLICT = 409
RETRY_SECONDS = 0.2
"""Between two tries to be the one who writes."""
MAX_WAIT_SECONDS = 900.0
MAX_ATTEMPTS = 3
"""How often that may fail for no reason that the engine tells."""


@dataclass(frozen=True)
class ModelVolume:
    """The volume for the model in `folder`."""

    workspace: Workspace
    model: str
    folder: Path

    @property
    def name(self) -> str:
        digest = hashlib.sha256(self.model.encode()).hexdigest()[:6]
        return f"{prefix(self.workspace)}{names.readable(self.model)}-{digest}"

    @property
    def labels(self) -> dict[str, str]:
        return {
            names.WORKSPACE: names.workspace_id(self.workspace),
            names.MODEL: self.model,
            names.FOLDER: str(self.workspace.root),
        }

    def mount(self, *, read_only: bool) -> dict[str, Any]:
        """Return its mount, in the words of the API; the engine makes it where there is none."""
        return {
            "Type": "volume",
            "Source": self.name,
            "Target": str(self.folder),
            "ReadOnly": read_only,
            "VolumeOptions": {"NoCopy": True, "Labels": self.labels},
        }


def prefix(workspace: Workspace) -> str:
    """What the names of all volumes of this workspace begin with."""
    return f"servery-{names.workspace_id(workspace)}-"


@dataclass(frozen=True)
class ModelFiles:
    """What a model's folder holds for its servers, at one moment."""

    config: bytes
    versions: Mapping[str, Path]
    marks: Mapping[str, str]
    """What tells each thing, by its name, from any other of the same name."""

    @classmethod
    def read(cls, folder: Path) -> ModelFiles:
        """Read the folder; raises EngineError where nothing is live.

        The configuration is read first: the version that it names is complete
        by then, so it is among the versions.
        """
        try:
            config = folder / CONFIG_NAME
            marks = {CONFIG_NAME: _mark(config)}
            text = config.read_bytes()
            versions = {
                version.path.name: version.path
                for version in ModelRepository(folder.parent).versions(folder.name)
            }
            marks |= {name: _mark(path) for name, path in versions.items()}
        except OSError as error:
            raise EngineError(
                f"The model in {folder} cannot be read: {error.strerror or error}.",
                "Promote one of its versions, or import the model again.",
            ) from error
        return cls(text, versions, marks)


def _mark(path: Path) -> str:
    said = path.stat()
    return f"{said.st_ino}-{said.st_mtime_ns}"


def uploaded_marks(client: APIClient, container: str, folder: Path) -> dict[str, str]:
    """Return the marks of what a container, which need not run, has of the model."""
    try:
        chunks, _ = client.get_archive(container, str(folder / LIST_NAME))
        with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
            file = archive.extractfile(LIST_NAME)
            said = json.loads(file.read()) if file else {}
    except (docker.errors.NotFound, tarfile.TarError, ValueError, KeyError):
        return {}
    return dict(said) if isinstance(said, dict) else {}


def upload(client: APIClient, volume: ModelVolume, image: str) -> dict[str, str]:
    """Bring the volume up to what is in the folder, and return the marks of that.

    New versions come first, then the configuration, so that it never names one
    that is not complete; then versions go that were removed. Waits for another
    program that is at it. Raises EngineError.
    """
    with _writer(client, volume, image) as container:
        contents = ModelFiles.read(volume.folder)
        there = uploaded_marks(client, container, volume.folder)
        if there == contents.marks:
            return there
        put = partial(_put, client, container, volume.folder)
        for name, path in contents.versions.items():
            if there.get(name) != contents.marks[name]:
                put(_version(name, path))
        put([_file(MONITORING_NAME, MONITORING.encode()), _file(CONFIG_NAME, contents.config)])
        # The API cannot remove: an empty file takes the folder's place, and no server reads it.
        put([_file(name) for name in there if name not in contents.marks])
        put([_file(LIST_NAME, json.dumps(dict(contents.marks)).encode())])
    return dict(contents.marks)


def remove_unused(client: APIClient, workspace: Workspace) -> None:
    """Remove what no instance needs: volumes that none mounts, writers that were killed."""
    label = f"{names.WRITER}={names.workspace_id(workspace)}"
    for row in client.containers(all=True, filters={"label": [label]}):
        if not names.is_being_started(row.get("Labels") or {}, float(row.get("Created") or 0)):
            _remove(client.remove_container, row["Id"], force=True)
    said = client.volumes({"name": prefix(workspace), "dangling": True})
    for row in said.get("Volumes") or ():
        if str(row["Name"]).startswith(prefix(workspace)):
            _remove(client.remove_volume, row["Name"])


def clean_up(client: APIClient, workspace: Workspace) -> None:
    """Remove what no instance needs, as far as the engine lets us."""
    with contextlib.suppress(*LIBRARY_ERRORS):
        remove_unused(client, workspace)


def _remove(remove: Callable[..., object], name: str, **options: bool) -> None:
    """Remove what may be gone, or taken into use, meanwhile."""
    try:
        remove(name, **options)
    except docker.errors.NotFound:
        return
    except docker.errors.APIError as error:
        if error.status_code != CONFLICT:
            raise


@contextlib.contextmanager
def _writer(client: APIClient, volume: ModelVolume, image: str) -> Iterator[str]:
    """Be the only one who writes to the volume; yield the container to write through."""
    name = f"{volume.name}.writer"
    with names.starting(name):
        container = _create_writer(client, volume, image, name)
        try:
            yield container
        finally:
            with contextlib.suppress(*LIBRARY_ERRORS):
                client.remove_container(container, force=True)


def _create_writer(client: APIClient, volume: ModelVolume, image: str, name: str) -> str:
    """Make the container that there can be only one of; raises EngineError after a long wait."""
    config: dict[str, Any] = {
        "Image": image,
        "Labels": {
            names.WRITER: names.workspace_id(volume.workspace),
            names.INSTANCE: name,
            names.CREATOR: names.creator(),
        },
        "HostConfig": {
            "Mounts": [volume.mount(read_only=False)],
            "NetworkMode": "none",
        },
    }
    create: Callable[..., Mapping[str, str]] = client.create_container_from_config
    deadline = time.monotonic() + MAX_WAIT_SECONDS
    tries = MAX_ATTEMPTS
    while True:
        try:
            return create(config, name)["Id"]
        except docker.errors.APIError as error:
            # Podman does not tell a name that is taken from any other failure.
            if error.status_code != CONFLICT and not _is_taken(client, name):
                tries -= 1
                if not tries:
                    raise
        if time.monotonic() > deadline:
            raise EngineError(
                f"Another program has been sending the model {volume.model} to the engine for "
                f"{MAX_WAIT_SECONDS / 60:.0f} min.",
                f"See that it goes on, or remove the container {name}.",
            )
        remove_unused(client, volume.workspace)
        time.sleep(RETRY_SECONDS)


def _is_taken(client: APIClient, name: str) -> bool:
    try:
        client.inspect_container(name)
    except docker.errors.NotFound:
        return False
    return True


def _put(client: APIClient, container: str, folder: Path, members: Iterable[Member]) -> None:
    try:
        client.put_archive(container, str(folder), tar_archive(members))
    except docker.errors.NotFound as error:
        raise ContainerNotFound(
            "The container that the model is sent through was removed meanwhile.",
            "It is tried again.",
        ) from error


def _version(name: str, path: Path) -> Iterator[Member]:
    """Yield all that is in a version's folder; what was there before goes."""
    yield _file(name)
    yield Member(f"{name}/", 0, io.BytesIO)
    for each in sorted(path.rglob("*")):
        inside = f"{name}/{each.relative_to(path).as_posix()}"
        yield Member(f"{inside}/", 0, io.BytesIO) if each.is_dir() else Member.of(inside, each)


def _file(name: str, content: bytes = b"") -> Member:
    return Member(name, len(content), partial(io.BytesIO, content))
