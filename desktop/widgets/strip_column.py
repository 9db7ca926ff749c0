"""Panels between the header of a page and its content, each there only at times."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject
from PySide6.QtWidgets import QWidget

from desktop import theme
from desktop.widgets import build


class StripColumn(QWidget):
    """Takes room only while one of its strips is shown."""

    def __init__(self, *strips: QWidget) -> None:
        super().__init__()
        self._strips = strips
        margins = (theme.L, 0, theme.L, theme.M)
        build.column(*strips, parent=self, spacing=theme.M, margins=margins)
        for strip in strips:
            strip.installEventFilter(self)
        self._fit()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in (QEvent.Type.ShowToParent, QEvent.Type.HideToParent):
            self._fit()
        return False

    def _fit(self) -> None:
        self.setVisible(any(not strip.isHidden() for strip in self._strips))
