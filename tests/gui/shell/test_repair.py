"""What is damaged is said in the window, at its start and while it runs, and repaired there."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QWidget

from backend.store.label_writing import Statement
from backend.store.store import Store
from desktop import start_repair
from desktop.database_repair import prepare_desktop_database
from desktop.jobs import Jobs
from desktop.notifications import Notifications
from desktop.start_repair import RepairPresenter, summary
from desktop.widgets.notice_stack import NoticeBar, NoticeStack
from serving.background import in_background
from serving.fleet.record import RecordFile
from serving.repair.problem import WorkspaceProblem
from serving.workspace import Workspace
from tests.gui.conftest import Run, show
from tests.support.damage import DAMAGES
from tests.support.sample_images import image_bytes
from tests.support.waiting import wait_until

pytestmark = pytest.mark.gui


class Window:
    """The notices of a window, and what repairs."""

    def __init__(self, workspace: Workspace) -> None:
        self.page = show(QWidget(), 900, 600)
        self.jobs, notifications = Jobs(), Notifications()
        self.notices = NoticeStack(notifications, self.page)
        self.repaired: list[WorkspaceProblem] = []
        self.presenter = RepairPresenter(workspace, self.jobs, notifications, self._on_repaired)

    async def _on_repaired(self, problems: Sequence[WorkspaceProblem]) -> None:
        self.repaired.extend(problems)

    @property
    def bars(self) -> list[NoticeBar]:
        return self.notices.bars

    @property
    def texts(self) -> list[str]:
        return [bar.notice.text for bar in self.bars]


def test_damaged_files_are_shown_once_and_repaired_by_a_click(
    run: Run, workspace: Workspace
) -> None:
    async def work() -> None:
        window = Window(workspace)
        DAMAGES["a pipe"](workspace.fleet_record)
        DAMAGES["garbage"](workspace.settings)
        DAMAGES["garbage"](workspace.desktop_database)
        await window.presenter.look(thorough=True)
        await window.presenter.look()
        (bar,) = window.bars
        assert "3 files of the workspace cannot be used: settings.toml, fleet.json, desktop" in (
            bar.notice.text
        )
        bar.action.click()
        await wait_until(lambda: window.repaired)
        assert window.texts == [
            f"3 repairs carried out. What was damaged is in {workspace.damaged}."
        ]
        window.bars[0].action.click()
        assert "fleet.json was moved to" in QGuiApplication.clipboard().text()
        assert not RecordFile(workspace.fleet_record).exists()
        assert len(list(workspace.damaged.iterdir())) == 3
        await window.presenter.look(thorough=True)
        assert not [bar for bar in window.bars if bar.notice.is_error]
        DAMAGES["empty"](workspace.fleet_record)  # while it runs
        await window.presenter.look()
        assert any("fleet.json is damaged: it is empty" in text for text in window.texts)
        await window.jobs.close()

    run(work)


def test_labels_on_their_way_are_recovered(run: Run, workspace: Workspace) -> None:
    path = workspace.desktop_database
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        prepare_desktop_database(connection)
        connection.execute(
            "INSERT INTO outbox (key, image, jpeg, class_name, created)"
            " VALUES ('k', 'i', x'00', 'cat', 'now')"
        )
    with path.open("r+b") as file:
        file.write(b"\xff" * 64)

    async def work() -> None:
        window = Window(workspace)
        await window.presenter.look(thorough=True)
        window.bars[0].action.click()
        await wait_until(lambda: window.repaired)
        assert "1 labels on their way" in window.texts[-1]
        await window.jobs.close()

    run(work)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT class_name FROM outbox").fetchall() == [("cat",)]


def test_what_nobody_can_repair_has_no_button(run: Run, workspace: Workspace) -> None:
    async def work() -> None:
        window = Window(workspace)
        full = WorkspaceProblem(workspace.root, "The disk is full.", "Make room.")
        window.presenter.show([full])
        window.presenter.show([full])
        assert window.texts == ["The disk is full. Make room."]
        assert not hasattr(window.bars[0], "action")

    run(work)


def test_many_files_are_one_sentence() -> None:
    problems = [WorkspaceProblem(Path(f"/w/{n}.json"), "", "", lambda: "") for n in range(5)]
    assert summary(problems) == (
        "5 files of the workspace cannot be used: 0.json, 1.json, 2.json and 2 more."
    )


def test_a_database_that_is_damaged_while_it_is_used_is_found_and_repaired(
    run: Run, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start_repair, "POLL_SECONDS", 0.1)

    async def work() -> None:
        window = Window(workspace)
        store = Store(workspace)
        await store.labels.add("tiny", image_bytes("red"), Statement("cat"), lambda name: True)
        async with in_background(window.presenter.watch()):
            await asyncio.sleep(0.3)
            assert not window.bars
            await store._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            with workspace.backend_database.open("r+b") as file:
                file.write(bytes(range(256)) * 16)
            await wait_until(lambda: window.bars)
            assert "backend.sqlite is damaged" in window.texts[0]
            window.bars[0].action.click()
            await wait_until(lambda: window.repaired)
        assert "it is kept in" in window.texts[-1]
        await store.labels.add("tiny", image_bytes("blue"), Statement("dog"), lambda name: True)
        assert (await store.labels.totals())["tiny"] >= 1
        await store.close()
        await window.jobs.close()

    run(work)
