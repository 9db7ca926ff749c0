"""What happens when a person adds a model from the catalogue, or from a file or folder."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

from backend.client import BackendClient
from backend.contract import CatalogueEntry
from desktop.formats import plural
from desktop.jobs import Job, Jobs
from desktop.model_files import import_archive, import_sentence
from desktop.models.importing.catalogue import Catalogue
from desktop.models.importing.catalogue_dialog import CatalogueDialog
from desktop.models.importing.draft import MAX_PHOTOS, ImportDraft
from desktop.models.importing.import_dialog import LABEL_SUFFIXES, ImportDialog
from desktop.models.importing.presenter import ImportPresenter
from desktop.models.page import ModelsPage
from desktop.notifications import Notifications
from desktop.service_sentences import translated
from desktop.translation import tr
from serving.errors import ServeryError
from serving.exporting.archive import is_archive_file
from serving.importing.holds_model import holds_model
from serving.progress import Report


class ImportFlow:
    """Opens the dialogs of a ModelsPage for models that come in, and carries out what they ask."""

    def __init__(
        self,
        page: ModelsPage,
        backend: BackendClient,
        jobs: Jobs,
        notifications: Notifications,
        *,
        refresh: Callable[[], Awaitable[None]],
        use: Callable[[str], object],
        history: Callable[[], Sequence[Path]],
    ) -> None:
        """`refresh` shows the models of now, `use` makes one the current one, and `history`
        returns the files of photos that were classified, the newest first."""
        self._page, self._backend = page, backend
        self._jobs, self._notifications = jobs, notifications
        self._refresh, self._use, self._history = refresh, use, history
        self._catalogue = Catalogue(
            backend,
            lambda title, work: jobs.start(title, work, has_own_eta=True),
            on_added=self._on_added,
            on_failed=self._on_failed,
        )
        self._dialog: CatalogueDialog | None = None
        page.catalogue_requested.connect(self.open_catalogue)
        page.model_requested.connect(self.open_model)

    def open_catalogue(self) -> None:
        """Show the catalogue; downloads that go on are seen in it."""
        dialog = self._dialog = CatalogueDialog(self._page)
        dialog.download_requested.connect(self._catalogue.download)
        dialog.cancel_requested.connect(self._catalogue.cancel)
        dialog.file_requested.connect(partial(self._page.open_model_file_dialog, dialog))
        dialog.folder_requested.connect(partial(self._page.open_model_folder_dialog, dialog))
        dialog.finished.connect(self._forget_dialog)
        self._catalogue.on_changed = dialog.show_items
        dialog.open()

        async def ask(report: Report) -> None:
            try:
                await self._catalogue.refresh()
            except ServeryError as error:
                if self._dialog is dialog:
                    dialog.show_problem(translated(f"{error.what} {error.advice}"))

        self._jobs.start("Ask for the catalogue", ask, background=True)

    def _forget_dialog(self) -> None:
        if self._dialog is not None:
            self._catalogue.on_changed = lambda items: None
            self._dialog.deleteLater()
            self._dialog = None

    async def take(self, paths: Sequence[Path]) -> bool:
        """Open the dialog for what a person dropped, if that is a model; say whether it is.

        A file of labels may come with it.
        """
        labels = [path for path in paths if path.suffix.lower() in LABEL_SUFFIXES]
        rest = [path for path in paths if path not in labels]
        if len(rest) != 1 or len(labels) > 1 or not await asyncio.to_thread(_is_model, rest[0]):
            return False
        self.open_model(rest[0], labels[0] if labels else None)
        return True

    def open_model(self, path: Path, labels: Path | None = None) -> Job[None]:
        """Show what a model file holds, and ask how it is to be imported."""
        if self._dialog is not None:
            self._dialog.reject()

        absolute = path.absolute()

        async def work(report: Report) -> None:
            if await asyncio.to_thread(is_archive_file, path):
                # It says all about itself: there is nothing to guess or to correct.
                done = await import_archive(self._backend, absolute, "", report)
                await self._show(done.model, import_sentence(done))
                return
            photos = await asyncio.to_thread(_first_files, tuple(self._history()))
            draft = ImportDraft(absolute, labels_path=labels, photos=photos)
            presenter = ImportPresenter(draft, self._backend, self._start_aside)
            dialog = ImportDialog(draft, self._page.names(), self._page.pictures, self._page)
            self._connect(dialog, presenter)
            dialog.open()
            presenter.look()

        return self._jobs.start(tr("Open {name}", name=path.name), work)

    def _start_aside(self, title: str, work: Callable[[Report], Awaitable[None]]) -> Job[None]:
        async def report_defects(report: Report) -> None:
            try:
                await work(report)
            except Exception as error:
                self._notifications.error(error)
                raise

        return self._jobs.start(title, report_defects, background=True)

    def _connect(self, dialog: ImportDialog, presenter: ImportPresenter) -> None:
        running: list[Job[None]] = []
        presenter.on_changed = dialog.show_draft
        dialog.facts.corrected.connect(lambda facts: presenter.correct(**facts))
        dialog.facts.all_versions_toggled.connect(presenter.take_all_versions)
        dialog.labels_chosen.connect(presenter.choose_labels)
        dialog.trust_requested.connect(presenter.trust)
        dialog.again.clicked.connect(presenter.look)
        dialog.photos.photos_chosen.connect(presenter.add_photos)
        dialog.photos.removed.connect(presenter.remove_photo)
        dialog.import_requested.connect(
            lambda name: running.append(self._import(dialog, presenter, name))
        )
        dialog.cancel_requested.connect(lambda: running[-1].cancel())
        dialog.finished.connect(lambda: self._on_closed(dialog, presenter))

    def _on_closed(self, dialog: ImportDialog, presenter: ImportPresenter) -> None:
        """End the dialog, unless an import goes on that may need it again."""
        if presenter.draft.progress is None:
            presenter.stop()
            presenter.on_changed = lambda draft: None
            dialog.deleteLater()

    def _import(self, dialog: ImportDialog, presenter: ImportPresenter, name: str) -> Job[None]:
        async def work(report: Report) -> None:
            try:
                done = await presenter.import_model(name, report)
            except ServeryError as error:
                if not dialog.isVisible():
                    self._notifications.problem(
                        error.what, error.advice, tr("Show the import"), dialog.open
                    )
                return
            except asyncio.CancelledError:
                if not dialog.isVisible():
                    dialog.deleteLater()
                raise
            dialog.accept()
            dialog.deleteLater()
            await self._show(done.name)

        return self._jobs.start(tr("Import {name}", name=name), work)

    async def _show(self, name: str, sentence: str = "") -> None:
        """Select a new model and offer to use it, after a sentence about it."""
        await self._refresh()
        self._page.close_model()
        self._page.select(name)
        entry = self._page.entry(name)
        number = entry.model.class_count if entry is not None and entry.model is not None else 0
        self._notifications.info(
            sentence
            or tr(
                "{name} is there, with {classes}.",
                name=name,
                classes=plural(number, "class", "classes"),
            ),
            tr("Use it"),
            partial(self._use, name),
        )

    def _on_added(self, entry: CatalogueEntry) -> None:
        self._jobs.start(tr("Show the new model"), lambda report: self._show(entry.name))

    def _on_failed(self, entry: CatalogueEntry, error: ServeryError) -> None:
        if self._dialog is None:  # otherwise it stands in the dialog
            again = partial(self._catalogue.download, entry.name)
            self._notifications.problem(error.what, error.advice, tr("Try again"), again)


def _is_model(path: Path) -> bool:
    """Whether a path is a model; what another Servery exported may have photos in it."""
    return holds_model(path) or is_archive_file(path)


def _first_files(paths: Sequence[Path]) -> tuple[Path, ...]:
    """Return the first photos that are still there."""
    found: list[Path] = []
    for path in paths:
        if len(found) == MAX_PHOTOS:
            break
        if path.is_file():
            found.append(path)
    return tuple(found)
