from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtGui import QAccessible
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from desktop.classify.detail_pane import MIN_WIDTH, DetailPane
from desktop.classify.gallery import Gallery
from desktop.classify.gallery_query import Facet, Query
from desktop.classify.page import ClassifyPage
from desktop.classify.photo import Photo, PhotoFailure, PhotoState
from desktop.classify.score_chart import ROWS
from desktop.known_classes import MAX_MATCHES, KnownClasses
from desktop.widgets.class_chooser import ClassChooser
from serving.models.card import ModelCard
from tests.gui.conftest import Run
from tests.support.predictions import MODEL, answered_photo, prediction
from tests.support.sample_images import image_file
from tests.support.waiting import wait_until

CAT = answered_photo(Path("/album/tabby.jpg"), ("cat", 0.9), ("dog", 0.06), ("ship", 0.04))
UNSURE = answered_photo(Path("/album/blur.jpg"), ("dog", 0.3), ("cat", 0.29))
LABELLED = answered_photo(Path("/album/lion.jpg"), ("cat", 0.6), label="lion")
FAILED = Photo(
    Path("/album/cut.jpg"),
    "cut.jpg",
    1.0,
    failure=PhotoFailure("The image is damaged or cut off.", "Copy the file again."),
    waiting=False,
)
ALL = [CAT, UNSURE, LABELLED, FAILED]


@pytest.fixture
def page(application: QApplication) -> Iterator[ClassifyPage]:
    made = ClassifyPage(Gallery(0.5))
    made.resize(1000, 640)
    yield made
    made.thumbnails.close()


@pytest.fixture
def filled(page: ClassifyPage, run: Run) -> ClassifyPage:
    page.gallery.add(ALL)
    page.show()
    run(lambda: wait_until(lambda: page.header.sentence.text() == "4 photos"))
    return page


def shown_names(page: ClassifyPage) -> list[str]:
    return [photo.name for photo in page.grid.shown.photos]


def test_an_empty_gallery_invites_the_first_photo(page: ClassifyPage) -> None:
    page.show()
    assert page.content.empty.isVisible()
    assert not page.grid.isVisible()
    assert page.content.empty.button.text() == "Open photos…"


def test_the_focus_goes_to_the_gallery_with_the_first_photos_and_back(
    page: ClassifyPage, run: Run
) -> None:
    page.show()
    page.activateWindow()
    page.content.empty.button.setFocus()
    page.gallery.add(ALL)
    run(lambda: wait_until(lambda: page.grid.isVisible()))
    assert page.focusWidget() is page.grid
    page.gallery.remove([photo.key for photo in ALL])
    run(lambda: wait_until(lambda: page.content.empty.isVisible()))
    assert page.focusWidget() is page.content.empty.button


def test_search_and_state_narrow_the_gallery(filled: ClassifyPage, run: Run) -> None:
    filled.header.search.setText("CAT")
    assert shown_names(filled) == ["tabby.jpg", "lion.jpg"]
    filled.header.search.clear()
    filled.set_query(Query().with_values(Facet.STATE, [PhotoState.UNSURE.value]))
    assert shown_names(filled) == ["blur.jpg"]
    run(lambda: wait_until(lambda: filled.header.sentence.text() == "1 of 4: Unsure"))
    filled.set_query(Query())
    assert len(shown_names(filled)) == 4


def test_a_photo_leaves_the_filter_as_its_state_changes(filled: ClassifyPage) -> None:
    filled.set_query(Query().with_values(Facet.STATE, [PhotoState.UNSURE.value]))
    assert shown_names(filled) == ["blur.jpg"]
    filled.gallery.set_unsure_below(0.2)
    assert shown_names(filled) == []


def test_the_pane_says_what_the_photo_is(filled: ClassifyPage) -> None:
    pane: DetailPane = filled.pane
    filled.select(CAT.key)
    assert pane.name.text() == "tabby.jpg"
    assert pane.source.text() == "pets v1, 12 ms"
    assert pane.chart.text() == "cat 90%, dog 6%, ship 4%"
    assert pane.label_box.yes.accessibleName() == "Yes, cat"
    filled.select(LABELLED.key)
    assert pane.label_box.labelled.text == "Labelled lion"
    assert not pane.label_box.yes.isVisible()
    assert not pane.label_box.undo.isVisible(), "it was given before this start"


