"""How Servery's containers are named and labelled, so that any Servery knows its own."""

from __future__ import annotations

import hashlib
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psutil

from serving.clock import Sightings, age
from serving.process_identity import is_running, process_identity
from serving.workspace import Workspace

WORKSPACE = "io.servery.workspace"
INSTANCE = "io.servery.instance"
SPEC = "io.servery.spec"
CREATOR = "io.servery.creator"
"""The process that created the container: host, process id and start time."""
OLD_CREATOR = "io.servery.starter"
"""Its name in containers of the version before, which are adopted."""
GENERATION = "io.servery.generation"
"""Which way of protecting containers one was made in; those of the version before have none."""
WRITER = "io.servery.writer"
"""Label of a container that never runs but is what models are uploaded through: the workspace."""
FOLDER = "io.servery.folder"
"""The workspace's folder, for people who wonder whose container this is."""

ABANDONED_START_SECONDS = 60.0
"""After this, a container that was never started counts as left behind if its
creator runs on another host, where it cannot be looked up."""
MAX_PLAUSIBLE_AGE_SECONDS = 86_400.0
"""The engine may be on a machine with another clock: a moment that is longer ago, or in the future,
says nothing about when something started."""
CLOCK_TOLERANCE_SECONDS = 2.0
"""How far two readings of one process's start time may differ: it is derived from the
system clock, which is adjusted."""

_PREFIX = "servery-"
_STOPPING = ".stopping"

_sightings = Sightings()
"""Of containers whose creator runs on another host. When they were created says the clock of the
engine, which may be that of another machine."""
_starting: list[str] = []
"""What this process is starting at this moment, once for each thread that does so."""


def workspace_id(workspace: Workspace) -> str:
    """Return twelve hex digits that all programs of this workspace agree on."""
    return hashlib.sha256(str(workspace.root.resolve()).encode()).hexdigest()[:12]


def container_name(instance_id: str) -> str:
    return f"{_PREFIX}{instance_id}"


def stopping_name(instance_id: str) -> str:
    """Return the name by which every program sees that the instance is being stopped."""
    return f"{_PREFIX}{instance_id}{_STOPPING}"


def is_stopping(names: list[str]) -> bool:
    return any(name.endswith(_STOPPING) for name in names)


def labels(workspace: Workspace, instance_id: str, spec_hash: str) -> dict[str, str]:
    """Return the labels by which a container is known to be this instance."""
    return {
        WORKSPACE: workspace_id(workspace),
        INSTANCE: instance_id,
        SPEC: spec_hash,
        CREATOR: creator(),
        FOLDER: str(workspace.root),
        GENERATION: "2",
    }


def creator() -> str:
    """Return the identity of this process, unique among earlier and later ones too."""
    return f"{socket.gethostname()} {os.getpid()} {process_identity(os.getpid())}"


@contextmanager
def starting(instance_id: str) -> Iterator[None]:
    """Mark an instance as being started by this process while the block runs."""
    _starting.append(instance_id)
    try:
        yield
    finally:
        _starting.remove(instance_id)


def is_being_started(labels: Mapping[str, str], created: float, container: str) -> bool:
    """Return whether the process that created a container, with these labels, will still start it.

    `created` is when that was, in seconds since the epoch by the engine's clock, and `container`
    the container's id.
    """
    label = labels.get(CREATOR) or labels.get(OLD_CREATOR, "")
    if label == creator():
        return labels.get(INSTANCE) in _starting
    host, _, process = label.partition(" ")
    pid, _, identity = process.partition(" ")
    if host != socket.gethostname() or not pid.isdecimal():
        if _sightings.seconds(container, time.monotonic()) >= ABANDONED_START_SECONDS:
            return False
        since = age(created, time.time(), MAX_PLAUSIBLE_AGE_SECONDS)
        return since is None or since < ABANDONED_START_SECONDS
    if is_running(int(pid), identity):
        return True
    try:  # the version before wrote down a start time
        # The start time tells the creator from a later process with the same id.
        difference = psutil.Process(int(pid)).create_time() - float(identity)
    except (psutil.Error, ValueError):
        return False
    return abs(difference) < CLOCK_TOLERANCE_SECONDS
