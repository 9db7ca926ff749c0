"""A program that shows every page and dialog in a language, and checks the texts.

    python -m tests.support.window_in_language LANGUAGE WORKSPACE

The texts of the window are made when their modules are imported, so a language needs a process of
its own. Prints a JSON object: in the made-up language `unmarked` has each text that is not
translated, of as many as `texts` says; in any other `clipped` has each that is cut off in a window
of 900 by 600, or of the least size, in which no two widgets may overlap either.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, Qt
from PySide6.QtGui import QAction, QPainter
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QApplication,
    QComboBox,
    QDialog,
    QLabel,
    QLineEdit,
    QMenu,
    QSpinBox,
    QTabBar,
    QWidget,
)

from desktop.translation import PSEUDO, use_language

WINDOW = (900, 600)
SETTLING_MILLISECONDS = 50
LAYOUT_TRIES = 20
NAME = "otter"
"""Of the model, the class, the file and the rest in the sample data."""
DATA = {
    # Names in the sample data.
    *("another", "cat", "anna", "nowhere", "photos", "runs", "own", "host", "user", "zebra"),
    *("shirt", "failed", "instance", "example", "com", "jpg", "keras", "tcp", "unix", "ssh"),
    *("Ot", "Ru", "vNone"),
    # Names of products, protocols, models and licences, and of languages in their own words.
    *("Servery", "Docker", "Swarm", "Kubernetes", "Compose", "TensorFlow", "Lite", "ONNX"),
    *("OpenVINO", "Keras", "gRPC", "REST", "EfficientNet", "Mobilenet", "Apache"),
    *("English", "Deutsch"),
    # Keys, which Qt translates, and the texts of its own buttons.
    *("Ctrl", "Shift", "Alt", "Esc", "Return", "Del", "Space", "Home", "Left", "Right"),
    *("Scroll", "Cancel", "OK"),
    # Units.
    *("kB", "MB", "GB", "TB", "ms", "min", "px"),
}
"""Words that are no texts of the window, beside single letters and what begins with NAME."""

_WORD = re.compile(r"[^\W\d_]+")
_INVISIBLE = str.maketrans("", "", "\u200b\u2060")
_SAMPLES = (
    "screens",
    "dialogs",
    "sample_summaries",
    "fleet_views",
    "fake_model_files",
)


def main() -> None:
    """Show everything, and print what was found."""
    language, workspace = sys.argv[1], Path(sys.argv[2])
    use_language(language)
    # Not before: see above.
    from desktop.app import App, Options
    from desktop.first_steps import Step
    from desktop.jobs import Jobs
    from desktop.main_window import MIN_SIZE, MainWindow, PageName
    from desktop.notifications import Notifications
    from desktop.qt_translation import translate_qt
    from desktop.theme import Appearance, Theme
    from serving.workspace import Workspace
    from tests.support.busy_screens import BUSY_SCREENS
    from tests.support.clipped_text import clipped_texts
    from tests.support.crowded import crowded_widgets
    from tests.support.dialogs import DIALOGS
    from tests.support.screens import SCREENS

    application = QApplication([])
    translate_qt(application)
    Theme(application, Appearance.LIGHT)
    _record_painted_texts()
    unmarked: dict[str, str] = {}
    seen: set[str] = set()
    clipped: list[str] = []
    data = _sentences_of_samples()

    def faults(window: QWidget, size: tuple[int, int]) -> list[str]:
        crowded = crowded_widgets(window) if size == MIN_SIZE else []
        return clipped_texts(window) + crowded

    def look(place: str, window: QWidget, size: tuple[int, int] = WINDOW) -> None:
        window.resize(*size)
        window.show()
        QTest.qWait(SETTLING_MILLISECONDS)
        if language == PSEUDO:
            window.grab()
            for text in [*_texts(window), *_painted]:
                seen.add(text)
                if is_unmarked(text, data):
                    unmarked.setdefault(text, place)
            _painted.clear()
        else:
            # A page that is laid out anew for its width shows that a moment later.
            for _ in range(LAYOUT_TRIES):
                if not faults(window, size):
                    break
                QTest.qWait(SETTLING_MILLISECONDS)
            clipped.extend(f"{place} at {size}: {each}" for each in faults(window, size))
            if window.width() > size[0] and window.isWindow():
                clipped.append(f"{place}: the window became {window.width()} wide")

    app = App(application, Options(Workspace(workspace)))
    sizes = (WINDOW,) if language == PSEUDO else (WINDOW, MIN_SIZE)
    app.window.show_page(PageName.SETTINGS)
    for size in sizes:
        look("settings", app.window, size)
    app.window.show_page(PageName.CLASSIFY)
    for step in Step:
        app.first_steps.view.show_step(step)
        for size in sizes:
            look(f"step {step.value + 1}", app.window, size)
    # The busy ones have sentences of services in them, which the made-up language has not.
    busy = {} if language == PSEUDO else BUSY_SCREENS
    for name, make in {**SCREENS, **busy}.items():
        if name in DIALOGS:
            continue
        page = make(NAME)
        window = page if isinstance(page, MainWindow) else MainWindow(Jobs(), Notifications())
        if window is not page:
            window.set_page(window.current_page, page)
        for size in sizes:
            look(name, window, size)
    owner = QWidget()
    owner.resize(*WINDOW)
    for name, make_dialog in DIALOGS.items():
        dialog = make_dialog(NAME, owner)
        if name != "file":  # all of it is Qt's
            look(name, dialog)
        dialog.close()
    found = {
        "texts": len(seen),
        "unmarked": [f"{place}: {text}" for text, place in unmarked.items()],
        "clipped": clipped,
    }
    print(json.dumps(found, ensure_ascii=False))
    sys.stdout.flush()


_painted: list[str] = []


def _record_painted_texts() -> None:
    """Note what is drawn without a widget for it, as charts and rows of lists do."""
    draw = QPainter.drawText

    def noting(self: QPainter, *arguments: Any) -> Any:
        _painted.extend(each for each in arguments if isinstance(each, str))
        return draw(self, *arguments)

    QPainter.drawText = noting  # type: ignore[method-assign, assignment]


def is_unmarked(text: str, data: list[str]) -> bool:
    """Whether there are words outside of the marks that are neither in DATA nor in `data`."""
    outside, depth = [], 0
    for letter in text.translate(_INVISIBLE):
        depth += letter == "⟦"
        if not depth:
            outside.append(letter)
        depth -= letter == "⟧" and depth > 0
    rest = "".join(outside)
    for sentence in data:
        rest = rest.replace(sentence, " ")
    return any(
        len(word) > 1 and word not in DATA and not word.lower().startswith(NAME)
        for word in _WORD.findall(rest)
    )


def _sentences_of_samples() -> list[str]:
    """Return what the sample data say as sentences, the longest first."""
    found = {
        node.value
        for name in _SAMPLES
        for node in ast.walk(ast.parse(Path(__file__).with_name(f"{name}.py").read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return sorted((each for each in found if " " in each), key=len, reverse=True)


def _texts(window: QWidget) -> Iterator[str]:
    """Yield every text of a window that a person sees, or hears from a screen reader."""
    for menu in window.findChildren(QMenu):
        menu.aboutToShow.emit()
    for each in [window, *window.findChildren(QObject)]:
        if isinstance(each, QAction):
            yield from (each.text(), each.toolTip())
        if not isinstance(each, QWidget):
            continue
        yield from (each.toolTip(), each.accessibleName(), each.accessibleDescription())
        if isinstance(each, QDialog):
            yield each.windowTitle()
        if isinstance(each, QLabel | QAbstractButton):
            yield each.text()
        elif isinstance(each, QLineEdit):
            yield each.placeholderText()
        elif isinstance(each, QSpinBox):
            yield from (each.prefix(), each.suffix(), each.specialValueText())
        elif isinstance(each, QTabBar):
            yield from (each.tabText(number) for number in range(each.count()))
        elif isinstance(each, QComboBox):
            yield from (each.itemText(number) for number in range(each.count()))
        elif isinstance(each, QAbstractItemView) and each.model() is not None:
            yield from _cells(each)


def _cells(view: QAbstractItemView) -> Iterator[str]:
    model, root = view.model(), QModelIndex()
    roles = Qt.ItemDataRole
    # Qt keeps the number of columns of a list to itself.
    columns = 1 if isinstance(model, QAbstractListModel) else model.columnCount(root)
    for column in range(columns):
        for role in (roles.DisplayRole, roles.ToolTipRole):
            yield from _text(model.headerData(column, Qt.Orientation.Horizontal, role))
        for row in range(min(20, model.rowCount(root))):
            for role in (roles.DisplayRole, roles.ToolTipRole, roles.AccessibleTextRole):
                yield from _text(model.index(row, column, root).data(role))


def _text(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value


if __name__ == "__main__":
    main()
