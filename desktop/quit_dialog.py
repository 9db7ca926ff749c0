"""Asks what happens to the fleet when a person closes the window."""

from __future__ import annotations

import asyncio

from PySide6.QtWidgets import QMessageBox, QWidget

from desktop.settings import OnQuit
from desktop.translation import tr
from desktop.widgets.question import Question


async def ask_what_to_keep(window: QWidget) -> OnQuit | None:
    """Ask whether the fleet keeps running; None if the person does not quit after all.

    Does not block the event loop.
    """
    box = Question(
        window,
        tr("Quit Servery"),
        tr("Keep the fleet running?"),
        tr(
            "The fleet is what answers photos. If it keeps running, it answers the command line and"
            " other programs, and is there at once when you come back. Your answer is remembered;"
            " the settings change it."
        ),
    )
    stop = box.addButton(tr("Stop the fleet"), QMessageBox.ButtonRole.AcceptRole)
    keep = box.addButton(tr("Keep it running"), QMessageBox.ButtonRole.AcceptRole)
    stay = box.addButton(tr("Cancel"), QMessageBox.ButtonRole.RejectRole)
    box.setDefaultButton(stop)
    box.setEscapeButton(stay)
    answer: asyncio.Future[OnQuit | None] = asyncio.get_running_loop().create_future()

    def on_finished() -> None:
        # The dialog also finishes with the window, when nobody waits for the answer any more.
        if not answer.done():
            clicked = box.clickedButton()
            answer.set_result(
                OnQuit.STOP if clicked == stop else OnQuit.KEEP if clicked == keep else None
            )

    box.finished.connect(lambda _: on_finished())
    box.open()
    return await answer
