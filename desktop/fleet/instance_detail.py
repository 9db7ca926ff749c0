"""The selected instance: its state, addresses, charts and log."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QFrame,
    QSplitter,
    QToolButton,
    QWidget,
)

from desktop import theme
from desktop.fleet import wording
from desktop.fleet.activity import Activity
from desktop.fleet.instance_log import InstanceLog
from desktop.fleet.metric_history import UNKNOWN, MetricHistory
from desktop.translation import tr
from desktop.widgets import build
from desktop.widgets.copyable import Copyable
from desktop.widgets.elided_label import ElidedLabel
from desktop.widgets.plain_label import PlainLabel
from desktop.widgets.plain_text import tooltip
from desktop.widgets.state_badge import StateBadge
from desktop.widgets.wrapping_row import WrappingRow
from serving.engines.protocol import InstanceState
from serving.fleet.view import InstanceView
from serving.socket_address import socket_path

_MIN_NAME_WIDTH = 80
"""Pixels of the name beside the addresses."""


class InstanceDetail(QWidget):
    """Shows one instance, with the buttons that act on it."""

    restart_requested = Signal(str)
    stop_requested = Signal(str)
    """Stop this instance, and run one fewer; a failed one is only removed."""
    detach_requested = Signal(str)
    """No longer use this server, which somebody else runs."""
    copy_command_requested = Signal(str)
    """Copy the command that starts such an instance."""

    def __init__(self, history: MetricHistory, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._each: InstanceView | None = None
        self.badge = StateBadge("stopped", wording.STATE_WORDS[InstanceState.STOPPED])
        self.name = ElidedLabel(role="heading", mode=Qt.TextElideMode.ElideMiddle)
        self.grpc, self.rest = Copyable(), Copyable()
        self.command = QToolButton()
        theme.set_icon(self.command, "copy", side=16)
        self.command.setAccessibleName(tr("Copy the command that starts such an instance"))
        self.command.setToolTip(tr("Copy the command that starts such an instance"))
        self.restart = build.button(tr("Restart"), "restart")
        self.restart.setAccessibleName(tr("Restart this instance"))
        self.stop = build.button(tr("Stop"), "stop")
        self.command.clicked.connect(lambda: self.copy_command_requested.emit(self._each_id()))
        self.restart.clicked.connect(lambda: self.restart_requested.emit(self._each_id()))
        self.stop.clicked.connect(self._on_stop)

        addresses = []
        for caption, address in (("gRPC", self.grpc), ("REST", self.rest)):
            label, captioned = PlainLabel(caption, "small"), QWidget()
            label.setBuddy(address)
            build.row(label, address, parent=captioned)
            addresses.append(captioned)
        buttons = WrappingRow(self.command, self.restart, self.stop)
        parts = (self.badge, self.name, *addresses, buttons)
        head = WrappingRow(*parts, words=self.name, min_words=_MIN_NAME_WIDTH)

        self.activity = Activity(history)
        self.log = InstanceLog()
        sides = QSplitter(Qt.Orientation.Horizontal)
        sides.setChildrenCollapsible(False)
        sides.addWidget(self.activity)
        sides.addWidget(self.log)
        sides.setStretchFactor(0, 2)
        sides.setStretchFactor(1, 3)
        sides.setSizes([2000, 3000])  # which counts until a person moves the handle

        self.problem = PlainLabel(wrap=True, selectable=True)
        self._banner = QFrame()
        theme.set_role(self._banner, "panel")
        build.row(self.problem, parent=self._banner, margins=(theme.M, theme.S, theme.M, theme.S))
        self._banner.hide()
        build.column(
            head,
            self._banner,
            (sides, 1),
            parent=self,
            spacing=theme.M,
            margins=(theme.L, theme.M, theme.L, theme.L),
        )

    def show_instance(self, each: InstanceView) -> None:
        """Show an instance at one moment."""
        self._each = each
        self.badge.set_state(each.state, wording.STATE_WORDS[each.state])
        self.name.setText(each.instance.id)
        for address, value in (
            (self.grpc, each.instance.shown_grpc_address),
            (self.rest, each.instance.shown_rest_address),
        ):
            is_socket = value is not None and socket_path(value) is not None
            address.set_value(value or UNKNOWN, wording.SOCKET if is_socket else "")
            address.setToolTip(
                tooltip(tr("Copy {address}", address=value) if is_socket else tr("Copy"))
            )
            address.setEnabled(value is not None)
        problem = wording.problem_sentence(each)
        self.problem.setText(problem)
        self._banner.setVisible(bool(problem))
        failed = each.state is InstanceState.FAILED
        # Only on a change: a new role polishes the style again, and views come every second.
        if failed != (self.problem.property("role") == "error"):
            theme.set_role(self.problem, "error" if failed else "")
        self.activity.setVisible(not failed)
        self.log.setContentsMargins(0 if failed else theme.L, 0, 0, 0)
        self.activity.show_instance(each.instance.id)
        stopping = each.state in (InstanceState.DRAINING, InstanceState.STOPPED)
        attached = wording.is_attached(each)
        self.restart.setEnabled(not stopping and not attached)
        self.command.setEnabled(not attached)
        self.stop.setEnabled(not stopping)
        text, name = (
            (tr("Detach"), tr("Detach this instance"))
            if attached
            else (tr("Remove"), tr("Remove this instance"))
            if failed
            else (tr("Stop"), tr("Stop this instance"))
        )
        self.stop.setText(text)
        self.stop.setToolTip(
            tr("Send it no more photos; it runs on")
            if attached
            else ""
            if failed
            else tr("Stop this instance, and run one fewer")
        )
        self.restart.setToolTip(
            tr("Somebody else runs it.")
            if attached
            else tr("A new instance starts before this one stops.")
        )
        self.stop.setAccessibleName(name)
        self.log.show_instance(each.instance.id, kept_elsewhere=attached)

    def _on_stop(self) -> None:
        attached = self._each is not None and wording.is_attached(self._each)
        (self.detach_requested if attached else self.stop_requested).emit(self._each_id())

    def _each_id(self) -> str:
        return self._each.instance.id if self._each is not None else ""
