"""One of a few values, selected from a list."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtWidgets import QComboBox, QStyledItemDelegate


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
            self.addItem(words, value)

    def select(self, value: object) -> None:
        """Select `value`; the first one if it is not there."""
        self.setCurrentIndex(max(0, self.findData(value)))
