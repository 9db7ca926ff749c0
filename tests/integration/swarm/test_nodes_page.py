"""The dialog of the nodes on a real engine: a swarm is started, drained and left by clicks."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from PySide6.QtWidgets import QApplication

from desktop.fleet.engines import FleetEngines
from desktop.fleet.nodes_dialog import NodesDialog
from desktop.fleet.nodes_presenter import NodesPresenter
from desktop.fleet.page import FleetPage
from desktop.jobs import Jobs
from desktop.notifications import Notifications
from desktop.widgets.question import Question
from serving.engines.docker.engine import DockerEngine
from serving.engines.process import ProcessEngine
from serving.engines.swarm.engine import SwarmEngine
from serving.engines.switch import EngineSwitch
from serving.fleet.fleet import Fleet
from serving.workspace import Workspace
from tests.gui.conftest import Run, _theme, application, run
from tests.support.docker.swarm import SwarmNode, engines
from tests.support.fleet_env import open_fleet_env
from tests.support.waiting import wait_until

__all__ = ["_theme", "application", "run"]

pytestmark = [
    pytest.mark.docker,
    pytest.mark.gui,
    pytest.mark.slow,
    pytest.mark.swarm,
    pytest.mark.timeout(600),
]


@pytest.fixture
def node(storage_driver: str) -> Iterator[SwarmNode]:
    with engines(1, storage_driver) as made:
        yield made.manager


def test_a_swarm_is_started_managed_and_left_in_the_window(
    run: Run, node: SwarmNode, workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    async def scenario() -> None:
        async with open_fleet_env(workspace) as env:
            docker = DockerEngine(workspace, ["nobody/nothing:1"], [node.endpoint])
            swarm = SwarmEngine(workspace, ["nobody/nothing:1"], [node.endpoint])
            switch = EngineSwitch(env.engine)
            fleet = Fleet(switch, env.repository, workspace, env.client)
            assert isinstance(env.engine, ProcessEngine)
            chosen = FleetEngines(fleet, switch, docker, env.engine, swarm, lambda: "auto")
            page, jobs = FleetPage(), Jobs()
            page.show()
            try:
                await use(NodesPresenter(page, chosen, workspace, jobs, Notifications()))
            finally:
                await jobs.close()
                await chosen.close()

    async def use(presenter: NodesPresenter) -> None:
        dialog = presenter.open_nodes_dialog()
        await wait_until(lambda: "belongs to no swarm" in dialog.sentence.text())
        await wait_until(lambda: dialog.start.isEnabled())
        dialog.address.setEditText("nowhere")
        dialog.start.click()
        await agree(dialog, "Start a swarm")
        await wait_until(lambda: "is no address" in dialog.problem.text())
        await wait_until(lambda: dialog.start.isEnabled())
        dialog.address.setEditText(node.address)
        dialog.start.click()
        await agree(dialog, "Start a swarm")
        await wait_until(lambda: dialog.rows and dialog.copy.isVisible())
        (row,) = dialog.rows.values()
        assert row.name.text() == "node1 (this engine)"
        assert not dialog.problem.isVisible()
        assert not row.switch.isEnabled()  # the only node
        await wait_until(lambda: dialog.copy.isEnabled())
        dialog.copy.click()
        await wait_until(lambda: dialog.copy.text() == "Copied")
        command = QApplication.clipboard().text()
        assert command.startswith("docker swarm join --token SWMTKN-")
        assert command.endswith(f"{node.address}:2377")
        await wait_until(lambda: dialog.leave.isEnabled())
        dialog.leave.click()
        explanation = await agree(dialog, "Leave")
        assert "It is the only manager, so the swarm ends" in explanation
        await wait_until(lambda: "belongs to no swarm" in dialog.sentence.text())
        dialog.close_button.click()

    run(scenario)
    assert node.api.info()["Swarm"]["LocalNodeState"] == "inactive"
    assert "SWMTKN" not in caplog.text


async def agree(dialog: NodesDialog, action: str) -> str:
    """Press a button of the question that the dialog asks, and return its explanation."""
    await wait_until(lambda: dialog.findChildren(Question))
    (question,) = dialog.findChildren(Question)
    explanation = question.informativeText()
    next(each for each in question.buttons() if each.text() == action).click()
    await wait_until(lambda: not dialog.findChildren(Question))
    return explanation
