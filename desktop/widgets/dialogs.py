"""What every dialog is made of: it takes the keyboard as it opens, and Return has one meaning."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QKeyEvent, QShowEvent
from PySide6.QtWidgets import (
    QDialog,
    QFileDialog,
    QInputDialog,
    QLineEdit,
    QPushButton,
    QWidget,
)

from desktop.widgets.plain_text import one_line


class Dialog(QDialog):
    """A dialog of our own: Return presses the button that is its default, Escape closes it.

    It grows when what it shows needs more height, up to that of the screen.
    """

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(one_line(title))

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        # A default that was set before the button was in the dialog does not count for Qt, which
        # would take the first button instead.
        for button in self.findChildren(QPushButton):
            if button.isDefault():
                button.setDefault(False)
                button.setDefault(True)
        take_keyboard(self)

    def event(self, event: QEvent) -> bool:
        handled = super().event(event)
        if event.type() is QEvent.Type.LayoutRequest:
            self._grow()
        return handled

    def _grow(self) -> None:
        # Qt does so only for widgets whose height does not depend on their width, as that of
        # a text in several lines does.
        layout = self.layout()
        if layout is not None and layout.hasHeightForWidth():
            height = layout.totalHeightForWidth(self.width())
            height = min(height, self.screen().availableGeometry().height())
            if height > self.height():
                self.resize(self.width(), height)


class FileDialog(QFileDialog):
    """Asks for a file or folder; deleted once it is closed."""

    def __init__(
        self, parent: QWidget | None, title: str, folder: str = "", filters: str = ""
    ) -> None:
        super().__init__(parent, title, folder, filters)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        take_keyboard(self)


class TextDialog(QInputDialog):
    """Asks for one line of text; deleted once it is closed."""

    def __init__(self, parent: QWidget, title: str, question: str) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(one_line(title))
        self.setLabelText(question)
        self.setTextValue("")  # makes the field
        for field in self.findChildren(QLineEdit):
            field.setAccessibleName(question)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        take_keyboard(self)


class ReturnField(QLineEdit):
    """A field of a dialog in which Return does what `returnPressed` is connected to.

    In any other field it presses the dialog's default button.
    """

    def keyPressEvent(self, event: QKeyEvent) -> None:
        super().keyPressEvent(event)
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            event.accept()


def take_keyboard(dialog: QDialog) -> None:
    """Make a dialog that is being shown the active window.

    Not every window manager does, and without it the keys of a person go to the window that the
    dialog blocks, where they are lost.
    """
    dialog.activateWindow()
