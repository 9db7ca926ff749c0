"""The Fleet page with a real container engine: getting images, moving the fleet to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import docker
import pytest
from PySide6.QtGui import QGuiApplication

from desktop.fleet.engine_presenter import EnginePresenter
from desktop.fleet.engines import FleetEngines
from desktop.fleet.page import FleetPage
from desktop.fleet.presenter import FleetPresenter
from desktop.jobs import Jobs, JobState
from desktop.notifications import Notice, Notifications
from desktop.settings import Settings
from serving.engines.docker.engine import DockerEngine
from serving.engines.swarm.engine import SwarmEngine
from serving.engines.switch import EngineSwitch
from serving.fleet.fleet import Fleet
from serving.predict.client import PredictClient
from serving.workspace import Workspace
from tests.gui.conftest import Run
from tests.support.docker.images import PREFIX, TOKEN
from tests.support.docker.registry import Registry
from tests.support.fleet_env import open_fleet_env
from tests.support.load_generator import LoadGenerator
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.docker, pytest.mark.gui, pytest.mark.timeout(600)]


@dataclass
class PageEnv:
    """The page of a fleet that runs as processes, with an engine that has none of `images`."""

    page: FleetPage
    fleet: Fleet
    client: PredictClient
    docker: DockerEngine
    jobs: Jobs
    notices: list[Notice] = field(default_factory=list)
    bars: list[int] = field(default_factory=list)

    async def wait_until_offered(self, heading: str) -> None:
        strip = self.page.strip
        await wait_until(lambda: strip.isVisible() and strip.heading.text() == heading)


@asynccontextmanager
async def page_env(workspace: Workspace, *images: str) -> AsyncIterator[PageEnv]:
    async with open_fleet_env(workspace) as fleet_env:
        engine = DockerEngine(workspace, images)
        switch = EngineSwitch(fleet_env.engine)
        fleet = Fleet(switch, fleet_env.repository, workspace, fleet_env.client)
        engines = FleetEngines(
            fleet, switch, engine, fleet_env.engine, SwarmEngine(workspace), lambda: "auto"
        )
        page, jobs, notifications = FleetPage(), Jobs(), Notifications()
        page.resize(1100, 760)
        page.show()
        env = PageEnv(page, fleet, fleet_env.client, engine, jobs)
        notifications.posted.connect(env.notices.append)
        jobs.changed.connect(lambda job: env.bars.append(page.strip.bar.value()))
        settings = Settings(workspace.settings)
        _presenters = (
            FleetPresenter(page, fleet, jobs, notifications),
            EnginePresenter(page, fleet, engines, settings, jobs, notifications),
        )
        running = asyncio.create_task(fleet.run())
        try:
            yield env
        finally:
            await jobs.close()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            for instance in await engine.instances():
                await engine.stop(instance.id, grace=0)
            await engines.close()


def test_a_pull_has_one_bar_is_cancelled_by_a_click_and_then_carried_out(
    run: Run,
    workspace: Workspace,
    api: docker.APIClient,
) -> None:
    async def scenario() -> None:
        async with page_env(workspace, f"{PREFIX}:{TOKEN}-nowhere") as env:
            page = env.page
            await env.wait_until_offered("Containers need an image")
            assert "does not have an image" in page.strip.sentence.text()
            with Registry(size=6 * 2**20, rate=3e6) as registry:
                page.strip.pull_requested.emit(registry.image)
                await wait_until(lambda: "MB/s" in page.strip.sentence.text())
                assert page.strip.cancel.isVisible()
                (job,) = (job for job in env.jobs.running if not job.background)
                page.strip.cancel.click()
                async with asyncio.timeout(1):
                    await wait_until(lambda: not job.running)
                assert job.state is JobState.CANCELLED
                await env.wait_until_offered("Containers need an image")
                env.bars.clear()
                registry.rate = 1e9
                page.strip.pull_requested.emit(registry.image)
                await wait_until(lambda: bool(env.notices))
                assert env.notices[-1].text == (
                    f"The container engine has the image {registry.image} now."
                )
                assert env.bars == sorted(env.bars)
                assert env.fleet.limits.image == registry.image
                await env.docker.images.remove(registry.image)

    run(scenario)


def test_an_image_is_loaded_from_a_file_and_the_instances_move_while_photos_are_classified(
    run: Run,
    workspace: Workspace,
    api: docker.APIClient,
    fake_server_image: str,
    tmp_path: Path,
    sample_jpeg: bytes,
) -> None:
    name = f"{PREFIX}:{TOKEN}-loaded"
    api.tag(fake_server_image, PREFIX, f"{TOKEN}-loaded")
    archive = tmp_path / "image.tar"
    with archive.open("wb") as file:
        for chunk in api.get_image(name):
            file.write(chunk)
    api.remove_image(name)

    async def scenario() -> None:
        async with page_env(workspace, name) as env:
            page = env.page
            await env.fleet.scale(2)
            await env.wait_until_offered("Containers need an image")
            page.strip.load_requested.emit(archive)
            await env.wait_until_offered("Instances can run in containers")
            assert env.notices[-1].text == f"The container engine has the image {name} now."
            async with LoadGenerator(env.client, sample_jpeg, 8) as load:
                page.strip.move_instances.click()
                await wait_until(lambda: env.fleet.view.engine == "docker")
                await wait_until(lambda: not page.strip.isVisible())
                both = {each.instance.id for each in env.fleet.view.instances}
                for each in both:
                    await load.wait_for_answers(each, 5)
            assert load.failures == []
            assert {each.instance.engine for each in env.fleet.view.instances} == {"docker"}
            assert len(both) == 2
            assert name in page.reason.text()
            await env.fleet.scale(0)

    try:
        run(scenario)
    finally:
        api.remove_image(name, force=True)


def test_the_command_of_a_container_can_be_copied_and_its_log_followed(
    run: Run,
    workspace: Workspace,
    fake_server_image: str,
) -> None:
    async def scenario() -> None:
        async with page_env(workspace, fake_server_image) as env:
            page = env.page
            await env.wait_until_offered("Instances can run in containers")
            page.strip.move_instances.click()
            await wait_until(lambda: env.fleet.view.engine == "docker")
            await env.fleet.scale(1)
            await wait_until(lambda: page.table.selected_id is not None)
            page.detail.command.click()
            board = QGuiApplication.clipboard()
            await wait_until(lambda: board.text().startswith("docker run"))
            assert f"servery-{page.table.selected_id}" in board.text()
            assert fake_server_image in board.text()
            await env.fleet.scale(0)

    run(scenario)
