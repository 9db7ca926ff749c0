"""The dialog that asks what a version is exported as, and where to."""

from __future__ import annotations

from collections.abc import Callable

from backend.contract import NewExport
from desktop.versions.export_dialog import ExportDialog
from serving.exporting.formats import ExportFormat
from tests.gui.conftest import Run


def opened() -> ExportDialog:
    dialog = ExportDialog("My pets", 3)
    dialog.show()
    return dialog


def accepted(dialog: ExportDialog) -> list[NewExport]:
    found: list[NewExport] = []
    dialog.export_requested.connect(found.append)
    dialog.export.click()
    return found


def in_application(run: Run, test: Callable[[], None]) -> None:
    async def scenario() -> None:
        test()

    run(scenario)


def test_each_format_is_explained_and_asked_for(run: Run) -> None:
    def test() -> None:
        for kind in ExportFormat:
            dialog = opened()
            dialog.format.select(kind.value)
            assert dialog.explanation.text()
            dialog.target.setText("/a/pets.zip")
            assert dialog.with_photos.isVisible() == (kind is ExportFormat.SERVERY)
            assert accepted(dialog) == [NewExport(kind, "/a/pets.zip")]

    in_application(run, test)


def test_a_folder_named_after_the_version_is_suggested(run: Run) -> None:
    def test() -> None:
        dialog = opened()
        assert dialog.target.text().endswith("/My pets-3")
        assert dialog.export.isEnabled()

    in_application(run, test)


def test_a_file_for_another_servery_ends_in_zip(run: Run) -> None:
    def test() -> None:
        dialog = opened()
        dialog.format.select(ExportFormat.SERVERY.value)
        assert dialog.target.text().endswith("/My pets-3.zip")
        dialog.with_photos.setChecked(True)
        dialog.target.setText("/a/pets")
        assert "end in .zip" in dialog.problem.text()
        assert not dialog.export.isEnabled()
        dialog.target.setText("/a/pets.zip")
        assert accepted(dialog) == [
            NewExport(ExportFormat.SERVERY, "/a/pets.zip", with_photos=True)
        ]

    in_application(run, test)


def test_a_path_that_is_not_whole_is_refused(run: Run) -> None:
    def test() -> None:
        dialog = opened()
        for path in ("", "pets", "/"):
            dialog.target.setText(path)
            assert dialog.problem.isVisible()
            assert not dialog.export.isEnabled()

    in_application(run, test)
