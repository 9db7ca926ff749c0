"""Timers that wait for a pause or collect a burst."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer


def single_shot_timer(
    milliseconds: int, act: Callable[[], object], parent: QObject | None = None
) -> QTimer:
    """Return a stopped timer that calls `act` once, `milliseconds` after each start."""
    timer = QTimer(parent)
    timer.setSingleShot(True)
    timer.setInterval(milliseconds)
    timer.timeout.connect(act)
    return timer
