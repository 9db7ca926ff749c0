"""Names are text on every page and in every dialog, and no name changes a window."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QAbstractItemModel, QAbstractTableModel, Qt
from PySide6.QtGui import QColor, QImage
from PySide6.QtGui import Qt as QtGuess
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QApplication,
    QLabel,
    QMenu,
    QVBoxLayout,
    QWidget,
)

from desktop.main_window import PageName
from desktop.model_choices import ModelChoice
from desktop.widgets.model_button import ModelButton
from desktop.widgets.plain_label import PlainLabel
from desktop.widgets.question import Question
from tests.gui.conftest import show
from tests.support.hostile_names import NAMES
from tests.support.screens import OWNERS, SCREENS

SIZE = (1000, 640)
EVERYWHERE = (
    *("markup", "markup behind spaces", "escape sequences", "newlines"),
    *("10,000 characters", "an unbroken word", "combining marks"),
)
"""Names that differ in what they could do to a window; the labels in it are tried with all."""


@pytest.fixture(autouse=True)
def _owners(application: QApplication) -> Iterator[None]:
    yield
    for owner in OWNERS:
        owner.deleteLater()
    OWNERS.clear()


def opened(screen: str, name: str) -> QWidget:
    widget = SCREENS[screen](name)
    show(widget, *SIZE)
    for _ in range(3):
        QApplication.processEvents()
    return widget


def tips(widget: QWidget) -> Iterator[str]:
    """Yield every tooltip of the widget and of the items that it shows."""
    for each in (widget, *widget.findChildren(QWidget)):
        yield each.toolTip()
        if isinstance(each, QAbstractItemView) and each.model() is not None:
            items: QAbstractItemModel = each.model()
            columns = items.columnCount() if isinstance(items, QAbstractTableModel) else 1
            for row in range(items.rowCount()):
                for column in range(columns):
                    found = items.index(row, column).data(Qt.ItemDataRole.ToolTipRole)
                    yield found or ""


@pytest.mark.parametrize("name", EVERYWHERE)
@pytest.mark.parametrize("screen", [each for each in SCREENS if each != "help_page"])
def test_a_name_is_text_and_changes_no_window(
    application: QApplication, screen: str, name: str
) -> None:
    widget = opened(screen, NAMES[name])
    labels = widget.findChildren(QLabel)
    assert [each.text() for each in labels if each.textFormat() != Qt.TextFormat.PlainText] == []
    assert [each for each in tips(widget) if QtGuess.mightBeRichText(each)] == []
    assert not any(line for each in tips(widget) for line in each.split("\n") if len(line) > 1300)
    # As large as it was made, and no part of it insists on more.
    if isinstance(widget, Question):  # which is as large as its text, within bounds
        assert widget.width() <= SIZE[0]
        assert widget.height() <= SIZE[1]
    else:
        assert (widget.width(), widget.height()) == SIZE
    minimum = widget.minimumSizeHint()
    assert minimum.width() <= SIZE[0]
    assert minimum.height() <= SIZE[1]
    buttons = [
        each for each in widget.findChildren(QAbstractButton) if each.sizeHint().width() > 640
    ]
    assert [each.text() for each in buttons] == []


@pytest.mark.parametrize("screen", SCREENS)
def test_every_label_is_the_one_that_cannot_be_rich(application: QApplication, screen: str) -> None:
    widget = opened(screen, "otter")
    own = [each for each in widget.findChildren(QLabel) if not isinstance(each, PlainLabel)]
    # The labels inside the dialogs that Qt makes.
    assert [each.objectName() for each in own if not each.objectName().startswith("qt_")] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_menu_has_the_name_as_it_is(application: QApplication, name: str) -> None:
    button = ModelButton("Choose another")
    button.show_choices([ModelChoice(NAMES[name]), ModelChoice(NAMES[name], served=False)])
    menu: QMenu = button.menu()
    menu.aboutToShow.emit()
    for action in menu.actions():
        assert len(action.text()) < 120
        assert "\n" not in action.text()
        assert "\t" not in action.text()  # what follows one is shown as a shortcut
        assert "&" not in action.text().replace("&&", "")


@pytest.mark.parametrize("name", NAMES)
def test_a_label_of_one_line_is_as_high_as_ever(application: QApplication, name: str) -> None:
    label, plain = PlainLabel(NAMES[name]), PlainLabel("otter")
    assert label.sizeHint().height() == plain.sizeHint().height()
    assert label.sizeHint().width() <= 640
    assert label.text() == NAMES[name]


@pytest.mark.parametrize("name", NAMES)
def test_a_label_of_several_lines_is_never_wider_than_its_place(
    application: QApplication, name: str
) -> None:
    label = PlainLabel(NAMES[name], wrap=True)
    around = QWidget()
    layout = QVBoxLayout(around)
    layout.addWidget(label)
    show(around, 300, 400)
    assert around.width() == 300
    assert label.minimumSizeHint().width() <= 280


def test_markup_is_painted_as_text(application: QApplication, tmp_path: Path) -> None:
    """An image that is named in a text would be read from the disk and painted."""
    red = tmp_path / "red.png"
    image = QImage(40, 40, QImage.Format.Format_RGB32)
    image.fill(QColor(255, 0, 0))
    assert image.save(str(red))
    for wrap in (False, True):
        label = show(PlainLabel(f'<img src="{red}">', wrap=wrap), 200, 80)
        shot = label.grab().toImage()
        colors = {
            shot.pixelColor(x, y).name() for x in range(shot.width()) for y in range(shot.height())
        }
        assert "#ff0000" not in colors


def test_the_window_shows_every_page(application: QApplication) -> None:
    """A page that is added needs a screen above."""
    assert {page.value for page in PageName} == {
        *("classify", "learn", "models", "fleet", "settings", "help")
    }
