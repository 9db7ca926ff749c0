"""The right side of the Models page: the selected model, its figures, and what can be done."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, SignalInstance
from PySide6.QtWidgets import QFrame, QGridLayout, QMenu, QProgressBar, QScrollArea, QWidget

from desktop import theme
from desktop.formats import percent
from desktop.model_faults import fault_sentences
from desktop.models import wording
from desktop.models.entries import ModelEntry
from desktop.service_sentences import translated
from desktop.translation import tr
from desktop.widgets import build
from desktop.widgets.elided_label import ElidedLabel
from desktop.widgets.plain_label import PlainLabel
from desktop.widgets.state_badge import StateBadge

MIN_WIDTH = 280

_MAX_ATTRIBUTION = 4000
"""Characters; nothing of a notice is left out."""


class ModelPane(QFrame):
    """Shows one entry; signals carry the name of its model."""

    use_requested = Signal(str)
    serve_requested = Signal(str)
    unserve_requested = Signal(str)
    open_requested = Signal(str)
    add_requested = Signal(str)
    cancel_requested = Signal(str)
    """The id of the training run."""

    def __init__(self, menu: QMenu) -> None:
        """`menu` has what is done more rarely."""
        super().__init__()
        theme.set_role(self, "pane")
        self.setMinimumWidth(MIN_WIDTH)
        self._entry: ModelEntry | None = None
        self.name = ElidedLabel(role="title", mode=Qt.TextElideMode.ElideMiddle)
        self.badge = StateBadge("not served")
        self.description = PlainLabel("", "muted", wrap=True)
        self.fault = PlainLabel("", "error", wrap=True, selectable=True)
        """Why the live version cannot be served."""
        self.step = PlainLabel("", wrap=True)
        self.progress = QProgressBar()
        self.progress.setRange(0, 1000)
        self.progress.setTextVisible(False)
        self.cancel = build.button(tr("Cancel"))
        self.use = build.button(tr("Use this model"), role="primary")
        self.use.setToolTip(
            tr("It is loaded everywhere, then it answers photos in place of the other")
        )
        self.add = build.button(tr("Add this model"), role="primary")
        self.keep = build.button(tr("Keep loaded"))
        self.open = build.button(tr("Versions and report"))
        self.more = build.button(tr("More"), "chevron-down")
        self.more.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
        self.more.setAccessibleName(tr("More about this model"))
        self.more.setMenu(menu)
        self.attribution = PlainLabel(
            "", "small", wrap=True, selectable=True, limit=_MAX_ATTRIBUTION, lines=40
        )

        self._facts = QGridLayout()
        self._facts.setHorizontalSpacing(theme.L)
        self._facts.setVerticalSpacing(theme.S)
        self._facts.setColumnStretch(1, 1)
        self._fact_labels: list[tuple[PlainLabel, PlainLabel]] = []
        self._run = QFrame()
        theme.set_role(self._run, "panel")
        build.column(
            self.step,
            self.progress,
            build.row(None, self.cancel),
            parent=self._run,
            margins=(theme.M, theme.M, theme.M, theme.M),
        )
        self._buttons = QWidget()
        build.column(
            build.row((self.use, 1), (self.add, 1), self.keep),
            build.row((self.open, 1), self.more),
            parent=self._buttons,
        )
        inside = QWidget()
        inside.setProperty("role", "scrolled")
        build.column(
            self.name,
            build.row(self.badge, None),
            self.description,
            self.fault,
            self._run,
            theme.XS,
            self._buttons,
            theme.S,
            self._facts,
            theme.S,
            self.attribution,
            None,
            parent=inside,
            margins=(theme.L, theme.L, theme.L, theme.M),
        )
        area = QScrollArea()
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(inside)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        build.column(area, parent=self)
        self._connect()
        self.show_entry(None)

    @property
    def entry(self) -> ModelEntry | None:
        return self._entry

    def show_entry(self, entry: ModelEntry | None) -> None:
        """Show a model or a built-in one that can be added; None while none is selected."""
        self._entry = entry
        model = entry.model if entry is not None else None
        run = entry.run if entry is not None else None
        built_in = entry.built_in if entry is not None else None
        title = built_in.title if model is None and built_in is not None else ""
        self.name.setText((title or entry.name) if entry is not None else tr("No model selected"))
        self.badge.setVisible(entry is not None)
        if entry is not None:
            self.badge.set_state(wording.state(entry), wording.state_words(entry))
        self.description.setText(wording.description(entry) if entry is not None else "")
        self.description.setVisible(bool(self.description.text()))
        self.fault.setText(fault_sentences(model) if model is not None else "")
        self.fault.setVisible(bool(self.fault.text()))
        self._run.setVisible(run is not None)
        if run is not None:
            self.step.setText(translated(run.step) or tr("Waiting for its turn."))
            self.progress.setValue(round(run.progress * 1000))
            self.progress.setAccessibleName(f"{translated(run.step)} {percent(run.progress)}")
            self.cancel.setAccessibleName(tr("Cancel: {step}", step=translated(run.step)))
        loading = entry is not None and entry.loading
        self._buttons.setVisible(entry is not None)
        self.use.setVisible(model is not None and not model.current)
        self.use.setEnabled(not loading and model is not None and model.live_version is not None)
        self.add.setVisible(model is None and built_in is not None)
        self.add.setEnabled(not loading)
        self.keep.setVisible(model is not None and not model.current)
        self.keep.setEnabled(not loading and model is not None and model.live_version is not None)
        served = model is not None and model.served
        self.keep.setText(tr("Unload") if served else tr("Keep loaded"))
        self.keep.setToolTip(
            tr("Instances give back the memory that it takes")
            if served
            else tr("Instances load it beside the current model, and it answers by its name")
        )
        self.open.setVisible(model is not None)
        self.more.setVisible(model is not None)
        self._show_facts(wording.facts(entry) if entry is not None else [])
        source = model.attribution if model is not None else ""
        self.attribution.setText(source or (built_in.attribution if built_in else ""))

    def _show_facts(self, facts: list[tuple[str, str]]) -> None:
        while len(self._fact_labels) < len(facts):
            row = len(self._fact_labels)
            left, right = PlainLabel("", "muted"), PlainLabel("", wrap=True, selectable=True)
            right.setFont(theme.font(numbers=True))
            self._facts.addWidget(left, row, 0, Qt.AlignmentFlag.AlignTop)
            self._facts.addWidget(right, row, 1)
            self._fact_labels.append((left, right))
        for row, (left, right) in enumerate(self._fact_labels):
            for label in (left, right):
                label.setVisible(row < len(facts))
            if row < len(facts):
                left.setText(facts[row][0])
                right.setText(facts[row][1])

    def _connect(self) -> None:
        self.use.clicked.connect(lambda: self._emit(self.use_requested))
        self.add.clicked.connect(lambda: self._emit(self.add_requested))
        self.open.clicked.connect(lambda: self._emit(self.open_requested))
        self.keep.clicked.connect(self._change_served)
        self.cancel.clicked.connect(self._cancel)

    def _emit(self, signal: SignalInstance) -> None:
        if self._entry is not None:
            signal.emit(self._entry.name)

    def _change_served(self) -> None:
        model = self._entry.model if self._entry is not None else None
        if model is not None:
            (self.unserve_requested if model.served else self.serve_requested).emit(model.name)

    def _cancel(self) -> None:
        if self._entry is not None and self._entry.run is not None:
            self.cancel_requested.emit(self._entry.run.id)
