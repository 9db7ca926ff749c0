"""A version that can do more than compute is trusted in the window, after a plain question."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtWidgets import QMenu, QMessageBox

from desktop.model_trust import A_MODEL_IS_A_PROGRAM
from serving.models.faults import VersionFault
from serving.models.repository import ModelRepository
from serving.models.version_trust import untrusted_parts
from tests.gui.models.test_models_presenter import (
    TINY,
    ModelsEnv,
    RunWithBackend,
    repository,
    run_with_backend,
)
from tests.support.graphs import write_version, writes_at_load
from tests.support.tiny_model import install_tiny
from tests.support.waiting import wait_until

__all__ = ["repository", "run_with_backend"]


def withdraw(menu: QMenu | None) -> bool:
    """Choose that a version is trusted no longer; False if the menu does not offer it."""
    assert menu is not None
    menu.aboutToShow.emit()
    found = [action for action in menu.actions() if action.text() == "Withdraw trust"]
    for action in found:
        action.trigger()
    return bool(found)


def test_a_refused_version_is_trusted_after_a_question(
    run_with_backend: RunWithBackend, repository: ModelRepository, tmp_path: Path
) -> None:
    install_tiny(repository, TINY)
    write_version(repository.root / TINY / "3", writes_at_load(tmp_path / "written", "harm"))
    repository.record_fault(TINY, 3, VersionFault("Version 3 of tiny is refused.", "Trust it."))

    async def scenario(env: ModelsEnv) -> None:
        env.page.open_model(TINY)
        one = env.page.one.versions
        await wait_until(lambda: [row.version.number for row in one.rows] == [3, 2, 1])
        newest, *others = one.rows
        assert newest.trust.isVisibleTo(newest)
        assert not any(row.trust.isVisibleTo(row) for row in others)

        async def question() -> QMessageBox:
            newest.trust.click()
            (box,) = await wait_until(lambda: one.findChildren(QMessageBox))
            assert box.text() == "Do you trust the author of version 3 of tiny?"
            assert A_MODEL_IS_A_PROGRAM in box.informativeText()
            assert "uses WriteFile" in box.informativeText()
            return box

        box = await question()
        next(each for each in box.buttons() if each.text() == "Cancel").click()
        await wait_until(lambda: not one.findChildren(QMessageBox))
        assert untrusted_parts(repository, TINY, 3) == ["WriteFile"]
        box = await question()
        next(each for each in box.buttons() if each.text() == "Trust it").click()
        await wait_until(lambda: not newest.trust.isVisibleTo(newest))
        assert untrusted_parts(repository, TINY, 3) == []
        await wait_until(lambda: [each.text for each in env.notices if "is trusted" in each.text])
        await wait_until(lambda: newest.version.trusted)
        assert withdraw(newest.menu.menu())
        await wait_until(lambda: not newest.version.trusted)
        assert untrusted_parts(repository, TINY, 3) == ["WriteFile"]
        await wait_until(lambda: [each for each in env.notices if "not trusted any" in each.text])
        assert not withdraw(newest.menu.menu())

    run_with_backend(scenario)
