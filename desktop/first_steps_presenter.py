"""Shows the first steps once in the life of a workspace, and again when Help is asked for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt

from desktop.first_steps import FirstSteps, Step
from desktop.settings import Settings
from desktop.widgets.focus import delegate_focus

if TYPE_CHECKING:
    from desktop.classify.page import ClassifyPage
    from serving.fleet.view import FleetView


class FirstStepsPresenter:
    """Connects the steps with the page whose place they take, and with what they say."""

    def __init__(self, page: ClassifyPage, settings: Settings) -> None:
        self._page = page
        self._settings = settings
        self.view = FirstSteps()
        self.is_shown = False
        self._awaits_label = not settings.preferences.first_steps_done
        self.view.finished.connect(self.finish)
        self.view.photos_requested.connect(page.intake.open_photos)
        page.intake.classify_requested.connect(self.finish)
        if not settings.preferences.first_steps_done:
            self._show()

    def show_again(self) -> None:
        """Begin with the first step, whatever the page shows."""
        self.view.show_step(Step.MODEL)
        if not self.is_shown:
            self._show()
        self.view.next.setFocus(Qt.FocusReason.OtherFocusReason)

    def finish(self) -> None:
        """Give the page back; they are not shown again by themselves."""
        if self.is_shown:
            self.is_shown = False
            self._page.set_welcome(None)
            delegate_focus(self._page, self._page.grid)
            self._page.setFocus(Qt.FocusReason.OtherFocusReason)
        if not self._settings.preferences.first_steps_done:
            self._settings.change(first_steps_done=True)

    def take_label(self) -> bool:
        """Whether a label, which was just given, is the first since the workspace was new."""
        first, self._awaits_label = self._awaits_label, False
        return first

    def show_fleet(self, view: FleetView) -> None:
        self.view.show_fleet(view.can_answer, view.desired_count, view.engine)

    def show_model(self, name: str, classes: int) -> None:
        self.view.show_model(name, classes)

    def _show(self) -> None:
        self.is_shown = True
        self._page.set_welcome(self.view)
        delegate_focus(self._page, self.view)
