"""The Fleet page against a real fleet of real processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from desktop.fleet.page import FleetPage
from desktop.fleet.presenter import FleetPresenter
from desktop.jobs import Job, Jobs, JobState
from desktop.notifications import Notice, Notifications
from serving.workspace import Workspace
from tests.gui.conftest import Run
from tests.support.fake_prediction_server import FakePredictionServer, cat
from tests.support.fleet_env import FleetEnv, open_fleet_env
from tests.support.waiting import wait_until


@dataclass
class PageEnv:
    """A Fleet page that is connected to a fleet, and what it reported."""

    page: FleetPage
    fleet_env: FleetEnv
    notices: list[Notice] = field(default_factory=list)
    finished: list[Job[object]] = field(default_factory=list)

    def states(self) -> list[str]:
        model = self.page.table.model()
        return [model.index(row, 0).data() for row in range(model.rowCount())]


Scenario = Callable[[PageEnv], Awaitable[None]]
RunWithFleet = Callable[[Scenario], None]


@pytest.fixture
def run_with_fleet(run: Run, workspace: Workspace) -> RunWithFleet:
    """Run a coroutine function with the page of a fleet that is running."""

    def run_scenario(scenario: Scenario) -> None:
        async def main() -> None:
            async with open_fleet_env(workspace) as fleet_env:
                page, jobs, notifications = FleetPage(), Jobs(), Notifications()
                page.resize(1000, 700)
                page.show()
                env = PageEnv(page, fleet_env)
                notifications.posted.connect(env.notices.append)
                jobs.finished.connect(env.finished.append)
                _presenter = FleetPresenter(page, fleet_env.fleet, jobs, notifications)
                async with fleet_env.running():
                    try:
                        await scenario(env)
                    finally:
                        await jobs.close()

        run(main)

    return run_scenario


def test_instances_are_started_scaled_and_stopped_by_hand(run_with_fleet: RunWithFleet) -> None:
    async def scenario(env: PageEnv) -> None:
        page = env.page
        await wait_until(page.empty.isVisible)
        page.empty.button.click()
        await wait_until(lambda: env.states() == ["Ready", "Ready"])
        assert page.ready_figure.text() == "2"
        page.count.number.setFocus()
        page.count.number.selectAll()
        QTest.keyClicks(page.count.number, "1")
        QTest.keyClick(page.count.number, Qt.Key.Key_Return)
        await wait_until(lambda: env.states() == ["Ready"])
        page.stop_all.click()
        await wait_until(page.empty.isVisible)
        await wait_until(lambda: len(env.finished) == 3)
        assert {job.title for job in env.finished} == {
            "Run 2 instances",
            "Run 1 instance",
            "Stop all instances",
        }
        assert {job.state for job in env.finished} == {JobState.SUCCEEDED}
        assert page.count.number.value() == 0

    run_with_fleet(scenario)


def test_the_selected_instance_is_stopped_and_one_fewer_is_desired(
    run_with_fleet: RunWithFleet,
) -> None:
    async def scenario(env: PageEnv) -> None:
        env.page.scale_requested.emit(2)
        await wait_until(lambda: env.states() == ["Ready", "Ready"])
        kept, stopped = (each.instance.id for each in env.fleet_env.fleet.view.instances)
        env.page.table.select(stopped)
        env.page.detail.stop.click()
        await wait_until(lambda: env.states() == ["Ready"])
        assert env.page.table.selected_id == kept
        await wait_until(lambda: env.page.count.number.value() == 1)

    run_with_fleet(scenario)


def test_the_selected_instance_is_replaced_by_a_new_one(run_with_fleet: RunWithFleet) -> None:
    async def scenario(env: PageEnv) -> None:
        env.page.scale_requested.emit(1)
        await wait_until(lambda: env.states() == ["Ready"])
        (before,) = env.fleet_env.fleet.view.instances
        env.page.detail.restart.click()
        await wait_until(
            lambda: env.states() == ["Ready"] and env.page.table.selected_id != before.instance.id
        )
        assert env.page.count.number.value() == 1

    run_with_fleet(scenario)


def test_the_log_of_the_selected_instance_is_followed_and_saved(
    run_with_fleet: RunWithFleet, workspace: Workspace, tmp_path: Path
) -> None:
    async def scenario(env: PageEnv) -> None:
        env.page.scale_requested.emit(1)
        await wait_until(lambda: env.states() == ["Ready"])
        (each,) = env.fleet_env.fleet.view.instances
        log = workspace.logs / f"{each.instance.id}.log"
        with log.open("a") as file:
            file.write("a line of the server\n")
        shown = env.page.detail.log.text
        await wait_until(lambda: shown.toPlainText().endswith("a line of the server"))
        saved = tmp_path / "saved.log"
        env.page.detail.log.save_requested.emit(str(saved), shown.toPlainText())
        await wait_until(lambda: bool(env.notices))
        assert env.notices[0].text == f"The log was saved to {saved}."
        assert saved.read_text() == shown.toPlainText()
        env.page.detail.log.save_requested.emit(str(tmp_path / "saved.log" / "below"), "x")
        await wait_until(lambda: env.finished[-1].state is JobState.FAILED)
        assert str(env.finished[-1].error).startswith("The log could not be saved to")

    run_with_fleet(scenario)


def test_a_killed_instance_is_reported_with_its_reason(run_with_fleet: RunWithFleet) -> None:
    async def scenario(env: PageEnv) -> None:
        env.page.scale_requested.emit(1)
        await wait_until(lambda: env.states() == ["Ready"])
        (each,) = env.fleet_env.fleet.view.instances
        assert each.instance.process is not None
        env.fleet_env.configure(exit=3)
        os.kill(each.instance.process, signal.SIGKILL)
        await wait_until(lambda: "Failed" in env.states())
        env.page.table.selectRow(env.states().index("Failed"))
        await wait_until(env.page.detail.problem.isVisible)
        assert env.page.detail.problem.text()
        assert env.page.ready_figure.text() == "0"
        assert env.page.state.text() == "Photos wait until an instance is ready."
        await wait_until(lambda: bool(env.notices))
        notice = env.notices[0]
        assert notice.what == f"Instance {each.instance.id} failed."
        assert "SIGKILL" in notice.advice
        assert notice.details.startswith(notice.advice)
        assert "The last lines of its log:" in notice.details

    run_with_fleet(scenario)


def test_a_server_is_attached_and_detached_in_the_window(run_with_fleet: RunWithFleet) -> None:
    async def scenario(env: PageEnv) -> None:
        async with FakePredictionServer(cat) as server:
            address = server.address
            env.page.attach_requested.emit(address)
            await wait_until(lambda: env.states() == ["Failed"])
            await wait_until(lambda: len(env.notices) == 1)
            # It has no list of models, as TensorFlow Serving has.
            assert env.notices[0].text.startswith(f"{address} is attached. It gets no photos: ")
            assert env.page.table.selected_id == address
            env.page.detail.stop.click()
            await wait_until(lambda: env.states() == [])
            assert len(server.requests) == 0
        assert {job.state for job in env.finished} == {JobState.SUCCEEDED}

    run_with_fleet(scenario)
