"""The nodes of a swarm, as the dialog shows them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PySide6.QtTest import QSignalSpy
from PySide6.QtWidgets import QApplication, QLabel

from desktop.fleet.nodes_dialog import NodesDialog
from serving.engines.swarm.membership import Membership, Node, NodeAvailability, SwarmState

MANAGER = Membership(SwarmState.MANAGER, "a1", "192.0.2.1", managers=1, nodes=2)
FIRST = Node(
    id="a1",
    name="workshop",
    manager=True,
    leader=True,
    state="ready",
    availability=NodeAvailability.ACTIVE,
    address="192.0.2.1",
    cores=8,
    memory=32 * 10**9,
    engine_version="28.2.2",
    here=True,
    tasks=2,
)
SECOND = replace(
    FIRST, id="b2", name="attic", manager=False, leader=False, here=False, address="192.0.2.2"
)


@pytest.fixture
def dialog(application: QApplication) -> NodesDialog:
    return NodesDialog()


def test_each_node_has_a_row_with_what_it_is_and_has(dialog: NodesDialog) -> None:
    dialog.show_membership(MANAGER, [FIRST, replace(SECOND, missing_images=("serving:1",))])
    first, second = dialog.rows.values()
    assert first.name.text() == "workshop (this engine)"
    facts = first.facts.text()
    assert facts.replace("\u00a0", " ") == "Leader, 8 cores, 32.0 GB, Docker 28.2.2, 2 containers"
    assert "2\u00a0containers" in facts  # a number stays with what it counts
    assert not first.remove.isVisibleTo(dialog)
    assert second.problem.text() == "It does not have the image serving:1."
    dialog.show_membership(MANAGER, [FIRST, replace(SECOND, state="down", message="no heartbeat.")])
    assert dialog.rows["b2"] is second
    assert (second.badge.text, second.problem.text()) == ("Down", "No heartbeat.")


def test_the_last_node_that_can_run_instances_is_not_drained(dialog: NodesDialog) -> None:
    requested = QSignalSpy(dialog.availability_requested)
    dialog.show_membership(MANAGER, [FIRST, SECOND])
    dialog.rows["b2"].switch.click()
    assert requested.at(0) == ["b2", NodeAvailability.DRAIN]
    drained = replace(SECOND, availability=NodeAvailability.DRAIN)
    dialog.show_membership(MANAGER, [FIRST, drained])
    assert not dialog.rows["a1"].switch.isEnabled()
    assert dialog.rows["b2"].badge.text == "Drained"
    dialog.rows["b2"].switch.click()
    assert requested.at(1) == ["b2", NodeAvailability.ACTIVE]


def test_the_secret_of_a_swarm_is_never_on_screen(dialog: NodesDialog) -> None:
    dialog.show_membership(MANAGER, [FIRST])
    command = "docker swarm join --token SWMTKN-1-secret 192.0.2.1:2377"
    dialog.put_on_clipboard(command)
    assert QApplication.clipboard().text() == command
    assert not any("SWMTKN" in label.text() for label in dialog.findChildren(QLabel))
    dialog.show_membership(Membership(SwarmState.NONE), [])
    requested = QSignalSpy(dialog.join_requested)
    dialog.address.setEditText("192.0.2.2")
    dialog.manager.setText("192.0.2.1:2377")
    dialog.token.setText("SWMTKN-1-secret")
    assert "secret" not in dialog.token.displayText()
    dialog.join.click()
    assert requested.at(0) == ["192.0.2.1:2377", "SWMTKN-1-secret", "192.0.2.2"]
    assert dialog.token.text() == ""


@pytest.mark.parametrize(
    ("membership", "words", "leaves"),
    [
        (Membership(SwarmState.NONE), "belongs to no swarm", False),
        (Membership(SwarmState.UNSUPPORTED), "knows no swarms", False),
        (Membership(SwarmState.WORKER, "b2"), "another node manages", True),
        (Membership(SwarmState.LOCKED), "keys are locked", True),
        (
            Membership(SwarmState.BROKEN, error="no leader"),
            "does not take part in it: no leader",
            True,
        ),
    ],
)
def test_an_engine_that_manages_no_swarm_says_what_can_be_done(
    dialog: NodesDialog, membership: Membership, words: str, leaves: bool
) -> None:
    dialog.show_membership(membership, [])
    assert words in dialog.sentence.text()
    assert dialog.advice.text()
    assert dialog.leave.isVisibleTo(dialog) is leaves
    assert dialog.rows == {}
