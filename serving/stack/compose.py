"""The stack as a Compose file: everything on one engine."""

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
    StackPart,
    parts,
    secret_values,
    seed,
)
from serving.stack.plan import StackPlan
from serving.stack.yaml_text import yaml_text

COMPOSE_FILE = "compose.yaml"

_COMMENT = (
    "Servery's instances, API and trainer on one container engine; README.md says more.",
    "Start: docker compose up -d       Stop: docker compose down       (or docker-compose)",
    "More instances: docker compose up -d --scale serving=4",
)


def compose_files(plan: StackPlan) -> dict[str, str]:
    """Return the text of each file, by its path in the folder of the stack."""
    return {
        COMPOSE_FILE: yaml_text(compose(plan), comment=_COMMENT),
        SEED_SCRIPT: seed_script(),
        **secret_files(plan),
    }


def compose(plan: StackPlan) -> dict[str, Any]:
    """Return the Compose file."""
    found = [seed(plan), *parts(plan)]
    volumes = dict.fromkeys(str(mount.volume) for part in found for mount in part.mounts)
    return {
        "services": {part.name: _service(plan, part) for part in found},
        "networks": {INNER: {"internal": True}, FRONT: {}},
        "volumes": {name: {} for name in volumes},
        "secrets": {name: {"file": f"./{SECRETS_FOLDER}/{name}"} for name in secret_values(plan)},
    }


def _service(plan: StackPlan, part: StackPart) -> dict[str, Any]:
    service = container(part)
    service["security_opt"] = ["no-new-privileges:true"]
    if part.replicas > 1:
        service["scale"] = part.replicas
    volumes: list[dict[str, Any]] = [
        {
            "type": "volume",
            "source": str(mount.volume),
            "target": mount.path,
            **({"read_only": True} if mount.read_only else {}),
        }
        for mount in part.mounts
    ]
    if part.name == "seed":
        script = {"type": "bind", "source": f"./{SEED_SCRIPT}", "target": part.entrypoint[1]}
        volumes.append({**script, "read_only": True})
    service["volumes"] = [*volumes, *scratch(part)]
    if part.secrets:
        service["secrets"] = list(part.secrets)
    if part.name == "api":
        # Each replica takes one of the ports. This machine's own address alone: what comes from
        # others belongs behind a proxy that encrypts.
        last = plan.port + part.replicas - 1
        ports = f"{plan.port}-{last}" if part.replicas > 1 else f"{plan.port}"
        service["ports"] = [f"127.0.0.1:{ports}:{API_PORT}"]
    if waits := _depends_on(part):
        service["depends_on"] = waits
    service["mem_limit"] = megabytes(part.limits.memory)
    service["mem_reservation"] = megabytes(part.limits.memory_request)
    service["cpus"] = part.limits.cpus
    service["pids_limit"] = part.limits.pids
    service["restart"] = "on-failure" if part.name == "seed" else "unless-stopped"
    return service


def _depends_on(part: StackPart) -> dict[str, dict[str, str]]:
    if part.name in ("seed", "postgres"):
        return {}
    waits = {"seed": {"condition": "service_completed_successfully"}}
    if part.name != "serving":
        waits["postgres"] = {"condition": "service_healthy"}
    return waits
