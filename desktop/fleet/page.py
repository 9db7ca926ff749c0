"""The Fleet page: how many instances there are and should be, and how each one is."""

from __future__ import annotations

import time
from collections.abc import Callable

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtGui import QGuiApplication, QHideEvent, QShowEvent
from PySide6.QtWidgets import (
    QFrame,
    QMenu,
    QPushButton,
    QWidget,
)

from desktop import theme
from desktop.fleet import wording
from desktop.fleet.attach_dialog import AttachDialog
from desktop.fleet.engine_strip import EngineStrip
from desktop.fleet.instance_count import InstanceCount
from desktop.fleet.instance_detail import InstanceDetail
from desktop.fleet.instance_split import InstanceSplit
from desktop.fleet.instance_table import InstanceTable
from desktop.fleet.instance_table_model import InstanceTableModel
from desktop.fleet.metric_history import MetricHistory
from desktop.formats import count
from desktop.translation import tr, tr_plural
from desktop.widgets import build
from desktop.widgets.empty_state import EmptyState
from desktop.widgets.page_body import CurrentStack, PageBody
from desktop.widgets.page_header import PageHeader
from desktop.widgets.plain_label import PlainLabel
from desktop.widgets.shrinking_buttons import ShrinkingButtons
from desktop.widgets.state_badge import StateBadge
from desktop.widgets.wrapping_row import WrappingRow
from serving.fleet.view import FleetView

FIRST_COUNT = 2
"""How many instances the button of the empty fleet starts."""


