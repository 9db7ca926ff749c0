"""What the dialog of the nodes asks for is carried out, once a person agreed where that matters."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest
from PySide6.QtWidgets import QApplication

from desktop.fleet.engines import FleetEngines
from desktop.fleet.nodes_dialog import NodesDialog
from desktop.fleet.nodes_presenter import NodesPresenter
from desktop.fleet.page import FleetPage
from desktop.jobs import Jobs
from desktop.notifications import Notifications
from desktop.widgets.question import Question
from serving.engines.swarm.membership import Membership, Node, SwarmState
from serving.workspace import Workspace
from tests.gui.conftest import Run, show
from tests.support.waiting import wait_until


@dataclass
class FakeSwarm:
    """An engine that belongs to no swarm until it is asked to start one."""

    started: list[str] = field(default_factory=list)

    async def membership(self) -> Membership:
        return Membership(SwarmState.MANAGER if self.started else SwarmState.NONE, nodes=1)

    async def nodes(self) -> list[Node]:
        return []

    async def addresses(self) -> list[str]:
        return ["192.0.2.7"]

    async def start(self, address: str) -> None:
        self.started.append(address)


@dataclass
class FakeEngines:
    nodes: FakeSwarm


@pytest.mark.parametrize(("answer", "started"), [("Cancel", []), ("Start a swarm", ["192.0.2.7"])])
def test_a_swarm_is_started_once_a_person_agreed_to_its_ports(
    application: QApplication, run: Run, tmp_path: Path, answer: str, started: list[str]
) -> None:
    async def main() -> None:
        swarm, jobs, page = FakeSwarm(), Jobs(), show(FleetPage(), 900, 600)
        engines = cast(FleetEngines, FakeEngines(swarm))
        _presenter = NodesPresenter(page, engines, Workspace(tmp_path), jobs, Notifications())
        page.nodes_requested.emit()
        dialog = await wait_until(lambda: page.findChild(NodesDialog))
        assert dialog is not None
        await wait_until(lambda: dialog.start.isVisible())
        await wait_until(lambda: bool(dialog.address.currentText()))
        dialog.start.click()
        (question,) = dialog.findChildren(Question)
        assert question.text() == "Start a swarm at 192.0.2.7?"
        assert "TCP ports 2377 and 7946" in question.informativeText()
        assert swarm.started == []
        next(each for each in question.buttons() if each.text() == answer).click()
        await wait_until(lambda: not jobs.running or swarm.started == started)
        if started:
            await wait_until(lambda: "manages a swarm" in dialog.sentence.text())
        assert swarm.started == started
        dialog.reject()
        await jobs.close()

    run(main)
