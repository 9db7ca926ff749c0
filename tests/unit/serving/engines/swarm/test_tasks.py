"""What the tasks of a swarm mean for the instances of a fleet."""

from __future__ import annotations

from typing import Any

import pytest

from serving.engines.docker import names
from serving.engines.protocol import InstanceState, UpdateState
from serving.engines.swarm.placement import read_nodes
from serving.engines.swarm.service_state import read_service
from serving.engines.swarm.tasks import read_tasks, task_id, to_instances

NODES = read_nodes(
    [
        {
            "ID": "first0",
            "Description": {"Hostname": "one", "Resources": {"NanoCPUs": 4e9, "MemoryBytes": 8e9}},
            "Status": {"State": "ready", "Addr": "0.0.0.0"},
            "ManagerStatus": {"Addr": "10.0.0.1:2377"},
        },
        {
            "ID": "second",
            "Description": {"Hostname": "two"},
            "Spec": {"Availability": "drain"},
            "Status": {"State": "ready", "Addr": "10.0.0.2"},
        },
        {
            "ID": "third0",
            "Description": {"Hostname": "three"},
            "Status": {"State": "down", "Addr": "10.0.0.3"},
        },
    ]
)


def task(
    number: int,
    state: str,
    desired: str = "running",
    *,
    slot: int = 1,
    node: str = "first0",
    spec: str = "new",
    error: str = "",
    status: int = 0,
    ports: bool = True,
) -> dict[str, Any]:
    published = [
        {"TargetPort": 8500, "PublishedPort": 49000 + number},
        {"TargetPort": 8501, "PublishedPort": 49100 + number},
    ]
    return {
        "ID": f"{number:025d}",
        "Slot": slot,
        "NodeID": node,
        "DesiredState": desired,
        "CreatedAt": f"2026-11-01T00:00:{number:02d}Z",
        "Spec": {"ContainerSpec": {"Labels": {names.SPEC: spec}}},
        "Status": {
            "State": state,
            "Err": error,
            "ContainerStatus": {"ContainerID": f"container{number}", "ExitCode": status},
            "PortStatus": {"Ports": published if ports else []},
        },
    }


def shown(*rows: dict[str, Any]) -> list[tuple[str, str]]:
    """State and reason of each instance, oldest first."""
    found = to_instances(read_tasks(rows, NODES))
    return [(str(each.state), each.failure) for each in found]


def test_an_instance_is_reached_at_the_port_of_its_own_node() -> None:
    first, second = to_instances(
        read_tasks([task(2, "running", slot=2, node="second"), task(1, "running")], NODES)
    )
    assert (first.node, first.grpc_address, first.rest_address) == (
        "one",
        "10.0.0.1:49001",
        "10.0.0.1:49101",
    )
    assert (second.node, second.grpc_address) == ("two", "10.0.0.2:49002")
    assert first.state is InstanceState.STARTING
    assert (first.spec_hash, first.id) == ("new", "task-000000000000")
    assert task_id("task-000000000000") == "000000000000"


@pytest.mark.parametrize("text", ["instance-1", "task-", "task-../../etc/pass", "000000000000"])
def test_what_is_no_id_of_a_task(text: str) -> None:
    assert task_id(text) == ""


@pytest.mark.parametrize("state", ["new", "pending", "assigned", "preparing", "starting"])
def test_one_that_does_not_run_yet_starts(state: str) -> None:
    assert shown(task(1, state, ports=False)) == [("starting", "")]


def test_one_that_finds_no_node_says_why() -> None:
    waiting = task(1, "pending", node="", error="no suitable node (insufficient memory on 2 nodes)")
    assert shown(waiting) == [("starting", "No suitable node (insufficient memory on 2 nodes).")]


def test_one_that_the_swarm_ends_drains_until_it_has_ended() -> None:
    assert shown(task(1, "running", "shutdown")) == [("draining", "")]
    assert shown(task(1, "shutdown", "shutdown")) == []
    # Nobody will ever say what became of it.
    assert shown(task(1, "running", "shutdown", node="third0")) == []


