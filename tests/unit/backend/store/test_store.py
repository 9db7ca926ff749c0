"""Labels, images and runs survive a restart."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from backend.contract import RunState, TrainingRun
from backend.store import images
from backend.store.runs import UnknownRun
from backend.store.store import Store
from serving.errors import BackendError
from serving.workspace import Workspace

RUN = TrainingRun("r1", "m", RunState.RUNNING, "2026-01-01T00:00:00.000Z", step="Going.", labels=3)


@pytest.fixture
async def store(workspace: Workspace) -> AsyncIterator[Store]:
    store = Store(workspace)
    await store.open()
    yield store
    await store.close()


async def test_a_restart_forgets_nothing(workspace: Workspace) -> None:
    store = Store(workspace)
    await store.open()
    label, made = await store.labels.add("m", b"jpeg", "cat", is_new=lambda name: True, key="k")
    await store.runs.save(RUN, last_label=label.id)
    await store.close()
    assert made
    store = Store(workspace)
    await store.open()
    assert (await store.labels.snapshot("m")).current == (label,)
    assert await store.labels.add("m", b"jpeg", "cat", is_new=lambda name: True, key="k") == (
        label,
        False,
    )
    assert await store.runs.get("r1") == RUN
    await store.close()


async def test_an_image_is_kept_once_under_its_hash(store: Store) -> None:
    first, _ = await store.labels.add("m", b"jpeg", "cat", is_new=lambda name: False)
    second, _ = await store.labels.add("m", b"jpeg", "dog", is_new=lambda name: False)
    assert first.image == second.image == hashlib.sha256(b"jpeg").hexdigest()
    files = [path for path in store.images.root.rglob("*") if path.is_file()]
    assert files == [store.images.path(first.image)]


async def test_a_torn_image_is_written_again(store: Store) -> None:
    label, _ = await store.labels.add("m", b"jpeg", "cat", is_new=lambda name: False)
    store.images.path(label.image).write_bytes(b"jp")
    await store.labels.add("m", b"jpeg", "cat", is_new=lambda name: False)
    assert store.images.path(label.image).read_bytes() == b"jpeg"


async def test_no_row_is_written_for_an_image_that_was_not(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: object, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(images, "write_aside", full)
    with pytest.raises(BackendError, match="the disk is full"):
        await store.labels.add("m", b"jpeg", "cat", is_new=lambda name: False)
    assert (await store.labels.snapshot("m")).last_label == 0


async def test_undone_labels_are_still_decided_about(store: Store) -> None:
    label, _ = await store.labels.add("m", b"jpeg", "cat", is_new=lambda name: False)
    await store.labels.undo(label.id)
    view = await store.labels.snapshot("m")
    assert view.current == ()
    assert view.images_ever_labeled == {label.image}
    assert view.last_label == label.id


async def test_only_what_a_successful_run_saw_counts_as_learned(store: Store) -> None:
    await store.runs.save(replace(RUN, state=RunState.SUCCEEDED), last_label=4)
    await store.runs.save(replace(RUN, id="r2", state=RunState.FAILED), last_label=9)
    assert await store.runs.last_label_learned("m") == 4
    await store.runs.save(replace(RUN, step="Ended."))
    assert await store.runs.last_label_learned("m") == 0


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
