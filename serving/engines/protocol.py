"""What every engine offers: the small protocol between a fleet and its instances."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncGenerator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol


class InstanceState(StrEnum):
    """The state of an instance. The fleet adds what only it can know: ready, draining."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    STOPPED = "stopped"
    FAILED = "failed"


ENDED_STATES = (InstanceState.STOPPED, InstanceState.FAILED)


@dataclass(frozen=True)
class InstanceSpec:
    """Everything that decides how an instance runs; equal specs are interchangeable."""

    config_file: Path
    """The `serving.config` of the model repository, which names every served model."""
    threads: int = 0
    """Processor threads for arithmetic; 0 lets the engine share out the machine."""
    memory_limit: int = 0
    """Bytes; 0 leaves it to the engine: processes get no limit, containers do."""
    cpu_limit: float = 0.0
    """Processor cores; 0 sets no limit. Engines without containers ignore it."""
    image: str = ""
    """Container image; engines without containers ignore it."""
    pids_limit: int = 0
    """Processes and threads of a container; 0 leaves it to the engine."""
    tcp: bool = False
    """Whether a process listens on TCP too, for every user of this machine. Containers always
    do, on loopback."""

    @property
    def hash(self) -> str:
        """Twelve hex digits that change whenever the spec does."""
        fields = asdict(self)
        for name in ("pids_limit", "tcp"):
            # Unknown to Servery 0.1: one that is not set does not change the hash.
            if not fields[name]:
                del fields[name]
        text = json.dumps(fields, default=str, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Instance:
    """One running (or failed) model server, as its engine sees it."""

    id: str
    """Unique and stable; what `stop`, `logs` and `stats` take."""
    engine: str
    spec_hash: str
    """Of the spec that it was started with; empty, and so out of date, if it was started by an
    older Servery in a way that lets others on the machine configure it."""
    state: InstanceState
    """STARTING (ports not known yet, or known and not probed), DRAINING (someone asked it
    to stop), STOPPED or FAILED."""
    grpc_address: str | None = None
    """`host:port` or `unix:/path`, once the engine knows it: how this program reaches it."""
    rest_address: str | None = None
    grpc_tcp_address: str | None = None
    """`host:port` for others, if it listens there beside its UNIX socket."""
    rest_tcp_address: str | None = None
    started: float = 0.0
    """Seconds since the epoch."""
    failure: str = ""
    """Why it failed, as a sentence; empty otherwise."""
    may_restart_until: float = 0.0
    """Until when one that failed may come back by itself, since somebody seems to be restarting
    it; monotonic, as this program measures it."""
    process: int | None = None
    """Process id on this machine, if there is one."""
    log: str = ""
    """The file that has its log, kept if it fails; empty if its engine keeps the log."""

    @property
    def shown_grpc_address(self) -> str | None:
        """Return where people reach its gRPC API."""
        return self.grpc_tcp_address or self.grpc_address

    @property
    def shown_rest_address(self) -> str | None:
        """Return where people reach its REST API."""
        return self.rest_tcp_address or self.rest_address


@dataclass(frozen=True)
class InstanceStats:
    """What an instance uses at this moment."""

    cpu_percent: float
    """100 is one whole core."""
    memory_bytes: int
    """Private memory; mapped files, code above all, are not counted."""


@dataclass(frozen=True)
class Availability:
    """Whether an engine can be used here, and why (not), as a sentence."""

    usable: bool
    reason: str
    advice: str = ""
    """What can be done if it is not usable, as a sentence."""


class Engine(Protocol):
    """Runs instances. Implementations translate every library error to EngineError."""

    @property
    def name(self) -> str:
        """What it is called in the settings: docker, process."""

    async def availability(self) -> Availability:
        """Say within 3 s whether instances can be run here; within 9 s by way of ssh."""

    async def instances(self) -> list[Instance]:
        """List own instances in any state, oldest first; the engine is the database."""

    async def start(self, spec: InstanceSpec, *, fleet_size: int = 1) -> Instance:
        """Start one instance and return at once, in state STARTING.

        `fleet_size` instances share the machine, which decides the threads of a spec
        that does not.
        """

    async def grant_full_cpu(self, instance_id: str) -> None:
        """Give an instance as much of the processor as the others have.

        Until then one that starts may have less, if others need it too.
        """

    async def stop(self, instance_id: str, grace: float = 10.0) -> None:
        """Ask it to finish its requests; kill it after `grace` seconds; forget it."""

    async def logs(self, instance_id: str, lines: int = 200) -> str:
        """Return the last `lines` lines that the instance printed."""

    def follow_logs(self, instance_id: str, lines: int = 200) -> AsyncGenerator[str, None]:
        """Yield the last `lines` lines, then each new one, until it ends or is closed."""

    async def run_command(self, instance_id: str) -> str:
        """Return the command that starts such an instance by hand, for people to copy."""

    async def stats(self, instance_id: str) -> InstanceStats | None:
        """Return what it uses now; None if it is gone or not known yet."""

    def changes(self) -> AsyncGenerator[None, None]:
        """Yield whenever instances may have changed, until closed."""

    async def close(self) -> None:
        """Close the connections to the engine; instances run on."""
