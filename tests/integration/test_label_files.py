"""Labels go out of one workspace into files and come into another: on real servers, over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from backend.client import BackendClient, BackendRefused
from backend.contract import LabelFormat
from backend.store.label_exchange import WrittenLabel
from backend.store.store import Store
from serving.workspace import Workspace
from tests.support.backend_env import (
    MODEL,
    backend_on_thread,
    repository_with_live_version,
)
from tests.support.many_labels import COUNT, add_labels
from tests.support.sample_images import image_bytes


class Running:
    """A backend that serves a workspace of its own."""

    def __init__(self, workspace: Workspace, url: str) -> None:
        self.workspace, self.url = workspace, url

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[BackendClient]:
        async with BackendClient(self.url) as client:
            yield client

    @contextlib.asynccontextmanager
    async def store(self) -> AsyncIterator[Store]:
        store = Store(self.workspace)
        await store.open()
        try:
            yield store
        finally:
            await store.close()

    async def labels(self) -> list[WrittenLabel]:
        async with self.store() as store:
            return await store.exchange.labels(MODEL)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Running]:
    workspace = Workspace(folder).create()
    repository_with_live_version(workspace)
    worker = folder / "worker.py"
    worker.write_text("raise SystemExit('no worker')\n")
    with backend_on_thread(workspace, worker) as url:
        yield Running(workspace, url)


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path / "source") as backend:
        yield backend


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path / "fresh") as backend:
        yield backend


@pytest.mark.parametrize("count", [200, pytest.param(COUNT, marks=pytest.mark.long)])
@pytest.mark.parametrize("form", list(LabelFormat))
async def test_labels_come_back_without_a_difference(
    source: Running, fresh: Running, form: LabelFormat, count: int, tmp_path: Path
) -> None:
    async with source.store() as store:
        await add_labels(store, MODEL, count=count)
    before = await source.labels()
    assert len(before) == count
    target = tmp_path / "exported"
    said: list[str] = []
    async with source.client() as client:
        written = await client.export_labels(
            MODEL, target, form, lambda done, total, text: said.append(text)
        )
        summary, conflicts = await client.labels(MODEL), await client.conflicts(MODEL)
    assert (written.labels, written.skipped) == (count, [])
    # Which steps are reported depends on how fast they are.
    assert said
    assert all(text.startswith("Writing ") for text in said)
    async with fresh.client() as client:
        taken = await client.import_labels(MODEL, target)
        assert (taken.labels, taken.known, taken.outdated, taken.skipped) == (count, 0, 0, [])
        assert taken.photos == written.photos
        # Label Studio has one task for each photo, so that labels come photo by photo.
        order = (lambda label: (label.image, label.created)) if form == "label-studio" else None
        after = await fresh.labels()
        if order:
            assert sorted(after, key=order) == sorted(before, key=order)
        else:
            assert after == before
        assert await client.labels(MODEL) == summary
        images = [conflict.image for conflict in conflicts]
        assert sorted(each.image for each in await client.conflicts(MODEL)) == sorted(images)
        assert images
        again = await client.import_labels(MODEL, target)
        assert (again.labels, again.known, again.action) == (0, count, 0)
        # They were one action.
        await client.undo_action(taken.action)
        assert (await client.labels(MODEL)).total == 0
    async with fresh.store() as store:
        for label in before:
            assert store.images.is_whole(label.image)


async def test_an_export_that_is_cancelled_leaves_nothing(source: Running, tmp_path: Path) -> None:
    async with source.store() as store:
        await add_labels(store, MODEL)
    target = tmp_path / "out" / "labels"
    async with source.client() as client:
        began = asyncio.Event()
        export = asyncio.create_task(
            client.export_labels(
                MODEL, target, LabelFormat.CSV, lambda done, total, text: began.set()
            )
        )
        await began.wait()
        export.cancel()
        with pytest.raises(asyncio.CancelledError):
            await export
        while list((tmp_path / "out").glob("*")) + list((tmp_path / "out").glob(".*")):
            assert not target.exists()
            await asyncio.sleep(0.02)
        # And the backend goes on.
        assert (await client.export_labels(MODEL, target, LabelFormat.CSV)).labels == COUNT


async def test_an_import_that_is_cancelled_changes_no_label(
    source: Running, fresh: Running, tmp_path: Path
) -> None:
    async with source.store() as store:
        await add_labels(store, MODEL)
    target = tmp_path / "labels"
    async with source.client() as client:
        await client.export_labels(MODEL, target, LabelFormat.CSV)
    async with fresh.client() as client:
        reading = asyncio.Event()

        def report(done: int, total: int, text: str) -> None:
            if text == "Reading photos":
                reading.set()

        work = asyncio.create_task(client.import_labels(MODEL, target, report))
        await reading.wait()
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert (await client.labels(MODEL)).total == 0
        assert (await client.import_labels(MODEL, target)).labels == COUNT


async def test_what_is_there_is_never_replaced(source: Running, tmp_path: Path) -> None:
    async with source.client() as client:
        await client.label(image_bytes("red"), "cat")
        taken = tmp_path / "taken"
        taken.mkdir()
        (taken / "mine.txt").write_text("mine")
        file = tmp_path / "file"
        file.write_text("a file")
        link = tmp_path / "link"
        link.symlink_to(tmp_path / "nothing")
        for target in (taken, file, link):
            with pytest.raises(BackendRefused, match="new or empty") as refused:
                await client.export_labels(MODEL, target, LabelFormat.FOLDER)
            assert refused.value.status == 409
        assert (taken / "mine.txt").read_text() == "mine"
        empty = tmp_path / "empty"
        empty.mkdir()
        assert (await client.export_labels(MODEL, empty, LabelFormat.FOLDER)).photos == 1
        assert [path.name for path in sorted(empty.iterdir())] == ["cat", "labels.csv"]


async def test_a_damaged_photo_is_skipped_by_name(source: Running, tmp_path: Path) -> None:
    async with source.client() as client:
        await client.label(image_bytes("red"), "cat")
        damaged = await client.label(image_bytes("green"), "dog")
        async with source.store() as store:
            store.images.path(damaged.image).write_bytes(b"not what it was")
        written = await client.export_labels(MODEL, tmp_path / "out", LabelFormat.CSV)
    assert (written.labels, written.photos) == (1, 1)
    assert [file.path for file in written.skipped] == [f"{damaged.image}.jpg"]
    assert damaged.image not in (tmp_path / "out" / "labels.csv").read_text()


async def test_what_was_said_here_later_stays(
    source: Running, fresh: Running, tmp_path: Path
) -> None:
    async with source.client() as client:
        await client.label(image_bytes("red"), "cat", by="Ann")
        await client.export_labels(MODEL, tmp_path / "out", LabelFormat.CSV)
    async with fresh.client() as client:
        kept = await client.label(image_bytes("red"), "dog", by="Ann")
        taken = await client.import_labels(MODEL, tmp_path / "out")
        assert (taken.labels, taken.outdated) == (0, 1)
        assert [label.id for label in await client.labels_of(kept.image)] == [kept.id]
