"""Labels go out and come in from the menu beside the classes, on a real backend."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtWidgets import QFileDialog

from backend.contract import LabelFormat
from desktop.learn.page import LearnView
from tests.gui.learn.test_learn_presenter import LearnEnv, RunWithBackend, run_with_backend
from tests.support.backend_env import MODEL
from tests.support.sample_images import image_bytes
from tests.support.waiting import wait_until

__all__ = ["run_with_backend"]

pytestmark = pytest.mark.gui


def said(env: LearnEnv, words: str) -> bool:
    return any(words in notice.text for notice in env.notices)


@pytest.mark.parametrize("form", list(LabelFormat))
def test_labels_go_out_and_come_in_and_are_taken_back(
    run_with_backend: RunWithBackend, tmp_path: Path, form: LabelFormat
) -> None:
    async def scenario(env: LearnEnv) -> None:
        files = env.page.classes.files
        env.page.show_view(LearnView.CLASSES)
        # One that is still on its way belongs to the export.
        await env.outbox.submit(image_bytes(), "zebra")
        await wait_until(lambda: env.page.classes.summary.text() == "1 label in 1 class")
        folder = tmp_path / "out"
        (folder / f"{MODEL} labels").mkdir(parents=True)
        files.export_requested.emit(form, folder)
        target = folder / f"{MODEL} labels 2"
        await wait_until(lambda: said(env, f"1 label of 1 photo written to {target}."))
        files.import_requested.emit(target)
        await wait_until(lambda: said(env, "1 label known already."))
        (action,) = await env.client.label_actions(MODEL)
        await env.client.undo_action(action.id)
        await wait_until(lambda: env.page.classes.summary.text() != "1 label in 1 class")
        files.import_requested.emit(target)
        await wait_until(lambda: said(env, "1 new label of 1 photo."))
        await wait_until(lambda: env.page.classes.summary.text() == "1 label in 1 class")
        (notice,) = [each for each in env.notices if "1 new label" in each.text]
        assert notice.action == "Undo"
        assert notice.act is not None
        notice.act()
        await wait_until(lambda: env.page.classes.summary.text() != "1 label in 1 class")

    run_with_backend(scenario)


def test_what_cannot_be_imported_is_said(run_with_backend: RunWithBackend, tmp_path: Path) -> None:
    async def scenario(env: LearnEnv) -> None:
        failed: list[str] = []
        env.jobs.failed.connect(lambda job: failed.append(str(job.error)))
        await wait_until(lambda: env.page.models.isVisible())
        empty = tmp_path / "empty"
        empty.mkdir()
        env.page.classes.files.import_requested.emit(empty)
        await wait_until(lambda: bool(failed))
        assert "drop it on the Models page" in failed[0]
        table = tmp_path / "x.csv"
        table.write_text("file,class\ngone.jpg,cat\n")
        env.page.classes.files.import_requested.emit(table)
        await wait_until(lambda: said(env, "1 photo or label left out. gone.jpg: There is no"))

    run_with_backend(scenario)


def test_the_menu_asks_for_files_and_folders(
    run_with_backend: RunWithBackend, tmp_path: Path
) -> None:
    async def scenario(env: LearnEnv) -> None:
        files = env.page.classes.files
        chosen: list[object] = []
        files.export_requested.connect(lambda form, path: chosen.append((form, path)))
        files.import_requested.connect(chosen.append)
        for action in files.actions():
            if action.isSeparator():
                continue
            action.trigger()
            (dialog,) = [each for each in env.page.findChildren(QFileDialog) if each.isVisible()]
            dialog.fileSelected.emit(str(tmp_path / "gone"))
            dialog.reject()
        gone = tmp_path / "gone"
        assert chosen == [*((form, gone) for form in LabelFormat), gone, gone]
        await env.jobs.close()

    run_with_backend(scenario)
