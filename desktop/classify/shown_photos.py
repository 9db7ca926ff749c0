"""The photos of the gallery that pass a query, in its order; no Qt.

Filtering looks at no photo itself: what it asks about is worked out once for each answer, so
that 100,000 photos are filtered in a few hundredths of a second.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Protocol

from desktop.classify.charts import PhotoFacts, confidence_bin
from desktop.classify.gallery import Gallery, runs
from desktop.classify.gallery_query import Facet, Query, Sort
from desktop.classify.likeness.shown_stacks import ShownStack, ShownStacks, SortKey
from desktop.classify.likeness.stacks import Stacks
from desktop.classify.photo import Photo, PhotoState
from desktop.classify.photo_order import NO_SCORE, VALUE_OF, PhotoEntry, PhotoOrder

_MAX_STEPS = 16
"""Changes in more places than this are one reset."""
_ROOM = 2**40
"""Gap between the serial numbers of two drops, since a drop comes in parts whose photos follow each
other."""
_MAX_STACK_STEPS = 128
"""Changes of more stacks than this are one reset; a batch of new photos changes fewer, each by a
row or two."""


class RowChanges(Protocol):
    """Gets each change of the rows: before it and after it, as Qt's models need it."""

    def begin_insert(self, first: int, last: int) -> None: ...
    def end_insert(self) -> None: ...
    def begin_remove(self, first: int, last: int) -> None: ...
    def end_remove(self) -> None: ...
    def begin_move(self, row: int, target: int) -> None:
        """`row` goes before the row that is `target` now."""

    def end_move(self) -> None: ...
    def begin_reset(self) -> None: ...
    def end_reset(self) -> None: ...
    def rows_changed(self, first: int, last: int) -> None:
        """The same photos, of which something else is known."""

    def gallery_changed(self) -> None:
        """Anything changed in the gallery, also of photos that are not shown."""


