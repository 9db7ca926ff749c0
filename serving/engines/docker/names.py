"""How Servery's containers are named and labelled, so that any Servery knows its own."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psutil

from serving.workspace import Workspace

WORKSPACE = "io.servery.workspace"
INSTANCE = "io.servery.instance"
MODEL = "io.servery.model"
SPEC = "io.servery.spec"
CREATOR = "io.servery.starter"
"""The program that made the container: host, process id and when the process began."""
WRITER = "io.servery.writer"
"""Label of a container that never runs: a model is sent through it; says the workspace."""
FOLDER = "io.servery.folder"
"""The workspace's folder, for people who wonder whose container this is."""

ABANDONED_START_SECONDS = 60.0
"""After this, a container that was never started counts as left behind where the
program that made it cannot be looked up."""

CLOCK_TOLERANCE_SECONDS = 2.0
"""How far two looks at the beginning of one process may differ, since clocks are set."""

_PREFIX = "servery-"
_STOPPING = ".stopping"

_starting: list[str] = []
"""What this very program is starting at this moment, once for each thread that is at it."""


def workspace_id(workspace: Workspace) -> str:
    """Return twelve hex digits that all programs of this workspace agree on."""
    return hashlib.sha256(str(workspace.root.resolve()).encode()).hexdigest()[:12]


def new_instance_id(model: str) -> str:
    """Return an id that is also fit to be part of a container's name."""
    return f"{readable(model)}-{secrets.token_hex(3)}"


def readable(model: str) -> str:
    """Return what of a model's name may be part of a container's name."""
    return re.sub(r"[^a-zA-Z0-9_.-]+", "-", model).strip("-._") or "model"


def container_name(instance_id: str) -> str:
    return f"{_PREFIX}{instance_id}"


def stopping_name(instance_id: str) -> str:
    """The name that tells every program that somebody asked the instance to finish."""
    return f"{_PREFIX}{instance_id}{_STOPPING}"


def is_stopping(names: list[str]) -> bool:
    return any(name.endswith(_STOPPING) for name in names)


def labels(workspace: Workspace, instance_id: str, model: str, spec_hash: str) -> dict[str, str]:
    """Return the labels by which a container is known to be this instance."""
    return {
        WORKSPACE: workspace_id(workspace),
        INSTANCE: instance_id,
        MODEL: model,
        SPEC: spec_hash,
        CREATOR: creator(),
        FOLDER: str(workspace.root),
    }


def creator() -> str:
    """Return what tells this process from every other one, earlier and later ones included."""
    began = psutil.Process().create_time()
    return f"{socket.gethostname()} {os.getpid()} {began:.2f}"


@contextmanager
def starting(instance_id: str) -> Iterator[None]:
    """Say that this program is starting the instance, for as long as the block runs."""
    _starting.append(instance_id)
    try:
        yield
    finally:
        _starting.remove(instance_id)


def is_being_started(said: Mapping[str, str], created: float) -> bool:
    """Say whether the program that made a container, with these labels, still means to start it.

    `created` is when it was made, in seconds since the epoch.
    """
    if said.get(CREATOR) == creator():
        return said.get(INSTANCE) in _starting
    host, _, process = said.get(CREATOR, "").partition(" ")
    number, _, began = process.partition(" ")
    if host != socket.gethostname() or not number.isdecimal():
        return time.time() - created < ABANDONED_START_SECONDS
    try:
        return (
            abs(psutil.Process(int(number)).create_time() - float(began)) < CLOCK_TOLERANCE_SECONDS
        )
    except (psutil.Error, ValueError):
        return False
