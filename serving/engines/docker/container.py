"""What the engine is asked to create for an instance, in the words of its API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from serving.engines.protocol import InstanceSpec
from serving.engines.server_flags import GRPC_PORT, REST_PORT, server_flags

NORMAL_CPU_SHARES, STARTING_CPU_SHARES = 1024, 64
"""Of the processor, in the engine's own unit: what a container counts for beside others."""
TMPFS_BYTES = 64 * 2**20
LOG_OPTIONS = {"max-size": "5m", "max-file": "2"}


@dataclass(frozen=True)
class ContainerPlan:
    """What decides a container, apart from the spec of its instance."""

    image: str
    labels: Mapping[str, str]
    threads: int
    """For arithmetic within one request, and for requests side by side."""
    user: str = ""
    """`uid:gid` to run as; the image's own user where empty."""
    mount: Mapping[str, Any] | None = None
    """What brings the model in; its folder itself where not given."""
    low_cpu_until_ready: bool = True
    """Whether it gets little of the processor while others want it, until it is ready."""
    init: bool = True
    """Whether the engine's own init passes signals on: a shell as first process would not."""


def container_config(spec: InstanceSpec, plan: ContainerPlan) -> dict[str, Any]:
    """Return the body of the API's "create a container" for an instance.

    The model is mounted read-only under the path of its own folder, so that the
    absolute path in `serving.config` is right inside as well; a folder, not the
    file, since the file is replaced at each promotion. Ports are published on
    loopback, and the engine picks them.
    """
    folder = str(spec.config_file.parent)
    itself = {"Type": "bind", "Source": folder, "Target": folder, "ReadOnly": True}
    ports = [f"{port}/tcp" for port in (GRPC_PORT, REST_PORT)]
    host: dict[str, Any] = {
        "PortBindings": {port: [{"HostIp": "127.0.0.1", "HostPort": ""}] for port in ports},
        "Mounts": [dict(plan.mount or itself)],
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "ReadonlyRootfs": True,
        "Tmpfs": {"/tmp": f"rw,nosuid,nodev,noexec,size={TMPFS_BYTES}"},
        "Init": plan.init,
        "RestartPolicy": {"Name": "no"},
        "LogConfig": {"Type": "json-file", "Config": dict(LOG_OPTIONS)},
    }
    if spec.memory_limit:
        host |= {"Memory": spec.memory_limit, "MemorySwap": spec.memory_limit}
    if plan.low_cpu_until_ready:
        host["CpuShares"] = STARTING_CPU_SHARES
    if spec.cpu_limit:
        host["NanoCpus"] = round(spec.cpu_limit * 1e9)
    config: dict[str, Any] = {
        "Image": plan.image,
        "Cmd": server_flags(spec, plan.threads),
        "Env": [f"MODEL_NAME={spec.model}", f"MODEL_BASE_PATH={spec.config_file.parent.parent}"],
        "ExposedPorts": {port: {} for port in ports},
        "Labels": dict(plan.labels),
        "HostConfig": host,
    }
    if plan.user:
        config["User"] = plan.user
    return config


def threads_per_instance(spec: InstanceSpec, cores: int, fleet_size: int) -> int:
    """Return the threads of one of `sharing` instances on `cores` cores, at least 1."""
    if spec.threads:
        return spec.threads
    share = max(1, cores // max(1, fleet_size))
    return min(share, max(1, round(spec.cpu_limit))) if spec.cpu_limit else share
