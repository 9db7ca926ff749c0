"""The one way by which errors and news reach the person."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from PySide6.QtCore import QObject, Signal

from desktop.service_sentences import translated
from desktop.translation import tr
from serving.errors import ServeryError, system_error

log = logging.getLogger(__name__)

_KEPT_ERRORS = 10
_PACKAGES = ("backend", "desktop", "serving")


@dataclass(frozen=True)
class Notice:
    """Something to show: what happened, what to do, and details for a bug report."""

    what: str
    advice: str = ""
    details: str = ""
    is_error: bool = False
    action: str = ""
    """What the button of the notice says; empty for none."""
    act: Callable[[], object] | None = None
    """What the button does."""
    stays: bool = False
    """Until somebody closes it, as those with an action and errors do; others disappear."""

    @property
    def text(self) -> str:
        return f"{self.what} {self.advice}".strip()


class Notifications(QObject):
    """Takes notices from every part of the application; the window shows them without blocking."""

    posted = Signal(object)
    """Notice"""

    def __init__(self) -> None:
        super().__init__()
        self.recent_errors: deque[str] = deque(maxlen=_KEPT_ERRORS)
        """Where the last errors came from, the oldest first: no text of theirs."""

    def error(self, error: BaseException | str, details: str = "") -> None:
        """Show an error; `details`, if given, replace its traceback behind "Copy details".

        A ServeryError shows its own sentences; any other exception is logged and shown
        as a defect of Servery, unless the system refused something. Cancellation is not an
        error and is not shown.
        """
        if isinstance(error, (asyncio.CancelledError, KeyboardInterrupt)):
            return
        if isinstance(error, BaseException):
            self.recent_errors.append(error_place(error))
        notice = _error_notice(error)
        if details:
            notice = replace(notice, details=details)
        if isinstance(error, BaseException) and not isinstance(error, ServeryError):
            log.error("Unexpected error", exc_info=error)
        self.posted.emit(notice)

    def problem(self, what: str, advice: str, action: str, act: Callable[[], object]) -> None:
        """Show what is wrong outside of what was just done, with a button that mends it."""
        self.posted.emit(
            Notice(translated(what), translated(advice), is_error=True, action=action, act=act)
        )

    def info(
        self,
        text: str,
        action: str = "",
        act: Callable[[], object] | None = None,
        *,
        stays: bool = False,
    ) -> None:
        """Show good or neutral news, a sentence; with an `action` until somebody closes it."""
        self.posted.emit(Notice(translated(text), action=action, act=act, stays=stays))


def _error_notice(error: BaseException | str) -> Notice:
    if isinstance(error, str):
        return Notice(translated(error), details=error, is_error=True)
    details = "".join(traceback.format_exception(error))
    known = error if isinstance(error, ServeryError) else system_error(error)
    if known is not None:
        return Notice(translated(known.what), translated(known.advice), details, is_error=True)
    return Notice(
        tr("Something went wrong inside Servery."),
        tr("Check whether what you did has taken effect. The details say what failed."),
        details,
        is_error=True,
    )


def error_place(error: BaseException) -> str:
    """Return the kind of an error and the line of our code that it comes from, without its text."""
    kind, place = type(error).__name__, ""
    for frame, line in traceback.walk_tb(error.__traceback__):
        module = frame.f_globals.get("__name__", "")
        if module.split(".")[0] in _PACKAGES:
            place = f" at {module}:{line}"
    return kind + place
