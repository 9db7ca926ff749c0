"""One of a few values, selected from a list."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtWidgets import QComboBox, QStyledItemDelegate

from desktop.widgets.plain_text import one_line

_MAX_WORDS = 60
"""Characters."""


class ComboBox(QComboBox):
    """A drop-down list whose items follow the style sheet too."""

    def __init__(
        self,
        accessible_name: str = "",
        options: Iterable[tuple[object, str]] = (),
    ) -> None:
        """`options` are pairs of a value and the words for it."""
        super().__init__()
        # The default delegate paints items in the style of the platform.
        self.setItemDelegate(QStyledItemDelegate(self))
        self.setAccessibleName(accessible_name)
        for value, words in options:
            self.add(words, value)

    def add(self, words: str, value: object) -> None:
        """Add a value; only the beginning of long words is shown, as the list is as wide as it."""
        self.addItem(one_line(words, _MAX_WORDS), value)

    def select(self, value: object) -> None:
        """Select `value`; the first one if it is not there."""
        self.setCurrentIndex(max(0, self.findData(value)))
