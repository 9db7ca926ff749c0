"""The `docker service create` that makes the same service, for people to copy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from serving.engines.docker.run_command import mount_option
from serving.engines.swarm.service_spec import SECOND
from serving.engines.swarm.service_state import replica_count
from serving.text.shell import joined


def create_command(spec: Mapping[str, Any], engine: str = "") -> str:
    """Return the command, one option a line; `engine` is its address if it is not the default."""
    container = spec["TaskTemplate"]["ContainerSpec"]
    address = ["--host", engine] if engine else []
    lines = [
        ["docker", *address, "service", "create", "--detach"],
        ["--name", str(spec["Name"])],
        *([option, value] if value else [option] for option, value in _options(spec)),
        [str(container["Image"]), *(container.get("Args") or ())],
    ]
    return " \\\n  ".join(joined(words) for words in lines)


def _options(spec: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    template = spec["TaskTemplate"]
    yield "--replicas", str(replica_count(spec))
    endpoint = spec.get("EndpointSpec") or {}
    yield "--endpoint-mode", str(endpoint.get("Mode") or "vip")
    for port in endpoint.get("Ports") or ():
        yield "--publish", f"target={port['TargetPort']},mode={port['PublishMode']}"
    for name, value in (spec.get("Labels") or {}).items():
        yield "--label", f"{name}={value}"
    yield from _container_options(template["ContainerSpec"])
    resources = template.get("Resources") or {}
    for part, prefix in (("Limits", "limit"), ("Reservations", "reserve")):
        limits = resources.get(part) or {}
        if limits.get("MemoryBytes"):
            yield f"--{prefix}-memory", str(limits["MemoryBytes"])
        if limits.get("NanoCPUs"):
            yield f"--{prefix}-cpu", f"{limits['NanoCPUs'] / SECOND:g}"
        if limits.get("Pids"):
            yield f"--{prefix}-pids", str(limits["Pids"])
    for part, prefix in (("UpdateConfig", "update"), ("RollbackConfig", "rollback")):
        config = spec.get(part) or {}
        yield f"--{prefix}-parallelism", str(config.get("Parallelism", 1))
        yield f"--{prefix}-order", str(config.get("Order", "stop-first"))
        yield f"--{prefix}-failure-action", str(config.get("FailureAction", "pause"))
        yield f"--{prefix}-delay", _duration(config.get("Delay"))
        yield f"--{prefix}-monitor", _duration(config.get("Monitor"))


def _container_options(container: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in (container.get("Labels") or {}).items():
        yield "--container-label", f"{name}={value}"
    for mount in container.get("Mounts") or ():
        yield "--mount", mount_option(mount)
    for capability in container.get("CapabilityDrop") or ():
        yield "--cap-drop", str(capability)
    if container.get("ReadOnly"):
        yield "--read-only", ""
    if container.get("Init"):
        yield "--init", ""
    if container.get("User"):
        yield "--user", str(container["User"])
    check = container.get("Healthcheck") or {}
    if check.get("Test"):
        yield "--health-cmd", joined(check["Test"][1:])
    for field, option in (
        ("Interval", "interval"),
        ("Timeout", "timeout"),
        ("StartPeriod", "start-period"),
    ):
        yield f"--health-{option}", _duration(check.get(field))
    yield "--health-retries", str(check.get("Retries") or 3)
    yield "--stop-grace-period", _duration(container.get("StopGracePeriod"))


def _duration(nanoseconds: Any) -> str:
    return f"{int(nanoseconds or 0) // SECOND}s"
