"""What engines are called in settings and options; loads nothing else."""

from __future__ import annotations

DOCKER = "docker"
PROCESS = "process"
ENGINE_NAMES = (DOCKER, PROCESS)

AUTO = "auto"
"""The best engine that is usable on this machine."""
ENGINE_CHOICES = (AUTO, *ENGINE_NAMES)
