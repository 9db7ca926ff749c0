"""The stack as `docker stack deploy` takes it.

Instances are found by `dnsrr`, and the API's port is the nodes' own: neither needs the routing
mesh, which gives one address to several replicas and so pins a gRPC connection to one of them.
"""

from __future__ import annotations

from typing import Any

from serving.stack.containers import (
    FRONT,
    INNER,
    SECRETS_FOLDER,
    SEED_SCRIPT,
    container,
    megabytes,
    scratch,
    secret_files,
    seed_script,
)
from serving.stack.parts import (
    API_PORT,
    SECRETS,
    Mount,
    StackPart,
    Volume,
    parts,
    secret_values,
    seed,
)
from serving.stack.plan import StackPlan
from serving.stack.yaml_text import yaml_text

STACK_FILE = "stack.yaml"
DATA_NODE = "node.labels.servery.data == true"
"""Where a volume of the engine's own is, which no other node sees."""
_VERSION = "3.8"


def swarm_files(plan: StackPlan) -> dict[str, str]:
    """Return the text of each file, by its path in the folder of the stack."""
    comment = (
        "Servery's instances, API and trainer on a swarm; README.md says more.",
        "Once: docker node update --label-add servery.data=true NODE",
        f"Start: docker stack deploy -c {STACK_FILE} {plan.name}",
        f"Stop: docker stack rm {plan.name}",
        f"More instances: docker service scale {plan.name}_serving=4",
    )
    return {
        STACK_FILE: yaml_text(swarm(plan), comment=comment),
        SEED_SCRIPT: seed_script(),
        **secret_files(plan),
    }


def swarm(plan: StackPlan) -> dict[str, Any]:
    """Return the stack file."""
    found = [seed(plan), *parts(plan)]
    mounts = [mount for part in found for mount in part.mounts]
    volumes = dict.fromkeys(str(mount.volume) for mount in mounts if _is_local(plan, mount))
    return {
        "version": _VERSION,
        "services": {part.name: _service(plan, part) for part in found},
        "networks": {INNER: {"driver": "overlay", "internal": True}, FRONT: {"driver": "overlay"}},
        "volumes": {name: {} for name in volumes},
        "secrets": {name: {"file": f"./{SECRETS_FOLDER}/{name}"} for name in secret_values(plan)},
        "configs": {"seed": {"file": f"./{SEED_SCRIPT}"}},
    }


def _service(plan: StackPlan, part: StackPart) -> dict[str, Any]:
    service = container(part)
    service["volumes"] = [*(_volume(plan, mount) for mount in part.mounts), *scratch(part)]
    if part.secrets:
        service["secrets"] = [_secret(name, part) for name in part.secrets]
    if part.name == "seed":
        service["configs"] = [{"source": "seed", "target": part.entrypoint[1], "mode": 0o444}]
    if part.name == "api":
        service["ports"] = [{"target": API_PORT, "published": plan.port, "mode": "host"}]
    service["deploy"] = _deploy(plan, part)
    return service


def _secret(name: str, part: StackPart) -> dict[str, Any]:
    return {
        "source": name,
        "target": f"{SECRETS}/{name}",
        "uid": str(part.user),
        "gid": str(part.user),
        "mode": 0o400,
    }


def _volume(plan: StackPlan, mount: Mount) -> dict[str, Any]:
    read_only = {"read_only": True} if mount.read_only else {}
    if _is_local(plan, mount):
        source = {"type": "volume", "source": str(mount.volume)}
    else:
        inside = "workspace/models" if mount.volume is Volume.MODELS else str(mount.volume)
        source = {"type": "bind", "source": f"{plan.shared_folder.rstrip('/')}/{inside}"}
    return {**source, "target": mount.path, **read_only}


def _is_local(plan: StackPlan, mount: Mount) -> bool:
    # A database belongs on a disk, not on a network file system.
    return not plan.shared_folder or mount.volume is Volume.DATABASE


def _deploy(plan: StackPlan, part: StackPart) -> dict[str, Any]:
    placement: dict[str, Any] = {}
    if any(_is_local(plan, mount) for mount in part.mounts):
        placement["constraints"] = [DATA_NODE]
    if part.name == "api":
        placement["max_replicas_per_node"] = 1
    if part.replicas > 1:
        placement["preferences"] = [{"spread": "node.id"}]
    found: dict[str, Any] = {"replicas": part.replicas, "endpoint_mode": "dnsrr"}
    if part.name == "seed":
        found["restart_policy"] = {"condition": "on-failure", "delay": "5s"}
    else:
        order = "start-first" if part.start_first else "stop-first"
        found["update_config"] = {
            "parallelism": 1,
            "order": order,
            "failure_action": "rollback",
            "monitor": "30s",
        }
        found["rollback_config"] = {"parallelism": 1, "order": order}
        found["restart_policy"] = {"condition": "any", "delay": "5s"}
    limits = part.limits
    found["resources"] = {
        "limits": {"cpus": f"{limits.cpus:g}", "memory": megabytes(limits.memory)},
        "reservations": {
            "cpus": f"{limits.cpu_request:g}",
            "memory": megabytes(limits.memory_request),
        },
    }
    return {**found, "placement": placement} if placement else found
