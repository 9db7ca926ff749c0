"""The Learn place against a real backend: what changes there is seen here, and the reverse."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import Qt

from backend.client import BackendClient
from backend.contract import RunState
from desktop.jobs import Job, Jobs, JobState
from desktop.learn.outbox import Outbox
from desktop.learn.page import LearnPage
from desktop.learn.presenter import LearnPresenter
from desktop.notifications import Notice, Notifications
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
ENDLESS = "send(TrainingProgress(0.42, 'Fitting the head.'))\ntime.sleep(60)\n"


@dataclass
class Place:
    page: LearnPage
    client: BackendClient
    outbox: Outbox
    jobs: Jobs
    notices: list[Notice]
    finished: list[Job[object]]


@asynccontextmanager
async def connected(url: str, database: Path) -> AsyncIterator[Place]:
    page, jobs, notifications = LearnPage(), Jobs(), Notifications()
    page.resize(1000, 700)
    page.show()
    notices: list[Notice] = []
    finished: list[Job[object]] = []
    notifications.posted.connect(notices.append)
    jobs.finished.connect(finished.append)
    async with (
        BackendClient(url) as client,
        Outbox(database, client, initial_backoff=0.05, max_backoff=0.1) as outbox,
    ):
        LearnPresenter(page, client, outbox, jobs, notifications)
        try:
            yield Place(page, client, outbox, jobs, notices, finished)
        finally:
            await jobs.close()


def rows(place: Place) -> list[tuple[str, str]]:
    return [(row.heading.text(), row.state.text()) for row in place.page.timeline.rows]


def states_of(place: Place, title: str) -> list[JobState]:
    return [job.state for job in place.finished if job.title == title]


def test_labels_and_versions_appear_and_follow_the_backend(
    run: Run, workspace: Workspace, repository: ModelRepository, worker_script: Path
) -> None:
    async def scenario(url: str) -> None:
        async with connected(url, workspace.desktop_database) as place:
            await wait_until(lambda: rows(place) == [("Version 1", "Live")])
            assert place.page.no_labels.isVisible()
            assert not place.page.learn.isEnabled()
            await place.outbox.submit(image_bytes(), "zebra")
            await wait_until(lambda: place.page.labels_summary.text() == "1 in 1 class")
            assert place.page.learn.isEnabled()
            assert place.page.header.sentence.text() == "1 label since the last training run."
            index = place.page.bars.model().index(0, 0)
            assert index.data() == "zebra"
            spoken = index.data(Qt.ItemDataRole.AccessibleTextRole)
            assert spoken.startswith("zebra: 1 label, a new class")

    with backend_on_thread(workspace, worker_script) as url:
        run(lambda: scenario(url))


def test_learning_shows_its_progress_and_ends_with_a_live_version(
    run: Run, workspace: Workspace, repository: ModelRepository, worker_script: Path
) -> None:
    write_worker(
        worker_script, "send(TrainingProgress(0.42, 'Fitting the head.'))\ntime.sleep(0.3)\n" + GOOD
    )

    async def scenario(url: str) -> None:
        async with connected(url, workspace.desktop_database) as place:
            await wait_until(lambda: bool(rows(place)))
            await place.outbox.submit(image_bytes(), "zebra")
            await wait_until(place.page.learn.isEnabled)
            place.page.learn.click()
            assert not place.page.learn.isEnabled()
            await wait_until(lambda: place.page.strip.step.text() == "Fitting the head.")
            assert place.page.strip.isVisible()
            assert place.page.strip.share.text() == "42%"
            await wait_until(lambda: bool(place.notices))
            assert place.notices[0].text == (
                "Version 2 is live. From 80% to 85% on the images it was not shown."
            )
            assert rows(place) == [("Version 2", "Live"), ("Version 1", "")]
            assert place.page.timeline.rows[1].promote.text() == "Roll back"
            await wait_until(lambda: not place.page.strip.isVisible())
            assert place.page.header.sentence.text().startswith("Every label has been learned.")

    with backend_on_thread(workspace, worker_script) as url:
        run(lambda: scenario(url))


def test_a_version_that_forgot_says_why_it_is_not_live(
    run: Run, workspace: Workspace, repository: ModelRepository, worker_script: Path
) -> None:
    write_worker(worker_script, FORGETFUL)

    async def scenario(url: str) -> None:
        async with connected(url, workspace.desktop_database) as place:
            await place.outbox.submit(image_bytes(), "zebra")
            await wait_until(place.page.learn.isEnabled)
            place.page.learn.click()
            await wait_until(lambda: bool(place.notices))
            assert "fell from 80.0% to 60.0%" in place.notices[0].text
            newest = place.page.timeline.rows[0]
            assert "so the version did not go live" in newest.change.text()
            assert newest.promote.text() == "Promote"

    with backend_on_thread(workspace, worker_script) as url:
        run(lambda: scenario(url))


def test_a_run_can_be_cancelled_and_says_that_it_was(
    run: Run, workspace: Workspace, repository: ModelRepository, worker_script: Path
) -> None:
    write_worker(worker_script, ENDLESS)

    async def scenario(url: str) -> None:
        async with connected(url, workspace.desktop_database) as place:
            await place.outbox.submit(image_bytes(), "zebra")
            await wait_until(place.page.learn.isEnabled)
            place.page.learn.click()
            await wait_until(lambda: place.page.strip.step.text() == "Fitting the head.")
            place.page.strip.cancel.click()
            await wait_until(lambda: rows(place)[:1] == [("Training run", "Cancelled")])
            await wait_until(place.page.learn.isEnabled)
            await wait_until(lambda: states_of(place, "Learn from the labels") != [])
            assert states_of(place, "Learn from the labels") == [JobState.CANCELLED]
            assert place.notices == []

    with backend_on_thread(workspace, worker_script) as url:
        run(lambda: scenario(url))


def test_leaving_the_application_lets_a_run_go_on(
    run: Run, workspace: Workspace, repository: ModelRepository, worker_script: Path
) -> None:
    write_worker(worker_script, ENDLESS)

    async def scenario(url: str) -> None:
        async with connected(url, workspace.desktop_database) as place:
            await place.outbox.submit(image_bytes(), "zebra")
            await wait_until(place.page.learn.isEnabled)
            place.page.learn.click()
            await wait_until(lambda: place.page.strip.step.text() == "Fitting the head.")
            await place.jobs.close()
            (going,) = await place.client.training_runs()
            assert going.state is RunState.RUNNING

    with backend_on_thread(workspace, worker_script) as url:
        run(lambda: scenario(url))


def test_a_run_that_fails_says_why(
    run: Run, workspace: Workspace, repository: ModelRepository, worker_script: Path
) -> None:
    write_worker(
        worker_script, "send(TrainingFailure('It cannot learn.', 'Label more.')); sys.exit(1)"
    )

    async def scenario(url: str) -> None:
        async with connected(url, workspace.desktop_database) as place:
            await place.outbox.submit(image_bytes(), "zebra")
            await wait_until(place.page.learn.isEnabled)
            place.page.learn.click()
            await wait_until(lambda: bool(rows(place)) and rows(place)[0][1] == "Failed")
            assert place.page.timeline.rows[0].origin.text() == "It cannot learn. Label more."
            await wait_until(
                lambda: any(job.title == "Learn from the labels" for job in place.finished)
            )
            job = next(job for job in place.finished if job.title == "Learn from the labels")
            assert str(job.error).startswith("It cannot learn. Label more.")

    with backend_on_thread(workspace, worker_script) as url:
        run(lambda: scenario(url))


def test_rolling_back_makes_the_older_version_live(
    run: Run, workspace: Workspace, repository: ModelRepository, worker_script: Path
) -> None:
    add_version(repository)
    repository.promote(MODEL, 2)

    async def scenario(url: str) -> None:
        async with connected(url, workspace.desktop_database) as place:
            await wait_until(lambda: len(rows(place)) == 2)
            place.page.timeline.rows[1].promote.click()
            await wait_until(lambda: rows(place) == [("Version 2", ""), ("Version 1", "Live")])
            assert repository.live(MODEL).number == 1
            await wait_until(
                lambda: [each.text for each in place.notices] == ["Version 1 is live."]
            )
            assert place.page.timeline.rows[0].promote.text() == "Promote"
            assert place.page.timeline.rows[0].promote.isEnabled()

    with backend_on_thread(workspace, worker_script) as url:
        run(lambda: scenario(url))


def test_labels_given_while_the_backend_is_away_arrive_when_it_is_back(
    run: Run, workspace: Workspace, repository: ModelRepository, worker_script: Path
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]

    async def scenario() -> None:
        url = f"http://127.0.0.1:{port}"
        async with connected(url, workspace.desktop_database) as place:
            await place.outbox.submit(image_bytes(), "zebra")
            await wait_until(place.page.notes.waiting.isVisible)
            assert place.page.notes.waiting.text().startswith(
                "1 label waits for the backend, safe on this machine."
            )
            assert "cannot be reached" in place.page.header.sentence.text()
            assert not place.page.learn.isEnabled()
            with backend_on_thread(workspace, worker_script, port):
                await wait_until(lambda: place.page.labels_summary.text() == "1 in 1 class")
                assert not place.page.notes.isVisible()
                await place.jobs.close()

    run(scenario)


def test_a_label_that_is_refused_is_reported_and_can_be_discarded(
    run: Run, workspace: Workspace, repository: ModelRepository, worker_script: Path
) -> None:
    async def scenario(url: str) -> None:
        async with connected(url, workspace.desktop_database) as place:
            await place.outbox.submit(b"no image at all", "zebra")
            await wait_until(place.page.notes.refused.isVisible)
            assert place.page.notes.refused.text().startswith("The label “zebra” was refused.")
            assert [each.is_error for each in place.notices] == [True]
            place.page.notes.discard.click()
            await wait_until(lambda: not place.page.notes.isVisible())
            assert place.outbox.view.refused == ()

    with backend_on_thread(workspace, worker_script) as url:
        run(lambda: scenario(url))