def test_the_pane_says_why_a_sure_looking_answer_is_unsure(filled: ClassifyPage) -> None:
    answer = prediction(("cat", 0.99), familiarity=0.1)
    filled.gallery.set_result(CAT.path, answer)
    filled.select(CAT.key)
    assert filled.pane.source.text() == "Unlike the photos of its classes. pets v1, 12 ms"
    filled.set_query(Query().with_values(Facet.STATE, [PhotoState.UNSURE.value]))
    assert CAT.path.name in shown_names(filled)


def test_a_failed_photo_says_why_and_what_to_do(filled: ClassifyPage) -> None:
    filled.select(FAILED.key)
    assert filled.pane.failure.isVisible()
    assert filled.pane.failure.text == "The image is damaged or cut off. Copy the file again."
    assert filled.pane.failure.reclassify.isVisible()
    assert not filled.pane.reclassify.isVisible()


def test_several_photos_show_how_often_each_class_is_best(filled: ClassifyPage) -> None:
    filled.grid.selectAll()
    assert filled.pane.name.text() == "4 photos selected"
    assert filled.pane.charts.text() == "cat 2, dog 1"


def test_removing_from_the_middle_keeps_the_others_findable(page: ClassifyPage) -> None:
    photos = [answered_photo(Path(f"/album/{number}.jpg"), ("cat", 0.9)) for number in range(10)]
    page.gallery.add(photos)
    page.gallery.remove([photos[number].key for number in (1, 2, 3, 7, 9)])
    assert shown_names(page) == ["0.jpg", "4.jpg", "5.jpg", "6.jpg", "8.jpg"]
    for photo in page.gallery.photos:
        assert page.grid.photo_model.index_of(photo.key).data() == photo.name


def test_the_chooser_offers_known_classes_and_takes_them_as_they_are_written(
    filled: ClassifyPage,
) -> None:
    filled.set_classes(KnownClasses(ModelCard(MODEL, ("African elephant", "cat"))))
    filled.select(CAT.key)
    chooser = filled.pane.label_box.chooser
    requested: list[str] = []
    chooser.label_requested.connect(requested.append)
    chooser.field.setText("african ELEPHANT")
    chooser.button.click()
    chooser.field.setText("   ")
    assert not chooser.button.isEnabled()
    chooser.field.returnPressed.emit()
    assert requested == ["African elephant"]


@pytest.mark.parametrize("name", ["ot\u200bter", "otter\ufffd", "\u3164", "ot\u200dter"], ids=ascii)
def test_a_name_that_looks_like_another_one_is_not_taken(filled: ClassifyPage, name: str) -> None:
    filled.select(CAT.key)
    chooser = filled.pane.label_box.chooser
    requested: list[str] = []
    chooser.label_requested.connect(requested.append)
    chooser.field.setText(name)
    assert "cannot be shown" in chooser.hint.text()
    assert not chooser.button.isEnabled()
    chooser.field.returnPressed.emit()
    assert requested == []
    chooser.field.setText(" otter  pup ")
    chooser.button.click()
    assert requested == ["otter pup"]


@pytest.fixture
def pandas(filled: ClassifyPage) -> ClassChooser:
    """The chooser of a model whose classes have other names."""
    card = ModelCard(
        MODEL,
        ("giant panda", "lesser panda", "ice bear"),
        other_names={
            "giant panda": ["panda", "coon bear"],
            "lesser panda": ["red panda", "panda"],
            "ice bear": ["polar bear"],
        },
    )
    filled.set_classes(KnownClasses(card))
    filled.select(CAT.key)
    chooser = filled.pane.label_box.chooser
    chooser.field.setFocus()
    return chooser


def offered(chooser: ClassChooser) -> list[str]:
    rows = range(chooser.matches.rowCount())
    return [str(chooser.matches.index(row).data()) for row in rows]


