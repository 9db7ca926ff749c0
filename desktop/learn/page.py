"""The Learn page: labels so far, training, and the versions that came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFocusEvent, QShowEvent
from PySide6.QtWidgets import QWidget

from backend.contract import LabelSummary, ModelSummary, TrainingRun
from desktop import theme
from desktop.formats import count
from desktop.learn import wording
from desktop.learn.classes_view import ClassesView
from desktop.learn.fine_tuning_panel import FineTuningPanel
from desktop.learn.labelling.answer_view import AnswerView
from desktop.learn.labelling.doubts_view import DoubtsView
from desktop.learn.labelling.groups_view import GroupsView
from desktop.learn.labelling.label_view import LabelView
from desktop.learn.outbox import OutboxView
from desktop.learn.outbox_notes import OutboxNotes
from desktop.learn.training_settings_panel import TrainingSettingsPanel
from desktop.learn.training_strip import TrainingStrip
from desktop.shortcuts import Shortcut, bind
from desktop.translation import tr
from desktop.versions.timeline import active_run
from desktop.versions.view import VersionsView
from desktop.widgets import build
from desktop.widgets.model_button import ModelButton
from desktop.widgets.page_body import CurrentStack, CurrentTabs, PageBody
from desktop.widgets.page_header import PageHeader
from desktop.widgets.pictures import Pictures
from desktop.widgets.plain_label import PlainLabel
from desktop.widgets.plain_text import caption, fitted
from desktop.widgets.strip_column import StripColumn

_PICTURE_BYTES = 96 * 2**20
"""Of decoded photos, large ones and those that are next."""
_MAX_NAME = 160
"""Pixels of the name of the model."""


class LearnView(StrEnum):
    """The views of the Learn page, one a tab."""

    LABEL = "label"
    GROUPS = "groups"
    DOUBTS = "doubts"
    CLASSES = "classes"
    VERSIONS = "versions"


_TITLES: Mapping[LearnView, str] = {
    LearnView.LABEL: tr("Label"),
    LearnView.GROUPS: tr("Look-alikes"),
    LearnView.DOUBTS: tr("Doubtful labels"),
    LearnView.CLASSES: tr("Classes"),
    LearnView.VERSIONS: tr("Versions"),
}
"""Of their tabs."""


class LearnPage(QWidget):
    """Shows what the backend knows; the page and its parts emit what a person asks for."""

    learn_requested = Signal()
    classify_requested = Signal()
    """Go to the Classify page, to label photos."""
    view_changed = Signal()
    """Another tab is shown, or the page itself is."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._labels: LabelSummary | None = None
        self._runs: Sequence[TrainingRun] = ()
        self._model: ModelSummary | None = None
        self._outbox = OutboxView()
        self._starting = False

        self.header = PageHeader(tr("Learn"))
        self.learn = build.button(tr("Learn now"), role="primary")
        self.learn.setAccessibleName(tr("Learn from the labels now"))
        self.learn.clicked.connect(self.learn_requested)
        self.models = ModelButton(tr("The model that learns; choose another"), role="choice")
        self.models.hide()
        self.header.add(self.models)
        self.settings = TrainingSettingsPanel()
        self.settings.hide()
        self.when = build.icon_button("clock", tr("When it learns by itself, and fine-tuning"))
        self.when.setCheckable(True)
        self.fine_tuning = FineTuningPanel()
        self.fine_tuning.hide()
        for panel in (self.settings, self.fine_tuning):
            self.when.toggled.connect(panel.setVisible)
        self.header.add(self.when)
        self.header.add(self.learn)
        self.strip = TrainingStrip()
        self.notes = OutboxNotes()

        self.classes = ClassesView()
        self.classes.label_requested.connect(lambda: self.show_view(LearnView.LABEL))

        self.pictures = Pictures(self, max_bytes=_PICTURE_BYTES)
        self.versions = VersionsView(self.pictures)
        self.no_versions = PlainLabel(role="muted", wrap=True)
        self.no_versions.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.no_versions.setMargin(theme.XL)
        self._versions_body = CurrentStack()
        self._versions_body.addWidget(self.no_versions)
        self._versions_body.addWidget(self.versions)

        self.tabs = CurrentTabs()
        self.tabs.tabBar().setAccessibleName(tr("Views of what the model learns"))
        self.tabs.setDocumentMode(True)
        self.label_view = LabelView(self.pictures)
        self.groups_view = GroupsView(self.pictures)
        self.doubts_view = DoubtsView(self.pictures)
        self.undo_action = bind(Shortcut.UNDO_LEARN, self, text=tr("Undo the last label"))
        self.label_view.empty.action_requested.connect(self.classify_requested)
        self.groups_view.label_requested.connect(lambda: self.show_view(LearnView.LABEL))
        self.groups_view.classify_requested.connect(self.classify_requested)
        self._views: dict[LearnView, QWidget] = {}
        self._add_view(LearnView.LABEL, self.label_view)
        self._add_view(LearnView.GROUPS, self.groups_view)
        self._add_view(LearnView.DOUBTS, self.doubts_view)
        self._add_view(LearnView.CLASSES, self.classes)
        self._add_view(LearnView.VERSIONS, self._versions_body)

        self.tabs.currentChanged.connect(self._on_view_changed)
        strips = StripColumn(self.settings, self.fine_tuning, self.strip, self.notes)
        body = PageBody(strips, (self.tabs, 1))
        build.column(self.header, (body, 1), parent=self, spacing=0)
        self.show_unavailable(tr("The backend is starting."))

    @property
    def view(self) -> LearnView:
        """The view that is shown."""
        shown = self.tabs.currentWidget()
        return next(name for name, each in self._views.items() if each is shown)

    def show_view(self, view: LearnView) -> None:
        """Show one of the views and give it the keyboard focus."""
        self.tabs.setCurrentWidget(self._views[view])
        self._focus_view()

    def show_doubt_count(self, number: int) -> None:
        """Say on its tab how many labels are doubtful, as far as that is known."""
        title = _TITLES[LearnView.DOUBTS]
        index = self.tabs.indexOf(self.doubts_view)
        self.tabs.setTabText(index, f"{title} ({count(number)})" if number else title)

    def _focus_view(self) -> None:
        shown = self._views[self.view]
        if isinstance(shown, AnswerView):
            shown.take_focus()
        else:
            shown.setFocus(Qt.FocusReason.OtherFocusReason)

    def _on_view_changed(self) -> None:
        # Not while a person moves along the tabs with the arrow keys.
        if not self.tabs.tabBar().hasFocus():
            self._focus_view()
        self.view_changed.emit()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.view_changed.emit()

    def focusInEvent(self, event: QFocusEvent) -> None:
        self._focus_view()

    def _add_view(self, name: LearnView, view: QWidget) -> None:
        self._views[name] = view
        self.tabs.addTab(view, caption(_TITLES[name]))

    def show_labels(self, labels: LabelSummary) -> None:
        self._labels = labels
        self.classes.show_labels(labels)
        self._show_next_step()

    def show_runs(self, runs: Sequence[TrainingRun]) -> None:
        self._runs = runs
        run = active_run(runs)
        if run is not None and not run.fine_tunes:
            self._starting = False
        self.strip.show_run(run)
        self.versions.show_runs(runs)
        self._show_versions()
        self._show_next_step()

    def show_model(self, model: ModelSummary | None) -> None:
        """Show the versions of the model that learns; None if there is no model."""
        self._model = model
        self.models.setVisible(model is not None)
        if model is not None:
            self.models.setText(fitted(model.name, self.models.fontMetrics(), _MAX_NAME))
            self.models.setAccessibleName(
                tr("{name} learns; choose another model", name=model.name)
            )
        self.versions.show_model(model)
        self._show_versions()

    def show_outbox(self, outbox: OutboxView) -> None:
        self._outbox = outbox
        self.notes.show_outbox(outbox)
        self._show_next_step()

    def show_starting(self, starting: bool) -> None:
        """From the press of the button until the backend shows the run."""
        self._starting = starting
        self._show_next_step()

    def show_unavailable(self, sentence: str) -> None:
        """Say why nothing is known, until something is."""
        if self._labels is None:
            self.header.sentence.setText(sentence)
            self.learn.setEnabled(False)
        if self._model is None:
            self.no_versions.setText(sentence)

    def _show_next_step(self) -> None:
        if self._labels is None:
            return
        self.header.sentence.setText(wording.next_step(self._labels))
        # After a run it makes sense without a label too: what was undone is unlearned.
        labelled = bool(self._labels.total or self._outbox.pending or self._runs)
        # A network that is fine-tuned is no reason to wait.
        learning = active_run([run for run in self._runs if not run.fine_tunes])
        self.learn.setEnabled(labelled and not self._starting and learning is None)
        self.learn.setToolTip("" if labelled else tr("Label a photo first"))

    def _show_versions(self) -> None:
        known = self._model is not None and bool(self._model.versions or self._runs)
        self._versions_body.setCurrentIndex(1 if known else 0)
        if self._labels is not None and not known:
            self.no_versions.setText(
                tr("There is no version yet. Label photos, then press Learn now.")
            )
