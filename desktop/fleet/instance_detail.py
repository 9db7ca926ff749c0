"""Everything about the selected instance: state, addresses, charts, log."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSplitter,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from desktop import theme
from desktop.fleet import wording
from desktop.fleet.activity import Activity
from desktop.fleet.instance_log import InstanceLog
from desktop.fleet.metric_history import UNKNOWN, MetricHistory
from desktop.widgets.copyable import Copyable
from desktop.widgets.elided_label import ElidedLabel
from desktop.widgets.state_badge import StateBadge
from serving.engines.protocol import InstanceState
from serving.fleet.view import InstanceView


class InstanceDetail(QWidget):
    """Shows one instance; its buttons act on that one."""

    restart_requested = Signal(str)
    stop_requested = Signal(str)
    """Stop this instance, and run one fewer; a failed one is only removed."""
    copy_command_requested = Signal(str)
    """Copy the command that starts such an instance."""

    def __init__(self, history: MetricHistory, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._each: InstanceView | None = None
        self.badge = StateBadge("stopped")
        self.name = ElidedLabel("", Qt.TextElideMode.ElideMiddle)
        theme.set_role(self.name, "heading")
        self.grpc, self.rest = Copyable(), Copyable()
        self.command = QToolButton()
        theme.set_icon(self.command, "copy", side=16)
        self.command.setAccessibleName("Copy the command that starts such an instance")
        self.command.setToolTip("Copy the command that starts such an instance")
        self.restart = QPushButton("Restart")
        theme.set_icon(self.restart, "restart", side=16)
        self.restart.setAccessibleName("Restart this instance")
        self.stop = QPushButton("Stop")
        theme.set_icon(self.stop, "stop", side=16)
        self.command.clicked.connect(lambda: self.copy_command_requested.emit(self._each_id()))
        self.restart.clicked.connect(lambda: self.restart_requested.emit(self._each_id()))
        self.stop.clicked.connect(lambda: self.stop_requested.emit(self._each_id()))

        head = QHBoxLayout()
        head.setSpacing(theme.S)
        head.addWidget(self.badge)
        head.addWidget(self.name, 1)
        for caption, address in (("gRPC", self.grpc), ("REST", self.rest)):
            label = QLabel(caption)
            theme.set_role(label, "small")
            label.setBuddy(address)
            head.addWidget(label)
            head.addWidget(address)
        head.addSpacing(theme.S)
        head.addWidget(self.command)
        head.addWidget(self.restart)
        head.addWidget(self.stop)

        self.activity = Activity(history)
        self.log = InstanceLog()
        sides = QSplitter(Qt.Orientation.Horizontal)
        sides.setChildrenCollapsible(False)
        sides.addWidget(self.activity)
        sides.addWidget(self.log)
        sides.setStretchFactor(0, 2)
        sides.setStretchFactor(1, 3)

        self.problem = QLabel()
        self.problem.setWordWrap(True)
        self.problem.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._banner = QFrame()
        theme.set_role(self._banner, "panel")
        banner = QVBoxLayout(self._banner)
        banner.setContentsMargins(theme.M, theme.S, theme.M, theme.S)
        banner.addWidget(self.problem)
        self._banner.hide()

        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.L, theme.M, theme.L, theme.L)
        layout.setSpacing(theme.M)
        layout.addLayout(head)
        layout.addWidget(self._banner)
        layout.addWidget(sides, 1)

    def show_instance(self, each: InstanceView) -> None:
        """Show how `each` is now."""
        self._each = each
        state = str(each.state)
        self.badge.set_state(state)
        self.name.setText(each.instance.id)
        for address, value in (
            (self.grpc, each.instance.grpc_address),
            (self.rest, each.instance.rest_address),
        ):
            address.set_value(value or UNKNOWN)
            address.setEnabled(value is not None)
        problem = wording.problem_sentence(each)
        self.problem.setText(problem)
        self._banner.setVisible(bool(problem))
        failed = each.state is InstanceState.FAILED
        if failed != (self.problem.property("role") == "error"):
            theme.set_role(self.problem, "error" if failed else "")
        self.activity.setVisible(not failed)
        self.log.setContentsMargins(0 if failed else theme.L, 0, 0, 0)
        self.activity.show_instance(each.instance.id)
        going = each.state in (InstanceState.DRAINING, InstanceState.STOPPED)
        self.restart.setEnabled(not going)
        self.stop.setEnabled(not going)
        self.stop.setText("Remove" if failed else "Stop")
        self.stop.setAccessibleName(f"{self.stop.text()} this instance")
        self.log.show_instance(each.instance.id)

    def _each_id(self) -> str:
        return self._each.instance.id if self._each is not None else ""