def test_enter_takes_the_first_class_of_the_list(pandas: ClassChooser) -> None:
    requested: list[str] = []
    pandas.label_requested.connect(requested.append)
    for typed, first in (("polar", "ice bear"), ("less", "lesser panda"), ("Panda", "giant panda")):
        QTest.keyClicks(pandas.field, typed)
        popup = pandas.field.completer().popup()
        assert popup is not None
        assert popup.isVisible()
        rows = offered(pandas)
        assert (rows[0], rows[-1]) == (first, f"New class “{typed}”")
        assert pandas.hint.text() == (
            f"Enter labels it as {first}; the last in the list is a new class “{typed}”."
        )
        assert popup.currentIndex().row() == 0
        QTest.keyClick(popup, Qt.Key.Key_Return)
        QApplication.processEvents()
        assert pandas.field.text() == ""
        assert requested.pop() == first
        assert requested == []


@pytest.mark.parametrize("with_button", [False, True])
def test_a_part_of_a_name_becomes_a_class_only_if_that_is_chosen(
    pandas: ClassChooser, with_button: bool
) -> None:
    requested: list[str] = []
    pandas.label_requested.connect(requested.append)
    QTest.keyClicks(pandas.field, "less")
    popup = pandas.field.completer().popup()
    assert popup is not None
    for expected in ("lesser panda", "less"):
        QTest.keyClick(popup, Qt.Key.Key_Down)
        assert pandas.field.text() == expected
    assert pandas.hint.text() == "“less” is a new class; the next training learns it."
    if with_button:
        pandas.button.click()
    else:
        QTest.keyClick(popup, Qt.Key.Key_Return)
    QApplication.processEvents()
    assert requested == ["less"]
    # What the keys had moved to is forgotten.
    QTest.keyClicks(pandas.field, "less")
    pandas.button.click()
    assert requested == ["less", "lesser panda"]


def test_the_chooser_says_that_a_class_is_new(pandas: ClassChooser) -> None:
    QTest.keyClicks(pandas.field, "smiley")
    assert offered(pandas) == ["New class “smiley”"]
    assert pandas.hint.text() == "“smiley” is a new class; the next training learns it."
    pandas.field.clear()
    QTest.keyClicks(pandas.field, "ICE bear")
    assert offered(pandas) == ["ice bear"]
    assert pandas.hint.text().strip() == ""


def test_a_thousand_classes_are_offered_the_likeliest_first(filled: ClassifyPage) -> None:
    names = tuple(f"class number {number}" for number in range(1000))
    filled.set_classes(KnownClasses(ModelCard(MODEL, (*names, "catamaran"))))
    filled.select(CAT.key)
    chooser = filled.pane.label_box.chooser
    QTest.keyClicks(chooser.field, "cat")
    assert offered(chooser) == ["catamaran", "New class “cat”"]
    chooser.field.clear()
    QTest.keyClicks(chooser.field, "number")
    assert chooser.matches.rowCount() == MAX_MATCHES


def test_a_model_without_classes_says_what_to_do(filled: ClassifyPage) -> None:
    filled.gallery.add([answered_photo(Path("/album/a.jpg"))])
    filled.select("/album/a.jpg")
    assert filled.pane.no_classes.isVisible()
    assert filled.pane.no_classes.text() == (
        "pets knows no class yet. Label photos, or drop a folder of folders on the Models page."
    )
    assert filled.pane.label_box.question.text() == "What does it show?"


def test_thumbnails_are_decoded_upright_and_a_broken_file_is_tried_once(
    page: ClassifyPage, run: Run, tmp_path: Path
) -> None:
    good = image_file(tmp_path / "good.png", form="PNG", color="red")
    bad = tmp_path / "bad.jpg"
    bad.write_text("no image")
    page.gallery.add([answered_photo(good, ("cat", 0.9)), answered_photo(bad, ("cat", 0.9))])
    page.show()
    ready: list[Path] = []
    page.thumbnails.ready.connect(lambda key: ready.append(key.path))
    run(lambda: wait_until(lambda: {good, bad} <= set(ready)))
    page.select(str(good))
    picture = page.grab().toImage()
    reds = sum(
        picture.pixelColor(x, y).name() in ("#fe0000", "#ff0000")
        for x in range(0, picture.width(), 20)
        for y in range(0, picture.height(), 20)
    )
    assert reds > 10
    assert ready.count(bad) == 1


