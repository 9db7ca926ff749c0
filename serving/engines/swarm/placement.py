"""Where tasks run: the machines of a swarm, as its API lists them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_NO_ADDRESS = ("", "0.0.0.0", "::")
"""What the API says of a node whose address it does not know, such as a manager's own."""


@dataclass(frozen=True)
class PlacedNode:
    """One machine of a swarm."""

    id: str
    name: str
    """Its host name; with the beginning of its id if another one is called the same."""
    address: str
    """Where the others, and this program, reach it; empty if the swarm does not know."""
    is_up: bool
    """Whether the swarm has heard of it lately."""
    takes_tasks: bool
    """Whether the swarm gives it something to run: it is up, and neither drained nor paused."""
    cores: int
    memory: int
    """Bytes."""


def read_nodes(rows: Sequence[Mapping[str, Any]]) -> dict[str, PlacedNode]:
    """Return the nodes of an answer to `/nodes`, by their ids."""
    names = Counter(_host_name(row) for row in rows)
    return {node.id: node for node in (_node(row, names) for row in rows)}


def _node(row: Mapping[str, Any], names: Mapping[str, int]) -> PlacedNode:
    name, node_id = _host_name(row), str(row["ID"])
    resources = (row.get("Description") or {}).get("Resources") or {}
    status = row.get("Status") or {}
    is_up = status.get("State") == "ready"
    return PlacedNode(
        id=node_id,
        name=name if names[name] == 1 else f"{name} {node_id[:6]}",
        address=_address(status, row.get("ManagerStatus") or {}),
        is_up=is_up,
        takes_tasks=is_up and (row.get("Spec") or {}).get("Availability", "active") == "active",
        cores=max(1, int(resources.get("NanoCPUs") or 0) // 1_000_000_000),
        memory=int(resources.get("MemoryBytes") or 0),
    )


def _host_name(row: Mapping[str, Any]) -> str:
    return str((row.get("Description") or {}).get("Hostname") or row["ID"][:12])


def _address(status: Mapping[str, Any], manager: Mapping[str, Any]) -> str:
    address = str(status.get("Addr") or "")
    # What a manager is reached by is what it advertises, while it sees itself on loopback.
    advertised = str(manager.get("Addr") or "").rpartition(":")[0].strip("[]")
    if address in _NO_ADDRESS or address.startswith("127."):
        return advertised or address
    return address
