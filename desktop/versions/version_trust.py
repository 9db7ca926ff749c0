"""Asks a person whether a version is trusted that can do more than compute."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from PySide6.QtWidgets import QMessageBox, QWidget

from backend.client import BackendClient
from backend.contract import TrustSummary
from desktop.jobs import Jobs
from desktop.model_trust import AFTER_WITHDRAWAL, explanation
from desktop.notifications import Notifications
from desktop.translation import tr
from desktop.versions.view import VersionsView
from desktop.widgets.question import Question
from serving.progress import Report


class VersionTrust:
    """Answers what a row of `view` asks for: a question, and what follows from its answer."""

    def __init__(
        self,
        view: VersionsView,
        backend: BackendClient,
        jobs: Jobs,
        notifications: Notifications,
        refresh: Callable[[], Awaitable[None]],
    ) -> None:
        self._view, self._backend = view, backend
        self._jobs, self._notifications, self._refresh = jobs, notifications, refresh
        view.trust_requested.connect(self.ask)
        view.distrust_requested.connect(self.withdraw)

    def ask(self, number: int) -> None:
        """Say what the version could do, and let the person decide."""
        model = self._view.model

        async def work(report: Report) -> None:
            found = await self._backend.trust(model, number)
            if found.unsafe_parts:
                open_question(self._view, found, lambda: self._trust(found))
            else:
                await self._refresh()

        self._jobs.start(
            tr("Look at version {number} of {model}", number=number, model=model), work
        )

    def withdraw(self, number: int) -> None:
        """Trust a version no longer, and say what that means for what is loaded."""
        model = self._view.model

        async def work(report: Report) -> None:
            await self._backend.withdraw_trust(model, number)
            await self._refresh()
            withdrawn = tr(
                "Version {number} of {model} is not trusted any more.", number=number, model=model
            )
            self._notifications.info(f"{withdrawn} {AFTER_WITHDRAWAL}")

        self._jobs.start(
            tr("Withdraw trust in version {number} of {model}", number=number, model=model), work
        )

    def _trust(self, found: TrustSummary) -> None:
        async def work(report: Report) -> None:
            await self._backend.trust_version(found.model, found.version)
            await self._refresh()
            self._notifications.info(
                tr(
                    "Version {version} of {model} is trusted now.",
                    version=found.version,
                    model=found.model,
                )
            )

        self._jobs.start(
            tr("Trust version {version} of {model}", version=found.version, model=found.model), work
        )


def open_question(parent: QWidget, found: TrustSummary, on_trusted: Callable[[], None]) -> Question:
    """Ask without blocking; `on_trusted` is called if the person trusts the version."""
    box = Question(
        parent,
        tr("Trust a model"),
        tr(
            "Do you trust the author of version {version} of {model}?",
            version=found.version,
            model=found.model,
        ),
        explanation(found),
    )
    trust = box.addButton(tr("Trust it"), QMessageBox.ButtonRole.AcceptRole)
    keep = box.addButton(tr("Cancel"), QMessageBox.ButtonRole.RejectRole)
    box.setDefaultButton(keep)
    box.setEscapeButton(keep)
    trust.clicked.connect(on_trusted)
    box.open()
    return box
