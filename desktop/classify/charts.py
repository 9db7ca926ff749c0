"""What the charts of many photos say; no Qt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from desktop.formats import count, percent, plural
from desktop.translation import tr, tr_number
from serving.predict.prediction import Score

BINS = 10
"""Columns of the histogram of confidence, each a tenth wide; 100% is in the last."""
_MAX_SPANS = 48
"""Columns of the chart over time."""
_CLASSES_IN_WORDS = 5


@dataclass(frozen=True)
class ChartColumn:
    """A column of a chart: how many photos, and how many of them are marked."""

    words: str
    """What the column stands for: `80 to 90%`, `2024-07`."""
    photos: int
    unsure: int = 0


@dataclass(frozen=True)
class PhotoFacts:
    """What charts count, as columns: a loop over 100,000 photos would hold up the window."""

    photos: int
    class_names: Sequence[str]
    """The best class of each photo; empty without an answer."""
    bins: Sequence[int]
    """The `confidence_bin` of each; below 0 without an answer."""
    unsure_bins: Sequence[int]
    """Of the photos that are unsure."""
    dates: Sequence[datetime] = ()
    """When photos were taken, as far as that is known."""


@dataclass(frozen=True)
class Charts:
    """The charts of some photos."""

    photos: int
    classes: tuple[tuple[str, int], ...] = ()
    """The most frequent first."""
    confidence: tuple[ChartColumn, ...] = ()
    """BINS columns; empty if no photo has an answer."""
    time: tuple[ChartColumn, ...] = ()
    """Without a gap; empty if no photo has a date."""

    def class_words(self) -> str:
        """Return the chart of the classes in words."""
        named = [f"{name} {count(number)}" for name, number in self.classes[:_CLASSES_IN_WORDS]]
        more = len(self.classes) - len(named)
        rest = [plural(more, "more class", "more classes")] if more > 0 else []
        return ", ".join(named + rest) or tr("No answer yet")

    def table(self) -> str:
        """Return all charts as tables for a spreadsheet, with tabs between columns."""
        lines = [_row(tr("Class"), tr("Photos"), tr("Share"))]
        lines += [
            f"{_one_cell(name)}\t{number}\t{percent(number / self.photos)}"
            for name, number in self.classes
        ]
        lines += ["", _row(tr("Confidence"), tr("Photos"), tr("Unsure"))]
        lines += [f"{each.words}\t{each.photos}\t{each.unsure}" for each in self.confidence]
        if self.time:
            lines += ["", _row(tr("Date taken"), tr("Photos"))]
            lines += [f"{each.words}\t{each.photos}" for each in self.time]
        return "\n".join(lines) + "\n"


def _row(*cells: str) -> str:
    return "\t".join(cells)


def _one_cell(text: str) -> str:
    """Return `text` as one cell of a table, which no spreadsheet takes for a formula."""
    cell = " ".join(text.split())
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@") else cell


def score_table(scores: Iterable[Score], label: str) -> str:
    """Return the scores of one photo as a table for a spreadsheet, and which class is its label."""
    lines = [_row(tr("Class"), tr("Score"), tr("Labelled"))]
    lines += [
        _row(
            _one_cell(each.name),
            tr_number(f"{each.score:.4f}"),
            tr("yes") if each.name == label else "",
        )
        for each in scores
    ]
    return "\n".join(lines) + "\n"


def column_words(columns: Iterable[ChartColumn]) -> str:
    """Return a chart of columns in words; empty columns are left out."""
    return ", ".join(
        tr(
            "{column}: {photos} ({unsure} unsure)",
            column=each.words,
            photos=count(each.photos),
            unsure=count(each.unsure),
        )
        if each.unsure
        else f"{each.words}: {count(each.photos)}"
        for each in columns
        if each.photos
    )


def charts_of(facts: PhotoFacts) -> Charts:
    """Count `facts` for each chart."""
    classes = Counter(facts.class_names)
    del classes[""]  # which a Counter need not have
    ranked = sorted(classes.items(), key=lambda item: (-item[1], item[0].casefold()))
    every, unsure = Counter(facts.bins), Counter(facts.unsure_bins)
    step = 100 // BINS
    confidence = tuple(
        ChartColumn(
            tr("{low} to {high}%", low=step * place, high=step * (place + 1)),
            every[place],
            unsure[place],
        )
        for place in range(BINS)
    )
    time = _over_time(facts.dates)
    return Charts(facts.photos, tuple(ranked), confidence if classes else (), time)


def confidence_bin(score: float) -> int:
    """Return the column of the histogram that a score is in; below 0 for one below 0."""
    # A little more, so that 0.7, which is a little less as a fraction of 2, is 70%.
    return min(BINS - 1, int(score * BINS + 1e-9))


def _over_time(dates: Sequence[datetime]) -> tuple[ChartColumn, ...]:
    """Return a column for each day, month or year, whichever is the finest that fits."""
    if not dates:
        return ()
    # What comes below is done for each day, not for each photo.
    days = Counter(map(datetime.toordinal, dates))
    first, last = min(days), max(days)
    if last - first < _MAX_SPANS:
        return tuple(
            ChartColumn(datetime.fromordinal(day).strftime("%Y-%m-%d"), days[day])
            for day in range(first, last + 1)
        )
    months: Counter[int] = Counter()
    for day, number in days.items():
        date = datetime.fromordinal(day)
        months[12 * date.year + date.month - 1] += number
    first, last = min(months), max(months)
    if last - first < _MAX_SPANS:
        return tuple(
            ChartColumn(f"{month // 12}-{month % 12 + 1:02}", months[month])
            for month in range(first, last + 1)
        )
    years: Counter[int] = Counter()
    for month, number in months.items():
        years[month // 12] += number
    return tuple(ChartColumn(str(year), years[year]) for year in range(min(years), max(years) + 1))
