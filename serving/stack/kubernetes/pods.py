"""Pods: what a container may, what it mounts, and how its health is asked."""

from __future__ import annotations

from typing import Any

from serving.engines.server_flags import GRPC_PORT, REST_PORT
from serving.stack.containers import SCRATCH_BYTES, SEED_SCRIPT
from serving.stack.parts import (
    API_PORT,
    HEALTH_PATH,
    MIB,
    POSTGRES_PORT,
    SECRETS,
    WORKSPACE,
    Mount,
    StackPart,
    Volume,
)

SECRET_NAME = "servery"
SEED_CONFIG = "seed"
DATA_CLAIM = "data"
DATABASE_CLAIM = "database"
VOLUME_PATH = "/data"
"""Where the volume is mounted that holds the workspace, which is a folder of its own in it."""


def labels(name: str) -> dict[str, str]:
    """Return the labels of a part of the stack."""
    return {"app.kubernetes.io/part-of": "servery", "app.kubernetes.io/name": name}


def metadata(name: str, part: str = "") -> dict[str, Any]:
    return {"name": name, "labels": labels(part or name)}


def pod(part: StackPart, seeded_by: StackPart | None = None) -> dict[str, Any]:
    """Return the spec of a pod with one container; `seeded_by` runs before it."""
    users = [part] if seeded_by is None else [part, seeded_by]
    found: dict[str, Any] = {
        # Nothing in it talks to Kubernetes.
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": part.stop_seconds,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": part.user,
            "runAsGroup": part.user,
            "fsGroup": part.user,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    if seeded_by is not None:
        found["initContainers"] = [_container(seeded_by)]
    found["containers"] = [{**_container(part), **_probes(part)}]
    found["volumes"] = _volumes(users)
    if part.replicas > 1 or part.name == "serving":
        found["topologySpreadConstraints"] = [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": labels(part.name)},
            }
        ]
    return found


def _container(part: StackPart) -> dict[str, Any]:
    limits = part.limits
    found: dict[str, Any] = {"name": part.name, "image": part.image}
    if part.entrypoint:
        found["command"] = list(part.entrypoint)
    if part.command:
        found["args"] = list(part.command)
    if part.environment:
        found["env"] = [{"name": name, "value": text} for name, text in part.environment.items()]
    if part.port:
        found["ports"] = _ports(part)
    found["resources"] = {
        "requests": {
            "cpu": f"{round(limits.cpu_request * 1000)}m",
            "memory": f"{limits.memory_request // MIB}Mi",
        },
        "limits": {
            "cpu": f"{round(limits.cpus * 1000)}m",
            "memory": f"{limits.memory // MIB}Mi",
        },
    }
    found["securityContext"] = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    found["volumeMounts"] = _mounts(part)
    return found


def _ports(part: StackPart) -> list[dict[str, Any]]:
    if part.port == GRPC_PORT:
        return [
            {"name": "grpc", "containerPort": GRPC_PORT},
            {"name": "rest", "containerPort": REST_PORT},
        ]
    name = "postgres" if part.port == POSTGRES_PORT else "http"
    return [{"name": name, "containerPort": part.port}]


def _probes(part: StackPart) -> dict[str, Any]:
    if part.port == GRPC_PORT:
        check: dict[str, Any] = {"grpc": {"port": GRPC_PORT}}
    elif part.port == API_PORT:
        check = {"httpGet": {"path": HEALTH_PATH, "port": "http"}}
    else:
        check = {"exec": {"command": list(part.health[1:])}}
    seconds = 5
    return {
        "startupProbe": {
            **check,
            "periodSeconds": seconds,
            "timeoutSeconds": 5,
            "failureThreshold": part.start_seconds // seconds,
        },
        "readinessProbe": {**check, "periodSeconds": 5, "timeoutSeconds": 5},
        "livenessProbe": {
            **check,
            "periodSeconds": 10,
            "timeoutSeconds": 5,
            "failureThreshold": 6,
        },
    }


def _mounts(part: StackPart) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for mount in part.mounts:
        # One claim holds the workspace with its models; instances see these alone of it.
        if mount.volume is Volume.MODELS and mount.read_only:
            inside = f"{WORKSPACE.removeprefix(VOLUME_PATH).strip('/')}/models"
            found.append({"name": DATA_CLAIM, "mountPath": mount.path, "subPath": inside})
            found[-1]["readOnly"] = True
        elif mount.volume is Volume.WORKSPACE:
            found.append({"name": DATA_CLAIM, "mountPath": VOLUME_PATH})
        elif mount.volume is Volume.DATABASE:
            found.append({"name": DATABASE_CLAIM, "mountPath": mount.path})
    if part.entrypoint:
        found.append({"name": SEED_CONFIG, "mountPath": "/etc/servery", "readOnly": True})
    if part.secrets:
        found.append({"name": "secrets", "mountPath": SECRETS, "readOnly": True})
    for number, path in enumerate(part.scratch):
        found.append({"name": f"scratch-{number}", "mountPath": path})
    return found


def _volumes(users: list[StackPart]) -> list[dict[str, Any]]:
    mounts: list[Mount] = [mount for part in users for mount in part.mounts]
    found: list[dict[str, Any]] = []
    if any(mount.volume is not Volume.DATABASE for mount in mounts):
        found.append({"name": DATA_CLAIM, "persistentVolumeClaim": {"claimName": DATA_CLAIM}})
    if any(mount.volume is Volume.DATABASE for mount in mounts):
        claim = {"claimName": DATABASE_CLAIM}
        found.append({"name": DATABASE_CLAIM, "persistentVolumeClaim": claim})
    if any(part.entrypoint for part in users):
        items = [{"key": SEED_SCRIPT, "path": SEED_SCRIPT}]
        found.append({"name": SEED_CONFIG, "configMap": {"name": SEED_CONFIG, "items": items}})
    secrets = dict.fromkeys(name for part in users for name in part.secrets)
    if secrets:
        items = [{"key": name, "path": name} for name in secrets]
        source = {"secretName": SECRET_NAME, "items": items, "defaultMode": 0o440}
        found.append({"name": "secrets", "secret": source})
    for number in range(max(len(part.scratch) for part in users)):
        memory = {"medium": "Memory", "sizeLimit": f"{SCRATCH_BYTES // MIB}Mi"}
        found.append({"name": f"scratch-{number}", "emptyDir": memory})
    return found
