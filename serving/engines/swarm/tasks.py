"""The instances of a service, derived from the swarm's tasks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from serving.engines.docker import names
from serving.engines.docker.states import Inspection, exit_reason
from serving.engines.docker.usage import parse_timestamp
from serving.engines.names import SWARM
from serving.engines.protocol import Instance, InstanceState
from serving.engines.server_flags import GRPC_PORT, REST_PORT
from serving.engines.swarm.placement import PlacedNode

_STARTS = ("ready", "running")
"""What the swarm wants of a task that it does not end."""
_WAITS = ("new", "allocated", "pending", "assigned", "accepted", "preparing", "ready")
"""States before anything runs."""
FAILED_STATES = ("failed", "rejected")
_ENDED = ("complete", "shutdown", "remove", "orphaned", *FAILED_STATES)
_ID_LENGTH = 12
_ID_PREFIX = "task-"


@dataclass(frozen=True)
class SwarmTask:
    """One attempt of the swarm to run one of a service's containers; it makes a new one each time.

    `slot` is the number of the instance that it is an attempt of.
    """

    id: str
    slot: int
    spec_hash: str
    state: str
    desired: str
    node: PlacedNode | None
    """None if none was chosen, or it has left the swarm."""
    created: float
    """Seconds since the epoch."""
    error: str
    """The engine's own message."""
    container: str
    """The container's id on its node; empty if it has none."""
    exit_status: int
    ports: Mapping[int, int]
    """The published port of its node, by the port inside."""

    @property
    def instance_id(self) -> str:
        return f"{_ID_PREFIX}{self.id[:_ID_LENGTH]}"

    @property
    def has_ended(self) -> bool:
        return self.state in _ENDED

    @property
    def is_kept(self) -> bool:
        """Whether the swarm means to have it run."""
        return self.desired in _STARTS

    @property
    def is_lost(self) -> bool:
        """Whether nobody knows what became of it, since its node does not answer."""
        return not self.has_ended and self.node is not None and not self.node.is_up


def task_id(instance_id: str) -> str:
    """Return the beginning of the id of an instance's task; empty if it is no id of one."""
    text = instance_id.removeprefix(_ID_PREFIX)
    return text if text != instance_id and text.isalnum() and len(text) == _ID_LENGTH else ""


def read_tasks(
    rows: Iterable[Mapping[str, Any]], nodes: Mapping[str, PlacedNode]
) -> list[SwarmTask]:
    """Return the tasks of an answer to `/tasks`, the oldest first."""
    tasks = [_task(row, nodes) for row in rows]
    return sorted(tasks, key=lambda task: (task.created, task.id))


def _task(row: Mapping[str, Any], nodes: Mapping[str, PlacedNode]) -> SwarmTask:
    status = row.get("Status") or {}
    container = status.get("ContainerStatus") or {}
    spec = (row.get("Spec") or {}).get("ContainerSpec") or {}
    ports = (status.get("PortStatus") or {}).get("Ports") or ()
    return SwarmTask(
        id=str(row["ID"]),
        slot=int(row.get("Slot") or 0),
        spec_hash=str((spec.get("Labels") or {}).get(names.SPEC, "")),
        state=str(status.get("State") or ""),
        desired=str(row.get("DesiredState") or ""),
        node=nodes.get(str(row.get("NodeID") or "")),
        created=parse_timestamp(str(row.get("CreatedAt") or "")),
        error=" ".join(str(status.get("Err") or "").split()),
        container=str(container.get("ContainerID") or ""),
        exit_status=int(container.get("ExitCode") or 0),
        ports={
            int(port["TargetPort"]): int(port["PublishedPort"])
            for port in ports
            if port.get("PublishedPort")
        },
    )


def to_instances(tasks: Sequence[SwarmTask]) -> list[Instance]:
    """Return what the tasks of a service mean for people and for the fleet, oldest first.

    A slot whose task failed shows that one, with the reason, until the next one runs; what
    failed before is history.
    """
    slots: dict[int, list[SwarmTask]] = defaultdict(list)
    for task in tasks:
        slots[task.slot].append(task)
    shown = [task for slot in slots.values() for task in _shown(slot)]
    return [_instance(task) for task in sorted(shown, key=lambda task: (task.created, task.id))]


def failed_task(tasks: Sequence[SwarmTask], other_than: str) -> SwarmTask | None:
    """Return the newest task that failed with another spec; None without one."""
    failed = [
        task for task in tasks if task.state in FAILED_STATES and task.spec_hash != other_than
    ]
    return failed[-1] if failed else None


def failure(task: SwarmTask) -> str:
    """Return why a task failed, or does not start, as a sentence; empty if the engine is silent."""
    where = f"Node {task.node.name}" if task.node is not None else "Its node"
    error = task.error
    # The API has no field for these, only the words of the node's engine.
    if "No such image" in error:
        image = error.rpartition("No such image:")[2].strip()
        return f"{where} does not have the image {image}."
    if "bind source path does not exist" in error:
        folder = error.rpartition("bind source path does not exist:")[2].strip()
        return f"{where} does not see the folder of the models, {folder}."
    if "unhealthy container" in error:
        return "Its server did not answer its health check."
    if task.exit_status:
        return exit_reason(Inspection(exit_status=task.exit_status))
    if not error or error.startswith("task: non-zero exit"):
        return exit_reason(Inspection()) if task.state in FAILED_STATES else ""
    return f"{error[0].upper()}{error[1:].removesuffix('.')}."


def _shown(slot: Sequence[SwarmTask]) -> list[SwarmTask]:
    """Return the tasks of one slot that count, oldest first."""
    alive = [task for task in slot if not task.has_ended and (task.is_kept or not task.is_lost)]
    ended = [task for task in slot if task.state in FAILED_STATES]
    last_failed = ended[-1] if ended else None
    if last_failed is None:
        return alive
    if not alive:
        # Nothing follows what failed while an update is paused.
        return [last_failed] if last_failed is slot[-1] else []
    newest = alive[-1]
    repeats = newest.spec_hash == last_failed.spec_hash and newest.created >= last_failed.created
    if newest.is_kept and newest.state in _WAITS and repeats:
        return [*(task for task in alive if task is not newest), last_failed]
    return alive


def _instance(task: SwarmTask) -> Instance:
    state, why = _state(task)
    return Instance(
        id=task.instance_id,
        engine=SWARM,
        spec_hash=task.spec_hash,
        state=state,
        grpc_address=_address(task, GRPC_PORT),
        rest_address=_address(task, REST_PORT),
        started=task.created,
        failure=why,
        has_run=bool(task.container),
        node="" if task.node is None else task.node.name,
    )


def _state(task: SwarmTask) -> tuple[InstanceState, str]:
    if task.has_ended:
        return InstanceState.FAILED, failure(task)
    if not task.is_kept:
        return InstanceState.DRAINING, ""
    if task.is_lost and task.node is not None:
        return InstanceState.FAILED, f"Its node {task.node.name} does not answer."
    return InstanceState.STARTING, failure(task) if task.state in _WAITS else ""


def _address(task: SwarmTask, port: int) -> str | None:
    if task.has_ended or task.node is None or not task.node.address or port not in task.ports:
        return None
    host = task.node.address
    return f"[{host}]:{task.ports[port]}" if ":" in host else f"{host}:{task.ports[port]}"
