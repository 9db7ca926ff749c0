"""Images that the backend makes on a real engine: queued, cancelled, killed, after promotions."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import docker
import pytest

from backend.client import BackendClient, BackendRefused
from backend.contract import ImageBuild, ImageBuildState, ImageSettings, NewImage
from backend.events import EventBroker
from backend.model_images.after_promotion import ImagesAfterPromotion
from backend.model_images.builds import ImageBuilds
from serving.engines.docker.engine import DockerEngine
from serving.engines.docker.model_image.labels import BUILD
from serving.models.repository import ModelRepository
from serving.models.staging import commit_version, staged_version
from serving.workspace import Workspace
from tests.integration.backend.conftest import started
from tests.support.docker.images import PREFIX, TOKEN
from tests.support.docker.model_images import build_small_base
from tests.support.tiny_model import install_tiny, write_tiny
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

MODEL = "pets"
TAG = f"{PREFIX}/service:{TOKEN}"


@pytest.fixture(scope="module")
def small_base(api: docker.APIClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with build_small_base(tmp_path_factory.mktemp("base")) as name:
        yield name


@pytest.fixture
def repository(workspace: Workspace) -> ModelRepository:
    found = ModelRepository(workspace.models)
    install_tiny(found, MODEL)
    return found


@pytest.fixture(autouse=True)
def _no_images(api: docker.APIClient) -> Iterator[None]:
    yield
    for image in api.images():
        if any(TOKEN in tag and "/service" in tag for tag in image["RepoTags"] or ()):
            api.remove_image(image["Id"], force=True)


class Service:
    """The part of a backend that makes images."""

    def __init__(self, workspace: Workspace, repository: ModelRepository, base: str) -> None:
        self.repository = repository
        self.base = base
        self.broker = EventBroker()
        self.builds = ImageBuilds(repository, workspace, self.broker)
        self.promotions = ImagesAfterPromotion(repository, self.builds, self.broker)

    async def start(self, tag: str = TAG, **new: Any) -> ImageBuild:
        version = self.repository.version(MODEL, 1)
        return await self.builds.start(version, NewImage(tag, **{"base": self.base, **new}))

    async def ended(self, build: ImageBuild) -> ImageBuild:
        await wait_until(lambda: not self.builds.build(build.id).running, timeout_seconds=120)
        return self.builds.build(build.id)

    async def at(self, build: ImageBuild, step: str) -> None:
        """Return once the log of a build, or its progress, says `step`."""

        async def says() -> bool:
            return step in await self.builds.log(build.id) + self.builds.build(build.id).step

        await wait_until(says, timeout_seconds=120)


@pytest.fixture
async def service(
    workspace: Workspace, repository: ModelRepository, small_base: str
) -> AsyncIterator[Service]:
    made = Service(workspace, repository, small_base)
    await made.builds.open()
    yield made
    await made.builds.close()


def of_build(api: docker.APIClient, build: ImageBuild) -> list[Any]:
    """Return what an engine has of a build, with a name or without."""
    return list(api.images(filters={"label": f"{BUILD}={build.id}"}))


async def test_builds_follow_one_another_and_keep_their_logs(
    service: Service, workspace: Workspace, api: docker.APIClient
) -> None:
    first = await service.start()
    second = await service.start(f"{TAG}-2")
    third = await service.start(f"{TAG}-3")
    assert first.state is ImageBuildState.QUEUED
    await service.at(first, "Step 5/8")
    assert service.builds.build(second.id).state is ImageBuildState.QUEUED
    cancelled = await service.builds.cancel(third.id)
    assert cancelled.state is ImageBuildState.CANCELLED
    done = await service.ended(first)
    assert (done.state, done.error) == (ImageBuildState.SUCCEEDED, "")
    assert done.size_bytes > done.added_bytes > 0
    assert "Successfully tagged" in await service.builds.log(first.id)
    assert (await service.ended(second)).state is ImageBuildState.SUCCEEDED
    assert Path(done.log).is_relative_to(workspace.logs)
    engine = DockerEngine(workspace)
    assert await engine.model_images() == [second.tag, first.tag]
    assert (await engine.baked_model(first.tag)).version == 1  # type: ignore[union-attr]
    await engine.close()
    failed = await service.ended(await service.start(base="nobody/has.this:1"))
    assert failed.state is ImageBuildState.FAILED
    assert "nobody/has.this:1 could not be pulled" in failed.error
    assert failed.error in await service.builds.log(failed.id)
    await service.builds.close()
    # A later backend knows them.
    again = Service(workspace, service.repository, service.base)
    await again.builds.open()
    assert [build.id for build in again.builds.builds(MODEL)] == [
        *(failed.id, third.id, second.id, first.id)
    ]
    assert again.builds.build(first.id) == done
    await again.builds.close()
    assert not of_build(api, failed)


@pytest.mark.parametrize(
    "step",
    [
        pytest.param("Step 4/8", marks=pytest.mark.long),
        "Step 6/8",
        pytest.param("Step 7/8", marks=pytest.mark.long),
    ],
)
async def test_a_cancelled_build_leaves_nothing(
    service: Service, api: docker.APIClient, step: str
) -> None:
    build = await service.start()
    await service.at(build, step)
    assert (await service.builds.cancel(build.id)).state is ImageBuildState.CANCELLED
    # The engine ends the step that it had begun, and is cleaned up after that.
    await asyncio.sleep(3)
    await wait_until(lambda: not of_build(api, build), details=lambda: of_build(api, build))


async def test_old_images_are_removed_after_a_build(
    service: Service, repository: ModelRepository, api: docker.APIClient
) -> None:
    repository.change_settings(
        MODEL, lambda known: replace(known, image=replace(known.image, keep=1))
    )
    await service.ended(await service.start())
    done = await service.ended(await service.start(f"{TAG}-2"))
    assert done.removed == [TAG]
    assert not api.images(TAG)


def promote_another(repository: ModelRepository) -> int:
    with staged_version(repository, MODEL) as staged:
        write_tiny(staged, MODEL)
        number = commit_version(repository, MODEL, staged).number
    repository.promote(MODEL, number)
    return number


async def test_a_promoted_version_gets_its_image_once(
    service: Service, workspace: Workspace, repository: ModelRepository, api: docker.APIClient
) -> None:
    await service.promotions.look()
    assert service.builds.builds() == []  # off by default
    settings = ImageSettings(f"{PREFIX}/service-{TOKEN}:{{version}}", True, service.base)
    repository.change_settings(
        MODEL, lambda known: replace(known, image=replace(settings, seen_live=1))
    )
    await service.promotions.look()
    assert service.builds.builds() == []  # nothing was promoted since
    number = promote_another(repository)
    await service.promotions.look()
    await service.promotions.look()
    (build,) = service.builds.builds()
    done = await service.ended(build)
    assert done.state is ImageBuildState.SUCCEEDED, done.error
    assert done.after_promotion
    assert (done.version, done.tag) == (number, f"{PREFIX}/service-{TOKEN}:{number}")
    assert len(api.images(done.tag)) == 1
    # One whose image cannot be made is live all the same.
    broken = replace(settings, base="nobody/has.this:1", seen_live=number)
    repository.change_settings(MODEL, lambda known: replace(known, image=broken))
    number = promote_another(repository)
    await service.promotions.look()
    failed = await service.ended(service.builds.builds()[0])
    assert failed.state is ImageBuildState.FAILED
    assert repository.live_number(MODEL) == failed.version == number


async def _reached(client: BackendClient, build: ImageBuild, step: str) -> bool:
    log = await client.image_log(build.id)
    return step in log + (await client.image_build(build.id)).step


@pytest.fixture
def silent_registry() -> Iterator[str]:
    """The address of a registry that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.parametrize(
    "step", [pytest.param("Step 5/8", marks=pytest.mark.long), "Step 7/8", "Push", "Save"]
)
async def test_a_backend_that_is_killed_leaves_a_whole_image_or_none(
    workspace: Workspace,
    repository: ModelRepository,
    small_base: str,
    api: docker.APIClient,
    tmp_path: Path,
    silent_registry: str,
    step: str,
) -> None:
    saved = tmp_path / "saved" / "image.tar"
    saved.parent.mkdir()
    new = NewImage(TAG, small_base, save=str(saved))
    if step == "Push":
        new = NewImage(f"{silent_registry}/service:{TOKEN}", small_base, push=True)
    with started(workspace) as process:
        client = await BackendClient.find(workspace)
        assert client is not None
        async with client:
            build = await client.make_image(MODEL, 1, new)

            await wait_until(partial(_reached, client, build, step), timeout_seconds=120)
            process.kill()
            process.wait()
    with started(workspace):
        # What the killed one wrote of itself is there until the next one listens.
        client = await wait_until(partial(BackendClient.find, workspace))
        assert client is not None
        async with client:
            found = await client.image_build(build.id)
            assert found.state is ImageBuildState.INTERRUPTED
            assert "Make it again" in found.advice

            def left() -> list[Any]:
                whole = [new.tag]
                return [each for each in of_build(api, build) if each["RepoTags"] != whole]

            await wait_until(lambda: not left(), timeout_seconds=60, details=left)
            await wait_until(
                lambda: {path.name for path in saved.parent.iterdir()} <= {"image.tar"}
            )
            assert not saved.exists()
            with pytest.raises(BackendRefused, match="no image build"):
                await client.image_build("another")
