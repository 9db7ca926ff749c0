"""Connects the Fleet page to the choice of the engine, and to the nodes of its swarm."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from desktop.fleet import wording
from desktop.fleet.engine_dialog import EngineDialog
from desktop.fleet.engines import FleetEngines
from desktop.fleet.nodes_dialog import NodesDialog
from desktop.fleet.page import FleetPage
from desktop.jobs import Jobs
from desktop.notifications import Notifications
from desktop.service_sentences import translated
from desktop.translation import tr
from serving.engines.docker.chosen_engine import choose
from serving.engines.docker.endpoints import (
    HostEnvironment,
    docker_contexts,
    environment_variable,
)
from serving.engines.docker.errors import EngineUnavailable
from serving.engines.engine_address import EngineAddress, chosen_address
from serving.engines.swarm.membership import NodeAvailability
from serving.engines.swarm.nodes import SwarmNodes
from serving.errors import EngineError, ServeryError
from serving.progress import Report
from serving.workspace import Workspace

POLL_SECONDS = 2.0
"""Between two looks at the nodes while their dialog is open."""


class NodesPresenter:
    """Opens the dialogs, and carries out what a person asks in them."""

    def __init__(
        self,
        page: FleetPage,
        engines: FleetEngines,
        workspace: Workspace,
        jobs: Jobs,
        notifications: Notifications,
    ) -> None:
        self._page = page
        self._engines = engines
        self._workspace = workspace
        self._jobs = jobs
        self._notifications = notifications
        page.choose_engine_requested.connect(self.open_engine_dialog)
        page.nodes_requested.connect(self.open_nodes_dialog)

    def open_engine_dialog(self) -> EngineDialog:
        """Ask which container engine to use."""
        host = HostEnvironment.current()
        dialog = EngineDialog(
            chosen_address(self._workspace),
            [(each.name, each.url) for each in docker_contexts(host)],
            environment_variable(host),
            self._page.window(),
        )
        dialog.finished.connect(dialog.deleteLater)
        dialog.address_requested.connect(
            lambda address, unchecked: self._choose(dialog, address, unchecked)
        )
        dialog.open()
        return dialog

    def _choose(self, dialog: EngineDialog, address: EngineAddress, unchecked: bool) -> None:
        is_open = _until_closed(dialog)

        async def work(report: Report) -> None:
            report(0, 0, tr("Asking the container engine."))
            try:
                sentence = await choose(self._workspace, address, unchecked=unchecked)
            except EngineError as error:
                if not is_open():
                    raise
                later = isinstance(error, EngineUnavailable)
                dialog.set_busy(False)
                dialog.show_problem(translated(str(error)), answers_later=later)
                return
            await self._engines.follow_choice()
            self._notifications.info(
                sentence or tr("The engine is {address} from now on.", address=address)
            )
            if is_open():
                dialog.accept()

        dialog.set_busy(True)
        self._jobs.start(tr("Choose the engine"), work)

    def open_nodes_dialog(self) -> NodesDialog:
        """Show the nodes of the swarm, until the dialog is closed."""
        dialog = NodesDialog(self._page.window())
        nodes = _OpenNodes(dialog, self._engines.nodes, self._jobs)
        dialog.open()
        nodes.watch()
        return dialog


class _OpenNodes:
    """The dialog of the nodes while it is open."""

    def __init__(self, dialog: NodesDialog, swarm: SwarmNodes, jobs: Jobs) -> None:
        self._dialog = dialog
        self._swarm = swarm
        self._jobs = jobs
        self._is_open = _until_closed(dialog)
        self._look_again = asyncio.Event()
        dialog.start_requested.connect(self._ask_start)
        dialog.join_requested.connect(self._join)
        dialog.copy_command_requested.connect(self._copy_command)
        dialog.availability_requested.connect(self._set_availability)
        dialog.remove_requested.connect(self._ask_remove)
        dialog.leave_requested.connect(self._ask_leave)

    def watch(self) -> None:
        job = self._jobs.start("Watch the nodes", self._watch, background=True)
        self._dialog.finished.connect(lambda _: job.cancel())

    async def _watch(self, report: Report) -> None:
        """Show the swarm again and again, until cancelled."""
        has_addresses = False
        while True:
            self._look_again.clear()
            try:
                membership = await self._swarm.membership()
                nodes = await self._swarm.nodes() if membership.manages else []
                if not has_addresses:
                    self._dialog.set_addresses(await self._swarm.addresses())
                    has_addresses = True
                self._dialog.show_membership(membership, nodes)
            except EngineError as error:
                self._dialog.show_unavailable(translated(str(error)))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._look_again.wait()

    def _ask_start(self, address: str) -> None:
        question = self._dialog.ask(
            tr("Start a swarm at {address}?", address=address),
            wording.PORTS_SENTENCE,
            tr("Start a swarm"),
        )
        question.accepted.connect(lambda: self._start(address))
        question.open()

    def _start(self, address: str) -> None:
        self._carry_out(tr("Start a swarm"), lambda: self._swarm.start(address))

    def _join(self, manager: str, token: str, address: str) -> None:
        self._carry_out(tr("Join a swarm"), lambda: self._swarm.join(manager, token, address))

    def _copy_command(self, manager: bool) -> None:
        async def copy() -> None:
            command = await self._swarm.join_command(manager=manager)
            if self._is_open():
                self._dialog.put_on_clipboard(command)

        self._carry_out(tr("Copy the command"), copy)

    def _set_availability(self, node_id: str, availability: NodeAvailability) -> None:
        title = (
            tr("Drain a node")
            if availability is NodeAvailability.DRAIN
            else tr("Make a node active")
        )
        self._carry_out(title, lambda: self._swarm.set_availability(node_id, availability))

    def _ask_remove(self, node_id: str) -> None:
        node = self._dialog.rows[node_id].name.text()
        question = self._dialog.ask(
            tr("Remove {node} from the swarm?", node=node),
            tr(
                "The swarm runs nothing on it any more, and what runs there"
                " moves to other nodes. Run `docker swarm leave` there, too."
            ),
            tr("Remove"),
        )
        question.accepted.connect(
            lambda: self._carry_out(tr("Remove a node"), lambda: self._swarm.remove(node_id))
        )
        question.open()

    def _ask_leave(self) -> None:
        async def ask() -> None:
            losses = await self._swarm.losses()
            if not self._is_open():
                return
            question = self._dialog.ask(tr("Leave the swarm?"), losses, tr("Leave"))
            question.accepted.connect(
                lambda: self._carry_out(tr("Leave the swarm"), self._swarm.leave)
            )
            question.open()

        self._carry_out(tr("Ask what is lost"), ask)

    def _carry_out(self, title: str, work: Callable[[], Awaitable[object]]) -> None:
        """Do what a person asked for; the dialog says why if it is not possible."""

        async def carry_out(report: Report) -> None:
            try:
                await work()
            except ServeryError as error:
                if not self._is_open():
                    raise
                self._dialog.show_problem(translated(str(error)))
            finally:
                if self._is_open():
                    self._dialog.set_busy(False)
                self._look_again.set()

        self._dialog.show_problem("")
        self._dialog.set_busy(True)
        self._jobs.start(title, carry_out)


def _until_closed(dialog: EngineDialog | NodesDialog) -> Callable[[], bool]:
    """Return what says whether a dialog is still open: a closed one is deleted."""
    closed: list[int] = []
    dialog.finished.connect(closed.append)
    return lambda: not closed