class FleetPage(QWidget):
    """Shows a FleetView; the page and its parts emit what a person asks for."""

    visibility_changed = Signal()
    """It can be seen, or no longer: another page was opened, or the window is minimized."""
    scale_requested = Signal(int)
    attach_requested = Signal(str)
    """Use the server at this address, which somebody else runs."""
    choose_engine_requested = Signal()
    nodes_requested = Signal()
    versions_requested = Signal(str)
    """Show the versions of a model, one of which can be promoted."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.is_seen = False
        self._history = MetricHistory()
        self._model = InstanceTableModel(self._history)

        self.header = PageHeader(tr("Fleet"))
        self.count = InstanceCount()
        self.table = InstanceTable(self._model)
        self.detail = InstanceDetail(self._history)
        self.empty = EmptyState(
            "empty-fleet",
            tr("No instance is running"),
            tr(
                "Instances classify the photos. Two share the work, and each"
                " takes over if the other fails."
            ),
            tr_plural("Start {count} instance", "Start {count} instances", FIRST_COUNT).format(
                count=FIRST_COUNT
            ),
        )
        self.stop_all = build.button(tr("Stop all"), "stop")
        self.limits = build.button(
            tr("Limits…"), "settings", tip=tr("What each instance may use, and what it runs from")
        )
        self.attach = build.button(
            tr("Attach…"), "plus", tip=tr("Use a server that runs already, here or elsewhere")
        )
        self.strip = EngineStrip()
        self.images = QPushButton(tr("Image"))
        self.images.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
        theme.set_icon(self.images, "chevron-down", side=12)
        self.images.setToolTip(tr("Get an image that containers run from"))
        self.images.setMenu(self._image_menu())
        self.images.hide()
        self.engine = QPushButton(tr("Engine"))
        self.engine.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
        theme.set_icon(self.engine, "chevron-down", side=12)
        self.engine.setToolTip(tr("Which container engine is used, and the nodes of its swarm"))
        self.engine.setMenu(self._engine_menu())
        self.why = build.icon_button(
            "info", tr("What the instances run on and serve, in full"), "muted"
        )
        self.why.setCheckable(True)
        self.reason = PlainLabel("", "muted", wrap=True, selectable=True, lines=3)
        self.reason.setContentsMargins(theme.L, 0, theme.L, theme.M)
        self.reason.hide()
        self._engine_usable = True
        self.why.toggled.connect(self._show_reason)
        self.header.add(self.why)
        self.header.add(self.engine)
        self.header.add(self.images)
        self.stack = build.button(
            tr("Export a stack…"),
            tip=tr("Write files by which Compose, Swarm or Kubernetes run the fleet"),
        )
        self.header.add(self.stack)

        self._split = InstanceSplit(self.table, self.detail)
        self._body = CurrentStack()
        self._body.addWidget(self.empty)
        self._body.addWidget(self._split)
        self._unknown = QWidget()
        self._body.addWidget(self._unknown)

        panels = (self.reason, self.strip, self._summary(), self._fault_banner())
        body = PageBody(*panels, (self._body, 1))
        build.column(self.header, (body, 1), parent=self, spacing=0)

        self._controls = (
            *(self.count, self.attach, self.limits, self.stop_all),
            *(self.engine, self.images, self.stack, self.why),
        )
        self._show_nothing(tr("Looking for instances."))

        self.count.count_requested.connect(self.scale_requested)
        self.attach.clicked.connect(self._open_attach_dialog)
        self.stop_all.clicked.connect(lambda: self.scale_requested.emit(0))
        self.empty.action_requested.connect(lambda: self.scale_requested.emit(FIRST_COUNT))
        self.table.selection_changed.connect(self._show_detail)
        self.table.menu_requested.connect(self._open_menu)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._set_seen(True)

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._set_seen(False)

    def _set_seen(self, seen: bool) -> None:
        self.is_seen = seen
        self.visibility_changed.emit()

    def show_unavailable(self, sentence: str) -> None:
        """Say why there is no fleet; nothing can be asked for."""
        self._show_nothing(sentence)

    def _show_nothing(self, sentence: str) -> None:
        self.state.setText(sentence)
        self._body.setCurrentWidget(self._unknown)
        for control in self._controls:
            control.setEnabled(False)

    def show_view(self, view: FleetView) -> None:
        """Show the fleet at one moment."""
        for control in self._controls:
            control.setEnabled(True)
        rows = self._model.rowCount()
        self._history.add(view, time.monotonic())
        self._model.show_view(view)
        self.header.sentence.setText(wording.engine_sentence(view))
        self.reason.setText(wording.details(view))
        # Only on a change: a new role polishes the style again, and views come every second.
        if view.engine_usable != self._engine_usable:
            self._engine_usable = view.engine_usable
            theme.set_role(self.reason, "muted" if view.engine_usable else "error")
        self._show_reason()
        self.count.show_desired_count(view.desired_count)
        self._show_states(view)
        self.stop_all.setEnabled(view.desired_count > 0 or bool(view.instances))
        self._body.setCurrentIndex(1 if view.instances_and_attached or view.desired_count else 0)
        self._show_detail()
        if rows != len(view.instances_and_attached):
            self._split.fit_table()

    def _summary(self) -> QWidget:
        panel = QFrame()
        theme.set_role(panel, "panel")
        self.ready_figure = PlainLabel("0")
        self.ready_figure.setFont(theme.font(theme.Size.TITLE, strong=True, numbers=True))
        self.ready_figure.setAccessibleName(tr("Ready instances"))
        self.ready_mark = StateBadge("queued", tr("Ready"))
        self.badges = {
            state: StateBadge(state, wording.STATE_WORDS[state]) for state in wording.COUNTED_STATES
        }
        self.state = PlainLabel(role="muted", wrap=True)

        caption = PlainLabel(tr("Desired"), "small")
        caption.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        states = WrappingRow(*self.badges.values(), self.state, words=self.state, spacing=theme.L)
        for badge in self.badges.values():
            badge.hide()
        figures = build.row(
            build.column(caption, self.count, spacing=theme.XS),
            (build.column(self.ready_mark, (self.ready_figure, 1), spacing=theme.XS), 1),
            ShrinkingButtons((self.attach, self.limits), self.stop_all),
            spacing=theme.XL,
        )
        build.column(
            figures,
            states,
            parent=panel,
            margins=(theme.L, theme.M, theme.L, theme.M),
        )
        around = QWidget()
        build.column(panel, parent=around, margins=(theme.L, 0, theme.L, theme.M))
        return around

    def _fault_banner(self) -> QWidget:
        """Why a live version cannot be served; hidden while nothing is known against any."""
        self.fault = PlainLabel(role="error", wrap=True, selectable=True, lines=3)
        self.versions = build.button(tr("Show versions"))
        self.versions.clicked.connect(self._show_versions)
        self._faulty_model = ""
        panel = QFrame()
        theme.set_role(panel, "panel")
        margins = (theme.L, theme.M, theme.M, theme.M)
        mark = build.icon("error", "failed", side=20)
        words = (self.fault, 1)
        build.row(mark, words, self.versions, parent=panel, spacing=theme.M, margins=margins)
        self.fault_banner = QWidget()
        build.column(panel, parent=self.fault_banner, margins=(theme.L, 0, theme.L, theme.M))
        self.fault_banner.hide()
        return self.fault_banner

    def _image_menu(self) -> QMenu:
        menu = QMenu(self.images)
        menu.addAction(tr("Pull…")).triggered.connect(self.strip.open_name_dialog)
        menu.addAction(tr("Load from a file…")).triggered.connect(self.strip.open_file_dialog)
        menu.addAction(tr("Build our own")).triggered.connect(self.strip.build_requested)
        return menu

    def _engine_menu(self) -> QMenu:
        menu = QMenu(self.engine)
        menu.addAction(tr("Choose the container engine…")).triggered.connect(
            self.choose_engine_requested
        )
        menu.addAction(tr("Nodes of the swarm…")).triggered.connect(self.nodes_requested)
        return menu

    def _show_reason(self) -> None:
        """Show the details when a person asks for them, and what is wrong in any case."""
        self.reason.setVisible(self.why.isChecked() or not self._engine_usable)
        self.why.setEnabled(self._engine_usable)

    def _show_states(self, view: FleetView) -> None:
        self.ready_figure.setText(count(view.ready))
        self.ready_mark.set_state("ready" if view.ready else "queued", tr("Ready"))
        counts = wording.state_counts(view)
        for state, badge in self.badges.items():
            badge.setVisible(state in counts)
            badge.set_state(state, counts.get(state, ""))
        sentences = (
            wording.state_sentence(view),
            wording.serving_sentence(view),
            wording.attached_count_sentence(view),
        )
        self.state.setText(" ".join(filter(None, sentences)))
        faults = wording.fault_sentences(view)
        self.fault.setText(faults)
        self.fault_banner.setVisible(bool(faults))
        self._faulty_model = next(iter(view.faults), "")
        self.versions.setAccessibleName(
            tr("Show the versions of {model}", model=self._faulty_model)
        )

    def _open_attach_dialog(self) -> None:
        dialog = AttachDialog(self)
        dialog.address_chosen.connect(self.attach_requested)
        dialog.open()

    def _show_versions(self) -> None:
        self.versions_requested.emit(self._faulty_model)

    def _show_detail(self) -> None:
        each = self.table.current
        self.detail.setVisible(each is not None)
        if each is not None:
            self.detail.show_instance(each)

    def _open_menu(self, position: QPoint) -> None:
        each = self.table.current
        if each is None:
            return
        # The instance of now: the selection may move while the menu is open.
        instance, detail = each.instance, self.detail
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)

        def add(name: str, enabled: bool, act: Callable[[str], object], argument: str) -> None:
            action = menu.addAction(name)
            action.setEnabled(enabled)
            action.triggered.connect(lambda: act(argument))

        add(tr("Restart"), detail.restart.isEnabled(), detail.restart_requested.emit, instance.id)
        add(detail.stop.text(), detail.stop.isEnabled(), detail.stop_requested.emit, instance.id)
        menu.addSeparator()
        add(
            tr("Copy the command"),
            detail.command.isEnabled(),
            detail.copy_command_requested.emit,
            instance.id,
        )
        for name, value in (
            (tr("Copy gRPC address"), instance.shown_grpc_address),
            (tr("Copy REST address"), instance.shown_rest_address),
            (tr("Copy id"), instance.id),
        ):
            add(name, bool(value), QGuiApplication.clipboard().setText, value or "")
        menu.popup(position)
