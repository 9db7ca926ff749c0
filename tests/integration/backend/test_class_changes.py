"""Classes are renamed, merged and deleted in real versions, at once, and survive a crash."""

from __future__ import annotations

import asyncio
import getpass
import signal
from pathlib import Path

import numpy as np
import pytest

from backend.client import BackendClient, BackendRefused
from backend.contract import BatchLabel, ClassChangeKind, Decision
from backend.models.class_changes import ClassChanges
from backend.store.classes import ChangeState
from backend.training.embeddings import EmbeddingCache
from backend.training.head import ServableGraph
from backend.training.loaded_version import LoadedVersion
from backend.training.worker_protocol import TrainingSpec
from desktop.learn.outbox import Outbox
from desktop.learn.outbox_store import LabelStatement
from serving.models.version import Version
from serving.programs import module_command
from tests.support.backend_env import Service, write_worker
from tests.support.sample_images import drawing, painting
from tests.support.tiny_model import COLORS, TINY_MODEL, install_tiny
from tests.support.waiting import wait_until


@pytest.fixture
def version(service: Service) -> Version:
    return install_tiny(service.repository)


def live(service: Service) -> Version:
    return service.repository.live(TINY_MODEL)


def answer(version: Version, color: str) -> str:
    with LoadedVersion(version.path) as loaded:
        classes, _ = loaded.predict([painting(color, 1)])
    return str(classes[0][0].decode())


async def label(service: Service, color: str, name: str) -> str:
    stored = await service.client.label(painting(color, 1), name, model=TINY_MODEL)
    return stored.image


async def counts(service: Service) -> dict[str, int]:
    return {each.name: each.labels for each in await service.client.classes(TINY_MODEL)}


async def test_a_class_is_renamed_in_labels_and_answers(service: Service, version: Version) -> None:
    await label(service, "red", "red")
    summary = await service.client.rename_class(TINY_MODEL, "RED", "  Crimson ")
    assert summary.live_version == 2
    assert answer(live(service), "red") == "Crimson"
    assert answer(live(service), "blue") == "blue"
    assert (await counts(service))["Crimson"] == 1
    assert "red" not in await counts(service)
    (change,) = await service.client.class_changes(TINY_MODEL)
    assert (change.kind, change.by, change.version) == (
        ClassChangeKind.RENAMED,
        getpass.getuser(),
        2,
    )
    (decision, *_) = await service.store.runs.decisions(TINY_MODEL)
    assert (decision.version, decision.decision, decision.by) == (
        2,
        Decision.PROMOTED,
        getpass.getuser(),
    )
    assert "“red” was renamed to “Crimson”" in decision.because
    assert service.repository.version(TINY_MODEL, 2).changed_files() == []


async def fill_pool(service: Service, version: Version) -> None:
    """Put paintings of all colors into the pool, with their embeddings."""
    photos = [painting(color, number) for color in COLORS for number in range(40)]
    images = [(await service.store.pool.add(TINY_MODEL, photo)).image for photo in photos]
    with LoadedVersion(version.path) as loaded:
        rows = np.concatenate([loaded.embed(photos[at : at + 40]) for at in range(0, 240, 40)])
    backbone = ServableGraph(version.path).backbone_hash()
    EmbeddingCache(service.workspace.embeddings, backbone).add(dict(zip(images, rows, strict=True)))


async def test_a_class_is_merged_into_another(service: Service, version: Version) -> None:
    await fill_pool(service, version)
    await label(service, "red", "red")
    await label(service, "yellow", "yellow")
    await service.client.rename_class(TINY_MODEL, "red", "yellow", by="Ann")
    assert [answer(live(service), color) for color in ("red", "yellow", "blue")] == [
        "yellow",
        "yellow",
        "blue",
    ]
    assert (await counts(service))["yellow"] == 2
    (change,) = await service.client.class_changes(TINY_MODEL)
    assert (change.kind, change.by) == (ClassChangeKind.MERGED, "Ann")


async def test_only_labels_that_count_are_counted(service: Service, version: Version) -> None:
    """What was taken back or corrected is not listed as a class."""
    taken_back = await service.client.label(painting("red", 1), "rde", model=TINY_MODEL)
    await service.client.undo_label(taken_back.id)
    corrected = await label(service, "blue", "bleu")
    await service.client.label(corrected, "blue", model=TINY_MODEL)
    disputed = await label(service, "green", "leaf")
    await service.client.label(disputed, "lawn", model=TINY_MODEL, by="Ann")
    found = await counts(service)
    assert {name: number for name, number in found.items() if name not in COLORS} == {
        "leaf": 0,
        "lawn": 0,
    }
    assert (found["red"], found["blue"]) == (0, 1)


