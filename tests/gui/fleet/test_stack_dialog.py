"""The dialog that asks which stack is to be written, and the button that opens it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from desktop.fleet.page import FleetPage
from desktop.fleet.stack_dialog import StackDialog
from serving.stack.plan import StackFormat, StackPlan
from tests.gui.conftest import Run


def in_application(run: Run, test: Callable[[], None]) -> None:
    async def scenario() -> None:
        test()

    run(scenario)


def accepted(dialog: StackDialog) -> list[tuple[StackPlan, Path]]:
    found: list[tuple[StackPlan, Path]] = []
    dialog.export_requested.connect(lambda plan, folder: found.append((plan, folder)))
    dialog.export.click()
    return found


def test_it_asks_for_what_the_formats_need(run: Run) -> None:
    def test() -> None:
        dialog = StackDialog(["waste:3", "pets:1"], 3)
        dialog.show()
        assert not dialog.shared_folder.isVisible()
        dialog.format.select(StackFormat.SWARM)
        assert dialog.shared_folder.isVisible()
        dialog.shared_folder.setText("mnt")
        assert "whole path" in dialog.problem.text()
        assert not dialog.export.isEnabled()
        dialog.shared_folder.setText("/mnt/servery")
        dialog.target.setText("/tmp/a stack")
        ((plan, folder),) = accepted(dialog)
        assert (plan.format, plan.image, plan.instances) == (StackFormat.SWARM, "waste:3", 3)
        assert plan.shared_folder == "/mnt/servery"
        assert folder == Path("/tmp/a stack")

    in_application(run, test)


def test_what_is_hidden_does_not_count(run: Run) -> None:
    def test() -> None:
        dialog = StackDialog(["waste:3"], 1)
        dialog.show()
        dialog.format.select(StackFormat.SWARM)
        dialog.shared_folder.setText("/mnt/servery")
        dialog.format.select(StackFormat.KUBERNETES)
        ((plan, _),) = accepted(dialog)
        assert plan.shared_folder == ""

    in_application(run, test)


def test_without_an_image_one_can_be_named(run: Run) -> None:
    def test() -> None:
        dialog = StackDialog([], 0)
        dialog.show()
        assert dialog.no_image.isVisible()
        assert not dialog.export.isEnabled()
        assert not dialog.problem.isVisible()
        dialog.image.setEditText("no image")
        assert dialog.problem.isVisible()
        dialog.image.setEditText("registry.example.com/waste:3")
        dialog.target.setText("stack")
        assert not dialog.export.isEnabled()
        dialog.target.setText("/tmp/stack")
        ((plan, _),) = accepted(dialog)
        assert plan.image == "registry.example.com/waste:3"
        assert plan.instances == 1

    in_application(run, test)


def test_the_fleet_page_has_the_button(run: Run) -> None:
    def test() -> None:
        page = FleetPage()
        page.show()
        assert page.stack.isVisible()
        assert page.stack.text() == "Export a stack…"

    in_application(run, test)