@pytest.mark.parametrize("outdated", [False, True])
@pytest.mark.parametrize("width", [640, 680, 820, 920, 1400])
def test_the_controls_of_the_header_never_overlap(
    filled: ClassifyPage, width: int, outdated: bool
) -> None:
    """The narrowest window leaves 640 px to the page."""
    header = filled.header
    filled.gallery.set_answering(MODEL, 2 if outdated else 1)
    header.show_outdated(len(filled.gallery.outdated()), "pets v2")
    filled.setMinimumSize(1, 1)  # as the main window does, whatever its pages need
    filled.resize(width, 520)
    QApplication.processEvents()
    assert filled.width() == width
    assert filled.pane.width() >= MIN_WIDTH
    assert filled.rect().contains(filled.pane.mapTo(filled, filled.pane.rect().bottomRight()))
    controls = [header.title, header.search, header.filter, header.view, header.open, header.more]
    controls += [header.reclassify] * outdated
    boxes = [QRect(control.mapTo(header, QPoint()), control.size()) for control in controls]
    for control, box in zip(controls, boxes, strict=True):
        assert control.isVisible()
        assert header.rect().contains(box)
        assert control.width() >= control.minimumSizeHint().width()
    for one, other in itertools.combinations(boxes, 2):
        assert not one.intersects(other)
    assert header.reclassify.text() in ("3", "Classify 3 again") or not outdated
    assert header.reclassify.accessibleName() == f"Classify {3 * outdated} again"


@pytest.mark.parametrize("height", [444, 484, 640])
def test_the_chart_shows_every_bar(filled: ClassifyPage, height: int) -> None:
    """The lowest window leaves 444 px to the page."""
    filled.setMinimumSize(1, 1)  # as the main window does, whatever its pages need
    filled.select(CAT.key)
    filled.resize(680, height)
    QApplication.processEvents()
    pane, chart = filled.pane, filled.pane.chart
    rects = [rect for row in range(ROWS) for rect in chart.row_rects(row)]
    for above, below in itertools.pairwise(rects):
        assert above.bottom() < below.top()
    assert all(line.height() >= chart.fontMetrics().height() for line in rects[::2])
    assert rects[-1].bottom() <= chart.height()
    bottom = chart.mapTo(pane, chart.rect().bottomLeft()).y()
    assert bottom < pane.label_box.y()
    assert pane.rect().contains(pane.label_box.geometry())
    last = pane.label_box.chooser
    assert last.height() >= last.minimumSizeHint().height()


def test_the_chart_has_no_bars_for_classes_that_there_are_not(filled: ClassifyPage) -> None:
    chart = filled.pane.chart

    def drawn_rows() -> list[bool]:
        picture = chart.grab().toImage()
        ratio = picture.devicePixelRatio()
        background = picture.pixelColor(picture.width() - 1, picture.height() - 1)
        middles = [chart.row_rects(row)[1].center() for row in range(ROWS)]
        return [
            picture.pixelColor(round(middle.x() * ratio), round(middle.y() * ratio)) != background
            for middle in middles
        ]

    filled.select(CAT.key)
    assert drawn_rows() == [True] * 3 + [False] * 2
    chart.show_scores(())
    assert drawn_rows() == [True] * ROWS


def test_a_screen_reader_gets_what_the_pane_shows(filled: ClassifyPage) -> None:
    def spoken() -> str:
        return QAccessible.queryAccessibleInterface(filled.pane).text(QAccessible.Text.Name)

    assert spoken() == "No photo selected"
    for photo, words in (
        (CAT, "Photo: tabby.jpg, cat 90%, answered"),
        (UNSURE, "Photo: blur.jpg, dog 30%, unsure"),
        (LABELLED, "Photo: lion.jpg, cat 60%, labelled lion"),
        (FAILED, "Photo: cut.jpg, The image is damaged or cut off., failed"),
    ):
        filled.select(photo.key)
        assert spoken() == words
    filled.grid.selectAll()
    assert spoken() == "4 photos selected"


def test_the_pane_grows_with_the_window_until_its_border_is_moved(filled: ClassifyPage) -> None:
    filled.resize(2480, 1300)
    QApplication.processEvents()
    assert 580 <= filled.pane.width() <= 600
    filled.content._split.splitterMoved.emit(2000, 1)
    filled.content._split.setSizes([2080, 400])
    filled.resize(2400, 1300)
    QApplication.processEvents()
    assert filled.pane.width() <= 400
