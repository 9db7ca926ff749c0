"""Models of the catalogue are downloaded, cancelled and continued."""

from __future__ import annotations

import asyncio
from typing import cast

from backend.client import BackendClient
from backend.contract import CatalogueEntry, ImportState, ModelImport
from desktop.models.importing.catalogue import Catalogue, CatalogueItem
from serving.errors import ServeryError
from tests.support.fake_model_files import FakeModelFiles, catalogue_entry
from tests.support.waiting import wait_until
from tests.unit.desktop.models.importing.test_import_presenter import run, start

NAME = "mobilenet-v2"
RUNNING = ModelImport("7", NAME, ImportState.RUNNING, 0.4, "Downloading 6 MB of 14 MB, 5 s left.")
DONE = ModelImport("7", NAME, ImportState.SUCCEEDED, 1.0, version=1)
FAILED = ModelImport(
    "7", NAME, ImportState.FAILED, error="The weights came in part.", advice="Try again later."
)


class Seen:
    """A catalogue, and what it reported."""

    def __init__(self, backend: FakeModelFiles) -> None:
        self.added: list[CatalogueEntry] = []
        self.failed: list[ServeryError] = []
        self.catalogue = Catalogue(
            cast("BackendClient", backend),
            start,
            on_added=self.added.append,
            on_failed=lambda entry, error: self.failed.append(error),
        )

    @property
    def item(self) -> CatalogueItem:
        return self.catalogue.items[0]


def test_a_download_says_how_far_it_is_and_ends_as_added() -> None:
    async def scenario() -> None:
        backend = FakeModelFiles(entries=[catalogue_entry(NAME)], states=[RUNNING, DONE])
        seen = Seen(backend)
        await seen.catalogue.refresh()
        items: list[CatalogueItem] = []
        seen.catalogue.on_changed = lambda changed: items.append(changed[0])
        seen.catalogue.download(NAME, "http://mirror")
        seen.catalogue.download(NAME)  # nothing more while it runs
        await wait_until(lambda: not seen.item.running)
        assert backend.downloads == [(NAME, "http://mirror")]
        assert (0.4, RUNNING.step) in [(each.progress, each.step) for each in items]
        assert seen.item.entry.installed
        assert [each.name for each in seen.added] == [NAME]

    run(scenario)


def test_one_that_failed_says_why_and_is_tried_again() -> None:
    async def scenario() -> None:
        backend = FakeModelFiles(entries=[catalogue_entry(NAME)], states=[FAILED])
        seen = Seen(backend)
        await seen.catalogue.refresh()
        seen.catalogue.download(NAME)
        await wait_until(lambda: not seen.item.running)
        assert (seen.item.problem, seen.item.advice) == (FAILED.error, FAILED.advice)
        assert [str(each) for each in seen.failed] == [f"{FAILED.error} {FAILED.advice}"]
        backend.states = [DONE]
        seen.catalogue.download(NAME)
        assert seen.item.problem == ""
        await wait_until(lambda: seen.item.entry.installed)

    run(scenario)


def test_cancelling_stops_it_and_it_can_be_continued() -> None:
    async def scenario() -> None:
        backend = FakeModelFiles(entries=[catalogue_entry(NAME)], states=[RUNNING])
        seen = Seen(backend)
        await seen.catalogue.refresh()
        seen.catalogue.download(NAME)
        await wait_until(lambda: seen.item.progress == 0.4)
        seen.catalogue.cancel(NAME)
        await wait_until(lambda: not seen.item.running)
        assert backend.cancelled == ["7"]
        assert seen.item.stopped
        assert not seen.item.problem

    run(scenario)


def test_one_that_is_cancelled_while_it_is_asked_for_does_not_go_on() -> None:
    class Slow(FakeModelFiles):
        gate = asyncio.Event()

        async def download_model(self, name: str, mirror: str = "") -> ModelImport:
            await self.gate.wait()
            return await super().download_model(name, mirror)

    async def scenario() -> None:
        backend = Slow(entries=[catalogue_entry(NAME)])
        seen = Seen(backend)
        await seen.catalogue.refresh()
        seen.catalogue.download(NAME)
        await asyncio.sleep(0)
        seen.catalogue.cancel(NAME)
        await asyncio.sleep(0)
        backend.gate.set()
        await wait_until(lambda: not seen.item.running)
        assert backend.cancelled == ["7"]

    run(scenario)


def test_a_download_that_was_started_elsewhere_is_followed() -> None:
    async def scenario() -> None:
        backend = FakeModelFiles(
            entries=[catalogue_entry(NAME)], imports=[RUNNING], states=[RUNNING, DONE]
        )
        seen = Seen(backend)
        await seen.catalogue.refresh()
        await seen.catalogue.refresh()
        assert seen.item.running
        await wait_until(lambda: seen.item.entry.installed)
        assert backend.downloads == []
        assert len(seen.added) == 1

    run(scenario)
