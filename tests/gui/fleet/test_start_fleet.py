"""The Fleet page as the application builds it: what its buttons ask for is carried out."""

from __future__ import annotations

import gc
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial

import pytest
from PySide6.QtWidgets import QApplication

from desktop.app import App, Options
from desktop.fleet.engine_dialog import EngineDialog
from desktop.fleet.limits_dialog import LimitsDialog
from desktop.fleet.nodes_dialog import NodesDialog
from desktop.fleet.page import FleetPage
from desktop.fleet.stack_dialog import StackDialog
from desktop.main_window import PageName
from desktop.start_fleet import start_fleet
from desktop.widgets.dialogs import Dialog
from serving.engines.names import PROCESS
from serving.fleet.record import FleetRecord, record_text
from serving.workspace import Workspace
from tests.gui.conftest import Run
from tests.support.waiting import wait_until


@pytest.fixture
def app(application: QApplication, workspace: Workspace) -> App:
    return App(application, Options(workspace, engine=PROCESS))


def test_the_dialogs_of_the_page_open_long_after_it_was_built(app: App, run: Run) -> None:
    record = app.workspace.fleet_record
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(record_text(FleetRecord()))  # nobody wants an instance

    async def main() -> None:
        async with AsyncExitStack() as stack:
            await start_fleet(app, stack)
            gc.collect()
            page = app.window.page(PageName.FLEET)
            assert isinstance(page, FleetPage)
            await wait_until(page.stack.isEnabled)
            asks: list[tuple[Callable[[], None], type[Dialog]]] = [
                (page.choose_engine_requested.emit, EngineDialog),
                (page.nodes_requested.emit, NodesDialog),
                (page.stack.click, StackDialog),
                (page.limits.click, LimitsDialog),
            ]
            for ask, dialog in asks:
                ask()
                shown = await wait_until(partial(app.window.findChild, dialog), 20)
                assert shown is not None
                shown.reject()
            await app.close()
            app.window.close_now()

    run(main)
