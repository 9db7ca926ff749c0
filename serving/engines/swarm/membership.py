"""Whether an engine belongs to a swarm, and the nodes that one has: what the API answers, read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from serving.engines.swarm import placement
from serving.engines.swarm.placement import PlacedNode
from serving.errors import EngineError

MANAGER_PORT = 2377
_IMAGE_MISSING = "No such image"
"""How the engine begins to say it; it has no field for it."""


class SwarmState(StrEnum):
    """What an engine is to a swarm."""

    NONE = "none"
    """It belongs to none."""
    UNSUPPORTED = "unsupported"
    """It knows no swarms, as Podman."""
    WORKER = "worker"
    """It runs what the managers of a swarm give it, and may not ask about the swarm."""
    MANAGER = "manager"
    LOCKED = "locked"
    """It was a manager, and its keys have to be unlocked."""
    BROKEN = "broken"
    """It belongs to one, but does not take part at the moment."""


@dataclass(frozen=True)
class Membership:
    """What an engine says about the swarm that it belongs to."""

    state: SwarmState
    node_id: str = ""
    address: str = ""
    """By which other nodes reach it."""
    managers: int = 0
    nodes: int = 0
    error: str = ""
    """Why it does not take part, as the engine says it."""

    @property
    def manages(self) -> bool:
        return self.state is SwarmState.MANAGER

    @property
    def belongs(self) -> bool:
        """Whether there is a swarm that it could leave."""
        return self.state not in (SwarmState.NONE, SwarmState.UNSUPPORTED)

    @property
    def sentence(self) -> str:
        """Say what it is to a swarm."""
        if self.state is SwarmState.MANAGER:
            nodes = "1 node" if self.nodes == 1 else f"{self.nodes:,} nodes"
            return f"The engine manages a swarm of {nodes}."
        return {
            SwarmState.NONE: "The engine runs on its own: it belongs to no swarm.",
            SwarmState.UNSUPPORTED: "This engine knows no swarms.",
            SwarmState.WORKER: "The engine is a worker in a swarm that another node manages.",
            SwarmState.LOCKED: "The engine belongs to a swarm whose keys are locked.",
            SwarmState.BROKEN: "The engine belongs to a swarm, but does not take part in it:"
            f" {self.error or 'it does not say why'}.",
        }[self.state]

    @property
    def advice(self) -> str:
        """Say what can be done to manage the swarm from here; empty if it can be managed."""
        return {
            SwarmState.MANAGER: "",
            SwarmState.NONE: "Start a swarm, or join one.",
            SwarmState.UNSUPPORTED: "Use a Docker Engine.",
            SwarmState.WORKER: "Manage it there, or make this machine a manager with"
            f" `docker node promote {self.node_id}` on a manager.",
            SwarmState.LOCKED: "Run `docker swarm unlock` on its machine.",
            SwarmState.BROKEN: "Check the network between the nodes, and the engine's own log.",
        }[self.state]

    @classmethod
    def read(cls, info: Mapping[str, Any]) -> Membership:
        """Read the answer to `/info`."""
        raw = info.get("Swarm") or {}
        local = str(raw.get("LocalNodeState") or "inactive")
        state = SwarmState.BROKEN
        if local == "inactive":
            state = SwarmState.NONE
        elif local == "locked":
            state = SwarmState.LOCKED
        elif local == "active" and not raw.get("Error"):
            state = SwarmState.MANAGER if raw.get("ControlAvailable") else SwarmState.WORKER
        error = " ".join(str(raw.get("Error") or "").split()).removesuffix(".")
        return cls(
            state,
            str(raw.get("NodeID") or ""),
            str(raw.get("NodeAddr") or ""),
            int(raw.get("Managers") or 0),
            int(raw.get("Nodes") or 0),
            error or ("it is still joining" if local == "pending" else ""),
        )


class NodeAvailability(StrEnum):
    """Whether the swarm gives a node something to run."""

    ACTIVE = "active"
    PAUSE = "pause"
    """Nothing new."""
    DRAIN = "drain"
    """Nothing; what ran there runs elsewhere."""


@dataclass(frozen=True)
class Node:
    """One engine of a swarm, as a manager sees it."""

    id: str
    name: str
    """The host name; with the beginning of its id if another one is called the same."""
    manager: bool
    leader: bool
    state: str
    """As the swarm names it: ready, down, unknown, disconnected."""
    availability: NodeAvailability
    address: str
    cores: int
    memory: int
    """Bytes."""
    engine_version: str
    here: bool = False
    """Whether it is the engine that was asked."""
    message: str = ""
    """What the swarm says about a node that is not ready."""
    tasks: int = 0
    """Containers of services that run there."""
    missing_images: tuple[str, ...] = ()
    """Images whose lack was the latest that the node said about them."""

    @property
    def ready(self) -> bool:
        return self.state == "ready"

    @property
    def usable(self) -> bool:
        """Whether the swarm gives it something to run."""
        return self.ready and self.availability is NodeAvailability.ACTIVE

    @property
    def role(self) -> str:
        return "leader" if self.leader else "manager" if self.manager else "worker"


def read_nodes(
    rows: Sequence[Mapping[str, Any]], tasks: Sequence[Mapping[str, Any]], here: str
) -> list[Node]:
    """Return the nodes by their names, managers first; `here` is the id of the one that answers."""
    placed = placement.read_nodes(rows)
    nodes = [_read_node(row, placed[str(row["ID"])], tasks, here) for row in rows]
    return sorted(nodes, key=lambda node: (not node.manager, node.name, node.id))


def _read_node(
    row: Mapping[str, Any], placed: PlacedNode, tasks: Sequence[Mapping[str, Any]], here: str
) -> Node:
    spec, status = row.get("Spec") or {}, row.get("Status") or {}
    engine = (row.get("Description") or {}).get("Engine") or {}
    own = [task for task in tasks if task.get("NodeID") == placed.id]
    return Node(
        id=placed.id,
        name=placed.name,
        manager=spec.get("Role") == "manager",
        leader=(row.get("ManagerStatus") or {}).get("Leader") is True,
        state=str(status.get("State") or "unknown"),
        availability=NodeAvailability(spec.get("Availability") or "active"),
        address=placed.address,
        cores=placed.cores,
        memory=placed.memory,
        engine_version=str(engine.get("EngineVersion") or ""),
        here=placed.id == here,
        message=str(status.get("Message") or ""),
        tasks=sum((task.get("Status") or {}).get("State") == "running" for task in own),
        missing_images=_missing_images(own),
    )


def _missing_images(tasks: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the images that the tasks of one node failed for, if no later one got them."""
    missing: dict[str, bool] = {}
    for task in sorted(tasks, key=lambda task: str((task.get("Status") or {}).get("Timestamp"))):
        image = ((task.get("Spec") or {}).get("ContainerSpec") or {}).get("Image")
        status = task.get("Status") or {}
        if image and str(status.get("Err") or "").startswith(_IMAGE_MISSING):
            missing[_without_digest(str(image))] = True
        elif image and status.get("State") in ("starting", "running", "complete", "failed"):
            missing[_without_digest(str(image))] = False
    return tuple(sorted(image for image, lacks in missing.items() if lacks))


def _without_digest(image: str) -> str:
    return image.partition("@")[0]


def find_node(nodes: Sequence[Node], name: str) -> Node:
    """Return the node of this name, address, id or beginning of an id; raises EngineError."""
    for same in (
        [node for node in nodes if node.id == name],
        [node for node in nodes if name in (node.name, node.address)],
        [node for node in nodes if node.name.partition(" ")[0] == name],
        [node for node in nodes if name and node.id.startswith(name)],
    ):
        if len(same) == 1:
            return same[0]
        if same:
            listed = ", ".join(f"{node.id} at {node.address}" for node in same)
            raise EngineError(f"Several nodes are called {name}.", f"Name one by its id: {listed}.")
    raise EngineError(
        f"The swarm has no node called {name}.", "`servery fleet nodes` lists those that it has."
    )
