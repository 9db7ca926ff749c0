"""The request that creates a container for an instance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from serving.engines.docker.discovery import EngineInfo
from serving.engines.docker.model_image.labels import BakedModel
from serving.engines.protocol import InstanceSpec
from serving.engines.server_flags import (
    GRPC_PORT,
    REST_PORT,
    baked_server_flags,
    own_baked_server_flags,
    own_server_flags,
    server_flags,
)

NORMAL_CPU_SHARES, STARTING_CPU_SHARES = 1024, 64
"""Weights of a container for the CPU relative to others, in the engine's unit."""
MIN_DEFAULT_MEMORY = 2 * 2**30
PIDS, PIDS_PER_CORE = 512, 64
TMPFS_BYTES = 64 * 2**20
LOG_OPTIONS = {"max-size": "5m", "max-file": "2"}


@dataclass(frozen=True)
class ContainerPlan:
    """What decides a container besides the spec of its instance."""

    image: str
    labels: Mapping[str, str]
    threads: int
    """Within one request, and for concurrent requests."""
    user: str = ""
    """`uid:gid` to run as; empty for the image's own user."""
    mount: Mapping[str, Any] | None = None
    """How the models get in; None mounts their folder."""
    low_cpu_until_ready: bool = True
    """Whether it gets little of a busy CPU until it is ready: loading a model takes it all."""
    own: bool = False
    """Whether the image is our own."""
    baked: BakedModel | None = None
    """The version that the image holds, and serves with no mount."""
    init: bool = True
    """Whether the engine's init is the first process: a shell in its place passes no signals on."""
    default_memory: int = 0
    """Bytes, if the spec sets no limit; 0 sets none."""
    default_pids: int = 0
    """Processes and threads, if the spec sets no limit; 0 sets none."""


def container_config(spec: InstanceSpec, plan: ContainerPlan) -> dict[str, Any]:
    """Return the body of the API's request to create a container for an instance.

    The models are mounted read-only under the path of their own folder, so that the
    absolute paths in `serving.config` are right inside as well. It is a folder, not
    the file, since promoting replaces the file. Ports are published on loopback,
    and the engine picks them.
    """
    folder = str(spec.config_file.parent)
    bind = {"Type": "bind", "Source": folder, "Target": folder, "ReadOnly": True}
    ports = [f"{port}/tcp" for port in (GRPC_PORT, REST_PORT)]
    host: dict[str, Any] = {
        "PortBindings": {port: [{"HostIp": "127.0.0.1", "HostPort": ""}] for port in ports},
        "Mounts": [dict(plan.mount or bind)] if plan.baked is None else [],
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "ReadonlyRootfs": True,
        "Tmpfs": {"/tmp": f"rw,nosuid,nodev,noexec,size={TMPFS_BYTES}"},
        "Init": plan.init,
        "RestartPolicy": {"Name": "no"},
        "LogConfig": {"Type": "json-file", "Config": dict(LOG_OPTIONS)},
    }
    memory, pids = spec.memory_limit or plan.default_memory, spec.pids_limit or plan.default_pids
    if memory:
        host |= {"Memory": memory, "MemorySwap": memory}
    if pids:
        host["PidsLimit"] = pids
    if plan.low_cpu_until_ready:
        host["CpuShares"] = STARTING_CPU_SHARES
    if spec.cpu_limit:
        host["NanoCpus"] = round(spec.cpu_limit * 1e9)
    config: dict[str, Any] = {
        "Image": plan.image,
        "Cmd": server_command(spec, plan),
        "ExposedPorts": {port: {} for port in ports},
        "Labels": dict(plan.labels),
        "HostConfig": host,
    }
    if plan.user:
        config["User"] = plan.user
    return config


def server_command(spec: InstanceSpec, plan: ContainerPlan) -> list[str]:
    """Return the flags that the server in a container is started with."""
    if plan.baked is not None:
        flags = baked_server_flags(plan.threads)
        return [*flags, *(own_baked_server_flags(spec, plan.baked) if plan.own else ())]
    return [*server_flags(spec, plan.threads), *(own_server_flags(spec) if plan.own else ())]


def default_memory(engine: EngineInfo) -> int:
    """Return the bytes of memory that a container may take if a person sets no limit.

    Half of what the engine has, so that a model that takes more and more is ended before the
    machine is short of memory, and at least what the largest built-in model needs while one
    version of it follows the other. 0 if the engine cannot limit it.
    """
    if not engine.limits_memory:
        return 0
    return min(engine.memory, max(engine.memory // 2, MIN_DEFAULT_MEMORY))


def default_pids(engine: EngineInfo) -> int:
    """Return how many processes and threads a container may have if a person sets no limit.

    TensorFlow Serving starts some 20 threads a core: pools for arithmetic, gRPC and REST. 0 if
    the engine cannot limit them.
    """
    return PIDS + PIDS_PER_CORE * engine.cores if engine.limits_pids else 0


def threads_per_instance(spec: InstanceSpec, cores: int, fleet_size: int) -> int:
    """Return the threads of one of `fleet_size` instances on `cores` cores, at least 1."""
    if spec.threads:
        return spec.threads
    share = max(1, cores // max(1, fleet_size))
    return min(share, max(1, round(spec.cpu_limit))) if spec.cpu_limit else share
