"""How long the gallery takes to filter, count and sort: real window, made-up answers.

    python -m tests.benchmarks.gallery [--photos 13000] [--repeats 20]

Each figure is from the call until the window has handled what came of it, with everything that
is painted: milliseconds of this process on a core, which other programs do not change, the median
and the most of the repeats.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtWidgets import QApplication

from desktop.classify.charts import charts_of
from desktop.classify.gallery import Gallery
from desktop.classify.gallery_query import Facet, Query, Sort
from desktop.classify.page import ClassifyPage
from desktop.classify.photo import Photo
from desktop.theme import Appearance, Theme
from tests.support.predictions import answered_photo


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=13_000)
    parser.add_argument("--repeats", type=int, default=20)
    arguments = parser.parse_args()
    gc.disable()  # as in the application, which collects now and then
    application = QApplication([])
    Theme(application, Appearance.LIGHT)
    page = ClassifyPage(Gallery(0.5))
    page.resize(1200, 780)
    page.gallery.add(_photos(arguments.photos))
    page.show()
    application.processEvents()
    cat = Query().with_values(Facet.CLASS, ["class 3"])
    everything = Query()
    steps: dict[str, Callable[[], object]] = {
        "one class": lambda: page.set_query(cat),
        "text": lambda: page.set_query(everything.with_text("class 77")),
        "state": lambda: page.set_query(everything.with_values(Facet.STATE, ["unsure"])),
        "counts of all facets": lambda: [page.grid.shown.counts(facet) for facet in Facet],
        "charts of all": lambda: charts_of(page.grid.shown.facts()),
        "sort by class": lambda: page.set_query(everything.with_sort(Sort.CLASS)),
        "sort by name": lambda: page.set_query(everything.with_sort(Sort.NAME)),
        "select all": page.grid.selectAll,
    }
    print(f"{arguments.photos:,} photos          median      most")
    for name, step in steps.items():
        taken = []
        for _ in range(arguments.repeats):
            page.set_query(everything)
            page.grid.clearSelection()
            application.processEvents()
            start = time.process_time()
            step()
            application.processEvents()
            taken.append(1000 * (time.process_time() - start))
        print(f"{name:24} {statistics.median(taken):6.1f} {max(taken):9.1f}")
    page.thumbnails.close()


def _photos(number: int) -> list[Photo]:
    rng = random.Random(1)
    return [
        answered_photo(
            Path(f"/photos/{row % 40}/IMG_{row:06}.jpg"),
            (f"class {rng.randrange(100)}", rng.random()),
            ("other", 0.01),
        )
        for row in range(number)
    ]


if __name__ == "__main__":
    main()
