"""What the API says of a swarm, read; the answers are those of Docker Engine 20.10."""

from __future__ import annotations

from typing import Any

import pytest

from serving.engines.swarm.membership import Membership, SwarmState, find_node, read_nodes
from serving.errors import EngineError

MISSING = "No such image: serving:1"


def node_row(node_id: str, name: str, **status: Any) -> dict[str, Any]:
    return {
        "ID": node_id,
        "Spec": {"Role": "worker", "Availability": "active"},
        "Description": {"Hostname": name, "Resources": {"NanoCPUs": 2 * 10**9}},
        "Status": {"State": "ready", "Addr": "192.0.2.7", **status},
    }


def task_row(second: int, state: str, error: str = "", image: str = "serving:1") -> dict[str, Any]:
    return {
        "NodeID": "n1",
        "Spec": {"ContainerSpec": {"Image": image}},
        "Status": {"State": state, "Err": error, "Timestamp": f"2026-01-01T00:00:{second:02}Z"},
    }


@pytest.mark.parametrize(
    ("info", "state", "words"),
    [
        ({}, SwarmState.NONE, "belongs to no swarm"),
        ({"LocalNodeState": "inactive"}, SwarmState.NONE, "belongs to no swarm"),
        ({"LocalNodeState": "locked"}, SwarmState.LOCKED, "keys are locked"),
        ({"LocalNodeState": "active"}, SwarmState.WORKER, "is a worker"),
        (
            {"LocalNodeState": "active", "ControlAvailable": True, "Nodes": 3, "Managers": 1},
            SwarmState.MANAGER,
            "manages a swarm of 3 nodes",
        ),
        ({"LocalNodeState": "pending"}, SwarmState.BROKEN, "it is still joining"),
        (
            {"LocalNodeState": "active", "ControlAvailable": True, "Error": "no leader.\n"},
            SwarmState.BROKEN,
            "does not take part in it: no leader.",
        ),
        ({"LocalNodeState": "error", "Error": "expired"}, SwarmState.BROKEN, "expired"),
    ],
)
def test_what_an_engine_is_to_a_swarm(info: dict[str, Any], state: SwarmState, words: str) -> None:
    membership = Membership.read({"Swarm": info})
    assert membership.state is state
    assert words in membership.sentence
    assert bool(membership.advice) is (state is not SwarmState.MANAGER)


def test_an_image_is_missing_until_a_later_task_has_it() -> None:
    rows = [node_row("n1", "attic")]
    lacks = [task_row(2, "rejected", MISSING), task_row(1, "running")]
    assert read_nodes(rows, lacks, "n2")[0].missing_images == ("serving:1",)
    healed = [*lacks, task_row(3, "running")]
    assert read_nodes(rows, healed, "n2")[0].missing_images == ()
    other = [*healed, task_row(4, "rejected", MISSING, "serving:2@sha256:12")]
    (node,) = read_nodes(rows, other, "n1")
    assert (node.missing_images, node.tasks, node.here) == (("serving:2",), 2, True)


def test_a_node_is_found_by_its_name_address_or_id() -> None:
    rows = [
        node_row("aaa111", "attic"),
        node_row("aab222", "cellar", Addr="192.0.2.8"),
        node_row("ccc333", "twin", Addr="192.0.2.9"),
        node_row("ddd444", "twin", Addr="192.0.2.10", State="down"),
    ]
    nodes = read_nodes(rows, [], "aaa111")
    for name in ("attic", "aaa111", "192.0.2.7", "aaa"):
        assert find_node(nodes, name).id == "aaa111"
    assert find_node(nodes, "ddd").id == "ddd444"
    for name, words in (
        ("aa", "Several nodes are called aa"),
        ("twin", "ccc333 at 192.0.2.9, ddd444 at 192.0.2.10"),
        ("nobody", "has no node called nobody"),
        ("", "has no node called"),
    ):
        with pytest.raises(EngineError, match=words):
            find_node(nodes, name)