def test_one_whose_node_is_down_has_failed_until_it_runs_elsewhere() -> None:
    lost = task(1, "running", node="third0")
    assert shown(lost) == [("failed", "Its node three does not answer.")]
    moved = task(1, "running", "shutdown", node="third0")
    assert shown(moved, task(2, "starting")) == [("starting", "")]


def test_a_slot_shows_why_it_failed_until_the_next_attempt_runs() -> None:
    failed = task(1, "failed", "shutdown", error="task: non-zero exit (3)", status=3)
    said = "Its container ended with exit status 3."
    assert shown(failed, task(2, "ready", "ready")) == [("failed", said)]
    assert shown(failed, task(2, "starting", "running")) == [("starting", "")]
    assert shown(failed) == [("failed", said)]
    # An update that begins afterwards is something else.
    assert shown(failed, task(2, "preparing", spec="other")) == [("starting", "")]


@pytest.mark.parametrize(
    ("error", "status", "sentence"),
    [
        ("No such image: waste:3", 0, "Node two does not have the image waste:3."),
        (
            'invalid mount config for type "bind": bind source path does not exist: /w/models',
            0,
            "Node two does not see the folder of the models, /w/models.",
        ),
        (
            "task: non-zero exit (137): dockerexec: unhealthy container",
            137,
            "Its server did not answer its health check.",
        ),
        ("starting container failed: no space", 0, "Starting container failed: no space."),
    ],
)
def test_a_failed_task_says_why(error: str, status: int, sentence: str) -> None:
    failed = task(1, "rejected", "shutdown", node="second", error=error, status=status)
    assert shown(failed) == [("failed", sentence)]


def test_during_an_update_old_and_new_are_shown() -> None:
    rows = [task(1, "running", spec="old"), task(2, "starting", spec="new")]
    found = to_instances(read_tasks(rows, NODES))
    assert [(each.spec_hash, str(each.state)) for each in found] == [
        ("old", "starting"),
        ("new", "starting"),
    ]


def test_a_node_that_is_down_or_drained_takes_no_tasks() -> None:
    assert {node.name: node.takes_tasks for node in NODES.values()} == {
        "one": True,
        "two": False,
        "three": False,
    }


def test_two_nodes_of_one_name_are_told_apart() -> None:
    rows = [
        {"ID": each, "Description": {"Hostname": "same"}, "Status": {"State": "ready"}}
        for each in ("aaaaaaaa", "bbbbbbbb")
    ]
    assert {node.name for node in read_nodes(rows).values()} == {"same aaaaaa", "same bbbbbb"}


@pytest.mark.parametrize(
    ("state", "update", "words"),
    [
        ("updating", UpdateState.UPDATING, ""),
        ("completed", UpdateState.NONE, ""),
        ("rollback_started", UpdateState.ROLLING_BACK, "goes back to the former ones."),
        ("rollback_completed", UpdateState.ROLLED_BACK, "went back to the former ones."),
        ("rollback_paused", UpdateState.PAUSED, "so the swarm waits."),
        ("something new", UpdateState.NONE, ""),
    ],
)
def test_the_state_of_an_update_is_described(state: str, update: UpdateState, words: str) -> None:
    failed = task(2, "failed", "shutdown", error="task: non-zero exit (1)", status=1)
    tasks = read_tasks([task(1, "running", spec="old"), failed], NODES)
    row = {
        "Spec": {"Labels": {names.SPEC: "old"}, "Mode": {"Replicated": {"Replicas": 3}}},
        "UpdateStatus": {"State": state, "StartedAt": "then"},
    }
    service = read_service(row, tasks)
    assert (service.spec_hash, service.count, service.update) == ("old", 3, update)
    assert words in service.sentence
    assert bool(words) == ("ended with exit status 1" in service.sentence)
