"""The nodes of a swarm: which there are, what each has, and how another machine becomes one."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QLineEdit,
    QScrollArea,
    QStackedWidget,
    QWidget,
)

from desktop import theme
from desktop.fleet import wording
from desktop.fleet.node_row import NodeRow
from desktop.translation import tr
from desktop.widgets import build
from desktop.widgets.dialogs import Dialog, ReturnField
from desktop.widgets.plain_label import PlainLabel
from desktop.widgets.question import Question
from serving.engines.swarm.membership import (
    Membership,
    Node,
    NodeAvailability,
    SwarmState,
)

ABOUT_SWARMS = tr(
    "Several machines with a Docker Engine each can run the instances"
    " together, as the nodes of a swarm: it moves instances away from a node"
    " that fails."
)
COPIED_SECONDS = 4.0
_LIST_HEIGHT = 540
"""Pixels of the dialog, so that several nodes are in view."""
_COPY = tr("Copy the command")


class NodesDialog(Dialog):
    """Shows what the engine is to a swarm, and emits what a person asks for."""

    start_requested = Signal(str)
    """The address of the engine's machine."""
    join_requested = Signal(str, str, str)
    """A manager's address, the token, and the address of the engine's machine."""
    copy_command_requested = Signal(bool)
    """Whether for a node that may manage the swarm, too."""
    availability_requested = Signal(str, object)
    """The id of a node, and a NodeAvailability."""
    remove_requested = Signal(str)
    leave_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(tr("Nodes"), parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setMinimumSize(720, 360)
        self._nodes: list[Node] = []
        self.rows: dict[str, NodeRow] = {}
        self.sentence = PlainLabel(tr("Asking the container engine."), "heading", wrap=True)
        self.advice = PlainLabel(role="muted", wrap=True, selectable=True)
        self.problem = PlainLabel(role="error", wrap=True, selectable=True)
        self.leave = build.button(tr("Leave the swarm…"), role="quiet")
        self.close_button = build.button(tr("Close"))
        self.close_button.setDefault(True)
        self._pages = QStackedWidget()
        self._empty, self._outside, self._list = QWidget(), self._new_outside(), self._new_list()
        for page in (self._empty, self._outside, self._list):
            self._pages.addWidget(page)
        build.column(
            self.sentence,
            self.advice,
            (self._pages, 1),
            self.problem,
            build.row(self.leave, None, self.close_button),
            parent=self,
            spacing=theme.M,
            margins=(theme.XL, theme.XL, theme.XL, theme.L),
        )
        self.problem.hide()
        self.leave.hide()
        self.leave.clicked.connect(self.leave_requested)
        self.close_button.clicked.connect(self.reject)
        self.close_button.setFocus()

    def show_membership(self, membership: Membership, nodes: Sequence[Node]) -> None:
        """Show the swarm at one moment."""
        self.sentence.setText(wording.membership_sentence(membership))
        outside = membership.state is SwarmState.NONE
        self.advice.setText(ABOUT_SWARMS if outside else wording.membership_advice(membership))
        self.advice.setVisible(bool(self.advice.text()))
        self.leave.setVisible(membership.belongs)
        page = self._outside if outside else self._list if membership.manages else self._empty
        if page is self._list and self._pages.currentWidget() is not page:
            self.resize(self.width(), max(self.height(), _LIST_HEIGHT))
        self._pages.setCurrentWidget(page)
        self._show_nodes(list(nodes))

    def show_unavailable(self, sentence: str) -> None:
        """Say why nothing is known of a swarm now."""
        self.sentence.setText(sentence)
        self.advice.hide()
        self.leave.hide()
        self._pages.setCurrentWidget(self._empty)

    def show_problem(self, sentence: str) -> None:
        """Say why what a person asked for was not done; nothing hides it."""
        self.problem.setText(sentence)
        self.problem.setVisible(bool(sentence))

    def set_addresses(self, addresses: Sequence[str]) -> None:
        """Offer addresses of the engine's machine, the best first."""
        self.address.clear()
        self.address.addItems(list(addresses))

    def set_busy(self, busy: bool) -> None:
        """Take no further request until this one is carried out."""
        for widget in (self._pages, self.leave):
            widget.setEnabled(not busy)

    def show_copied(self) -> None:
        """Say for a moment that the command is on the clipboard."""
        self.copy.setText(tr("Copied"))
        QTimer.singleShot(int(COPIED_SECONDS * 1000), self, lambda: self.copy.setText(_COPY))

    def put_on_clipboard(self, command: str) -> None:
        """Let a person paste the command, which has a secret in it and is not shown."""
        QGuiApplication.clipboard().setText(command)
        self.show_copied()

    def ask(self, question: str, explanation: str, action: str) -> Question:
        """Return a question with a button `action`, to be opened."""
        made = Question(self, tr("Nodes"), question, explanation)
        made.addButton(action, Question.ButtonRole.AcceptRole)
        cancel = made.addButton(tr("Cancel"), Question.ButtonRole.RejectRole)
        made.setDefaultButton(cancel)
        return made

    def _new_outside(self) -> QWidget:
        self.address = QComboBox()
        address = ReturnField()
        self.address.setLineEdit(address)
        self.address.setAccessibleName(tr("Address of the engine's machine"))
        self.start = build.button(tr("Start a swarm"), role="primary")
        self.start.clicked.connect(
            lambda: self.start_requested.emit(self.address.currentText().strip())
        )
        address.returnPressed.connect(self.start.click)
        self.manager, self.token = ReturnField(), ReturnField()
        self.manager.setAccessibleName(tr("Address of a manager"))
        self.manager.setPlaceholderText(tr("Manager, such as 192.168.1.20:2377"))
        self.token.setAccessibleName(tr("Token"))
        self.token.setPlaceholderText(tr("Token, which begins with SWMTKN-"))
        self.token.setEchoMode(QLineEdit.EchoMode.Password)
        self.join = build.button(tr("Join"))
        self.join.clicked.connect(self._request_join)
        for field in (self.manager, self.token):
            field.returnPressed.connect(self.join.click)
        page = QWidget()
        build.column(
            PlainLabel(
                tr("Address of this engine's machine in the network of the nodes"), "heading"
            ),
            build.row((self.address, 1), self.start),
            PlainLabel(wording.PORTS_SENTENCE, "small", wrap=True),
            theme.M,
            PlainLabel(tr("Or join a swarm that there is"), "heading"),
            build.row((self.manager, 1), (self.token, 1), self.join),
            None,
            parent=page,
        )
        return page

    def _new_list(self) -> QWidget:
        content = QWidget()
        self._column = build.column(None, parent=content, spacing=0)
        area = QScrollArea()
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setWidget(content)
        self.copy = build.button(_COPY, role="primary")
        self.copy_manager = build.button(tr("Copy it for a manager"))
        self.copy.clicked.connect(lambda: self.copy_command_requested.emit(False))
        self.copy_manager.clicked.connect(lambda: self.copy_command_requested.emit(True))
        add = QFrame()
        theme.set_role(add, "panel")
        words = build.column(
            PlainLabel(tr("Add a node"), "heading"),
            PlainLabel(
                tr(
                    "Run the command on another machine with a Docker Engine. It"
                    " has a secret in it: whoever knows that can join."
                )
                + f" {wording.PORTS_SENTENCE}",
                "muted",
                wrap=True,
            ),
            spacing=theme.XS,
        )
        build.column(
            words,
            build.row(None, self.copy_manager, self.copy),
            parent=add,
            spacing=theme.M,
            margins=(theme.L, theme.M, theme.M, theme.M),
        )
        page = QWidget()
        build.column((area, 1), add, parent=page, spacing=theme.M)
        return page

    def _show_nodes(self, nodes: list[Node]) -> None:
        if [node.id for node in nodes] != list(self.rows):
            for row in self.rows.values():
                self._column.removeWidget(row)
                row.deleteLater()
            self.rows = {node.id: self._new_row(node) for node in nodes}
            for index, row in enumerate(self.rows.values()):
                self._column.insertWidget(index, row)
        others_usable = sum(node.usable for node in nodes)
        for node in nodes:
            self.rows[node.id].show_node(node, is_last=node.usable and others_usable == 1)

    def _new_row(self, node: Node) -> NodeRow:
        row = NodeRow()
        row.availability_requested.connect(
            lambda availability: self._request_availability(node.id, availability)
        )
        row.remove_requested.connect(lambda: self.remove_requested.emit(node.id))
        return row

    def _request_availability(self, node_id: str, availability: NodeAvailability) -> None:
        self.availability_requested.emit(node_id, availability)

    def _request_join(self) -> None:
        token = self.token.text().strip()
        self.token.clear()  # a secret that is not needed again
        address = self.address.currentText().strip()
        self.join_requested.emit(self.manager.text().strip(), token, address)
