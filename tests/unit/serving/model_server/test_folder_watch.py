"""Version folders are looked at once they have changed, not again and again."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from serving.background import in_background
from serving.model_server import models as models_module
from serving.model_server.configuration import ModelConfig, single_model
from serving.model_server.models import ServerModels
from serving.model_server.servable import Servable
from serving.model_server.served_model import RetryPolicy, ServedModel
from serving.tf import file_watch
from serving.tf.session import Session
from tests.support.waiting import wait_until

POLL_SECONDS = 0.01
NEVER = 1e6


class FakeSession:
    signatures: Mapping[str, Any] = {}

    def has_operation(self, name: str) -> bool:
        return False

    def close(self) -> None:
        pass


def load(model: str, version: int, folder: Path) -> Servable:
    return Servable(model, version, cast(Session, FakeSession()))


def config(*folders: Path) -> dict[str, ModelConfig]:
    configs: dict[str, ModelConfig] = {}
    for folder in folders:
        configs |= single_model(folder.name, str(folder))
    return configs


def available(models: ServerModels, name: str) -> list[int]:
    return [each.version for each in models._models[name].available()]


@asynccontextmanager
async def watched(*folders: Path) -> AsyncIterator[ServerModels]:
    models = ServerModels(
        load,
        retry_policy=RetryPolicy(0, 0),
        poll_seconds=POLL_SECONDS,
        allow_unavailable_labels=False,
        wait_for_missing=False,
        load_threads=1,
    )
    await models.configure(config(*folders))
    async with in_background(models.watch()):
        yield models
    await models.close()


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is found by looking now and then: only what the system tells."""
    monkeypatch.setattr(models_module, "NOTIFIED_POLL_SECONDS", NEVER)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "model"
    (made / "1").mkdir(parents=True)
    return made


@pytest.mark.usefixtures("told")
async def test_versions_that_come_and_go_are_noticed(folder: Path, tmp_path: Path) -> None:
    async with watched(folder) as models:
        (folder / "2").mkdir()
        await wait_until(lambda: available(models, "model") == [2])
        (tmp_path / "aside").mkdir()
        (tmp_path / "aside").rename(folder / "3")
        await wait_until(lambda: available(models, "model") == [3])
        shutil.rmtree(folder / "3")
        await wait_until(lambda: available(models, "model") == [2])


@pytest.mark.usefixtures("told")
async def test_a_model_that_is_configured_later_is_watched_too(
    folder: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    (other / "1").mkdir(parents=True)
    async with watched(folder) as models:
        await models.configure(config(folder, other))
        await wait_until(lambda: available(models, "other") == [1])
        (other / "2").mkdir()
        await wait_until(lambda: available(models, "other") == [2])


@pytest.mark.usefixtures("told")
async def test_a_folder_that_is_not_there_is_looked_for(folder: Path) -> None:
    async with watched(folder) as models:
        aside = folder.with_name("aside")
        shutil.move(folder, aside)
        await asyncio.sleep(5 * POLL_SECONDS)
        assert available(models, "model") == [1]
        (aside / "2").mkdir()
        shutil.move(aside, folder)
        await wait_until(lambda: available(models, "model") == [2])


async def test_folders_are_looked_at_where_the_system_does_not_tell(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_watch, "watching", lambda folders: None)
    async with watched(folder) as models:
        (folder / "2").mkdir()
        await wait_until(lambda: available(models, "model") == [2])


async def test_without_a_change_nobody_looks(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0
    look = ServedModel.look

    async def counted(model: ServedModel) -> None:
        nonlocal looks
        looks += 1
        await look(model)

    monkeypatch.setattr(ServedModel, "look", counted)
    async with watched(folder):
        await asyncio.sleep(50 * POLL_SECONDS)
    assert looks <= 3
