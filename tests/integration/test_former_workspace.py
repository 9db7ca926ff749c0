"""A workspace of Servery 0.1 opens, goes on with its model, and loses nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from backend.client import BackendClient
from backend.contract import NewModel, RunState
from backend.training.loaded_version import LoadedVersion
from serving.models.repository import ModelRepository
from serving.workspace import Workspace
from tests.integration.backend.conftest import started
from tests.support.command_line import CommandLine
from tests.support.former_workspace import (
    CLASSES,
    LABELS_PER_CLASS,
    MODEL,
    OUTBOX_CLASS,
    TAUGHT,
    write_former_workspace,
)
from tests.support.sample_images import drawing, painting
from tests.support.tiny_model import COLORS
from tests.support.waiting import wait_until


@pytest.fixture
def former(workspace: Workspace) -> Workspace:
    write_former_workspace(workspace)
    return workspace


@pytest.fixture
async def client(former: Workspace) -> AsyncIterator[BackendClient]:
    """A client of a backend that was started on the former workspace."""
    with started(former):
        found = await BackendClient.find(former)
        assert found is not None
        async with found:
            yield found


def servery(workspace: Workspace, *arguments: str) -> Any:
    """Run a command that must succeed, and return the one object that it printed."""
    return CommandLine(workspace.root.parent).json(*arguments)


def first_answers(version: LoadedVersion, images: list[bytes]) -> list[str]:
    classes, _ = version.predict(images)
    return [row[0].decode() for row in classes]


def test_what_was_taught_is_answered_by_the_live_version(former: Workspace) -> None:
    repository = ModelRepository(former.models)
    live = repository.live(MODEL)
    assert (repository.models(), live.number, live.card().classes) == ([MODEL], 2, CLASSES)
    assert repository.served().current == MODEL
    with LoadedVersion(live.path) as version:
        assert_knows(version, TAUGHT)


def assert_knows(version: LoadedVersion, kinds: tuple[str, ...]) -> None:
    """Check on photos that no version was taught that it tells colors and drawings apart."""
    for name, color in COLORS.items():
        assert first_answers(version, [painting(color, seed) for seed in range(3)]) == [name] * 3
    for kind in kinds:
        answers = first_answers(version, [drawing(kind, seed) for seed in range(200, 220)])
        assert answers.count(kind) >= 15, (kind, answers)


def test_the_commands_list_its_model_and_its_fleet(former: Workspace) -> None:
    model = servery(former, "models")
    assert (model["name"], model["live_version"]) == (MODEL, 2)
    assert {version["number"]: version["live"] for version in model["versions"]} == {
        1: False,
        2: True,
    }
    assert servery(former, "fleet", "limit") == {
        "threads": 1,
        "memory_limit": 3_000_000_000,
        "cpu_limit": 0.0,
        "image": "",
        "pids_limit": 0,
        "tcp": False,
        "sleep_after": 600,
        "runtime": "",
    }
    status = servery(former, "fleet", "status")
    assert (status["wanted"], status["instances"]) == (1, [])


async def test_labels_runs_and_promotions_are_all_there(client: BackendClient) -> None:
    labels = await client.labels()
    counts = {row.name: row.labels for row in labels.classes}
    assert counts == {"stripes": LABELS_PER_CLASS + 1, "rings": LABELS_PER_CLASS}
    assert labels.since_last_run == 1
    runs = {run.id: run for run in await client.training_runs()}
    assert {run.model for run in runs.values()} == {MODEL}
    assert (runs["run-1"].version, runs["run-1"].promoted) == (2, True)
    assert runs["run-2"].state is RunState.CANCELLED
    (model,) = await client.models()
    assert (model.name, model.live_version) == (MODEL, 2)
    await client.undo_label(26)
    assert (await client.labels()).since_last_run == 0


async def test_a_model_of_ones_own_is_taught_on_its_network(
    client: BackendClient, former: Workspace
) -> None:
    await client.create_model(NewModel("mine", backbone=MODEL))
    for kind in (*TAUGHT, OUTBOX_CLASS):
        for seed in range(8):
            await client.label(drawing(kind, seed), kind, model="mine")
    run = await client.train("mine")

    async def finished() -> bool:
        return (await client.training_run(run.id)).finished is not None

    await wait_until(finished)
    run = await client.training_run(run.id)
    assert (run.state, run.version, run.promoted) == (RunState.SUCCEEDED, 2, True), run.step
    live = ModelRepository(former.models).live("mine")
    assert set(live.card().classes) == {*TAUGHT, OUTBOX_CLASS}
    with LoadedVersion(live.path) as version:
        for kind in (*TAUGHT, OUTBOX_CLASS):
            answers = first_answers(version, [drawing(kind, seed) for seed in range(200, 220)])
            assert answers.count(kind) >= 15, (kind, answers)


async def test_training_goes_on_from_it_and_keeps_every_class(
    client: BackendClient, former: Workspace
) -> None:
    for seed in range(12):
        await client.label(drawing(OUTBOX_CLASS, seed), OUTBOX_CLASS)
    run = await client.train()

    async def finished() -> bool:
        return (await client.training_run(run.id)).finished is not None

    await wait_until(finished)
    run = await client.training_run(run.id)
    assert (run.state, run.version, run.promoted) == (RunState.SUCCEEDED, 3, True), run.step
    live = ModelRepository(former.models).live(MODEL)
    assert live.number == 3
    assert set(live.card().classes) == {*CLASSES, OUTBOX_CLASS}
    with LoadedVersion(live.path) as version:
        assert_knows(version, (*TAUGHT, OUTBOX_CLASS))
    assert (await client.labels()).since_last_run == 0
    assert (await client.promote(MODEL, 2)).live
