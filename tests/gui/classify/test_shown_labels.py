"""The labels of the selected photo, as the backend has them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pytest
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

from backend.contract import Label, LabelKind
from desktop.classify.gallery import Gallery
from desktop.classify.page import ClassifyPage
from desktop.classify.shown_labels import ShownLabels
from desktop.jobs import Jobs
from desktop.widgets import label_history
from desktop.widgets.label_history import LabelHistory
from serving.errors import BackendError
from tests.gui.conftest import Run, show
from tests.support.predictions import MODEL, answered_photo
from tests.support.sample_images import image_file
from tests.support.waiting import wait_until


def said(name: str, by: str, kind: LabelKind = LabelKind.CLASS) -> Label:
    return Label(1, "", name, "2020-05-01T10:00:00+00:00", kind=kind, by=by)


SKIPPED = said("", "ben", LabelKind.SKIP)
NONE = said("", "anna", LabelKind.NONE)


def test_how_long_ago_a_label_was_stays_true(
    application: QApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = LabelHistory()
    history.show_labels([said("lion", "")])
    history.hide()
    monkeypatch.setattr(label_history, "ago", lambda moment: "5 min ago")
    history.show()
    assert history.lines[0].text() == "Labelled lion, 5 min ago"
    monkeypatch.setattr(label_history, "ago", lambda moment: "6 min ago")
    history.findChildren(QTimer)[0].timeout.emit()
    assert history.lines[0].text() == "Labelled lion, 6 min ago"


@pytest.mark.parametrize(
    ("labels", "lines", "label"),
    [
        ([said("lion", "anna")], ["Labelled lion by anna, 2020-05-01"], "lion"),
        # What the box above says is not said again.
        ([said("lion", "")], [], "lion"),
        (
            [said("lion", ""), said("tiger", "anna")],
            ["Labelled tiger by anna, 2020-05-01"],
            "lion",
        ),
        (
            [SKIPPED, said("lion", "")],
            ["Skipped by ben, 2020-05-01", "Labelled lion, 2020-05-01"],
            "lion",
        ),
        (
            [said("", "anna", LabelKind.NONE)],
            ["Labelled none of these by anna, 2020-05-01"],
            "none of these",
        ),
        ([], [], ""),
    ],
)
def test_the_labels_are_listed_and_the_gallery_is_set_right(
    run: Run, tmp_path: Path, labels: list[Label], lines: list[str], label: str
) -> None:
    async def main() -> None:
        file = image_file(tmp_path / "photo.jpg")
        gallery, jobs, asked = Gallery(0.5), Jobs(), []
        gallery.add([answered_photo(file, ("cat", 0.9), label="tiger")])
        page = show(ClassifyPage(gallery), 900, 600)

        async def labels_of(image: str, model: str) -> Sequence[Label]:
            asked.append((image, model))
            return labels

        shown = ShownLabels(page, labels_of, jobs, all_delivered=lambda: True)
        page.select(str(file))
        await wait_until(lambda: gallery.photos[0].label == label)

        def visible() -> list[str]:
            return [line.text() for line in shown.history.lines if line.isVisible()]

        await wait_until(lambda: visible() == lines)
        assert asked[0] == (hashlib.sha256(file.read_bytes()).hexdigest(), MODEL)
        await jobs.close()

    run(main)


@pytest.mark.parametrize("reachable", [True, False])
def test_a_label_on_its_way_is_not_overruled(run: Run, tmp_path: Path, reachable: bool) -> None:
    async def main() -> None:
        file = image_file(tmp_path / "photo.jpg")
        gallery, jobs, asked = Gallery(0.5), Jobs(), []
        gallery.add([answered_photo(file, ("cat", 0.9), label="tiger")])
        page = show(ClassifyPage(gallery), 900, 600)

        async def labels_of(image: str, model: str) -> Sequence[Label]:
            asked.append(image)
            if not reachable:
                raise BackendError("It is away.", "Wait.")
            return [said("lion", "anna")]

        shown = ShownLabels(page, labels_of, jobs, all_delivered=lambda: not reachable)
        page.select(str(file))
        await wait_until(lambda: bool(asked) and not jobs.running)
        assert gallery.photos[0].label == "tiger"
        assert shown.history.isVisible() == reachable
        await jobs.close()

    run(main)
