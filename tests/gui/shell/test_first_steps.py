"""A new workspace shows three steps, once; Help shows them again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPushButton

from desktop.app import App, Options
from desktop.first_steps import FirstSteps, Step
from desktop.main_window import PageName
from serving.workspace import Workspace
from tests.gui.conftest import Run
from tests.support.drag_and_drop import drop_files
from tests.support.fleet_views import fleet_view, instance_view
from tests.support.sample_images import image_file
from tests.support.waiting import wait_until


@pytest.fixture
def app(application: QApplication, workspace: Workspace) -> App:
    return App(application, Options(workspace))


def in_window(run: Run, app: App, scenario: Callable[[FirstSteps], object]) -> None:
    async def main() -> None:
        await app.show()
        scenario(app.first_steps.view)
        await app.close()

    run(main)


def click(button: QPushButton) -> None:
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def test_the_steps_are_walked_by_a_key_and_say_what_is_true(app: App, run: Run) -> None:
    in_window(run, app, lambda steps: _walk(app, steps))


def _walk(app: App, steps: FirstSteps) -> None:
    assert steps.isVisible()
    assert steps.next.hasFocus()
    app.first_steps.show_model("photos", 1000)
    assert "The model photos knows 1,000 classes" in steps.sentence.text()
    QTest.keyClick(steps.next, Qt.Key.Key_Space)
    assert steps.progress.text() == "First steps: 2 of 3"
    assert steps.state.text == "No instance was started yet"
    app.first_steps.show_fleet(fleet_view(instance_view(1), desired_count=2))
    assert steps.state.text == "1 of 2 instances ready"
    assert "processes of this machine" in steps.sentence.text()
    QTest.keyClick(steps.next, Qt.Key.Key_Space)
    assert steps.progress.text() == "First steps: 3 of 3"
    click(steps.back)
    assert steps.progress.text() == "First steps: 2 of 3"


def test_a_skipped_start_is_not_shown_again_but_help_has_it(
    app: App, application: QApplication, workspace: Workspace, run: Run
) -> None:
    in_window(run, app, lambda steps: _skip_and_ask_for_help(app, steps))
    assert not App(application, Options(workspace)).first_steps.is_shown


def _skip_and_ask_for_help(app: App, steps: FirstSteps) -> None:
    click(steps.next)
    click(steps.skip)
    assert not steps.isVisible()
    assert app.classify_page.content.empty.isVisible()
    app.window.show_page(PageName.HELP)
    click(app.help_page.steps)
    assert app.window.current_page == PageName.CLASSIFY
    assert steps.isVisible()
    assert steps.step is Step.MODEL
    click(steps.skip)
    assert app.classify_page.content.empty.isVisible()


def test_a_photo_that_is_dropped_on_a_step_ends_them(app: App, run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        await app.show()
        assert drop_files(app.classify_page, [image_file(tmp_path / "photo.jpg")])
        assert not app.first_steps.is_shown
        assert app.settings.preferences.first_steps_done
        await wait_until(app.classify_page.grid.isVisible)
        await app.close()

    run(main)


def test_a_step_leads_to_models_and_to_the_fleet(app: App, run: Run) -> None:
    in_window(run, app, lambda steps: _go_elsewhere(app, steps))


def _go_elsewhere(app: App, steps: FirstSteps) -> None:
    click(steps.other)
    assert app.window.current_page == PageName.MODELS
    app.window.show_page(PageName.CLASSIFY)
    assert steps.isVisible()
    click(steps.next)
    click(steps.other)
    assert app.window.current_page == PageName.FLEET


def test_only_the_first_label_of_a_new_workspace_is_explained(
    app: App, application: QApplication, workspace: Workspace
) -> None:
    assert [app.first_steps.take_label() for _ in range(2)] == [True, False]
    app.first_steps.finish()
    assert not App(application, Options(workspace)).first_steps.take_label()


def test_every_step_fits_into_the_smallest_window(application: QApplication) -> None:
    steps = FirstSteps()
    for step in Step:
        steps.show_step(step)
        assert steps.minimumSizeHint().width() <= 560
        assert steps.minimumSizeHint().height() <= 380
    steps.deleteLater()
