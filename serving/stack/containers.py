"""What Compose and Swarm say of a container in the same words."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from typing import Any

from serving.stack.parts import MIB, StackPart, secret_values
from serving.stack.plan import StackPlan

SCRATCH_BYTES = 256 * MIB
"""Of each folder in memory."""
SEED_SCRIPT = "seed.sh"
SECRETS_FOLDER = "secrets"
INNER, FRONT = "inner", "front"
"""The network without a way out, and that by which the API is reached."""


def container(part: StackPart) -> dict[str, Any]:
    """Return the keys of a service that both formats know, in the order that people read."""
    found: dict[str, Any] = {"image": part.image}
    if part.entrypoint:
        found["entrypoint"] = _escaped(part.entrypoint)
    if part.command:
        found["command"] = _escaped(part.command)
    if part.environment:
        names, values = part.environment.keys(), _escaped(part.environment.values())
        found["environment"] = dict(zip(names, values, strict=True))
    found["user"] = f"{part.user}:{part.user}"
    found["init"] = True
    found["read_only"] = True
    found["cap_drop"] = ["ALL"]
    if part.user == 0:
        # What it does as root is to hand folders over.
        found["cap_add"] = ["CHOWN", "DAC_OVERRIDE", "FOWNER"]
    found["networks"] = [INNER, FRONT] if part.name == "api" else [INNER]
    if part.health:
        found["healthcheck"] = {
            "test": _escaped(part.health),
            "interval": "10s",
            "timeout": "5s",
            "retries": 3,
            "start_period": f"{part.start_seconds}s",
        }
    found["stop_grace_period"] = f"{part.stop_seconds}s"
    # So that logs do not fill the disk.
    found["logging"] = {"driver": "json-file", "options": {"max-size": "5m", "max-file": "2"}}
    return found


def scratch(part: StackPart) -> list[dict[str, Any]]:
    """Return the folders of a container that are in memory."""
    return [
        {"type": "tmpfs", "target": path, "tmpfs": {"size": SCRATCH_BYTES}} for path in part.scratch
    ]


def megabytes(memory: int) -> str:
    """Return an amount of memory as both formats write it."""
    return f"{memory // MIB}M"


def seed_script() -> str:
    """Return the program that puts the first version into the volume of the models."""
    return (files("serving.stack") / SEED_SCRIPT).read_text()


def secret_files(plan: StackPlan) -> dict[str, str]:
    """Return the files of the secrets, by their paths in the folder of the stack."""
    return {f"{SECRETS_FOLDER}/{name}": text for name, text in secret_values(plan).items()}


def _escaped(texts: Iterable[str]) -> list[str]:
    """Return texts in which Compose and Swarm look for no variables."""
    return [text.replace("$", "$$") for text in texts]
