"""A copy of the served models inside an engine that does not see their folder.

The engine gets a volume for the workspace, which instances mount under the path
of the folder on this machine, so that `serving.config` is right there too. The
volume holds the versions that `serving.config` names, those that it named before
and that still exist, `serving.config` itself, and a list of what was uploaded. It
is written through the API, by way of a container that mounts it and never runs.
The name of that container is the lock: only one program can create it.
"""

from __future__ import annotations

import contextlib
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
from google.protobuf import text_format

from serving.engines.docker import names
from serving.engines.docker.errors import (
    CONFLICT,
    LIBRARY_ERRORS,
    ContainerNotFound,
    ignore_removed,
)
from serving.engines.docker.tar_archive import Member, tar_archive
from serving.errors import EngineError, reading_error
from serving.models.serving_config import CONFIG_NAME, MONITORING, MONITORING_NAME
from serving.tf.messages import model_server_config_pb2
from serving.tf.names import SAVED_MODEL_FILE
from serving.tf.trust import TRUSTED_NAME
from serving.units import format_duration
from serving.workspace import Workspace

LIST_NAME = ".delivered.json"
"""In the volume: the mark of each file and version that was uploaded, by name."""
RETRY_SECONDS = 0.2
"""Between two attempts to create the writer while another program has one."""
MAX_WAIT_SECONDS = 900.0
MAX_ATTEMPTS = 3
"""How often that may fail for another reason."""


@dataclass(frozen=True)
class ModelVolume:
    """The volume for the models in `folder`."""

    workspace: Workspace
    folder: Path

    @property
    def name(self) -> str:
        return f"{prefix(self.workspace)}models"

    @property
    def labels(self) -> dict[str, str]:
        return {
            names.WORKSPACE: names.workspace_id(self.workspace),
            names.FOLDER: str(self.workspace.root),
        }

    def mount(self, *, read_only: bool) -> dict[str, Any]:
        """Return its mount for the API; the engine creates a volume that does not exist."""
        return {
            "Type": "volume",
            "Source": self.name,
            "Target": str(self.folder),
            "ReadOnly": read_only,
            "VolumeOptions": {"NoCopy": True, "Labels": self.labels},
        }


def prefix(workspace: Workspace) -> str:
    """Return the common prefix of the names of all volumes of this workspace."""
    return f"servery-{names.workspace_id(workspace)}-"


@dataclass(frozen=True)
class ModelFiles:
    """What the folder of the models holds for their servers at one moment."""

    folder: Path
    config: bytes
    versions: Mapping[str, Path]
    """The version of each served model, as `<model>/<version>`."""
    marks: Mapping[str, str]
    """By name; a mark changes whenever a file or version is replaced."""

    @classmethod
    def read(cls, folder: Path) -> ModelFiles:
        """Read the folder; raises EngineError if it, or what it serves, cannot be read."""
        config = folder / CONFIG_NAME
        served = model_server_config_pb2.ModelServerConfig()
        try:
            # First, since the versions that it names are complete then.
            marks = {CONFIG_NAME: _mark(config)}
            text = config.read_bytes()
            text_format.Parse(text, served)
            versions = {
                f"{entry.name}/{number}": folder / entry.name / str(number)
                for entry in served.model_config_list.config
                for number in entry.model_version_policy.specific.versions
            }
            marks |= {name: _mark(path) for name, path in versions.items()}
            if (folder / TRUSTED_NAME).is_file():
                marks[TRUSTED_NAME] = _mark(folder / TRUSTED_NAME)
        except OSError as error:
            raise reading_error(
                error,
                f"The served models in {folder}",
                "Promote a version of each model that is served.",
                EngineError,
            ) from error
        except text_format.ParseError as error:
            raise EngineError(
                f"The file {config} does not say which models are served.",
                "Choose a model on the Models page, or with `servery models use`.",
            ) from error
        return cls(folder, text, versions, marks)

    def are_in(self, uploaded: Mapping[str, str]) -> bool:
        """Whether a volume that holds what these marks say needs no upload."""
        return not self.missing(uploaded) and not self.removed(uploaded)

    def missing(self, uploaded: Mapping[str, str]) -> list[str]:
        """Return the names of what a volume lacks, or has another version of."""
        return [name for name, mark in self.marks.items() if uploaded.get(name) != mark]

    def removed(self, uploaded: Mapping[str, str]) -> list[str]:
        """Return the names of what a volume holds and the folder does not hold any more.

        A version that is merely not served any more is none of them: a server that has not
        read the new configuration yet stops serving it once it is gone.
        """
        return [
            name
            for name in uploaded
            if name not in self.marks and not (self.folder / name / SAVED_MODEL_FILE).is_file()
        ]


def _mark(path: Path) -> str:
    status = path.stat()
    return f"{status.st_ino}-{status.st_mtime_ns}"


