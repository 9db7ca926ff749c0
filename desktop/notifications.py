"""The one bridge by which errors, and news, reach the person."""

from __future__ import annotations

import asyncio
import logging
import traceback
from dataclasses import dataclass, replace

from PySide6.QtCore import QObject, Signal

from serving.errors import ServeryError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Notice:
    """Something to show: what happened, what can be done, and details for a report."""

    what: str
    advice: str = ""
    details: str = ""
    is_error: bool = False

    @property
    def text(self) -> str:
        return f"{self.what} {self.advice}".strip()


class Notifications(QObject):
    """Whoever has something to say posts it here; the window shows it, never blocking."""

    posted = Signal(object)
    """Notice"""

    def error(self, problem: BaseException | str, details: str = "") -> None:
        """Tell of a failure, with `details` for a report in place of where it came from.

        A ServeryError shows its own words; any other exception is
        shown as a defect of Servery, with its traceback behind "Copy details".

        Cancellation is no failure and is not shown.
        """
        if isinstance(problem, (asyncio.CancelledError, KeyboardInterrupt)):
            return
        notice = _error_notice(problem)
        if details:
            notice = replace(notice, details=details)
        if isinstance(problem, BaseException) and not isinstance(problem, ServeryError):
            log.error("Unexpected error", exc_info=problem)
        self.posted.emit(notice)

    def info(self, text: str) -> None:
        """Tell of something good or neutral, in a sentence."""
        self.posted.emit(Notice(text))


def _error_notice(problem: BaseException | str) -> Notice:
    if isinstance(problem, str):
        return Notice(problem, details=problem, is_error=True)
    details = "".join(traceback.format_exception(problem))
    if isinstance(problem, ServeryError):
        return Notice(problem.what, problem.advice, details, is_error=True)
    return Notice(
        "Something went wrong inside Servery.",
        "What you were doing may not have happened; the details say where it stopped.",
        details,
        is_error=True,
    )
