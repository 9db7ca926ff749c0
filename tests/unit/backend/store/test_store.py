"""Labels, images and runs survive a restart."""

from __future__ import annotations

import errno
import hashlib
import shutil
from dataclasses import replace

import pytest

from backend.contract import RunState, TrainingRun
from backend.store import images
from backend.store.images import read_image
from backend.store.label_queries import Moment
from backend.store.label_writing import Statement
from backend.store.runs import UnknownRun
from backend.store.store import Store
from serving.errors import BackendError
from serving.state_files import UnreadableFile
from serving.workspace import Workspace
from tests.support.damage import OF_A_PHOTO
from tests.support.sample_images import image_bytes

EACH_DATABASE = True

RUN = TrainingRun("r1", "m", RunState.RUNNING, "2026-01-01T00:00:00.000Z", step="Going.", labels=3)


async def test_a_restart_forgets_nothing(workspace: Workspace, database: str) -> None:
    store = Store(workspace, database)
    await store.open()
    label, made = await store.labels.add(
        "m", b"jpeg", Statement("cat"), is_new=lambda name: True, key="k"
    )
    await store.runs.save(RUN, Moment(label.id))
    await store.close()
    assert made
    store = Store(workspace, database)
    await store.open()
    assert (await store.labels.snapshot("m")).current == (label,)
    assert await store.labels.add(
        "m", b"jpeg", Statement("cat"), is_new=lambda name: True, key="k"
    ) == (
        label,
        False,
    )
    assert await store.runs.get("r1") == RUN
    await store.close()


async def test_an_image_is_kept_once_under_its_hash(store: Store) -> None:
    first, _ = await store.labels.add("m", b"jpeg", Statement("cat"), is_new=lambda name: False)
    second, _ = await store.labels.add("m", b"jpeg", Statement("dog"), is_new=lambda name: False)
    assert first.image == second.image == hashlib.sha256(b"jpeg").hexdigest()
    files = [path for path in store.images.root.rglob("*") if path.is_file()]
    assert files == [store.images.path(first.image)]


@pytest.mark.parametrize("kind", OF_A_PHOTO)
async def test_a_damaged_image_is_whole_once_it_is_labelled_again(store: Store, kind: str) -> None:
    jpeg = image_bytes("red")
    label, _ = await store.labels.add("m", jpeg, Statement("cat"), is_new=lambda name: False)
    path = store.images.path(label.image)
    OF_A_PHOTO[kind](path)
    assert not store.images.is_whole(label.image)
    await store.labels.add("m", jpeg, Statement("cat"), is_new=lambda name: False)
    assert read_image(path) == jpeg
    assert store.images.is_whole(label.image)
    kept = list((store.images.root.parent / "damaged").glob(f"*{path.name}"))
    assert len(kept) == (kind != "gone")


async def test_a_file_in_the_place_of_a_folder_of_images_is_moved_away(store: Store) -> None:
    label, _ = await store.labels.add("m", b"jpeg", Statement("cat"), is_new=lambda name: False)
    path = store.images.path(label.image)
    shutil.rmtree(path.parent)
    path.parent.write_text("not a folder")
    with pytest.raises(UnreadableFile):
        read_image(path)
    store.images.put(b"jpeg")
    assert read_image(path) == b"jpeg"


async def test_no_row_is_written_for_an_image_that_was_not(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: object, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(images, "write_aside", full)
    with pytest.raises(BackendError, match="the disk is full"):
        await store.labels.add("m", b"jpeg", Statement("cat"), is_new=lambda name: False)
    assert (await store.labels.snapshot("m")).moment == Moment()


async def test_undone_labels_are_still_decided_about(store: Store) -> None:
    label, _ = await store.labels.add("m", b"jpeg", Statement("cat"), is_new=lambda name: False)
    await store.labels.undo(label.id)
    view = await store.labels.snapshot("m")
    assert view.current == ()
    assert view.images_ever_labeled == {label.image}
    assert view.moment == Moment(label.id, undone=1)


async def test_only_what_a_successful_run_saw_counts_as_learned(store: Store) -> None:
    await store.runs.save(replace(RUN, state=RunState.SUCCEEDED), Moment(4))
    await store.runs.save(replace(RUN, id="r2", state=RunState.FAILED), Moment(9))
    assert await store.runs.last_learned("m") == Moment(4)
    await store.runs.save(replace(RUN, step="Ended."))
    assert await store.runs.last_learned("m") == Moment()


async def test_interrupted_runs_get_an_end(store: Store) -> None:
    await store.runs.save(RUN)
    await store.runs.save(replace(RUN, id="r2", state=RunState.QUEUED))
    await store.runs.save(replace(RUN, id="r3", state=RunState.SUCCEEDED))
    assert await store.runs.fail_interrupted("Ended early.") == 2
    runs = {run.id: run for run in await store.runs.all()}
    assert list(runs) == ["r3", "r2", "r1"]
    assert runs["r1"].state is runs["r2"].state is RunState.FAILED
    assert runs["r1"].step == "Ended early."
    assert runs["r1"].finished
    assert runs["r3"].state is RunState.SUCCEEDED


async def test_a_run_that_never_was_is_unknown(store: Store) -> None:
    with pytest.raises(UnknownRun):
        await store.runs.get("nothing")


class Labels:
    """Photos a, b, … of model m: `label("a", "cat")`, `undo(number of the label)`."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def label(self, photo: str, class_name: str) -> None:
        await self.store.labels.add(
            "m", photo.encode(), Statement(class_name), is_new=lambda name: False
        )

    async def train(self) -> None:
        moment = (await self.store.labels.snapshot("m")).moment
        await self.store.runs.save(replace(RUN, state=RunState.SUCCEEDED), moment)

    async def unlearned(self) -> int:
        learned = await self.store.runs.last_learned("m")
        changed = await self.store.labels.changed("m", learned)
        assert changed == (await self.store.labels.counts("m", learned)).changed
        return changed


@pytest.mark.parametrize(
    ("steps", "unlearned"),
    [
        ("a=cat b=cat train", 0),
        ("a=cat b=cat train -1", 1),
        ("a=cat b=cat train -1 -2", 2),
        ("a=cat b=cat train -1 -1", 1),
        ("a=cat b=cat train -1 train", 0),
        ("a=cat b=cat -1 train", 0),
        ("a=cat b=cat -1 train -2", 1),
        ("a=cat a=dog train -2", 1),  # it is a cat again
        ("a=cat a=dog train -1", 0),  # it was no cat before
        ("a=cat a=cat train -2", 0),
        ("a=cat train -1 a=dog", 1),
        ("a=cat train a=dog", 1),
        ("a=cat train a=dog -2", 0),
        ("a=cat train a=dog -1", 1),
        ("a=cat a=dog -2 train -1 b=cat", 2),
    ],
)
async def test_labels_taken_back_after_a_run_count_as_unlearned(
    store: Store, steps: str, unlearned: int
) -> None:
    labels = Labels(store)
    for step in steps.split():
        if step == "train":
            await labels.train()
        elif step.startswith("-"):
            await store.labels.undo(int(step[1:]))
        else:
            await labels.label(*step.split("="))
    assert await labels.unlearned() == unlearned
