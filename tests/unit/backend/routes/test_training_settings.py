"""/models/{model}/training-settings: when a model is trained without being asked."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from backend.client import BackendRefused
from backend.contract import MAX_AFTER_LABELS, MIN_QUIET_SECONDS, TrainingSettings
from tests.support.backend_env import Service, add_version

EACH_DATABASE = True


async def test_each_model_has_settings_of_its_own(service: Service) -> None:
    add_version(service.repository, model="pets")
    changed = TrainingSettings(automatic=False, promote=False, after_labels=7, quiet_seconds=90)
    assert await service.client.change_training_settings("farm", changed) == changed
    assert await service.client.training_settings("farm") == changed
    assert await service.client.training_settings("pets") == TrainingSettings()


async def test_settings_go_along_with_a_model(service: Service) -> None:
    changed = TrainingSettings(after_labels=7)
    await service.client.change_training_settings("farm", changed)
    await service.client.rename_model("farm", "barn")
    assert await service.client.training_settings("barn") == changed
    await service.client.duplicate_model("barn", "stable")
    assert await service.client.training_settings("stable") == changed


@pytest.mark.parametrize(
    "changed",
    [
        TrainingSettings(after_labels=0),
        TrainingSettings(after_labels=MAX_AFTER_LABELS + 1),
        TrainingSettings(quiet_seconds=MIN_QUIET_SECONDS - 1),
    ],
)
async def test_settings_out_of_range_are_refused(
    service: Service, changed: TrainingSettings
) -> None:
    with pytest.raises(BackendRefused, match="must be between") as caught:
        await service.client.change_training_settings("farm", changed)
    assert caught.value.status == 400
    assert await service.client.training_settings("farm") == TrainingSettings()


async def test_settings_of_no_model_are_404(service: Service) -> None:
    body = asdict(TrainingSettings())
    for response in (
        await service.http.get("/models/other/training-settings"),
        await service.http.put("/models/other/training-settings", json=body),
    ):
        assert response.status_code == 404


async def test_a_name_that_cannot_be_shown_decides_nothing(service: Service) -> None:
    add_version(service.repository)
    with pytest.raises(BackendRefused, match="cannot be shown") as caught:
        await service.client.promote("farm", 2, by="An\u202ena")
    assert caught.value.status == 400
    assert service.repository.live("farm").number == 1
