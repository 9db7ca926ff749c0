"""The Classify page: drop photos, see what they show, say what they really show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from operator import is_
from pathlib import Path

from PySide6.QtCore import QModelIndex, Qt, Signal
from PySide6.QtGui import (
    QAction,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDropEvent,
    QResizeEvent,
)
from PySide6.QtWidgets import (
    QMenu,
    QWidget,
)

from desktop import formats
from desktop.classify.charts import charts_of
from desktop.classify.detail_pane import DetailPane, answering_words
from desktop.classify.explain.heat import HeatOverlay
from desktop.classify.files_menu import FilesMenu
from desktop.classify.filter_panel import FilterPanel
from desktop.classify.gallery import Gallery
from desktop.classify.gallery_model import GalleryModel
from desktop.classify.gallery_query import Facet, Query, Sort
from desktop.classify.gallery_view import GalleryView
from desktop.classify.header import ClassifyHeader
from desktop.classify.intake_strips import DropStrip, WatchStrip
from desktop.classify.likeness.among_bar import AmongBar
from desktop.classify.page_content import PageContent
from desktop.classify.photo import Photo
from desktop.classify.photo_intake import PhotoIntake
from desktop.classify.thumbnails import Thumbnails
from desktop.classify.view_menu import ViewMenu
from desktop.classify.zoomed_photo import ZoomedPhoto
from desktop.known_classes import KnownClasses
from desktop.shortcuts import Shortcut, bind, menu_text
from desktop.translation import tr
from desktop.widgets import build
from desktop.widgets.drop_overlay import DropOverlay
from desktop.widgets.focus import delegate_focus
from desktop.widgets.timers import single_shot_timer

_REFRESH_MILLISECONDS = 30
"""Counts follow a burst of answers this closely, instead of each answer."""
_CHARTS_MILLISECONDS = 300
"""Charts of thousands of photos take longer to make than the counts."""
_OVERLAY_MILLISECONDS = 30
"""After a drop, until the tile of the first photo is there: what the overlay covers is painted
once, and not while the photo is on its way to an instance."""

_PAUSE = tr("Pause classifying")


class ClassifyPage(QWidget):
    """Shows a gallery and its selected photos.

    What a person asks for is signalled by the part that was used: `intake`, `grid`,
    `pane`, `header` and the actions.
    """

    export_requested = Signal(Path)
    """The file to write the answers of `acted_keys` to."""
    save_requested = Signal(object)
    """Write the answers of `acted_keys` into copies of the photos in this folder (Path); None to
    write them beside the photos."""
    sort_requested = Signal(Path, bool)
    """Put the photos of `acted_keys` into a folder for each class in this one: copies, or, if true,
    the photos themselves."""
    move_back_requested = Signal()
    """Undo the last time that photos were moved."""
    dates_needed = Signal(object)
    """Sequence[Photo]: when they were taken is to be known, if they say."""
    shown_photo_changed = Signal()
    """There is a new answer or label of the photo in the pane."""

    def __init__(self, gallery: Gallery) -> None:
        super().__init__()
        self.setAcceptDrops(True)
        self.gallery = gallery
        self._shown_key = ""
        self._decisive: list[object] = []
        """What decided about the pane when it was last filled."""
        self.thumbnails = Thumbnails(self)
        self.intake = PhotoIntake(self)
        self.taken: dict[str, datetime | None] = {}
        """When photos were taken, by their keys; None if they do not say."""
        self.grid = GalleryView(GalleryModel(gallery, self, self.taken), self.thumbnails)
        self.pane = DetailPane(gallery, self.thumbnails)
        self.undo_action = self.add_action(tr("Undo the last label"), Shortcut.UNDO_LABEL)
        self.reclassify_action = self.add_action(tr("Classify selected again"), Shortcut.RECLASSIFY)
        self.reclassify_shown_action = self.add_action(tr("Classify all shown again"))
        self.retry_action = self.add_action(tr("Classify failed again"), Shortcut.RETRY)
        self.pause_action = self.add_action(_PAUSE, Shortcut.PAUSE)
        self.remove_action = self.add_action(
            menu_text(tr("Remove selected from the gallery"), Shortcut.REMOVE)
        )
        self.remove_all_action = self.add_action(tr("Remove all from the gallery"))
        self.select_class_action = self.add_action(
            tr("Select all of this class"), Shortcut.SELECT_CLASS, self.grid.select_class_of_current
        )
        self.explain_action = self.add_action(
            tr("Show what the answer depends on"), Shortcut.EXPLAIN
        )
        self.explain_action.setCheckable(True)
        self.similar_action = self.add_action(tr("Show photos like this one"), Shortcut.SIMILAR)
        self.stack_action = self.add_action(
            tr("Open or close the stack"), Shortcut.STACK, self.grid.toggle_stack
        )
        self.grid.addActions(
            [
                self.similar_action,
                self.stack_action,
                self.select_class_action,
                self.reclassify_action,
                self.remove_action,
            ]
        )
        self.compare_action = self.add_action(
            tr("Compare the answers of versions…"), Shortcut.COMPARE
        )
        self.covers: list[QWidget] = []
        """What covers the page while it is visible."""
        self.among_bar = AmongBar()
        self.show_all_action = self.add_action(
            tr("Show all photos"), Shortcut.SHOW_ALL, self._show_all
        )
        self.show_all_action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        self.grid.addAction(self.show_all_action)
        self.view_menu = ViewMenu(self)
        self.header = ClassifyHeader(self._menu(), self.view_menu)
        self.filter_panel = FilterPanel(self.grid.shown, self.header.filter)
        self.drop_strip = DropStrip()
        self.drop_strip.select_requested.connect(self._select_to_label)
        head = (self.header, self.drop_strip, self.among_bar)
        self.content = PageContent(head, self.grid, self.pane)
        self.watch_strip = WatchStrip()
        build.column((self.content, 1), self.watch_strip, parent=self, spacing=0)
        self.zoomed = ZoomedPhoto(self.thumbnails, self, self._step)
        self._overlay = DropOverlay(self, tr("Drop to classify"))
        self._hide_overlay_soon = single_shot_timer(_OVERLAY_MILLISECONDS, self._overlay.hide, self)
        delegate_focus(self, self.grid)
        self._refresh_soon = single_shot_timer(_REFRESH_MILLISECONDS, self._refresh, self)
        self._charts_soon = single_shot_timer(_CHARTS_MILLISECONDS, self._show_charts, self)
        self._connect()
        self._refresh()

    def set_classes(self, known: KnownClasses) -> None:
        """Offer `known` where a person says what a photo shows."""
        self.pane.label_box.chooser.set_classes(known)

    def show_paused(self, paused: bool) -> None:
        """Offer to pause classifying, or to go on."""
        self.pause_action.setText(tr("Go on classifying") if paused else _PAUSE)

    def set_note(self, sentence: str) -> None:
        """Say, under the invitation to drop photos, what there is to answer them."""
        self.content.note.setText(sentence)

    def set_welcome(self, welcome: QWidget | None) -> None:
        """Show `welcome` in place of all else, until None; drops are taken as ever."""
        self.content.set_welcome(welcome)
        self._refresh()

    def select(self, key: str) -> None:
        """Select one photo and show it."""
        self.grid.select(key)

    def offer_label(self, dropped: Sequence[Path], photos: Sequence[Path]) -> None:
        """Offer to say what all `photos` of a drop show, if there are several."""
        self.drop_strip.hide()
        if len(photos) > 1:
            lone = dropped[0].absolute() if len(dropped) == 1 else None
            keys = [str(photo) for photo in photos]
            self.drop_strip.offer(keys, lone.name if lone is not None else "")

    def _select_to_label(self, keys: Sequence[str]) -> None:
        self.grid.select_all(keys)
        self.pane.label_box.chooser.field.setFocus()

    def selected_keys(self) -> list[str]:
        return [photo.key for photo in self.grid.selected_photos]

    def shown_photo(self) -> Photo | None:
        """Return the photo in the pane; None if none or more than one is selected."""
        return self.gallery.photo(self._shown_key)

    def first_selected_photo(self) -> Photo | None:
        """Return the selected photo that is nearest to the top; None if none is selected."""
        return self.grid.first_selected_photo

    def shown_keys(self) -> list[str]:
        """Return the keys of the photos that pass the search and the filter, also of those below
        others in a stack."""
        return [photo.key for photo in self.grid.shown.photos]

    def acted_keys(self) -> list[str]:
        """Return the keys of what the menu acts on: the selected photos if there are several,
        otherwise all that are shown."""
        selected = self.selected_keys()
        return selected if len(selected) > 1 else self.shown_keys()

    def set_query(self, query: Query) -> None:
        """Show the photos that pass `query`, in its order."""
        before = self.grid.shown.query
        self.grid.shown.set_query(query)
        if self._typed().text != query.text:
            self.header.search.setText(query.text)
        # In another order they have the same charts.
        self._refresh(charts=query.with_sort(before.sort) != before)

    def set_sort(self, sort: Sort) -> None:
        """Show the same photos in another order."""
        self.set_query(self.grid.shown.query.with_sort(sort))

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if self.intake.accepts(event.mimeData()):
            event.setDropAction(Qt.DropAction.CopyAction)
            event.accept()
            self._hide_overlay_soon.stop()
            self._overlay.appear()

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        self._overlay.hide()

    def dropEvent(self, event: QDropEvent) -> None:
        self._hide_overlay_soon.start()
        if self.intake.take(event.mimeData()):
            event.setDropAction(Qt.DropAction.CopyAction)
            event.accept()

    def _menu(self) -> QMenu:
        menu = QMenu(self)
        folder = Shortcut.OPEN_FOLDER
        menu.addAction(self.add_action(tr("Open a folder…"), folder, self.intake.open_folder))
        menu.addAction(self.add_action(tr("Paste"), Shortcut.PASTE, self.intake.paste))
        menu.addAction(self.add_action(tr("Watch a folder…"), act=self.intake.open_watched_folder))
        menu.addSeparator()
        self.files_menu = FilesMenu(self)
        menu.addMenu(self.files_menu)
        menu.addSeparator()
        menu.addActions([self.explain_action, self.compare_action])
        menu.addActions([self.similar_action, self.stack_action, self.select_class_action])
        every = menu_text(tr("Select all"), Shortcut.SELECT_ALL)
        menu.addAction(self.add_action(every, act=self.grid.selectAll))
        menu.addSeparator()
        menu.addActions([self.reclassify_action, self.reclassify_shown_action, self.retry_action])
        menu.addAction(self.pause_action)
        menu.addSeparator()
        menu.addActions([self.remove_action, self.remove_all_action])
        return menu

    def add_action(
        self,
        text: str,
        keys: Shortcut | None = None,
        act: Callable[[], object] | None = None,
    ) -> QAction:
        """Add something to do, which its keys do anywhere on the page."""
        if keys is not None:
            return bind(keys, self, act, text)
        action = QAction(text, self)
        if act is not None:
            action.triggered.connect(lambda: act())
        self.addAction(action)
        return action

    def _connect(self) -> None:
        self.add_action(tr("Open photos…"), Shortcut.OPEN_PHOTOS, self.intake.open_photos)
        self.add_action(tr("Search"), Shortcut.SEARCH_PHOTOS, self.header.search.setFocus)
        self.content.empty.action_requested.connect(self.intake.open_photos)
        self.header.open.clicked.connect(self.intake.open_photos)
        self.header.search.textChanged.connect(lambda: self.set_query(self._typed()))
        self.add_action(tr("Filter"), Shortcut.FILTER, self._open_filter)
        self.header.filter.clicked.connect(self._open_filter)
        self.add_action(tr("Zoom the photo"), Shortcut.ZOOM, self.zoom)
        self.pane.view.zoom_requested.connect(self.zoom)
        self.grid.doubleClicked.connect(lambda _: self.zoom())
        self.zoomed.left.connect(lambda: self.content.view.setFocus())
        self.zoomed.explain_requested.connect(self.explain_action.toggle)
        for button in (self.pane.explain, self.pane.explained.close_button):
            button.clicked.connect(self.explain_action.toggle)
        self.explain_action.toggled.connect(self.pane.explain.setChecked)
        self.filter_panel.query_changed.connect(self.set_query)
        self.content.show_all.clicked.connect(self._show_all)
        self.among_bar.show_all.clicked.connect(self._show_all)
        self.grid.selection_changed.connect(self._on_selection_changed)
        self.pane.charts.class_chosen.connect(self.show_class)
        self.pane.chart.class_chosen.connect(self.show_class)
        self.grid.photo_model.dataChanged.connect(self._on_photos_changed)
        self.grid.photo_model.changed.connect(self._start_refresh)

    def add_view(self, view: QWidget) -> None:
        """Add a widget that `show_view` shows in place of the gallery."""
        self.content.add_view(view)

    def show_view(self, view: QWidget | None) -> None:
        """Show the photos in `view`; without one, in the gallery."""
        self.content.set_view(self.grid if view is None else view)
        self._refresh()

    def zoom(self) -> None:
        """Show the current photo large."""
        row = self.grid.currentIndex().row()
        photo = self.shown_photo() or (
            self.grid.shown.photo_at(row) if 0 <= row < len(self.grid.shown) else None
        )
        if photo is not None:
            self.zoomed.show_photo(photo)

    def show_heat(self, heat: HeatOverlay | None, sentence: str = "") -> None:
        """Show which parts of the photo speak for its answer, in the pane and in the zoomed photo,
        with a sentence that says it; or the photo as it is."""
        self.pane.view.show_heat(heat, sentence)
        self.zoomed.show_heat(heat, sentence)
        self.pane.explained.setVisible(self.explain_action.isChecked())

    def _step(self, step: int) -> Photo | None:
        row = self.grid.currentIndex().row() + step
        if not 0 <= row < len(self.grid.shown):
            return None
        photo = self.grid.shown.photo_at(row)
        self.select(photo.key)
        return photo

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        for cover in (self.zoomed, *self.covers):
            cover.setGeometry(self.rect())

    def _show_all(self) -> None:
        self.set_query(self.grid.shown.query.without_filter())
        self.grid.setFocus()

    def _open_filter(self) -> None:
        self.filter_panel.open_below(self.header.filter)

    def _typed(self) -> Query:
        """Return the query with what stands in the search field."""
        return self.grid.shown.query.with_text(self.header.search.text())

    def _show_selected(self, *, only_if_other: bool = False) -> None:
        selected = self.grid.selected_photos
        decisive: list[object] = [*selected, self.gallery.answering, self.gallery.canary]
        before = self._decisive
        self._decisive = decisive
        # The same objects are the same facts: photos are never changed, only replaced.
        if only_if_other and len(before) == len(decisive) and all(map(is_, before, decisive)):
            return
        self._shown_key = selected[0].key if len(selected) == 1 else ""
        self.pane.show_photos(selected)

    def _on_selection_changed(self) -> None:
        self._show_selected()
        self._show_charts()

    def _show_charts(self) -> None:
        rows = self.grid.selected_rows
        if len(rows) != 1:
            facts = self.grid.shown.facts(rows or None)
            self.pane.show_charts(charts_of(facts))
        # Not of all photos as soon as the window opens: there may be 100,000.
        if len(rows) > 1:
            self.dates_needed.emit(self.grid.selected_photos)

    def show_dates(self) -> None:
        """Show what goes by the dates in `taken`, of which more are known."""
        self.grid.shown.dates_changed()
        self._charts_soon.start()

    def show_class(self, name: str) -> None:
        """Show the photos whose best class this is, of those that pass all else."""
        self.set_query(self.grid.shown.query.with_values(Facet.CLASS, [name]))

    def _on_photos_changed(self, first: QModelIndex, last: QModelIndex) -> None:
        row = self.grid.shown.row(self._shown_key)
        # The pane never lags behind the one photo it shows. A summary of many waits for
        # the timer, because it would be made again for each answer of a burst.
        if row is not None and first.row() <= row <= last.row():
            self._show_selected()
            self.shown_photo_changed.emit()
        self._start_refresh()

    def _start_refresh(self) -> None:
        # Not restarted: a burst longer than the interval is to be seen while it lasts.
        if not self._refresh_soon.isActive():
            self._refresh_soon.start()

    def _refresh(self, *, charts: bool = True) -> None:
        # Many times in a burst of answers, which are mostly those of other photos.
        self._show_selected(only_if_other=True)
        total, shown = len(self.gallery.photos), self.grid.shown.photo_count
        query = self.grid.shown.query
        self.header.show_filter(query.words(), sum(map(len, query.chosen.values())))
        self.view_menu.show_query(query)
        self.among_bar.show_query(query)
        self.show_all_action.setEnabled(query.among is not None)
        if self.filter_panel.isVisible():
            self.filter_panel.refresh()
        self.content.show_photos(total, shown)
        if shown == total:
            self.header.sentence.setText(formats.plural(total, "photo"))
        else:
            words = f": {query.words()}" if query.words() else ""
            counts = tr(
                "{shown} of {total}", shown=formats.count(shown), total=formats.count(total)
            )
            self.header.sentence.setText(f"{counts}{words}")
        if charts and not self._charts_soon.isActive():
            self._charts_soon.start()
        if query.sort is Sort.TAKEN:
            self.dates_needed.emit(self.gallery.photos)
        self.header.show_outdated(
            self.gallery.outdated_count, answering_words(self.gallery.answering)
        )
