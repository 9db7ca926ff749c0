"""The steps by which one container is made, started, ended and removed."""

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
from serving.engines.docker.container import ContainerPlan, container_config, shared_threads
from serving.engines.docker.discovery import FoundEngine
from serving.engines.docker.ended_logs import EndedLogs
from serving.engines.docker.errors import LIBRARY_ERRORS, explanation
from serving.engines.docker.fitness import check_fit
from serving.engines.docker.images import ImageFacts, first_present, missing
from serving.engines.docker.model_volume import (
    Contents,
    ModelVolume,
    deliver,
    delivered,
    tidy,
)
from serving.engines.docker.sight import sees
from serving.engines.docker.states import Detail, instance, why_ended
from serving.engines.docker.users import user_for
from serving.engines.protocol import Instance, InstanceSpec
from serving.errors import EngineError
from serving.workspace import Workspace

log = logging.getLogger(__name__)

CONFLICT = 409
"""The HTTP status of an engine that is in the middle of something else."""
START_TRIES = 3
"""How often a container is made anew that the engine fails to start."""
KEPT_LINES = 1000
"""Of the log of an instance that failed, when its container is removed."""


def start(
    found: FoundEngine,
    workspace: Workspace,
    images: Sequence[str],
    spec: InstanceSpec,
    sharing: int,
) -> Instance:
    """Make and start one container; one that could not be started is removed again."""
    if not spec.config_file.is_file():
        raise EngineError(
            f"There is no file {spec.config_file}, so no version of {spec.model} is live.",
            "Promote one of its versions.",
        )
    image = first_present(found.client, [spec.image] if spec.image else images)
    if image is None:
        raise missing([spec.image] if spec.image else images)
    check_fit(image, found.facts, found.processor)
    tries = START_TRIES
    while True:
        tries -= 1
        try:
            return _start_once(found, workspace, image, spec, sharing)
        except docker.errors.APIError as error:
            # The engine itself may fail under many starts at once: a port that it
            # picked is taken by then, a name is in use. Made anew, it works.
            if not tries or not (error.is_server_error() or error.status_code == CONFLICT):
                raise


def _start_once(
    found: FoundEngine, workspace: Workspace, image: ImageFacts, spec: InstanceSpec, sharing: int
) -> Instance:
    client, facts = found.client, found.facts
    folder = spec.config_file.parent
    instance_id = names.new_instance_id(spec.model)
    plan = ContainerPlan(
        image=image.name,
        labels=names.labels(workspace, instance_id, spec.model, spec.hash),
        threads=shared_threads(spec, facts.cores, sharing),
        user=user_for(folder, rootless=facts.rootless),
        weak_start=not facts.rootless,
        init=facts.init and not image.own,
    )
    with names.starting(instance_id), contextlib.ExitStack() as undo:
        container = _with_folder(client, spec, plan)
        if container is None:
            volume = ModelVolume(workspace, spec.model, folder)
            # Everybody may read what is sent, so the image's own user can.
            plan = replace(plan, user="", mount=volume.mount(read_only=True))
            undo.callback(tidy, client, workspace)
            container = _create(client, spec, plan)
            undo.callback(_discard, client, container)
            if delivered(client, container, folder) != Contents.read(folder).marks:
                deliver(client, volume, image.name)
        else:
            undo.callback(_discard, client, container)
        client.start(container)
        said = client.inspect_container(container)
        undo.pop_all()
    return instance(_row(said), Detail.read(said))


def _with_folder(client: APIClient, spec: InstanceSpec, plan: ContainerPlan) -> str | None:
    """Make a container that reads the model's folder on this machine.

    None where the engine does not see the folder: it refuses then, or it has
    another one of that name, or makes an empty one.
    """
    try:
        container = _create(client, spec, plan)
    except docker.errors.ImageNotFound:
        raise
    except docker.errors.APIError as error:
        if error.status_code == CONFLICT:
            raise
        # Where it is something else that the engine does not like, it says so again.
        log.info("%s", explanation(error))
        return None
    with contextlib.ExitStack() as undo:
        undo.callback(_discard, client, container)
        if not sees(client, container, spec.config_file.parent):
            return None
        undo.pop_all()
    return container


def _create(client: APIClient, spec: InstanceSpec, plan: ContainerPlan) -> str:
    create: Callable[..., Mapping[str, str]] = client.create_container_from_config
    name = names.container_name(plan.labels[names.INSTANCE])
    return create(container_config(spec, plan), name)["Id"]


def _row(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a list of containers would say of an inspected one."""
    ports = [
        {
            "IP": place["HostIp"],
            "PrivatePort": inside.split("/")[0],
            "PublicPort": place["HostPort"],
        }
        for inside, places in (said["NetworkSettings"].get("Ports") or {}).items()
        for place in places or ()
    ]
    return {
        "Id": said["Id"],
        "Names": [said["Name"]],
        "Labels": said["Config"]["Labels"],
        "State": said["State"]["Status"],
        "Ports": ports,
    }


def stop(
    client: APIClient,
    workspace: Workspace,
    container: str,
    instance_id: str,
    grace: float,
    ended: EndedLogs,
) -> None:
    """End a container within `grace` seconds and remove it, and the last one's volume.

    It is renamed first, which tells every program that it is being stopped, and
    tells whoever finds it later that this was never finished.
    """
    said = client.inspect_container(container)
    state = said["State"]["Status"]
    if state == "removing":
        return
    if state in ("exited", "dead") and not names.is_stopping([said["Name"]]):
        why = why_ended(Detail.read(said))
        ended.keep(instance_id, why, tail(client, container, KEPT_LINES))
    if not names.is_stopping([said["Name"]]):
        _unless_refused(client.rename, container, names.stopping_name(instance_id))
    if state == "paused":
        _unless_refused(client.unpause, container)
    if state in ("running", "paused", "restarting"):
        client.stop(container, timeout=math.ceil(grace))
    _remove(client, container)
    if any(mount["Type"] == "volume" for mount in said["Mounts"]):
        tidy(client, workspace)


def tail(client: APIClient, container: str, lines: int) -> str:
    """Return the last lines that a container printed; nothing of one without a log."""
    try:
        printed: bytes = client.logs(container, tail=lines)
        if not printed.strip():
            # Podman 4.3 says that of a log with fewer lines; engines bound what is kept of one.
            printed = b"\n".join(client.logs(container).splitlines()[-lines:])
    except docker.errors.NotFound:
        raise
    except docker.errors.APIError:
        return ""
    return printed.decode(errors="replace").rstrip("\n")


def _unless_refused(call: Callable[..., object], *arguments: object) -> None:
    """Ask for something that another program may have done already, or undone."""
    try:
        call(*arguments)
    except docker.errors.NotFound:
        raise
    except docker.errors.APIError as error:
        log.info("%s", explanation(error))


def _remove(client: APIClient, container: str) -> None:
    """Remove a container, in whatever state, with its anonymous volumes."""
    try:
        client.remove_container(container, v=True, force=True)
    except docker.errors.NotFound:
        return
    except docker.errors.APIError as error:
        if error.status_code != CONFLICT:  # it is being removed already
            raise


def _discard(client: APIClient, container: str) -> None:
    """Remove a container whose start failed for a reason that is already known."""
    with contextlib.suppress(*LIBRARY_ERRORS):
        _remove(client, container)