async def test_a_class_is_deleted_and_its_photos_are_unlabelled(
    service: Service, version: Version
) -> None:
    image = await label(service, "red", "red")
    # What it was said to show before must not come back.
    await service.client.label(image, "blue", model=TINY_MODEL)
    await service.client.label(image, "red", model=TINY_MODEL)
    await service.client.delete_class(TINY_MODEL, "red")
    assert answer(live(service), "red") != "red"
    assert "red" not in await counts(service)
    assert (await service.client.labels(TINY_MODEL)).total == 0
    assert await service.store.pool.unlabelled(TINY_MODEL) == [image]
    # It can be labelled again, as the class too.
    await service.client.label(image, "red", model=TINY_MODEL)
    assert (await service.client.labels(TINY_MODEL)).total == 1


@pytest.mark.parametrize("new_name", ["Crimson", "yellow", ""])
async def test_a_change_is_undone(service: Service, version: Version, new_name: str) -> None:
    await label(service, "red", "red")
    await label(service, "yellow", "yellow")
    before = await counts(service)
    if new_name:
        await service.client.rename_class(TINY_MODEL, "red", new_name)
    else:
        await service.client.delete_class(TINY_MODEL, "red")
    assert await counts(service) != before
    (change,) = await service.client.class_changes(TINY_MODEL)
    for _ in range(2):
        await service.client.undo_class_change(TINY_MODEL, change.id)
    assert await counts(service) == before
    assert [answer(live(service), color) for color in ("red", "yellow")] == ["red", "yellow"]
    (undone,) = await service.client.class_changes(TINY_MODEL)
    assert undone.undone


async def test_a_rename_is_undone_though_another_version_is_live_since(
    service: Service, version: Version
) -> None:
    await service.client.rename_class(TINY_MODEL, "red", "Crimson")
    await service.client.rename_class(TINY_MODEL, "blue", "Azure")
    (_, first) = await service.client.class_changes(TINY_MODEL)
    await service.client.undo_class_change(TINY_MODEL, first.id)
    assert [answer(live(service), color) for color in ("red", "blue")] == ["red", "Azure"]


async def test_a_class_that_only_labels_know_is_changed_without_a_version(
    service: Service, version: Version
) -> None:
    await label(service, "red", "brick/tile")
    await service.client.rename_class(TINY_MODEL, "brick/tile", "brick")
    assert (await counts(service))["brick"] == 1
    await service.client.rename_class(TINY_MODEL, "brick", "red")
    assert (await counts(service))["red"] == 1
    assert live(service).number == 1


async def test_what_cannot_be_changed_is_refused(service: Service, version: Version) -> None:
    with pytest.raises(BackendRefused) as refused:
        await service.client.rename_class(TINY_MODEL, "owl", "eagle")
    assert refused.value.status == 404
    with pytest.raises(BackendRefused) as refused:
        await service.client.rename_class(TINY_MODEL, "red", " ")
    assert refused.value.status == 400
    await service.client.rename_class(TINY_MODEL, "red", "red")
    assert live(service).number == 1
    await service.client.rename_class(TINY_MODEL, "red", "Crimson")
    await label(service, "red", "red")
    (change,) = await service.client.class_changes(TINY_MODEL)
    with pytest.raises(BackendRefused) as refused:
        await service.client.undo_class_change(TINY_MODEL, change.id)
    assert refused.value.status == 409


async def test_a_version_that_cannot_be_served_changes_nothing(
    service: Service, version: Version
) -> None:
    await label(service, "red", "red")
    service.switch.unusable = "It does not load."
    with pytest.raises(BackendRefused) as refused:
        await service.client.rename_class(TINY_MODEL, "red", "Crimson")
    assert refused.value.status == 422
    assert (await counts(service))["red"] == 1
    assert [each.number for each in service.repository.versions(TINY_MODEL)] == [1]
    assert await service.client.class_changes(TINY_MODEL) == []


@pytest.mark.parametrize(
    ("step", "renamed"),
    [("begin", False), ("derived", False), ("try_version", False), ("apply", True), ("end", True)],
)
async def test_a_change_whose_backend_was_killed_is_ended_by_the_next(
    service: Service, version: Version, step: str, renamed: bool
) -> None:
    await label(service, "red", "red")
    killed = await asyncio.create_subprocess_exec(
        *module_command("tests.support.class_change_killed"), str(service.workspace.root), step
    )
    assert await killed.wait() == -signal.SIGKILL
    changes = ClassChanges(
        repository=service.repository,
        store=service.store,
        trainer=service.trainer,
        switch=service.switch,
        broker=service.broker,
        workspace=service.workspace,
    )
    await changes.open()
    assert ("Crimson" in await counts(service)) is renamed
    assert answer(live(service), "red") == ("Crimson" if renamed else "red")
    assert len(service.repository.versions(TINY_MODEL)) == 1 + renamed
    assert await service.store.classes.unfinished() == []


