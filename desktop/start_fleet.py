"""Starts the fleet and connects it to the window. Slow to import: comes after the first paint."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING

import httpcore  # noqa: F401  HTTPX imports it with its first client, on the main thread
from PIL import Image

from desktop.fleet.engine_presenter import EnginePresenter
from desktop.fleet.engines import FleetEngines
from desktop.fleet.nodes_presenter import NodesPresenter
from desktop.fleet.page import FleetPage
from desktop.fleet.presenter import FleetPresenter, counted
from desktop.fleet.stack_presenter import StackPresenter
from desktop.formats import plural
from desktop.left_running import fleet_sentence
from desktop.main_window import PageName
from desktop.running_programs import WINDOW, Registration, RunningProgram, registered
from desktop.service_sentences import translated
from desktop.settings import OnQuit, Preferences
from desktop.translation import tr
from serving.background import in_background
from serving.engines.choose import awaited_engine
from serving.engines.docker.engine import DockerEngine
from serving.engines.process import ProcessEngine
from serving.engines.swarm.engine import SwarmEngine
from serving.engines.switch import EngineSwitch
from serving.errors import ModelError, ServeryError
from serving.fleet.fleet import Fleet
from serving.fleet.rollout import RolloutWatch
from serving.fleet.view import FleetView
from serving.models.builtin.install import install_first_model
from serving.models.repository import ModelRepository
from serving.predict.client import PredictClient
from serving.progress import Report
from serving.tf.cores import core_count

if TYPE_CHECKING:
    from desktop.app import App

log = logging.getLogger(__name__)

DEFAULT_INSTANCES = 2
"""Size of a fleet that nobody has sized yet, on a machine with at least as many cores."""
FIRST_INSTANCE_SECONDS = 6.0
"""How long the backend waits with its start for an instance that starts too."""
RETRY_SECONDS = 10.0
"""Before trying again what a full disk refused."""
TIMEOUT_SECONDS = 30.0
"""How long a photo waits for an instance, a cold start included."""

Image.preinit()  # Pillow loads its codecs at first use, which would be on the main thread


async def start_fleet(app: App, stack: AsyncExitStack) -> None:
    """Build the fleet, its page and its client, and start instances; raises ServeryError."""
    app.classify_page.set_note(tr("The model is starting; photos can be dropped already."))
    page = FleetPage()
    app.window.set_page(PageName.FLEET, page)
    try:
        repository = ModelRepository(app.workspace.models)
        installed = await _has_model(app, repository)
        engine = await awaited_engine(app.engine_setting, app.workspace)
    except ServeryError as error:
        app.window.status.show_failed(tr("Fleet: {what}", what=translated(error.what)))
        page.show_unavailable(translated(str(error)))
        raise
    client = PredictClient(repository.served, canaries=repository.canaries, timeout=TIMEOUT_SECONDS)
    stack.push_async_callback(client.close)
    switch = EngineSwitch(engine)
    docker = engine if isinstance(engine, DockerEngine) else DockerEngine(app.workspace)
    process = engine if isinstance(engine, ProcessEngine) else ProcessEngine(app.workspace)
    swarm = engine if isinstance(engine, SwarmEngine) else SwarmEngine(app.workspace)
    fleet = Fleet(switch, repository, app.workspace, client, keeps_metrics=True)
    engines = FleetEngines(fleet, switch, docker, process, swarm, lambda: app.engine_setting)
    stack.push_async_callback(engines.close)
    program = stack.enter_context(registered(app.workspace, WINDOW))

    def set_stops_fleet(preferences: Preferences) -> None:
        program.set_stops_fleet(preferences.on_quit is not OnQuit.KEEP)

    set_stops_fleet(app.settings.preferences)
    stack.callback(app.settings.subscribe(set_stops_fleet))
    stack.push_async_callback(_stop_fleet, app, fleet, program)
    engine_presenter = EnginePresenter(
        page, fleet, engines, app.settings, app.jobs, app.notifications
    )
    nodes = NodesPresenter(page, engines, app.workspace, app.jobs, app.notifications)
    app.presenters += [
        FleetPresenter(page, fleet, app.jobs, app.notifications),
        engine_presenter,
        StackPresenter(page, fleet, engines, app.jobs, app.notifications),
        nodes,
    ]
    app.settings_page.limits_requested.connect(engine_presenter.open_limits_dialog)
    app.settings_page.engine_address_requested.connect(nodes.open_engine_dialog)
    app.settings_page.set_fleet_ready(True)
    status = _FleetStatus(app, repository)
    app.answering.subscribe(status.show_answering)
    stack.callback(fleet.subscribe(status.show))
    await stack.enter_async_context(in_background(_run_fleet(app, fleet), name="run the fleet"))
    status.show(fleet.view)
    if installed:
        start_first_instances(app, fleet)
    else:
        await stack.enter_async_context(
            in_background(_install_later(app, repository, fleet), name="install a model")
        )
    if program.killed:
        app.jobs.start(
            "Look for what runs",
            lambda report: _notify_left_running(app, fleet, program.killed),
            background=True,
        )
    app.quit_flow.has_fleet = True
    app.help.fleet_view = lambda: fleet.view
    app.fleet.set(fleet)
    app.client.set(client)


def start_first_instances(app: App, fleet: Fleet) -> None:
    """Start instances in a fleet that nobody has sized yet; again and again on a full disk."""
    if fleet.configured:
        return
    count = min(DEFAULT_INSTANCES, core_count())

    async def start(report: Report) -> None:
        try:
            await fleet.scale(count, counted(report))
        except ServeryError:
            if not fleet.configured:
                loop = asyncio.get_running_loop()
                loop.call_later(RETRY_SECONDS, start_first_instances, app, fleet)
            raise

    if not app.jobs.closing:
        title = tr("Start {instances}", instances=plural(count, "instance"))
        app.jobs.start(title, start, has_own_eta=True)


async def _has_model(app: App, repository: ModelRepository) -> bool:
    """Put the first model into a workspace that has none; says whether there is one then."""
    try:
        await asyncio.to_thread(install_first_model, repository)
    except ServeryError as error:
        app.notifications.error(error)
        return False
    return True


async def _install_later(app: App, repository: ModelRepository, fleet: Fleet) -> None:
    """Try again until the disk has room for a model, then start instances."""
    while True:
        await asyncio.sleep(RETRY_SECONDS)
        try:
            await asyncio.to_thread(install_first_model, repository)
        except ServeryError as error:
            log.debug("%s", error)
        else:
            return start_first_instances(app, fleet)


async def wait_for_first_instance(fleet: Fleet) -> None:
    """Return once an instance can answer, or after FIRST_INSTANCE_SECONDS.

    What is started next, the backend, takes two seconds of a core, by which the first answer
    of a cold start would come later.
    """
    if fleet.configured and not fleet.view.desired_count:
        return
    ready = asyncio.Event()

    def check(view: FleetView) -> None:
        if view.can_answer:
            ready.set()

    unsubscribe = fleet.subscribe(check)
    check(fleet.view)
    try:
        async with asyncio.timeout(FIRST_INSTANCE_SECONDS):
            await ready.wait()
    except TimeoutError:
        log.info("No instance was ready within %.0f s", FIRST_INSTANCE_SECONDS)
    finally:
        unsubscribe()


class _FleetStatus:
    """Shows each view of the fleet in the status bar and on the Classify page."""

    def __init__(self, app: App, repository: ModelRepository) -> None:
        self._app = app
        self._repository = repository
        self._cards: dict[str, int] = {}
        """The version of each served model whose classes the Classify page offers."""
        self._view: FleetView | None = None
        self._rollouts = RolloutWatch()

    def show(self, view: FleetView) -> None:
        self._view = view
        app = self._app
        rollout = self._rollouts.look(view, time.monotonic()).get(view.model)
        app.window.status.show_fleet(
            view.ready, view.desired_count, view.fault_sentence(view.model), rollout
        )
        app.first_steps.show_fleet(view)
        app.answering.set_served(view.served)
        self.show_answering()
        for model in view.served.names():
            version = view.version_of(model)
            if version is not None and self._cards.get(model) != version:
                self._cards[model] = version
                app.jobs.start(
                    "Read a model card",
                    partial(self._show_card, model, version),
                    background=True,
                )

    def show_answering(self) -> None:
        """Show which model answers, after the fleet changed or a person chose another."""
        view, model = self._view, self._app.answering.name
        if view is not None:
            version = view.version_of(model)
            canary = view.canaries.get(model)
            self._app.window.status.show_model(model, version, canary)
            self._app.classify.fleet_changed(view.can_answer, model, version, canary)

    async def _show_card(self, model: str, version: int, report: Report) -> None:
        try:
            card = await asyncio.to_thread(self._repository.version(model, version).card)
        except ModelError as error:
            self._app.notifications.error(error)
        else:
            self._app.classify.set_card(model, card)
            if self._view is not None and model == self._view.model:
                self._app.first_steps.show_model(model, len(card.classes))


async def _run_fleet(app: App, fleet: Fleet) -> None:
    try:
        await fleet.run()
    except Exception as error:
        app.notifications.error(error)


async def _notify_left_running(app: App, fleet: Fleet, killed: Sequence[RunningProgram]) -> None:
    view = await fleet.observe()
    app.notifications.info(fleet_sentence(len(view.instances), (), killed))


async def _stop_fleet(app: App, fleet: Fleet, program: Registration) -> None:
    """Stop the instances if that is asked for, unless another program runs on and needs them."""
    if program.leave() and app.quit_flow.stops_fleet:
        try:
            await fleet.stop_and_remember()
        except ServeryError as error:
            log.error("The fleet could not be stopped: %s", error)
