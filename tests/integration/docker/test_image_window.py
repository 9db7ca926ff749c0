"""An image is made from the Models page, on a real engine."""

from __future__ import annotations

from collections.abc import Iterator

import docker
import pytest
from PySide6.QtWidgets import QMenu

from backend.contract import ImageBuildState
from desktop.versions.image_dialog import ImageDialog
from serving.models.repository import ModelRepository
from tests.gui.models.test_models_presenter import (
    TINY,
    ModelsEnv,
    RunWithBackend,
    repository,
    run_with_backend,
)
from tests.support.backend_env import worker_script
from tests.support.docker.images import PREFIX, TOKEN
from tests.support.docker.model_images import build_small_base
from tests.support.waiting import wait_until

__all__ = ["repository", "run_with_backend", "worker_script"]

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

TAG = f"{PREFIX}/window:{TOKEN}"


@pytest.fixture(scope="module")
def small_base(api: docker.APIClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with build_small_base(tmp_path_factory.mktemp("base")) as name:
        yield name


def choose(menu: QMenu | None, text: str) -> None:
    assert menu is not None
    menu.aboutToShow.emit()
    next(action for action in menu.actions() if action.text() == text).trigger()


def test_the_menu_of_a_version_makes_and_cancels_images(
    run_with_backend: RunWithBackend,
    repository: ModelRepository,
    small_base: str,
    api: docker.APIClient,
) -> None:
    async def scenario(env: ModelsEnv) -> None:
        env.page.open_model(TINY)
        one = env.page.one.versions
        await wait_until(lambda: bool(one.rows))

        async def dialog() -> ImageDialog:
            choose(one.rows[0].menu.menu(), "Make an image…")
            (found,) = await wait_until(lambda: one.findChildren(ImageDialog))
            found.tag.setText(TAG)
            found.base.select(small_base)
            assert found.base.currentData() == small_base
            return found

        (await dialog()).make.click()
        await wait_until(
            lambda: any(f"The image {TAG} serves version" in each.what for each in env.notices),
            timeout_seconds=120,
        )
        assert env.notices[-1].action == "Show the log"
        assert api.images(TAG)
        await wait_until(lambda: not one.findChildren(ImageDialog))
        (await dialog()).make.click()

        async def builds() -> bool:
            newest, *_ = await env.client.image_builds()
            return newest.state is ImageBuildState.RUNNING and newest.done > 100

        await wait_until(builds, timeout_seconds=120)
        next(job for job in env.jobs.running if job.title.startswith("Make an image")).cancel()
        await wait_until(lambda: not any("image" in job.title for job in env.jobs.running))
        assert (await env.client.image_builds())[0].state is ImageBuildState.CANCELLED

    try:
        run_with_backend(scenario)
    finally:
        api.remove_image(TAG)
