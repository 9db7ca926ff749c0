"""The Fleet page: how many instances there are and should be, and how each one is."""

from __future__ import annotations

import time

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtGui import QAction, QGuiApplication, QResizeEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QSplitter,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from desktop import theme
from desktop.fleet import wording
from desktop.fleet.engine_strip import EngineStrip
from desktop.fleet.instance_count import InstanceCount
from desktop.fleet.instance_detail import InstanceDetail
from desktop.fleet.instance_table import InstanceTable, InstanceTableModel
from desktop.fleet.metric_history import MetricHistory
from desktop.formats import plural
from desktop.widgets.elided_label import ElidedLabel
from desktop.widgets.empty_state import EmptyState
from desktop.widgets.page_header import PageHeader
from desktop.widgets.state_badge import StateBadge
from serving.engines.protocol import InstanceState
from serving.fleet.view import FleetView

FIRST_COUNT = 2
"""How many instances the button of the empty fleet starts."""


class FleetPage(QWidget):
    """Shows a FleetView; the page and its parts emit what a person asks for."""

    scale_requested = Signal(int)
    selection_changed = Signal(object)
    """The id of the selected instance, or None."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._history = MetricHistory()
        self._model = InstanceTableModel(self._history)

        self.header = PageHeader("Fleet")
        self.count = InstanceCount()
        self.table = InstanceTable(self._model)
        self.detail = InstanceDetail(self._history)
        self.empty = EmptyState(
            "empty-fleet",
            "No instance is running",
            "Instances answer when a photo is to be classified. Two share the work and"
            " stand in for each other.",
            f"Start {plural(FIRST_COUNT, 'instance')}",
        )
        self.stop_all = QPushButton("Stop all")
        theme.set_icon(self.stop_all, "stop", side=16)
        self.limits = QPushButton("Limits…")
        theme.set_icon(self.limits, "settings", side=16)
        self.limits.setToolTip("What each instance may use, and what it runs from")
        self.strip = EngineStrip()
        self.images = QPushButton("Image")
        self.images.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
        theme.set_icon(self.images, "chevron-down", side=12)
        self.images.setToolTip("Get an image that containers run from")
        self.images.setMenu(self._image_menu())
        self.images.hide()
        self.header.add(self.images)

        self._split = QSplitter(Qt.Orientation.Vertical)
        self._split.setChildrenCollapsible(False)
        self._split.addWidget(self._framed_table())
        self._split.addWidget(self.detail)
        self._split.setStretchFactor(0, 0)
        self._split.setStretchFactor(1, 1)
        self._split_by_hand = False
        self._split.splitterMoved.connect(self._keep_split)
        self._body = QStackedWidget()
        self._body.addWidget(self.empty)
        self._body.addWidget(self._split)

        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.header)
        layout.addWidget(self.strip)
        layout.addWidget(self._summary())
        layout.addWidget(self._body, 1)

        self.count.count_requested.connect(self.scale_requested)
        self.stop_all.clicked.connect(lambda: self.scale_requested.emit(0))
        self.empty.action_requested.connect(lambda: self.scale_requested.emit(FIRST_COUNT))
        self.table.selection_changed.connect(self._select)
        self.table.menu_requested.connect(self._open_menu)

    @property
    def selected_id(self) -> str | None:
        return self.table.selected_id

    def show_view(self, view: FleetView) -> None:
        """Show the fleet as `view` says it is."""
        rows = self._model.rowCount()
        self._history.add(view, time.monotonic())
        self._model.show_view(view)
        self.header.sentence.setText(wording.engine_sentence(view))
        self.count.show_desired_count(view.desired_count)
        self.ready_figure.setText(str(view.ready))
        self._show_states(view)
        self.stop_all.setEnabled(view.desired_count > 0 or bool(view.instances))
        self._body.setCurrentIndex(1 if view.instances or view.desired_count else 0)
        self._show_detail()
        if rows != len(view.instances):
            self._fit_split()

    def show_log(self, instance_id: str, latest: list[str]) -> None:
        """Show the last lines that an instance printed, where it is still selected."""
        self.detail.log.show_latest(instance_id, latest)

    def add_to_log(self, instance_id: str, new: list[str]) -> None:
        """Show the lines that an instance printed since, where it is still selected."""
        self.detail.log.add(instance_id, new)

    def _summary(self) -> QWidget:
        panel = QFrame()
        theme.set_role(panel, "panel")
        self.ready_figure = QLabel("0")
        self.ready_figure.setFont(theme.font(theme.Size.TITLE, strong=True, numbers=True))
        self.ready_figure.setAccessibleName("Ready instances")
        self.ready_mark = StateBadge("ready", "Ready")
        self.badges = {
            state: StateBadge(state)
            for state in (InstanceState.STARTING, InstanceState.DRAINING, InstanceState.FAILED)
        }
        self.state = ElidedLabel("")
        theme.set_role(self.state, "muted")

        wanted = QVBoxLayout()
        wanted.setSpacing(theme.XS)
        wanted.addWidget(_caption("Wanted"), 0, Qt.AlignmentFlag.AlignHCenter)
        wanted.addWidget(self.count)
        ready = QVBoxLayout()
        ready.setSpacing(theme.XS)
        ready.addWidget(self.ready_mark)
        figure = QHBoxLayout()
        figure.setSpacing(theme.L)
        figure.addWidget(self.ready_figure)
        for badge in self.badges.values():
            figure.addWidget(badge)
            badge.hide()
        figure.addWidget(self.state, 1)
        ready.addLayout(figure, 1)

        row = QHBoxLayout(panel)
        row.setContentsMargins(theme.L, theme.M, theme.L, theme.M)
        row.setSpacing(theme.XL)
        row.addLayout(wanted)
        row.addLayout(ready, 1)
        buttons = QHBoxLayout()
        buttons.setSpacing(theme.S)
        buttons.addWidget(self.limits)
        buttons.addWidget(self.stop_all)
        row.addLayout(buttons)
        return _framed(panel)

    def _image_menu(self) -> QMenu:
        menu = QMenu(self.images)
        menu.addAction("Pull…").triggered.connect(self.strip.open_name_dialog)
        menu.addAction("Load from a file…").triggered.connect(self.strip.open_file_dialog)
        menu.addAction("Build our own").triggered.connect(self.strip.build_requested)
        return menu

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit_split()

    def _keep_split(self) -> None:
        self._split_by_hand = True

    def _fit_split(self) -> None:
        """Give the table the height of its rows, up to half; the rest is for the detail."""
        if not self._split_by_hand:
            whole = self._split.height()
            table = min(self.table.full_height + theme.L, whole // 2)
            self._split.setSizes([table, whole - table])

    def _framed_table(self) -> QWidget:
        around = QWidget()
        layout = QVBoxLayout(around)
        layout.setContentsMargins(theme.L, 0, theme.L, theme.S)
        layout.addWidget(self.table)
        return around

    def _show_states(self, view: FleetView) -> None:
        self.ready_figure.setText(str(view.ready))
        self.ready_mark.set_state("ready" if view.ready else "queued", "Ready")
        told = wording.state_counts(view)
        for state, badge in self.badges.items():
            badge.setVisible(state in told)
            if state in told:
                badge.set_state(state, told[state])
        self.state.setText(wording.state_sentence(view))

    def _select(self, instance_id: str | None) -> None:
        self._show_detail()
        self.selection_changed.emit(instance_id)

    def _show_detail(self) -> None:
        each = self._model.at(self.table.currentIndex().row())
        self.detail.setVisible(each is not None)
        if each is not None:
            self.detail.show_instance(each)

    def _open_menu(self, position: QPoint) -> None:
        each = self._model.at(self.table.currentIndex().row())
        if each is None:
            return
        # Kept for the actions below: the selection may move while the menu is open.
        instance = each.instance
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        _entry(menu, "Restart", self.detail.restart.isEnabled()).triggered.connect(
            lambda: self.detail.restart_requested.emit(instance.id)
        )
        _entry(menu, self.detail.stop.text(), self.detail.stop.isEnabled()).triggered.connect(
            lambda: self.detail.stop_requested.emit(instance.id)
        )
        menu.addSeparator()
        _entry(menu, "Copy the command", True).triggered.connect(
            lambda: self.detail.copy_command_requested.emit(instance.id)
        )
        for name, value in (
            ("Copy gRPC address", instance.grpc_address),
            ("Copy REST address", instance.rest_address),
            ("Copy id", instance.id),
        ):
            text = value or ""
            _entry(menu, name, bool(text)).triggered.connect(
                lambda _checked=False, text=text: QGuiApplication.clipboard().setText(text)
            )
        menu.popup(position)


def _framed(widget: QWidget) -> QWidget:
    around = QWidget()
    layout = QVBoxLayout(around)
    layout.setContentsMargins(theme.L, 0, theme.L, theme.M)
    layout.addWidget(widget)
    return around


def _caption(text: str) -> QLabel:
    label = QLabel(text)
    theme.set_role(label, "small")
    return label


def _entry(menu: QMenu, text: str, enabled: bool) -> QAction:
    action = menu.addAction(text)
    action.setEnabled(enabled)
    return action
