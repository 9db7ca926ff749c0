"""A folder of folders through the running backend and its worker."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.client import BackendClient
from backend.contract import NewModel, RunState, TrainingRun
from serving.models.repository import ModelRepository
from serving.workspace import Workspace
from tests.support.sample_images import drawing, image_bytes
from tests.support.tiny_model import TINY_MODEL, install_tiny
from tests.support.waiting import wait_until

KINDS = ("rings", "stripes")
MANY = 1500


@pytest.fixture
def workspace(workspace: Workspace) -> Workspace:
    install_tiny(ModelRepository(workspace.models))
    return workspace


def draw(folder: Path, count: int) -> Path:
    for kind in KINDS:
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            (folder / kind / f"{number}.jpg").write_bytes(drawing(kind, number))
    return folder


async def ended(client: BackendClient, run: TrainingRun) -> TrainingRun:
    async def finished() -> TrainingRun | None:
        now = await client.training_run(run.id)
        return now if now.state.finished else None

    found = await wait_until(finished)
    assert found is not None
    return found


@pytest.mark.slow
async def test_a_folder_becomes_a_live_version_and_more_photos_a_better_one(
    client: BackendClient, tmp_path: Path
) -> None:
    await client.create_model(NewModel("mine", TINY_MODEL))
    folder = draw(tmp_path / "photos", 6)
    (folder / "rings" / "broken.jpg").write_bytes(b"nonsense")
    run = await ended(client, await client.import_folder("mine", folder))
    assert (run.state, run.promoted, run.labels) == (RunState.SUCCEEDED, True, 12)
    assert run.step == "Version 2 is live. Files skipped: 1; the report says why."
    report = await client.report("mine", 2)
    assert [entry.path for entry in report.skipped] == ["rings/broken.jpg"]
    assert (report.photos, report.classes) == (12, list(KINDS))
    model = await client.model("mine")
    assert (model.labels, model.class_count, model.accuracy) == (12, 2, report.accuracy)
    assert model.accuracy_error == report.accuracy_error
    draw(folder, 8)
    again = await ended(client, await client.import_folder("mine", folder))
    assert (again.state, again.labels, again.version) == (RunState.SUCCEEDED, 16, 3)
    assert (await client.labels(TINY_MODEL)).total == 0


@pytest.mark.slow
async def test_an_import_that_is_cancelled_keeps_its_labels_and_is_continued(
    client: BackendClient, tmp_path: Path
) -> None:
    folder = draw(tmp_path / "photos", 1)
    for number in range(MANY):
        photo = image_bytes("teal", "JPEG", (16 + number % 50, 16 + number // 50))
        (folder / "rings" / f"plain {number}.jpg").write_bytes(photo)
    await client.create_model(NewModel("mine", TINY_MODEL))
    run = await client.import_folder("mine", folder)

    async def labels() -> int:
        return (await client.labels("mine")).total

    await wait_until(labels)
    cancelled = await client.cancel_training(run.id)
    assert cancelled.state is RunState.CANCELLED
    kept = await labels()
    assert 0 < kept < MANY
    assert (await client.model("mine")).live_version == 1
    run = await ended(client, await client.import_folder("mine", folder))
    assert (run.state, run.labels) == (RunState.SUCCEEDED, MANY + 2), run.step
    assert await labels() == MANY + 2
