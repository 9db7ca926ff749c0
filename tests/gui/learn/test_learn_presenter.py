"""The Learn page against a real backend: what changes there is seen here, and the reverse."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from backend.client import BackendClient
from backend.contract import RunState, TrainingSettings
from desktop.jobs import Job, Jobs, JobState
from desktop.learn.outbox import Outbox
from desktop.learn.page import LearnPage, LearnView
from desktop.learn.presenter import LearnPresenter
from desktop.notifications import Notice, Notifications
from desktop.versions.run_row import RunRow
from desktop.widgets.class_bars import BarRole
from serving.models.repository import ModelRepository
from serving.workspace import Workspace
from tests.gui.conftest import Run
from tests.support.backend_env import MODEL, add_version, backend_on_thread, write_worker
from tests.support.sample_images import image_bytes
from tests.support.waiting import wait_until

GOOD = """
shutil.copytree(spec.base_folder, Path(spec.staging_folder), dirs_exist_ok=True)
send(TrainingResult(Evaluation(50, 0.85, 0.8, 50, 0.85, 0.8), 1, 0))
"""
FORGETFUL = GOOD.replace("0.85", "0.6")
STARTED = "send(TrainingProgress(0.42, 'Fitting the head.'))\n"
ENDLESS = STARTED + "time.sleep(60)\n"
UNTIL_RELEASED = "while not Path({!r}).exists(): time.sleep(0.01)\n"
LEARN = "Learn from the labels"
"""The title of the job."""


@dataclass
class LearnEnv:
    """A Learn page that is connected to a backend, and what it reported."""

    page: LearnPage
    client: BackendClient
    outbox: Outbox
    jobs: Jobs
    notices: list[Notice] = field(default_factory=list)
    finished: list[Job[object]] = field(default_factory=list)

    def rows(self) -> list[tuple[str, str]]:
        return [(row.heading.text(), row.state.text()) for row in self.page.versions.timeline.rows]

    async def learn_from_one_label(self) -> None:
        await self.outbox.submit(image_bytes(), "zebra")
        await wait_until(self.page.learn.isEnabled)
        self.page.learn.click()

    async def job(self) -> Job[object]:
        """Return the job that learned, once it has finished."""
        await wait_until(lambda: any(job.title == LEARN for job in self.finished))
        return next(job for job in self.finished if job.title == LEARN)


Scenario = Callable[[LearnEnv], Awaitable[None]]
RunWithBackend = Callable[[Scenario], None]


@asynccontextmanager
async def open_learn_env(url: str, database: Path) -> AsyncIterator[LearnEnv]:
    page, jobs, notifications = LearnPage(), Jobs(), Notifications()
    page.resize(1000, 700)
    page.show()
    async with (
        BackendClient(url) as client,
        Outbox(database, client, initial_backoff=0.05, max_backoff=0.1) as outbox,
    ):
        env = LearnEnv(page, client, outbox, jobs)
        notifications.posted.connect(env.notices.append)
        jobs.finished.connect(env.finished.append)
        _presenter = LearnPresenter(page, client, outbox, jobs, notifications)
        try:
            yield env
        finally:
            await jobs.close()


@pytest.fixture
def run_with_backend(
    run: Run, workspace: Workspace, repository: ModelRepository, worker_script: Path
) -> RunWithBackend:
    """Run a coroutine function with a LearnEnv, while a backend serves the workspace."""

    def run_scenario(scenario: Scenario) -> None:
        async def main(url: str) -> None:
            async with open_learn_env(url, workspace.desktop_database) as env:
                await scenario(env)

        with backend_on_thread(workspace, worker_script) as url:
            run(lambda: main(url))

    return run_scenario


def test_labels_and_versions_appear_and_follow_the_backend(
    run_with_backend: RunWithBackend,
) -> None:
    async def scenario(env: LearnEnv) -> None:
        await wait_until(lambda: env.rows() == [("Version 1", "Live")])
        env.page.show_view(LearnView.CLASSES)
        assert env.page.classes.no_labels.isVisible()
        assert not env.page.learn.isEnabled()
        await env.outbox.submit(image_bytes(), "zebra")
        await wait_until(lambda: env.page.classes.summary.text() == "1 label in 1 class")
        assert env.page.learn.isEnabled()
        assert env.page.header.sentence.text() == "1 label since the last training run."
        # The classes are asked for after the labels.
        bars = env.page.classes.bars.model()
        await wait_until(lambda: bars.index(0, 0).data() == "zebra")
        index = bars.index(0, 0)
        described = index.data(Qt.ItemDataRole.AccessibleTextRole)
        assert described.startswith("zebra: 1 label, a new class")

    run_with_backend(scenario)


def test_a_person_chooses_which_model_learns(
    run_with_backend: RunWithBackend, repository: ModelRepository
) -> None:
    add_version(repository, ("wren", "robin"), "birds")
    repository.promote("birds", 1)

    async def scenario(env: LearnEnv) -> None:
        await wait_until(lambda: env.page.models.text() == MODEL)
        await env.outbox.submit(image_bytes(), "wren", "birds")
        await wait_until(lambda: env.outbox.view.pending == 0)
        assert not env.page.learn.isEnabled()
        menu = env.page.models.menu()
        menu.aboutToShow.emit()
        next(action for action in menu.actions() if action.text().startswith("birds")).trigger()
        await wait_until(lambda: env.page.classes.summary.text() == "1 label in 1 class")
        assert env.page.models.text() == "birds"
        await wait_until(env.page.learn.isEnabled)

    run_with_backend(scenario)


def test_learning_shows_its_progress_and_ends_with_a_live_version(
    run_with_backend: RunWithBackend, worker_script: Path
) -> None:
    release = worker_script.with_name("release")
    write_worker(worker_script, STARTED + UNTIL_RELEASED.format(str(release)) + GOOD)

    async def scenario(env: LearnEnv) -> None:
        await wait_until(lambda: bool(env.rows()))
        await env.learn_from_one_label()
        assert not env.page.learn.isEnabled()
        await wait_until(lambda: env.page.strip.step.text() == "Fitting the head.")
        assert env.page.strip.isVisible()
        assert env.page.strip.share.text() == "42%"
        release.touch()
        await wait_until(lambda: bool(env.notices))
        # How much better it became is not said of a single label.
        assert env.notices[0].text == "Version 2 is live."
        assert env.rows() == [("Version 2", "Live"), ("Version 1", "")]
        assert env.page.versions.rows[1].promote.text() == "Roll back"
        await wait_until(lambda: not env.page.strip.isVisible())
        assert env.page.header.sentence.text().startswith("Every label has been learned.")

    run_with_backend(scenario)


def test_a_version_that_forgot_says_why_it_is_not_live(
    run_with_backend: RunWithBackend, worker_script: Path
) -> None:
    write_worker(worker_script, FORGETFUL)

    async def scenario(env: LearnEnv) -> None:
        await env.learn_from_one_label()
        await wait_until(lambda: bool(env.notices))
        assert "fell from 80.0% to 60.0%" in env.notices[0].text
        newest = env.page.versions.rows[0]
        assert newest.state.text() == "Held back"
        assert "so the version did not go live" in newest.held_back.text()
        assert newest.promote.text() == "Use it anyway"

    run_with_backend(scenario)


def test_a_run_can_be_cancelled_and_says_that_it_was(
    run_with_backend: RunWithBackend, worker_script: Path
) -> None:
    write_worker(worker_script, ENDLESS)

    async def scenario(env: LearnEnv) -> None:
        await env.learn_from_one_label()
        await wait_until(lambda: env.page.strip.step.text() == "Fitting the head.")
        env.page.strip.cancel.click()
        await wait_until(lambda: env.rows()[:1] == [("Training run", "Cancelled")])
        await wait_until(env.page.learn.isEnabled)
        assert (await env.job()).state is JobState.CANCELLED
        assert env.notices == []

    run_with_backend(scenario)


def test_leaving_the_application_lets_a_run_go_on(
    run_with_backend: RunWithBackend, worker_script: Path
) -> None:
    write_worker(worker_script, ENDLESS)

    async def scenario(env: LearnEnv) -> None:
        await env.learn_from_one_label()
        await wait_until(lambda: env.page.strip.step.text() == "Fitting the head.")
        await env.jobs.close()
        (unfinished,) = await env.client.training_runs()
        assert unfinished.state is RunState.RUNNING

    run_with_backend(scenario)


def test_a_run_that_fails_says_why(run_with_backend: RunWithBackend, worker_script: Path) -> None:
    write_worker(
        worker_script, "send(TrainingFailure('It cannot learn.', 'Label more.')); sys.exit(1)"
    )

    async def scenario(env: LearnEnv) -> None:
        await env.learn_from_one_label()
        await wait_until(lambda: bool(env.rows()) and env.rows()[0][1] == "Failed")
        failed = env.page.versions.timeline.rows[0]
        assert isinstance(failed, RunRow)
        assert failed.outcome.text() == "It cannot learn. Label more."
        assert str((await env.job()).error).startswith("It cannot learn. Label more.")

    run_with_backend(scenario)


def test_rolling_back_makes_the_older_version_live(
    run_with_backend: RunWithBackend, repository: ModelRepository
) -> None:
    add_version(repository)
    repository.promote(MODEL, 2)

    async def scenario(env: LearnEnv) -> None:
        await wait_until(lambda: len(env.rows()) == 2)
        env.page.versions.rows[1].promote.click()
        await wait_until(lambda: env.rows() == [("Version 2", ""), ("Version 1", "Live")])
        assert repository.live(MODEL).number == 1
        await wait_until(
            lambda: [each.text for each in env.notices] == [f"Version 1 of {MODEL} is live."]
        )
        await wait_until(env.page.versions.rows[0].promote.isEnabled)
        assert env.page.versions.rows[0].promote.text() == "Use this version"

    run_with_backend(scenario)


def test_labels_made_while_the_backend_is_away_arrive_when_it_is_back(
    run: Run, workspace: Workspace, repository: ModelRepository, worker_script: Path
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]

    async def scenario() -> None:
        url = f"http://127.0.0.1:{port}"
        async with open_learn_env(url, workspace.desktop_database) as env:
            await env.outbox.submit(image_bytes(), "zebra")
            await wait_until(env.page.notes.waiting.isVisible)
            assert env.page.notes.waiting.text().startswith(
                "1 label waits for the backend, safe on this machine."
            )
            assert "cannot be reached" in env.page.header.sentence.text()
            assert not env.page.learn.isEnabled()
            with backend_on_thread(workspace, worker_script, port):
                await wait_until(lambda: env.page.classes.summary.text() == "1 label in 1 class")
                await wait_until(lambda: not env.page.notes.isVisible())
                await env.jobs.close()

    run(scenario)


def test_a_label_that_is_refused_is_reported_and_can_be_discarded(
    run_with_backend: RunWithBackend,
) -> None:
    async def scenario(env: LearnEnv) -> None:
        await env.outbox.submit(b"no image at all", "zebra")
        await wait_until(env.page.notes.refused.isVisible)
        assert env.page.notes.refused.text().startswith("The label “zebra” was refused.")
        assert [each.is_error for each in env.notices] == [True]
        env.page.notes.discard.click()
        await wait_until(lambda: not env.page.notes.isVisible())
        assert env.outbox.view.refused == ()

    run_with_backend(scenario)


def test_a_class_is_renamed_merged_and_deleted_at_once_and_undone(
    run_with_backend: RunWithBackend,
) -> None:
    async def scenario(env: LearnEnv) -> None:
        view = env.page.classes
        env.page.show_view(LearnView.CLASSES)
        await env.outbox.submit(image_bytes("red"), "zebra")
        await env.outbox.submit(image_bytes("blue"), "horse")

        def classes() -> dict[str, int]:
            listed = view.bars.model()
            rows = [listed.index(row, 0) for row in range(listed.rowCount())]
            counts = [row.data(BarRole.COUNT) for row in rows]
            return {each.name: each.labels for each in counts if each.labels}

        async def change(name: str, *keys: str, key: Qt.Key = Qt.Key.Key_F2) -> None:
            view.bars.select(name)
            view.bars.setFocus()
            QTest.keyClick(view.bars, key)
            for text in keys:
                view.strip.field.clear()
                QTest.keyClicks(view.strip.field, text)
                QTest.keyClick(view.strip.field, Qt.Key.Key_Return)

        await wait_until(lambda: classes() == {"zebra": 1, "horse": 1})
        await change("zebra", "donkey")
        await wait_until(lambda: classes() == {"donkey": 1, "horse": 1})
        await change("donkey", "Horse")
        await wait_until(lambda: classes() == {"horse": 2})
        merged = "The class “donkey” was merged into “horse”."
        await wait_until(lambda: env.notices[-1].text == merged)
        act = env.notices[-1].act
        assert act is not None
        act()
        await wait_until(lambda: classes() == {"donkey": 1, "horse": 1})
        QTest.keyClick(view.bars, Qt.Key.Key_Slash)
        assert view.search.hasFocus()
        QTest.keyClicks(view.search, "hors/")
        for key in (Qt.Key.Key_Backspace, Qt.Key.Key_Home, Qt.Key.Key_Delete):
            QTest.keyClick(view.search, key)
        assert view.search.text() == "ors"
        await wait_until(lambda: classes() == {"horse": 1})
        view.search.clear()
        await change("horse", key=Qt.Key.Key_Delete)
        await wait_until(lambda: classes() == {"donkey": 1})
        # F2 renames the selected class wherever the focus is on the tab.
        view.bars.select("donkey")
        view.search.setFocus()
        QTest.keyClick(view.search, Qt.Key.Key_F2)
        assert view.strip.isVisible()

    run_with_backend(scenario)


def test_when_the_model_learns_by_itself_is_shown_and_changed(
    run_with_backend: RunWithBackend,
) -> None:
    async def scenario(env: LearnEnv) -> None:
        panel = env.page.settings
        await wait_until(lambda: env.page.models.text() == MODEL)
        env.page.when.click()
        assert panel.isVisible()
        chosen = TrainingSettings(automatic=True, promote=False, after_labels=7, quiet_seconds=90)
        panel.promote.click()
        panel.labels.setValue(7)
        panel.seconds.setValue(90)

        async def kept() -> bool:
            return await env.client.training_settings(MODEL) == chosen

        await wait_until(kept)
        panel.automatic.click()
        assert not panel.labels.isEnabled()

        async def off() -> bool:
            return not (await env.client.training_settings(MODEL)).automatic

        await wait_until(off)

    run_with_backend(scenario)
