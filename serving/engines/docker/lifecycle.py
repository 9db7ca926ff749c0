"""How one container is created, started, stopped and removed."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import docker.errors
from docker import APIClient

from serving.engines.docker import names
from serving.engines.docker.container import (
    ContainerPlan,
    container_config,
    default_memory,
    default_pids,
    threads_per_instance,
)
from serving.engines.docker.container_user import container_user
from serving.engines.docker.discovery import FoundEngine
from serving.engines.docker.errors import (
    CONFLICT,
    LIBRARY_ERRORS,
    explanation,
    ignore_removed,
)
from serving.engines.docker.failed_logs import FailedLogs
from serving.engines.docker.image.compatibility import check_compatible
from serving.engines.docker.image.lookup import ImageInfo, first_present, image_missing
from serving.engines.docker.model_image.check import check_baked
from serving.engines.docker.model_volume import (
    ModelFiles,
    ModelVolume,
    clean_up,
    upload,
    uploaded_marks,
)
from serving.engines.docker.mount_check import is_mounted
from serving.engines.docker.states import Inspection, exit_reason, to_instance
from serving.engines.names import new_instance_id
from serving.engines.protocol import Instance, InstanceSpec
from serving.errors import EngineError
from serving.workspace import Workspace

log = logging.getLogger(__name__)

MAX_START_ATTEMPTS = 3
KEPT_LOG_LINES = 1000
"""Of the log of an instance that failed, when its container is removed."""


def start(
    found: FoundEngine,
    workspace: Workspace,
    images: Sequence[str],
    spec: InstanceSpec,
    fleet_size: int,
) -> Instance:
    """Create and start one container; if it cannot be started, it is removed again."""
    if not spec.config_file.is_file():
        raise EngineError(
            f"There is no file {spec.config_file}, so no model is served.",
            "Choose a model on the Models page, or with `servery models use`.",
        )
    image = first_present(found.client, [spec.image] if spec.image else images)
    if image is None:
        raise image_missing([spec.image] if spec.image else images)
    check_compatible(image, found.info, found.cpu_features)
    check_baked(image, spec)
    attempts = MAX_START_ATTEMPTS
    while True:
        attempts -= 1
        try:
            return _start_once(found, workspace, image, spec, fleet_size)
        except docker.errors.APIError as error:
            # The engine itself may fail under many concurrent starts: a port that it
            # picked is taken by then, a name is in use. A new container works.
            if not attempts or not (error.is_server_error() or error.status_code == CONFLICT):
                raise


def _start_once(
    found: FoundEngine, workspace: Workspace, image: ImageInfo, spec: InstanceSpec, fleet_size: int
) -> Instance:
    client, info = found.client, found.info
    folder = spec.config_file.parent
    instance_id = new_instance_id()
    plan = ContainerPlan(
        image=image.name,
        labels=names.labels(workspace, instance_id, spec.hash),
        threads=threads_per_instance(spec, info.cores, fleet_size),
        user=container_user(folder, rootless=info.rootless),
        low_cpu_until_ready=not info.rootless,
        own=image.own,
        init=info.init and not image.own,
        default_memory=default_memory(info),
        default_pids=default_pids(info),
        baked=image.baked,
    )
    if image.baked is not None:
        # Everybody may read what is in it, so its own user can.
        plan = replace(plan, user="")
    with names.starting(instance_id), contextlib.ExitStack() as undo:
        container = (
            _create_with_folder(client, spec, plan)
            if image.baked is None
            else _create(client, spec, plan)
        )
        if container is None:
            volume = ModelVolume(workspace, folder)
            # Everybody may read what is uploaded, so the image's own user can.
            plan = replace(plan, user="", mount=volume.mount(read_only=True))
            undo.callback(clean_up, client, workspace)
            container = _create(client, spec, plan)
            undo.callback(_discard, client, container)
            if not ModelFiles.read(folder).are_in(uploaded_marks(client, container, folder)):
                upload(client, volume, image.name)
        else:
            undo.callback(_discard, client, container)
        client.start(container)
        inspected = client.inspect_container(container)
        undo.pop_all()
    return to_instance(_row(inspected), Inspection.read(inspected))


def _create_with_folder(client: APIClient, spec: InstanceSpec, plan: ContainerPlan) -> str | None:
    """Create a container that mounts the folder of the models on this machine.

    None if the engine does not see the folder: it refuses to mount it, has
    another one of that name, or creates an empty one.
    """
    try:
        container = _create(client, spec, plan)
    except docker.errors.ImageNotFound:
        raise
    except docker.errors.APIError as error:
        if error.status_code == CONFLICT:
            raise
        # If the mount is not the reason, the engine refuses the container with a volume too.
        log.info("%s", explanation(error))
        return None
    with contextlib.ExitStack() as undo:
        undo.callback(_discard, client, container)
        if not is_mounted(client, container, spec.config_file.parent):
            return None
        undo.pop_all()
    return container


def _create(client: APIClient, spec: InstanceSpec, plan: ContainerPlan) -> str:
    create: Callable[..., Mapping[str, str]] = client.create_container_from_config
    name = names.container_name(plan.labels[names.INSTANCE])
    return create(container_config(spec, plan), name)["Id"]


def _row(inspected: Mapping[str, Any]) -> dict[str, Any]:
    """Return an inspected container as a list of containers has it."""
    ports = [
        {
            "IP": binding["HostIp"],
            "PrivatePort": port.split("/")[0],
            "PublicPort": binding["HostPort"],
        }
        for port, bindings in (inspected["NetworkSettings"].get("Ports") or {}).items()
        for binding in bindings or ()
    ]
    return {
        "Id": inspected["Id"],
        "Names": [inspected["Name"]],
        "Labels": inspected["Config"]["Labels"],
        "State": inspected["State"]["Status"],
        "Ports": ports,
    }


def stop(
    client: APIClient,
    workspace: Workspace,
    container: str,
    instance_id: str,
    grace: float,
    failed_logs: FailedLogs,
) -> None:
    """Stop a container within `grace` seconds and remove it, and the last one's volume."""
    inspected = client.inspect_container(container)
    state = inspected["State"]["Status"]
    if state == "removing":
        return
    if state in ("exited", "dead") and not names.is_stopping([inspected["Name"]]):
        reason = exit_reason(Inspection.read(inspected))
        failed_logs.save(instance_id, reason, tail(client, container, KEPT_LOG_LINES))
    # The name shows every program that it is being stopped, and a later program that this
    # was interrupted: labels cannot be changed, and the engine has no state for it.
    if not names.is_stopping([inspected["Name"]]):
        _call_unless_refused(client.rename, container, names.stopping_name(instance_id))
    if state == "paused":  # a paused process gets no signal
        _call_unless_refused(client.unpause, container)
    if state in ("running", "paused", "restarting"):
        client.stop(container, timeout=math.ceil(grace))
    _remove(client, container)
    if any(mount["Type"] == "volume" for mount in inspected["Mounts"]):
        clean_up(client, workspace)


def tail(client: APIClient, container: str, lines: int) -> str:
    """Return the last lines of a container's log; empty if it has none."""
    try:
        output: bytes = client.logs(container, tail=lines)
        if not output.strip():
            # Podman 4.3 returns nothing if there are fewer lines; engines limit a log's size.
            output = b"\n".join(client.logs(container).splitlines()[-lines:])
    except docker.errors.NotFound:
        raise
    except docker.errors.APIError:
        return ""
    return output.decode(errors="replace").rstrip("\n")


def _call_unless_refused(call: Callable[..., object], *arguments: object) -> None:
    """Request what another program may have done already, or made impossible."""
    try:
        call(*arguments)
    except docker.errors.NotFound:
        raise
    except docker.errors.APIError as error:
        log.info("%s", explanation(error))


def _remove(client: APIClient, container: str) -> None:
    """Remove a container, in whatever state, with its anonymous volumes."""
    with ignore_removed():
        client.remove_container(container, v=True, force=True)


def _discard(client: APIClient, container: str) -> None:
    """Remove a container whose start failed for a reason that is already known."""
    with contextlib.suppress(*LIBRARY_ERRORS):
        _remove(client, container)
