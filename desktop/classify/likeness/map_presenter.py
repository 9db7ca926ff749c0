"""Connects the map to the gallery: places, colours, the selection, and labels."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from desktop import formats
from desktop.classify.likeness.likeness import Likeness
from desktop.classify.likeness.map_panel import HINT, MapPanel
from desktop.classify.likeness.map_points import Coloring, groups
from desktop.classify.page import ClassifyPage
from desktop.classify.photo import Photo
from desktop.jobs import Job, Jobs
from desktop.translation import tr
from desktop.widgets.timers import single_shot_timer
from serving.progress import Report

if TYPE_CHECKING:
    from desktop.classify.likeness.embedding_file import Floats

MAX_PHOTOS = 10_000
"""On the map; of more, the selected ones and then the newest, of those that pass the query."""
_REFRESH_MILLISECONDS = 200
_PLACE_MILLISECONDS = 1000
"""Without a new embedding, after which photos without a place get one."""
_STEP_SECONDS = 0.25
"""The map is seen to take shape this often."""
_NAMED = 3
"""Keys that are explained below the map."""

Label = Callable[[Sequence[str], str], object]


class MapPresenter:
    """Shows the photos of the gallery that pass its query on a map, instead of as tiles."""

    def __init__(
        self,
        page: ClassifyPage,
        likeness: Likeness,
        jobs: Jobs,
        label: Label,
        reclassify: Callable[[Sequence[str]], object],
    ) -> None:
        """`label` says that photos show a class; `reclassify` asks for their answers again."""
        self._page = page
        self._likeness = likeness
        self._jobs = jobs
        self._label = label
        self.panel = MapPanel(page.thumbnails)
        self._places: dict[str, tuple[float, float]] = {}
        self._photos: list[Photo] = []
        """Those on the map, whose rows are its rows."""
        self._missing: list[str] = []
        self._placed: frozenset[str] = frozenset()
        """The keys of the photos whose places were looked for last."""
        self._has_new = False
        """Whether there are embeddings that came since."""
        self._from_selection = False
        self._stacking = True
        self._job: Job[None] | None = None
        self._refresh_soon = single_shot_timer(_REFRESH_MILLISECONDS, self._refresh, page)
        self._place_soon = single_shot_timer(_PLACE_MILLISECONDS, self._place_new, page)
        page.add_view(self.panel)
        page.view_menu.map.toggled.connect(self._on_toggled)
        page.grid.photo_model.changed.connect(self._start_refresh)
        page.grid.photo_model.modelReset.connect(self._start_refresh)
        page.grid.photo_model.modelReset.connect(self._place_soon.start)
        page.grid.selection_changed.connect(self._show_selection)
        view = self.panel.view
        view.selected.connect(self._select)
        view.label_requested.connect(self._label_selected)
        view.left.connect(page.view_menu.leave_map)
        self.panel.coloring.currentIndexChanged.connect(lambda _: self._refresh())
        self.panel.compare.clicked.connect(lambda: reclassify(self._missing))

    @property
    def is_shown(self) -> bool:
        return self._page.view_menu.map.isChecked()

    def place(self) -> Job[None]:
        """Find the places of the photos that are shown, in a job; the map is seen meanwhile."""
        keys = self._keys_to_place()
        self._placed, self._has_new = frozenset(keys), False
        stopped = threading.Event()

        async def work(report: Report) -> None:
            loop = asyncio.get_running_loop()
            found, forms = await self._likeness.short_forms(keys)
            with_place = set(found)
            self._missing = [key for key in keys if key not in with_place]
            self.panel.show_missing(len(self._missing))

            shown_at = 0.0

            def show(share: float, places: list[tuple[float, float]]) -> None:
                if not stopped.is_set():
                    report(round(100 * share), 100, tr("Placing photos on the map"))
                    self._places = dict(zip(found, places, strict=True))
                    self._refresh()

            def on_step(share: float, places: Floats) -> bool:
                nonlocal shown_at
                now = time.monotonic()
                if share == 1 or now - shown_at >= _STEP_SECONDS:
                    shown_at = now
                    loop.call_soon_threadsafe(show, share, list(map(tuple, places.tolist())))
                return not stopped.is_set()

            try:
                await asyncio.to_thread(_project, forms, on_step)
            except asyncio.CancelledError:
                stopped.set()
                raise

        if self._job is not None:
            self._job.cancel()
        self._job = self._jobs.start(
            tr("Place {photos}", photos=formats.plural(len(keys), "photo")), work
        )
        return self._job

    def place_new(self) -> None:
        """Find the places of new photos, too, once no more embeddings come."""
        self._has_new = True
        self._place_soon.start()

    def _place_new(self) -> None:
        # Photos without an embedding are not looked for again until there are new ones.
        known = self._places if self._has_new else self._placed
        if self.is_shown and any(key not in known for key in self._keys_to_place()):
            self.place()

    def _keys_to_place(self) -> list[str]:
        shown = self._page.grid.shown
        if len(shown) <= MAX_PHOTOS:
            return shown.newest(MAX_PHOTOS)
        selected = self._page.selected_keys()
        self._from_selection = len(selected) > 1
        keys = [*selected, *shown.newest(MAX_PHOTOS)] if self._from_selection else None
        return list(dict.fromkeys(keys))[:MAX_PHOTOS] if keys else shown.newest(MAX_PHOTOS)

    def _on_toggled(self, shown: bool) -> None:
        grid = self._page.grid
        stacking = self._page.view_menu.stacking
        if shown:
            # Each photo has its place; what is below others in a stack could not be selected.
            self._stacking = stacking.isChecked()
            stacking.setChecked(False)
            self._page.show_view(self.panel)
            self.panel.view.setFocus()
            self._refresh()
            self.place()
        else:
            stacking.setChecked(self._stacking)
            self._page.show_view(None)
            grid.setFocus()
        stacking.setEnabled(not shown)

    def _start_refresh(self) -> None:
        if self.is_shown and not self._refresh_soon.isActive():
            self._refresh_soon.start()

    def _refresh(self) -> None:
        """Show the photos that pass the query now, with what is known of them now."""
        if not self.is_shown:
            return
        gallery, shown = self._page.gallery, self._page.grid.shown
        passing = [key for key in self._places if shown.row(key) is not None]
        self._photos = [photo for key in passing if (photo := gallery.photo(key)) is not None]
        coloring = Coloring(self.panel.coloring.currentData())
        by_color = groups(self._photos, coloring)
        points = [self._places[photo.key] for photo in self._photos]
        self.panel.view.show_points(self._photos, points, by_color)
        self.panel.show_groups(by_color)
        self.panel.show_limit(MAX_PHOTOS, len(shown), selected=self._from_selection)
        self._show_selection()

    def _select(self, rows: Sequence[int]) -> None:
        self._page.grid.select_keys([self._photos[row].key for row in rows])

    def _show_selection(self) -> None:
        if not self.is_shown:
            return
        row_of = {photo.key: row for row, photo in enumerate(self._photos)}
        keys = self._page.selected_keys()
        rows = [row_of[key] for key in keys if key in row_of]
        current = self.panel.view.current
        if current in rows:  # which keys go on from
            rows.remove(current)
            rows.insert(0, current)
        self.panel.view.show_selection(rows)
        names = self._classes()[:_NAMED]
        if len(rows) > 1 and names:
            named = ", ".join(f"{key} {name}" for key, name in enumerate(names, start=1))
            self.panel.sentence.setText(
                tr(
                    "Label {photos}: {keys}, 0 none of these",
                    photos=formats.plural(len(rows), "photo"),
                    keys=named,
                )
            )
        else:
            self.panel.sentence.setText(HINT)

    def _classes(self) -> list[str]:
        """Return the best classes of the selected photos, the most frequent first."""
        selected = self._page.grid.selected_photos
        found = Counter(photo.top.name for photo in selected if photo.top is not None)
        return sorted(found, key=lambda name: (-found[name], name.casefold()))

    def _label_selected(self, key: int) -> None:
        keys, names = self._page.selected_keys(), self._classes()
        if key == 0:
            self._page.grid.none_requested.emit()
        elif len(keys) == 1:
            self._page.grid.label_by_rank_requested.emit(key)
        elif key <= len(names):
            self._label(keys, names[key - 1])


def _project(forms: Floats, on_step: Callable[[float, Floats], bool]) -> None:
    from desktop.classify.likeness.projection import project  # on this thread: NumPy

    project(forms, on_step)