class ShownPhotos:
    """Listens to a gallery, and keeps what of it is shown up to date."""

    def __init__(
        self,
        gallery: Gallery,
        rows: RowChanges,
        taken: Mapping[str, datetime | None] | None = None,
        stacks: Stacks | None = None,
    ) -> None:
        """`taken` has when photos were taken, by their keys, as far as that is known; `stacks`
        which of them stand together, of which one is shown."""
        self._gallery = gallery
        self._rows = rows
        self._taken = {} if taken is None else taken
        self._stacks: ShownStacks[PhotoEntry] = ShownStacks(Stacks() if stacks is None else stacks)
        self._query = Query()
        self._ranking = PhotoOrder(self._query, self._taken)
        self._words: dict[str, str] = {}
        """Versions and folders, each once however many photos have it."""
        self._entries: list[PhotoEntry] = []
        """Of all photos, in the order of the gallery."""
        self._shown: list[PhotoEntry] = []
        self._order: list[SortKey] = []
        """The sort keys of `_shown`."""
        self._entries = self._new_entries(gallery.photos, 0)
        self._fill()
        gallery.subscribe(self)

    def __len__(self) -> int:
        return len(self._shown)

    def photo_at(self, row: int) -> Photo:
        return self._shown[row].photo

    @property
    def photos(self) -> list[Photo]:
        """The photos that pass the query, in its order; also those below others in a stack."""
        entries, _ = self._ranking.sort(self._passing(self._entries, self._query))
        return [entry.photo for entry in entries]

    def newest(self, count: int) -> list[str]:
        """Return the keys of the newest `count` photos that are shown, the newest first."""
        shown = (entry.photo.key for entry in self._entries if entry.sort_key is not None)
        return list(islice(shown, count))

    @property
    def photo_count(self) -> int:
        """How many photos pass the query; also those below others in a stack."""
        return len(self._shown) + self._stacks.hidden_count

    @property
    def query(self) -> Query:
        return self._query

    def row(self, key: str) -> int | None:
        """Return where a photo is shown; None if it is not."""
        number = self._gallery.row(key)
        if number is None or number >= len(self._entries):
            return None
        entry = self._entries[number]
        if entry.sort_key is None or entry.photo.key != key:
            return None
        return bisect_left(self._order, entry.sort_key)

    def set_query(self, query: Query) -> None:
        """Show what passes `query`, in its order."""
        if query != self._query:
            self._query = query
            self._ranking = PhotoOrder(query, self._taken)
            self._reset()

    def counts(self, facet: Facet) -> Mapping[str, int]:
        """Return how many photos have each value of `facet`, of those that pass everything else
        that is filtered by: how many each value would show."""
        query = self._query.with_values(facet, ())
        return Counter(map(VALUE_OF[facet], self._passing(self._entries, query)))

    def rows_with(self, facet: Facet, value: str) -> list[int]:
        """Return the rows of the photos that are shown and have this value."""
        value_of = VALUE_OF[facet]
        return [row for row, entry in enumerate(self._shown) if value_of(entry) == value]

    def value(self, row: int, facet: Facet) -> str:
        return VALUE_OF[facet](self._shown[row])

    def facts(self, rows: Iterable[int] | None = None) -> PhotoFacts:
        """Return what charts count of the photos in `rows`, or of all that pass."""
        shown = self._shown
        if rows is not None:
            entries = [shown[row] for row in rows]
        else:
            entries = self._passing(self._entries, self._query) if self._stacks else shown
        unsure = PhotoState.UNSURE.value
        known = [self._taken.get(entry.photo.key) for entry in entries] if self._taken else []
        return PhotoFacts(
            len(entries),
            [entry.class_name for entry in entries],
            [entry.bin for entry in entries],
            [entry.bin for entry in entries if entry.state == unsure],
            [date for date in known if date is not None],
        )

    def stack_at(self, row: int) -> ShownStack | None:
        """Return the stack that a photo is in; None if it stands alone."""
        entry = self._shown[row]
        if not self._is_stacked(entry):
            return None
        members = self._passing(self._stacks.members(entry.stack), self._query)
        if len(members) < 2:
            return None
        cover = min(members, key=self._ranking.key)
        is_closed = self._stacks.stacks.is_closed(entry.stack)
        return ShownStack(len(members), not is_closed, entry is cover)

    def toggle_stack(self, row: int) -> list[int]:
        """Open or close the stack of a photo; returns the rows of its photos that are shown then,
        none if it stands alone."""
        stack = self._shown[row].stack
        if self.stack_at(row) is None:
            return []
        self._stacks.stacks.opened ^= {stack}
        self._arrange({stack})
        members = self._stacks.members(stack)
        keys = [entry.sort_key for entry in members if entry.sort_key is not None]
        return sorted(bisect_left(self._order, key) for key in keys)

    def stacks_changed(self, keys: Iterable[str], kept: str = "") -> None:
        """Follow Stacks, where the photos with `keys` are in other stacks. The photo with the key
        `kept` stays in sight: its stack is opened if it would be below another photo."""
        changed: set[int] = set()
        alone: list[PhotoEntry] = []
        for key in keys:
            if (number := self._gallery.row(key)) is None:
                continue
            entry = self._entries[number]
            before = entry.stack
            self._stacks.leave(entry)
            self._stacks.join(entry, key)
            if entry.stack != before:
                changed |= {before, entry.stack}
                alone += [] if entry.stack else [entry]
        self._open_above(kept, changed)
        if len(changed) > _MAX_STACK_STEPS:
            self._reset()
        elif self._query.among is None:
            self._arrange(changed - {0})
            for entry in alone:
                self._show([entry])
        self._rows.gallery_changed()

    def set_stacking(self, enabled: bool) -> None:
        """Show near-duplicates as stacks, or each photo by itself."""
        stacks = self._stacks.stacks
        if enabled != stacks.enabled:
            stacks.enabled = enabled
            self._reset()
            self._rows.gallery_changed()

    def dates_changed(self) -> None:
        """Sort again if it goes by the dates, of which more are known."""
        if self._query.sort is Sort.TAKEN:
            self._reset()

    def photos_added(self, row: int, photos: Sequence[Photo], *, restored: bool) -> None:
        added = self._new_entries(photos, row)
        self._entries[row:row] = added
        if row + len(added) < len(self._entries) and (
            added[-1].serial >= self._entries[row + len(added)].serial
        ):
            # They came between two photos of one drop, where no numbers are left.
            for place, entry in enumerate(self._entries):
                entry.serial = place * _ROOM
            self._reset()
            self._rows.gallery_changed()
            return
        grown = self._grown_stacks(added)
        alone = [entry for entry in added if entry.stack not in grown] if grown else added
        new, keys = self._placed(self._passing(alone, self._query))
        if new:
            first = bisect_left(self._order, keys[0])
            if first == bisect_left(self._order, keys[-1]):
                self._insert(first, new, keys)
            elif len(new) <= _MAX_STEPS:
                for entry, key in zip(new, keys, strict=True):
                    self._insert(bisect_left(self._order, key), [entry], [key])
            else:
                self._reset()
                grown.clear()
        self._arrange(grown)
        self._rows.gallery_changed()

    def photo_changed(self, row: int, photo: Photo) -> None:
        entry = self._entries[row]
        before = entry.sort_key
        entry.photo = photo
        self._look_at(entry)
        if self._is_stacked(entry):
            self._arrange({entry.stack})
            self._rows.gallery_changed()
            return
        passes = bool(self._passing([entry], self._query))
        after = self._ranking.key(entry) if passes else None
        if before is not None and before == after:
            place = bisect_left(self._order, before)
            self._rows.rows_changed(place, place)
        elif before is not None and after is not None:
            self._move(entry, before, after)
        elif before is not None:
            place = bisect_left(self._order, before)
            self._remove(place, place)
        elif after is not None:
            self._insert(bisect_left(self._order, after), [entry], [after])
        self._rows.gallery_changed()

    def photos_changed(self, changes: Sequence[tuple[int, Photo]]) -> None:
        if len(changes) <= _MAX_STEPS:
            for row, photo in changes:
                self.photo_changed(row, photo)
            return
        entries = [self._entries[row] for row, _ in changes]
        before = self._places(entries)
        for entry, (_, photo) in zip(entries, changes, strict=True):
            entry.photo = photo
            self._look_at(entry)
        if self._places(entries) != before:
            self._reset()
        elif keys := [entry.sort_key for entry in entries if entry.sort_key is not None]:
            first, last = (bisect_left(self._order, key) for key in (min(keys), max(keys)))
            self._rows.rows_changed(first, last)
        self._rows.gallery_changed()

    def photos_removed(self, row: int, photos: Sequence[Photo]) -> None:
        gone = self._entries[row : row + len(photos)]
        stacks = {entry.stack for entry in gone if self._is_stacked(entry)}
        for entry in gone:
            self._stacks.leave(entry)
        places = sorted(
            bisect_left(self._order, entry.sort_key) for entry in gone if entry.sort_key is not None
        )
        gone_runs = runs(places)
        if len(gone_runs) > _MAX_STEPS:
            self._rows.begin_reset()
            del self._entries[row : row + len(photos)]
            self._fill()
            self._rows.end_reset()
        else:
            del self._entries[row : row + len(photos)]
            for first, last in reversed(gone_runs):
                self._remove(first, last)
            self._arrange(stacks)
        self._rows.gallery_changed()

    def states_changed(self) -> None:
        for entry in self._entries:
            entry.state = self._gallery.state(entry.photo).value
        if Facet.STATE in self._query.chosen:
            self._reset()
        elif self._shown:
            self._rows.rows_changed(0, len(self._shown) - 1)
        self._rows.gallery_changed()

    def _reset(self) -> None:
        self._rows.begin_reset()
        self._fill()
        self._rows.end_reset()

    def _fill(self) -> None:
        for entry in self._shown:
            entry.sort_key = None
        self._stacks.forget_all_hidden()
        self._shown, self._order = self._placed(self._passing(self._entries, self._query))
        for entry, key in zip(self._shown, self._order, strict=True):
            entry.sort_key = key

    def _is_stacked(self, entry: PhotoEntry) -> bool:
        # Ranked photos stand by themselves: near-duplicates are what is looked for.
        return entry.stack > 0 and bool(self._stacks) and self._query.among is None

    def _grown_stacks(self, added: Sequence[PhotoEntry]) -> set[int]:
        """Return the stacks of `added` photos that had photos before."""
        counts = Counter(entry.stack for entry in added if self._is_stacked(entry))
        return {stack for stack, new in counts.items() if len(self._stacks.members(stack)) > new}

    def _open_above(self, key: str, stacks: Container[int]) -> None:
        """Open the stack of a photo if it is one of `stacks` and below another photo."""
        number = self._gallery.row(key)
        entry = None if number is None else self._entries[number]
        if entry is not None and entry.stack in stacks and self._is_stacked(entry):
            members = self._passing(self._stacks.members(entry.stack), self._query)
            if entry in members and min(members, key=self._ranking.key) is not entry:
                self._stacks.stacks.opened.add(entry.stack)

    def _placed(self, entries: list[PhotoEntry]) -> tuple[list[PhotoEntry], list[SortKey]]:
        """Return those of `entries` that are shown, in their order, and their sort keys."""
        entries, keys = self._ranking.sort(entries)
        if self._stacks and self._query.among is None:
            return self._stacks.place(entries, keys)
        return entries, keys

    def _arrange(self, stacks: Iterable[int]) -> None:
        """Show of each of these stacks what is to be shown now."""
        for stack in stacks:
            self._stacks.forget_hidden(stack)
            self._show(self._stacks.members(stack))

    def _show(self, entries: list[PhotoEntry]) -> None:
        """Show of `entries`, which is all of a stack or one photo, what is to be shown now."""
        # Sorted here, since photos of a stack are not in the order of the gallery.
        passing = sorted(self._passing(entries, self._query), key=self._ranking.key)
        placed = dict(zip(*self._placed(passing), strict=True))
        for entry in entries:
            before, after = entry.sort_key, placed.get(entry)
            if before is not None and after is None:
                row = bisect_left(self._order, before)
                self._remove(row, row)
            elif before is None and after is not None:
                self._insert(bisect_left(self._order, after), [entry], [after])
            elif before is not None and after is not None:
                self._move(entry, before, after)

    def _insert(self, first: int, entries: Sequence[PhotoEntry], keys: Sequence[SortKey]) -> None:
        self._rows.begin_insert(first, first + len(entries) - 1)
        self._shown[first:first] = entries
        self._order[first:first] = keys
        for entry, key in zip(entries, keys, strict=True):
            entry.sort_key = key
        self._rows.end_insert()

    def _remove(self, first: int, last: int) -> None:
        self._rows.begin_remove(first, last)
        for entry in self._shown[first : last + 1]:
            entry.sort_key = None
        del self._shown[first : last + 1]
        del self._order[first : last + 1]
        self._rows.end_remove()

    def _move(self, entry: PhotoEntry, before: SortKey, after: SortKey) -> None:
        row, target = bisect_left(self._order, before), bisect_left(self._order, after)
        entry.sort_key = after
        if target in (row, row + 1):
            self._order[row] = after
            self._rows.rows_changed(row, row)
            return
        self._rows.begin_move(row, target)
        del self._shown[row], self._order[row]
        place = target - (target > row)
        self._shown.insert(place, entry)
        self._order.insert(place, after)
        self._rows.end_move()
        self._rows.rows_changed(place, place)

    def _new_entries(self, photos: Sequence[Photo], row: int) -> list[PhotoEntry]:
        """Return the entries of photos that come before the one in `row`."""
        if row:
            start = self._entries[row - 1].serial + 1
        else:
            start = self._entries[0].serial - _ROOM if self._entries else 0
        entries = [PhotoEntry(photo, start + place) for place, photo in enumerate(photos)]
        for entry in entries:
            self._look_at(entry)
            self._stacks.join(entry, entry.photo.key)
        return entries

    def _look_at(self, entry: PhotoEntry) -> None:
        photo = entry.photo
        prediction, top = photo.prediction, photo.top
        entry.state = self._gallery.state(photo).value
        entry.class_name = top.name if top is not None else ""
        entry.score = top.score if top is not None else NO_SCORE
        entry.bin = confidence_bin(entry.score)
        entry.label = photo.label
        version = f"{prediction.model} v{prediction.version}" if prediction is not None else ""
        entry.version = self._words.setdefault(version, version)
        folder = os.path.dirname(photo.key)  # noqa: PTH120 - a tenth of the time, for 100,000 photos
        entry.folder = self._words.setdefault(folder, folder)
        entry.text = photo.searched_text()

    def _passing(self, entries: list[PhotoEntry], query: Query) -> list[PhotoEntry]:
        if query.among is not None:
            ranks = query.among.ranks
            entries = [entry for entry in entries if entry.photo.key in ranks]
        for facet, values in query.chosen.items():
            value_of = VALUE_OF[facet]
            entries = [entry for entry in entries if value_of(entry) in values]
        if text := query.text:
            entries = [entry for entry in entries if text in entry.text]
        return entries

    def _places(self, entries: list[PhotoEntry]) -> list[SortKey]:
        """Return what decides where `entries` are shown, and whether."""
        return [self._ranking.key(entry) for entry in self._passing(entries, self._query)]
