"""The catalogue of models that can be downloaded, and what becomes of each download; no Qt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from backend.client import BackendClient
from backend.contract import CatalogueEntry, ModelImport
from desktop.model_imports import STEPS, start_and_wait, wait_for_import
from desktop.models.importing.presenter import StartedWork, StartWork
from desktop.translation import tr
from serving.errors import ServeryError
from serving.progress import Report


@dataclass(frozen=True)
class CatalogueItem:
    """One model of the catalogue, and its download."""

    entry: CatalogueEntry
    running: bool = False
    progress: float = 0.0
    """0 to 1."""
    step: str = ""
    """What the download does, with its rate and the time left; a sentence."""
    stopped: bool = False
    """It was cancelled or failed in this window; asked for again, it continues."""
    problem: str = ""
    advice: str = ""
    """Why it failed, and what to do."""


class Catalogue:
    """Keeps the items of the catalogue up to date while this window downloads."""

    def __init__(
        self,
        backend: BackendClient,
        start: StartWork,
        *,
        on_added: Callable[[CatalogueEntry], object] = lambda entry: None,
        on_failed: Callable[[CatalogueEntry, ServeryError], object] = lambda entry, error: None,
    ) -> None:
        """`on_added` is called once a model is there; `on_failed` if it could not be fetched."""
        self._backend = backend
        self._start = start
        self._on_added, self._on_failed = on_added, on_failed
        self._items: dict[str, CatalogueItem] = {}
        self._work: dict[str, StartedWork] = {}
        self.on_changed: Callable[[list[CatalogueItem]], object] = lambda items: None

    @property
    def items(self) -> list[CatalogueItem]:
        """The items in the order of the catalogue, the smallest first."""
        return list(self._items.values())

    async def refresh(self) -> None:
        """Ask which models there are and which are added; raises BackendError.

        Downloads that were started elsewhere are followed, too.
        """
        entries = await self._backend.catalogue()
        self._items = {
            each.name: replace(self._items.get(each.name, CatalogueItem(each)), entry=each)
            for each in entries
        }
        for each in await self._backend.model_imports():
            is_new = each.name in self._items and each.name not in self._work
            if is_new and not each.state.finished:
                self._follow(each.name, each)
        self.on_changed(self.items)

    def download(self, name: str, mirror: str = "") -> None:
        """Download a model and add it; one that was stopped continues."""
        item = self._items[name]
        if not item.running and not item.entry.installed:
            self._follow(name, None, mirror)

    def cancel(self, name: str) -> None:
        """Stop a download; what came is kept for the next time."""
        if name in self._work:
            self._work[name].cancel()

    def _follow(self, name: str, started: ModelImport | None, mirror: str = "") -> None:
        self._set(
            name,
            replace(
                self._items[name],
                running=True,
                progress=0.0,
                step=tr("Starting the download."),
                problem="",
                advice="",
            ),
        )

        def show(done: int, total: int, text: str) -> None:
            self._set(name, replace(self._items[name], progress=done / (total or STEPS), step=text))

        async def work(report: Report) -> None:
            entry = self._items[name].entry

            def report_both(done: int, total: int, text: str) -> None:
                report(done, total, text)
                show(done, total, text)

            try:
                if started is None:
                    start = self._backend.download_model(name, mirror)
                    await start_and_wait(self._backend, start, report_both)
                else:
                    await wait_for_import(self._backend, started, report_both)
            except ServeryError as error:
                self._set(
                    name,
                    replace(
                        self._items[name], stopped=True, problem=error.what, advice=error.advice
                    ),
                )
                self._on_failed(entry, error)
            except BaseException:
                self._set(name, replace(self._items[name], stopped=True))
                raise
            else:
                self._set(
                    name,
                    replace(self._items[name], stopped=False, entry=replace(entry, installed=True)),
                )
                self._on_added(entry)
            finally:
                self._work.pop(name, None)
                self._set(name, replace(self._items[name], running=False, step=""))

        self._work[name] = self._start(
            tr("Download {title}", title=self._items[name].entry.title), work
        )

    def _set(self, name: str, item: CatalogueItem) -> None:
        self._items[name] = item
        self.on_changed(self.items)
