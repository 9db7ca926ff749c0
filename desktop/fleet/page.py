"""The Fleet page: how many instances there are and should be, and how each one is."""

from __future__ import annotations

import time
from collections.abc import Callable

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QFrame,
    QMenu,
    QPushButton,
    QStackedWidget,
    QWidget,
)

from desktop import theme
from desktop.fleet import wording
from desktop.fleet.engine_strip import EngineStrip
from desktop.fleet.instance_count import InstanceCount
from desktop.fleet.instance_detail import InstanceDetail
from desktop.fleet.instance_split import InstanceSplit
from desktop.fleet.instance_table import InstanceTable
from desktop.fleet.instance_table_model import InstanceTableModel
from desktop.fleet.metric_history import MetricHistory
from desktop.formats import plural
from desktop.widgets import build
from desktop.widgets.elided_label import ElidedLabel
from desktop.widgets.empty_state import EmptyState
from desktop.widgets.page_header import PageHeader
from desktop.widgets.plain_label import PlainLabel
from desktop.widgets.state_badge import StateBadge
from serving.fleet.view import FleetView

FIRST_COUNT = 2
"""How many instances the button of the empty fleet starts."""


class FleetPage(QWidget):
    """Shows a FleetView; the page and its parts emit what a person asks for."""

    scale_requested = Signal(int)
    versions_requested = Signal(str)
    """Show the versions of a model, one of which can be promoted."""

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
            "Instances classify the photos. Two share the work, and each takes over if the"
            " other fails.",
            f"Start {plural(FIRST_COUNT, 'instance')}",
        )
        self.stop_all = build.button("Stop all", "stop")
        self.limits = build.button(
            "Limits…", "settings", tip="What each instance may use, and what it runs from"
        )
        self.strip = EngineStrip()
        self.images = QPushButton("Image")
        self.images.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
        theme.set_icon(self.images, "chevron-down", side=12)
        self.images.setToolTip("Get an image that containers run from")
        self.images.setMenu(self._image_menu())
        self.images.hide()
        self.header.add(self.images)

        self._split = InstanceSplit(self.table, self.detail)
        self._body = QStackedWidget()
        self._body.addWidget(self.empty)
        self._body.addWidget(self._split)

        build.column(
            *(self.header, self.strip, self._summary(), self._fault_banner()),
            (self._body, 1),
            parent=self,
            spacing=0,
        )

        self.count.count_requested.connect(self.scale_requested)
        self.stop_all.clicked.connect(lambda: self.scale_requested.emit(0))
        self.empty.action_requested.connect(lambda: self.scale_requested.emit(FIRST_COUNT))
        self.table.selection_changed.connect(self._show_detail)
        self.table.menu_requested.connect(self._open_menu)

    def show_view(self, view: FleetView) -> None:
        """Show the fleet at one moment."""
        rows = self._model.rowCount()
        self._history.add(view, time.monotonic())
        self._model.show_view(view)
        self.header.sentence.setText(wording.engine_sentence(view))
        self.count.show_desired_count(view.desired_count)
        self._show_states(view)
        self.stop_all.setEnabled(view.desired_count > 0 or bool(view.instances))
        self._body.setCurrentIndex(1 if view.instances or view.desired_count else 0)
        self._show_detail()
        if rows != len(view.instances):
            self._split.fit_table()

    def _summary(self) -> QWidget:
        panel = QFrame()
        theme.set_role(panel, "panel")
        self.ready_figure = PlainLabel("0")
        self.ready_figure.setFont(theme.font(theme.Size.TITLE, strong=True, numbers=True))
        self.ready_figure.setAccessibleName("Ready instances")
        self.ready_mark = StateBadge("ready", "Ready")
        self.badges = {state: StateBadge(state) for state in wording.COUNTED_STATES}
        self.state = ElidedLabel(role="muted")

        caption = PlainLabel("Wanted", "small")
        caption.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        figure = build.row(
            self.ready_figure, *self.badges.values(), (self.state, 1), spacing=theme.L
        )
        for badge in self.badges.values():
            badge.hide()
        build.row(
            build.column(caption, self.count, spacing=theme.XS),
            (build.column(self.ready_mark, (figure, 1), spacing=theme.XS), 1),
            build.row(self.limits, self.stop_all),
            parent=panel,
            spacing=theme.XL,
            margins=(theme.L, theme.M, theme.L, theme.M),
        )
        around = QWidget()
        build.column(panel, parent=around, margins=(theme.L, 0, theme.L, theme.M))
        return around

    def _fault_banner(self) -> QWidget:
        """Why a live version cannot be served; hidden while nothing is known against any."""
        self.fault = PlainLabel(role="error", wrap=True, selectable=True)
        self.versions = build.button("Show versions")
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
        menu.addAction("Pull…").triggered.connect(self.strip.open_name_dialog)
        menu.addAction("Load from a file…").triggered.connect(self.strip.open_file_dialog)
        menu.addAction("Build our own").triggered.connect(self.strip.build_requested)
        return menu

    def _show_states(self, view: FleetView) -> None:
        self.ready_figure.setText(str(view.ready))
        self.ready_mark.set_state("ready" if view.ready else "queued", "Ready")
        counts = wording.state_counts(view)
        for state, badge in self.badges.items():
            badge.setVisible(state in counts)
            badge.set_state(state, counts.get(state, ""))
        self.state.setText(wording.state_sentence(view))
        faults = wording.fault_sentences(view)
        self.fault.setText(faults)
        self.fault_banner.setVisible(bool(faults))
        self._faulty_model = next(iter(view.faults), "")
        self.versions.setAccessibleName(f"Show the versions of {self._faulty_model}")

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

        add("Restart", detail.restart.isEnabled(), detail.restart_requested.emit, instance.id)
        add(detail.stop.text(), detail.stop.isEnabled(), detail.stop_requested.emit, instance.id)
        menu.addSeparator()
        add("Copy the command", True, detail.copy_command_requested.emit, instance.id)
        for name, value in (
            ("Copy gRPC address", instance.shown_grpc_address),
            ("Copy REST address", instance.shown_rest_address),
            ("Copy id", instance.id),
        ):
            add(name, bool(value), QGuiApplication.clipboard().setText, value or "")
        menu.popup(position)
