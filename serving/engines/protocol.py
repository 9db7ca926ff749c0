"""What every engine offers: the small protocol between a fleet and its instances."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncGenerator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol, runtime_checkable

from serving.engines.docker.model_image.labels import BakedModel

DEFAULT_SLEEP_AFTER = 600
"""Seconds."""


class InstanceState(StrEnum):
    """The state of an instance. The fleet adds what only it can know: ready, draining."""

    STARTING = "starting"
    READY = "ready"
    ASLEEP = "asleep"
    """It has given its memory back, and answers as soon as somebody calls."""
    DRAINING = "draining"
    STOPPED = "stopped"
    FAILED = "failed"


ANSWERING_STATES = (InstanceState.READY, InstanceState.ASLEEP)
"""Those in which requests may be sent to an instance."""
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

    sleep_after: int = DEFAULT_SLEEP_AFTER
    """Seconds without a call after which a process gives its memory back; 0 never does."""
    runtime: str = ""
    """What computes every version, whatever its card says; empty leaves it to the cards."""

    baked: str = ""
    """The version that the image holds, as `FleetImage.mark`; empty if models are mounted."""

    @property
    def hash(self) -> str:
        """Twelve hex digits that change whenever the spec does."""
        fields = asdict(self)
        for name in ("pids_limit", "tcp", "runtime", "baked"):
            # Unknown to Servery 0.1: one that is not set does not change the hash.
            if not fields[name]:
                del fields[name]
        if self.sleep_after == DEFAULT_SLEEP_AFTER:  # so are former instances never out of date
            del fields["sleep_after"]
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
    """STARTING (ports not known yet, or known and not probed), ASLEEP, DRAINING (someone asked it
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
    any_version: bool = False
    """Whether somebody else decides which versions it serves: any of them will do."""
    log: str = ""
    """The file that has its log, kept if it fails; empty if its engine keeps the log."""
    has_run: bool = True
    """Whether its server was ever started: what never ran says nothing against its models."""
    node: str = ""
    """The machine that it runs on, by the name that its engine gives it; empty if there is only
    one, or none has been chosen yet."""

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


class UpdateState(StrEnum):
    """How far an engine is that replaces instances by others of its own accord."""

    NONE = "none"
    """Nothing goes on; the last one came to its end, or nothing is known of it."""
    UPDATING = "updating"
    ROLLING_BACK = "rolling back"
    ROLLED_BACK = "rolled back"
    """The new instances did not come up, and the former ones run again."""
    PAUSED = "paused"
    """Neither the new instances nor the former ones come up: a person has to look."""


CHANGING_STATES = (UpdateState.UPDATING, UpdateState.ROLLING_BACK)
ROLLBACK_STATES = (UpdateState.ROLLING_BACK, UpdateState.ROLLED_BACK, UpdateState.PAUSED)


@dataclass(frozen=True)
class ReplicatedService:
    """What an engine keeps running that counts and replaces instances by itself."""

    spec_hash: str
    """Of the spec that its instances have, or are given by the update that goes on."""
    count: int
    """How many there should be."""
    update: UpdateState = UpdateState.NONE
    update_started: str = ""
    """Another text for each update."""
    sentence: str = ""
    """What a person should know of the update; empty if nothing."""


class Engine(Protocol):
    """Runs instances. Implementations translate every library error to EngineError."""

    @property
    def name(self) -> str:
        """What it is called in the settings: docker, process, swarm."""

    async def availability(self) -> Availability:
        """Say within 3 s whether instances can be run here; within 9 s by way of ssh."""

    async def instances(self) -> list[Instance]:
        """List own instances in any state, oldest first; the engine is the database."""

    async def start(self, spec: InstanceSpec, *, fleet_size: int = 1) -> Instance:
        """Start one instance and return at once, in state STARTING.

        `fleet_size` instances share the machine, which decides the threads of a spec
        that does not.
        """

    async def baked_model(self, image: str) -> BakedModel | None:
        """Return the version of a model that a container image holds; None if it holds none."""

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


@runtime_checkable
class ReplicatedEngine(Engine, Protocol):
    """An engine that is told how many instances of which spec there should be.

    It keeps that number by itself, chooses which one goes, and replaces them one after the other
    when the spec changes; new ones that do not come up it takes back. `start` and `stop` change
    the number by one.
    """

    @property
    def service(self) -> ReplicatedService | None:
        """What it keeps, as of the last `instances()`; None if it was told nothing."""

    async def apply(self, spec: InstanceSpec, count: int, *, restart: bool = False) -> None:
        """Keep `count` instances of this spec from now on; returns at once.

        Idempotent. With `restart` every instance is replaced even if its spec is this one. 0 ends
        them all, and removes what is left once they have ended. Raises EngineError.
        """
