"""Logs of one line a record, whatever a name, a message or a traceback in it has."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from types import TracebackType
from typing import TextIO

from serving.text.visible import visible

_log = logging.getLogger("uncaught")
_NOISY_LOGGERS = ("httpx", "httpcore")
"""Libraries that log each request: a line a second, for as long as somebody watches a fleet."""


class LogLines(logging.Formatter):
    r"""Writes a record as one line: a line break in it, of a traceback too, is written `\n`."""

    def format(self, record: logging.LogRecord) -> str:
        return visible(super().format(record))


def log_lines(format: str) -> None:
    """Send every log record of this process to stderr, and what nobody caught or warned of.

    `format` is that of the module `logging`. Libraries that log each request are limited to
    warnings, so that the log of a program that runs for days stays short. Where a test or a
    library took the records over already, they stay there.
    """
    logging.basicConfig(level=logging.INFO, handlers=[LogHandler(format)])
    logging.captureWarnings(True)
    for name in _NOISY_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


class LogHandler(logging.StreamHandler[TextIO]):
    """Writes records to stderr, as `LogLines`, and leaves out those that a full disk refuses.

    `logging` itself would add a traceback for each of them once there is room.
    """

    def __init__(self, format: str) -> None:
        super().__init__(sys.stderr)
        self.setFormatter(LogLines(format))

    def handleError(self, record: logging.LogRecord) -> None:
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)


def last_line_sentence(line: str) -> str:
    """Return a sentence, after a space, with the last line of a log; empty for an empty line.

    Without the traceback in it, which is in the log.
    """
    said = line.split(r"\nTraceback ", 1)[0].strip()
    return f" The last line of its log: {said}" if said else ""


def print_line(text: str) -> None:
    """Print a sentence on stderr as one line; what it says may have come from outside.

    A terminal that was closed, or a log on a full disk, ends no program.
    """
    with contextlib.suppress(OSError):
        print(visible(text), file=sys.stderr, flush=True)


def _log_uncaught(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    _log.critical("The program ends: %s", error, exc_info=(kind, error, trace))


def _log_uncaught_in_thread(found: threading.ExceptHookArgs) -> None:
    if found.exc_value is not None and not issubclass(found.exc_type, SystemExit):
        name = found.thread.name if found.thread else "?"
        trace = (found.exc_type, found.exc_value, found.exc_traceback)
        _log.critical("The thread %s ends", name, exc_info=trace)