def uploaded_marks(client: APIClient, container: str, folder: Path) -> dict[str, str]:
    """Return the marks of what a container, which need not run, sees of the models."""
    try:
        chunks, _ = client.get_archive(container, str(folder / LIST_NAME))
        with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
            file = archive.extractfile(LIST_NAME)
            marks = json.loads(file.read()) if file else {}
    except (docker.errors.NotFound, tarfile.TarError, ValueError, KeyError):
        return {}
    return dict(marks) if isinstance(marks, dict) else {}


def upload(client: APIClient, volume: ModelVolume, image: str) -> dict[str, str]:
    """Bring the volume up to date with the folder, and return the marks of what it holds.

    Waits while another program uploads. Raises EngineError.
    """
    with _writer(client, volume, image) as container:
        files = ModelFiles.read(volume.folder)
        uploaded = uploaded_marks(client, container, volume.folder)
        if files.are_in(uploaded):
            return uploaded
        put = partial(_put, client, container, volume.folder)
        # Versions first, then the configuration: it never names one that is not complete.
        missing = files.missing(uploaded)
        for name, path in files.versions.items():
            if name in missing:
                put(_version(name, path))
        if TRUSTED_NAME in missing:
            put([Member.of(TRUSTED_NAME, volume.folder / TRUSTED_NAME)])
        put([_file(MONITORING_NAME, MONITORING.encode()), _file(CONFIG_NAME, files.config)])
        removed = files.removed(uploaded)
        # The API cannot remove: an empty file replaces the folder, and no server reads it.
        put([_file(name) for name in removed])
        kept = {name: mark for name, mark in uploaded.items() if name not in removed}
        held = {**kept, **files.marks}
        # Last, so that an upload that was interrupted is repeated.
        put([_file(LIST_NAME, json.dumps(held).encode())])
    return held


def remove_unused(client: APIClient, workspace: Workspace) -> None:
    """Remove what no instance needs: volumes that none mounts, writers of killed programs."""
    label = f"{names.WRITER}={names.workspace_id(workspace)}"
    for row in client.containers(all=True, filters={"label": [label]}):
        if not names.is_being_started(
            row.get("Labels") or {}, float(row.get("Created") or 0), row["Id"]
        ):
            with ignore_removed():
                client.remove_container(row["Id"], force=True)
    volumes = client.volumes({"name": prefix(workspace), "dangling": True})
    for row in volumes.get("Volumes") or ():
        # The filter matches anywhere in a name.
        if str(row["Name"]).startswith(prefix(workspace)):
            with ignore_removed():
                client.remove_volume(row["Name"])


def clean_up(client: APIClient, workspace: Workspace) -> None:
    """Remove what no instance needs, as far as the engine allows."""
    with contextlib.suppress(*LIBRARY_ERRORS):
        remove_unused(client, workspace)


@contextlib.contextmanager
def _writer(client: APIClient, volume: ModelVolume, image: str) -> Iterator[str]:
    """Be the only writer of the volume during the block; yield the container to write through."""
    name = f"{volume.name}.writer"
    with names.starting(name):
        container = _create_writer(client, volume, image, name)
        try:
            yield container
        finally:
            with contextlib.suppress(*LIBRARY_ERRORS):
                client.remove_container(container, force=True)


def _create_writer(client: APIClient, volume: ModelVolume, image: str, name: str) -> str:
    """Create the one writer, waiting for the previous one; raises EngineError after a long wait."""
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
    attempts = MAX_ATTEMPTS
    while True:
        try:
            return create(config, name)["Id"]
        except docker.errors.APIError as error:
            # Podman reports a name in use as any other failure.
            if error.status_code != CONFLICT and not _is_taken(client, name):
                attempts -= 1
                if not attempts:
                    raise
        if time.monotonic() > deadline:
            raise EngineError(
                "Another program has been uploading models to the engine for "
                f"{format_duration(MAX_WAIT_SECONDS)}.",
                f"Check that it makes progress, or remove the container {name}.",
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
            "The container that models are uploaded through was removed meanwhile.",
            "The upload is tried again.",
        ) from error


def _version(name: str, path: Path) -> Iterator[Member]:
    """Yield everything in a version's folder, to replace what the volume has of that name."""
    yield Member(f"{name.rpartition('/')[0]}/", 0, io.BytesIO)
    yield _file(name)  # unpacking a file over a folder removes the folder
    yield Member(f"{name}/", 0, io.BytesIO)
    root = path.parent.parent.resolve()
    for each in sorted(path.rglob("*")):
        # What lies outside of the repository is nobody's to read by way of a volume, and a pipe
        # or a device has no end.
        if not each.resolve().is_relative_to(root) or not (each.is_file() or each.is_dir()):
            continue
        inside = f"{name}/{each.relative_to(path).as_posix()}"
        yield Member(f"{inside}/", 0, io.BytesIO) if each.is_dir() else Member.of(inside, each)


def _file(name: str, content: bytes = b"") -> Member:
    return Member(name, len(content), partial(io.BytesIO, content))
