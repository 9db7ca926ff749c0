"""What engines and instances are called; loads nothing else."""

from __future__ import annotations

import secrets

DOCKER = "docker"
PROCESS = "process"
ENGINE_NAMES = (DOCKER, PROCESS)

AUTO = "auto"
"""The best engine that is usable on this machine."""
ENGINE_CHOICES = (AUTO, *ENGINE_NAMES)


def new_instance_id() -> str:
    """Return an id that no instance of any engine has, fit for the name of a file or container."""
    return f"instance-{secrets.token_hex(3)}"
