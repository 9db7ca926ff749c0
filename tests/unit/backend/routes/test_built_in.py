"""/built-in: models that come with Servery are listed and added."""

from __future__ import annotations

import pytest

from backend.client import BackendRefused
from serving.models.builtin.catalog import DEFAULT_BUILT_IN, built_in_models
from tests.support.backend_env import MODEL, Service


async def test_built_in_models_are_added_once_and_not_served(service: Service) -> None:
    listed = await service.client.built_in_models()
    assert [model.name for model in listed] == [model.name for model in built_in_models()]
    assert not any(model.installed for model in listed)
    assert all(model.title and model.description and model.attribution for model in listed)
    name = next(model.name for model in listed if model.name != DEFAULT_BUILT_IN)
    added = await service.client.add_built_in(name)
    assert (added.name, added.live_version, added.class_count) == (name, 1, 1000)
    assert (added.served, added.current) == (False, False)
    assert added.attribution
    assert await service.client.add_built_in(name) == added
    installed = {model.name: model.installed for model in await service.client.built_in_models()}
    assert installed == {DEFAULT_BUILT_IN: False, name: True}
    assert service.repository.served().current == MODEL


async def test_there_must_be_such_a_model(service: Service) -> None:
    with pytest.raises(BackendRefused, match="No model called nothing") as caught:
        await service.client.add_built_in("nothing")
    assert caught.value.status == 404
