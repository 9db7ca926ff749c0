"""One node of a swarm, in a line: its state, where it is, what it has, and its buttons."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame

from desktop import theme
from desktop.fleet import wording
from desktop.translation import tr
from desktop.widgets import build
from desktop.widgets.copyable import Copyable
from desktop.widgets.plain_label import PlainLabel
from desktop.widgets.state_badge import StateBadge
from serving.engines.swarm.membership import Node, NodeAvailability


class NodeRow(QFrame):
    """Shows a Node; emits what a person asks of it."""

    availability_requested = Signal(object)
    """NodeAvailability"""
    remove_requested = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._availability = NodeAvailability.ACTIVE
        self.badge = StateBadge("ready", tr("Ready"))
        self.badge.setFixedWidth(110)
        self.name = PlainLabel(role="heading")
        self.facts = PlainLabel(role="muted", wrap=True)
        self.facts.setFont(theme.font(numbers=True))
        self.address = Copyable()
        self.problem = PlainLabel(role="error", wrap=True)
        self.switch = build.button(tr("Drain"))
        self.switch.setMinimumWidth(112)
        self.remove = build.icon_button("trash", tr("Remove from the swarm…"))
        # So that the buttons of all rows stand in columns.
        policy = self.remove.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.remove.setSizePolicy(policy)
        build.row(
            self.badge,
            (build.column(self.name, self.facts, self.problem, spacing=2), 1),
            self.address,
            self.switch,
            self.remove,
            parent=self,
            spacing=theme.M,
            margins=(0, theme.S, theme.S, theme.S),
        )
        self.switch.clicked.connect(lambda: self.availability_requested.emit(self._availability))
        self.remove.clicked.connect(self.remove_requested)

    def show_node(self, node: Node, *, is_last: bool) -> None:
        """Show a node; `is_last` says that no other one could run what it runs."""
        state, word = wording.node_state(node)
        self.badge.set_state(state, word)
        self.name.setText(wording.node_name(node))
        self.facts.setText(wording.node_facts(node))
        self.address.set_value(node.address)
        self.address.setVisible(bool(node.address))
        problem = wording.node_problem(node)
        self.problem.setText(problem)
        self.problem.setVisible(bool(problem))
        active = node.availability is NodeAvailability.ACTIVE
        self._availability = NodeAvailability.DRAIN if active else NodeAvailability.ACTIVE
        self.switch.setText(tr("Drain") if active else tr("Make active"))
        self.switch.setEnabled(not (active and is_last))
        self.switch.setToolTip(
            tr("No other node could run what runs here.")
            if active and is_last
            else tr("What runs here moves to other nodes.")
            if active
            else tr("The swarm runs instances here again.")
        )
        self.switch.setAccessibleName(
            tr("Drain {node}", node=node.name)
            if active
            else tr("Make {node} active", node=node.name)
        )
        self.remove.setVisible(not node.here)
