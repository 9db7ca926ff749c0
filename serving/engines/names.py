"""What engines and instances are called; loads nothing else."""

from __future__ import annotations

import re
import secrets

DOCKER = "docker"
PROCESS = "process"
SWARM = "swarm"
ENGINE_NAMES = (DOCKER, PROCESS, SWARM)

AUTO = "auto"
"""The best engine that is usable on this machine."""
ENGINE_CHOICES = (AUTO, *ENGINE_NAMES)

EXTERNAL = "external"
"""Instances that somebody else manages; chosen by saying where they are."""


_INSTANCE_ID = re.compile(r"instance-[0-9a-f]+")


def new_instance_id() -> str:
    """Return an id that no instance of any engine has, fit for the name of a file or container."""
    return f"instance-{secrets.token_hex(3)}"


def is_instance_id(text: str) -> bool:
    """Whether a text has the form of an id, so that it is no path to some other file."""
    return _INSTANCE_ID.fullmatch(text) is not None
