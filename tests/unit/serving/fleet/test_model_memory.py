from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from serving.engines.protocol import InstanceState, InstanceStats
from serving.fleet.model_memory import remember_memory
from serving.fleet.view import FleetView
from serving.models.model_folders import create_model
from serving.models.model_settings import ModelSettings
from serving.models.repository import ModelRepository
from tests.support.fleet_views import fleet_view, instance_view


@pytest.fixture
def repository(tmp_path: Path) -> ModelRepository:
    made = ModelRepository(tmp_path)
    create_model(made, "birds", ModelSettings())
    return made


def using(*megabytes: int, rate: float = 0.0) -> FleetView:
    """Ready instances that use so much, and one that only starts."""
    ready = [
        replace(
            instance_view(number, rate=rate),
            stats=InstanceStats(0.0, amount * 1_000_000),
        )
        for number, amount in enumerate(megabytes)
    ]
    return fleet_view(*ready, instance_view(9, InstanceState.STARTING))


def remembered(repository: ModelRepository, before: FleetView, after: FleetView) -> int | None:
    remember_memory(repository, "birds", before, after)
    return repository.settings("birds").memory_bytes


def test_it_is_what_instances_grew_by_on_average(repository: ModelRepository) -> None:
    assert remembered(repository, using(100, 200), using(150, 300)) == 75_000_000
    assert remembered(repository, using(100), using(160)) == 60_000_000


def test_what_cannot_be_measured_is_not_stored(repository: ModelRepository) -> None:
    assert remembered(repository, using(), using()) is None
    assert remembered(repository, using(100), using(90)) is None
    assert remembered(repository, using(100), using(150, 150)) is None
    unknown = fleet_view(replace(instance_view(0), stats=None))
    assert remembered(repository, unknown, unknown) is None


def test_what_was_measured_beside_requests_counts_until_something_better_is_known(
    repository: ModelRepository,
) -> None:
    assert remembered(repository, using(100), using(300, rate=5.0)) == 200_000_000
    assert remembered(repository, using(100), using(150)) == 50_000_000
    assert remembered(repository, using(100, rate=5.0), using(300)) == 50_000_000