async def test_a_change_waits_for_a_training_run(
    service: Service, version: Version, worker_script: Path
) -> None:
    await label(service, "red", "red")
    write_worker(worker_script, "time.sleep(1)\nraise SystemExit('no version')\n")
    run = await service.client.train(TINY_MODEL)
    await service.client.rename_class(TINY_MODEL, "red", "Crimson")
    assert (await service.client.training_run(run.id)).state.finished
    assert answer(live(service), "red") == "Crimson"


async def test_a_label_sent_again_after_its_class_was_renamed_is_the_same(
    service: Service, version: Version
) -> None:
    image = await label(service, "red", "red")
    first = await service.client.label(image, "blue", model=TINY_MODEL, key="k")
    await service.client.rename_class(TINY_MODEL, "blue", "Azure")
    again = await service.client.label(image, "blue", model=TINY_MODEL, key="k")
    assert (again.id, again.class_name) == (first.id, "Azure")


async def test_labels_that_waited_in_an_outbox_follow_what_was_done_to_their_class(
    service: Service, version: Version, tmp_path: Path
) -> None:
    database, painted = tmp_path / "desktop.sqlite", painting("red", 1)
    known = [await label(service, color, "blue") for color in ("white", "black")]
    async with BackendClient("http://127.0.0.1:9") as nobody, Outbox(database, nobody) as outbox:
        await outbox.submit(painted, "red")
        await outbox.submit_known(known, LabelStatement("red"))
    await service.client.rename_class(TINY_MODEL, "red", "Crimson")
    async with Outbox(database, service.client) as outbox:
        await wait_until(lambda: not outbox.view.pending)
        assert outbox.view.refused == ()
    assert (await counts(service))["Crimson"] == 3
    assert "red" not in await counts(service)


@pytest.mark.parametrize("said_at", ["yesterday", "2026-01-31T09:15:00", "9999-12-31T23:59-23:00"])
async def test_when_a_label_was_said_is_checked(
    service: Service, version: Version, said_at: str
) -> None:
    with pytest.raises(BackendRefused, match="not a valid time") as refused:
        await service.client.label(painting("red", 1), "red", said_at=said_at)
    assert refused.value.status == 400


async def test_the_backbone_stays_the_same(service: Service, version: Version) -> None:
    images = [await label(service, color, color) for color in ("red", "blue")]
    await service.client.label_batch(BatchLabel(images, "red", model=TINY_MODEL))
    await service.client.rename_class(TINY_MODEL, "red", "blue")
    before, after = ServableGraph(version.path), ServableGraph(live(service).path)
    assert before.backbone_hash() == after.backbone_hash()
    stored = await service.store.classes.get(TINY_MODEL, 1)
    assert stored.state is ChangeState.DONE


async def test_training_goes_on_from_a_changed_version(
    service: Service, version: Version, worker_script: Path
) -> None:
    """What a version keeps for later training has the change too: no former class comes back."""
    write_worker(
        worker_script,
        "import runpy\nrunpy.run_module('backend.training.worker', run_name='__main__')\n",
    )

    async def train() -> None:
        run = await service.client.train(TINY_MODEL)
        await wait_until(lambda: finished(run.id))
        made = (await service.client.training_run(run.id)).version
        assert made is not None, (await service.client.training_run(run.id)).step
        if live(service).number != made:
            service.repository.promote(TINY_MODEL, made)

    async def finished(run_id: str) -> bool:
        return (await service.client.training_run(run_id)).state.finished

    for kind in ("smiley", "rings"):
        for number in range(6):
            await service.client.label(drawing(kind, number), kind, model=TINY_MODEL)
    await train()
    await service.client.rename_class(TINY_MODEL, "smiley", "face")
    await service.client.rename_class(TINY_MODEL, "rings", "yellow")
    seen = await service.client.answers(TINY_MODEL, live(service).number, "face", "face")
    assert len(seen) == 6
    await service.client.rename_class(TINY_MODEL, "red", "crimson")
    await service.client.delete_class(TINY_MODEL, "blue")
    report = await service.client.report(TINY_MODEL, live(service).number)
    card = live(service).card()
    assert (report.photos, sorted(report.classes)) == (12, ["face", "yellow"])
    assert report.accuracy == card.metrics["accuracy"] == 1.0
    assert card.metrics["measured_on"] == "12 labelled photos by cross-validation"
    seen = await service.client.answers(TINY_MODEL, live(service).number, "face", "face")
    assert len(seen) == 6
    expected = set(COLORS) - {"red", "blue"} | {"face", "crimson"}
    assert set(live(service).card().classes) == expected
    disputed = await label(service, "green", "green")
    await service.client.label(disputed, "face", model=TINY_MODEL, by="Ann")
    await service.client.label(drawing("smiley", 9), "face", model=TINY_MODEL)
    await train()
    assert set(live(service).card().classes) == expected
    assert answer(live(service), "red") == "crimson"
    spec = sorted(service.workspace.training_runs.glob("*/spec.json"))[-1]
    assert disputed not in {each.image for each in TrainingSpec.read(spec).images}
