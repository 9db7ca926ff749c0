"""The service of a fleet, as Docker's API takes it."""

from __future__ import annotations

from typing import Any

from serving.engines.docker import names
from serving.engines.docker.container import (
    LOG_OPTIONS,
    TMPFS_BYTES,
    ContainerPlan,
    server_command,
)
from serving.engines.protocol import InstanceSpec
from serving.engines.server_flags import GRPC_PORT, REST_PORT
from serving.workspace import Workspace

SECOND = 1_000_000_000
"""In nanoseconds, in which the API has every time."""
STOP_SECONDS = 30
"""How long an instance may take to answer what it has accepted."""
RESTART_SECONDS = 2
"""Before an instance that ended is started again."""
HEALTH_SECONDS = 5
"""Between two health checks, and before the first one."""
START_SECONDS = 300
"""How long an instance may load its models before failed health checks count."""
MONITOR_SECONDS = 5
"""An instance that fails this soon after it came up fails the update."""
UPDATE_DELAY_SECONDS = 1
"""After one instance has come up, before the next is replaced: programs see it first."""
UPDATED_AT_ONCE = 4
"""One of so many instances is replaced at a time."""
RESERVED_SHARE = 0.5
"""Of the limits that a person sets, what is kept free for an instance on its node. Less than all,
since a rolling update needs room for instances beside those that they replace."""

_LISTENS = f"exec 3<>/dev/tcp/127.0.0.1/{GRPC_PORT}"
"""For bash, which both images have; a model server listens once it has loaded what it could."""


def service_name(workspace: Workspace) -> str:
    return f"servery-{names.workspace_id(workspace)}"


def service_labels(workspace: Workspace, spec_hash: str) -> dict[str, str]:
    """Return the labels by which any program of the workspace knows the service."""
    return {
        names.WORKSPACE: names.workspace_id(workspace),
        names.SPEC: spec_hash,
        names.FOLDER: str(workspace.root),
    }


def container_labels(workspace: Workspace, spec_hash: str) -> dict[str, str]:
    """Return the labels of its containers.

    Not the workspace's, by which the engine `docker` knows the containers that are its own.
    """
    return {names.SPEC: spec_hash, names.FOLDER: str(workspace.root)}


def task_template(
    spec: InstanceSpec, plan: ContainerPlan, *, forced: int = 0, no_new_privileges: bool = True
) -> dict[str, Any]:
    """Return what decides how each instance runs; another one makes the swarm replace them all.

    `forced` is the number of restarts that were asked for. Engines before 25 cannot be asked for
    `no_new_privileges`.
    """
    container: dict[str, Any] = {
        "Image": plan.image,
        "Args": server_command(spec, plan),
        "Labels": dict(plan.labels),
        "ReadOnly": True,
        "Init": plan.init,
        "CapabilityDrop": ["ALL"],
        "Mounts": _mounts(spec, plan),
        "StopGracePeriod": STOP_SECONDS * SECOND,
        "Healthcheck": _health_check(plan),
    }
    if plan.user:
        container["User"] = plan.user
    if no_new_privileges:
        container["Privileges"] = {"NoNewPrivileges": True}
    return {
        "ContainerSpec": container,
        "Resources": _resources(spec, plan),
        "RestartPolicy": {"Condition": "any", "Delay": RESTART_SECONDS * SECOND},
        "LogDriver": {"Name": "json-file", "Options": dict(LOG_OPTIONS)},
        "ForceUpdate": forced,
    }


def update_config(count: int) -> dict[str, Any]:
    """Return how the swarm replaces `count` instances by others.

    A new one is up before an old one goes; if it fails, all go back to what they were.
    """
    return {**_one_after_the_other(count), "FailureAction": "rollback"}


def rollback_config(count: int) -> dict[str, Any]:
    """Return how it goes back; if that fails too, it waits for a person."""
    return {**_one_after_the_other(count), "FailureAction": "pause"}


def endpoint_spec() -> dict[str, Any]:
    """Return how instances are reached: each at its node, on ports that the node picks.

    No virtual address stands before them, since gRPC would stay with whichever instance the
    first connection got.
    """
    return {
        "Mode": "dnsrr",
        "Ports": [
            {"Protocol": "tcp", "TargetPort": port, "PublishMode": "host"}
            for port in (GRPC_PORT, REST_PORT)
        ],
    }


def replicas(count: int) -> dict[str, Any]:
    return {"Replicated": {"Replicas": count}}


def _one_after_the_other(count: int) -> dict[str, Any]:
    return {
        "Parallelism": max(1, count // UPDATED_AT_ONCE),
        "Delay": UPDATE_DELAY_SECONDS * SECOND,
        "Monitor": MONITOR_SECONDS * SECOND,
        "MaxFailureRatio": 0,
        "Order": "start-first",
    }


def _mounts(spec: InstanceSpec, plan: ContainerPlan) -> list[dict[str, Any]]:
    scratch = {
        "Type": "tmpfs",
        "Target": "/tmp",
        "TmpfsOptions": {"SizeBytes": TMPFS_BYTES, "Mode": 0o1777},
    }
    if plan.baked is not None:
        return [scratch]
    folder = str(spec.config_file.parent)
    return [scratch, {"Type": "bind", "Source": folder, "Target": folder, "ReadOnly": True}]


def _health_check(plan: ContainerPlan) -> dict[str, Any]:
    """Return the check by which the swarm knows that an instance is up.

    An image of a model brings its own, which asks for the state of the model.
    """
    check: dict[str, Any] = {
        "Interval": HEALTH_SECONDS * SECOND,
        "Timeout": HEALTH_SECONDS * SECOND,
        "StartPeriod": START_SECONDS * SECOND,
        "Retries": 3,
    }
    return check if plan.baked is not None else {"Test": ["CMD", "bash", "-c", _LISTENS], **check}


def _resources(spec: InstanceSpec, plan: ContainerPlan) -> dict[str, Any]:
    limits: dict[str, int] = {}
    reserved: dict[str, int] = {}
    if memory := spec.memory_limit or plan.default_memory:
        limits["MemoryBytes"] = memory
    if pids := spec.pids_limit or plan.default_pids:
        limits["Pids"] = pids
    if spec.memory_limit:
        reserved["MemoryBytes"] = int(spec.memory_limit * RESERVED_SHARE)
    if spec.cpu_limit:
        limits["NanoCPUs"] = round(spec.cpu_limit * SECOND)
        reserved["NanoCPUs"] = round(spec.cpu_limit * RESERVED_SHARE * SECOND)
    return {"Limits": limits, "Reservations": reserved}
