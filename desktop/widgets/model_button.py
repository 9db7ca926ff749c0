"""A button that says which model is meant, and lets a person choose another."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QMenu, QToolButton

from desktop import theme
from desktop.model_choices import ModelChoice
from desktop.translation import tr
from desktop.widgets import plain_text


class ModelButton(QToolButton):
    """Opens a menu: the served models to choose from, the others to be loaded first."""

    chosen = Signal(str)
    """A model that is served already."""
    use_requested = Signal(str)
    """A model to make the current one, which loads it."""
    models_requested = Signal()
    """Go to the Models page."""

    def __init__(self, name: str, *, role: str = "quiet") -> None:
        """`name` is the tooltip, and the accessible name of a button without a text."""
        super().__init__()
        theme.set_role(self, role)
        theme.set_icon(self, "chevron-down", "muted", side=12)
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.setToolTip(plain_text.tooltip(name))
        self.setAccessibleName(name)
        self._choices: Sequence[ModelChoice] = ()
        menu = QMenu(self)
        menu.aboutToShow.connect(self._fill)
        self.setMenu(menu)

    def show_choices(self, choices: Sequence[ModelChoice]) -> None:
        """Offer `choices`, in their order."""
        self._choices = choices

    def _fill(self) -> None:
        menu = self.menu()
        menu.clear()
        group = QActionGroup(menu)
        for choice in self._choices:
            if choice.served:
                action = self._add(choice, tr("current") if choice.current else "")
                action.setCheckable(True)
                action.setChecked(choice.selected)
                group.addAction(action)
                action.triggered.connect(lambda checked, name=choice.name: self.chosen.emit(name))
        others = [each for each in self._choices if not each.served]
        if others:
            menu.addSection(tr("Load and use"))
        for choice in others:
            self._add(choice).triggered.connect(
                lambda checked, name=choice.name: self.use_requested.emit(name)
            )
        menu.addSeparator()
        menu.addAction(tr("Show all models")).triggered.connect(self.models_requested)

    def _add(self, choice: ModelChoice, state: str = "") -> QAction:
        facts = ", ".join(fact for fact in (choice.detail, state) if fact)
        name = plain_text.caption(choice.name)
        words = f"{name}    {plain_text.caption(facts)}" if facts else name
        return self.menu().addAction(words)
