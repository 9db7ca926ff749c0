"""Output of the command line: results on stdout, everything else on stderr.

Everything that a command prints goes through here. Names, messages of servers and lines of logs
come from outside: a control or format character in them is spelled out, so that none of them
moves the cursor, hides a line or forges one. JSON has them as its own escapes.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import sys
import traceback
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import click

from serving.errors import DISK_ERRORS, ServeryError, storage_error
from serving.progress import Report
from serving.text.log_lines import LogHandler
from serving.text.visible import display_width, is_spelled_out, shortened, visible


class OutputRefused(ServeryError):
    """The disk refuses the file that a result is printed to."""


def print_line(text: str = "") -> None:
    """Print one line of a result; raises OutputRefused."""
    _print_result(visible(text))


def print_event(text: str) -> None:
    """Print one line of a program that runs on: nobody who reads, or a full disk, ends it."""
    with contextlib.suppress(OSError):
        click.echo(_printable(visible(text)))


def print_lines(text: str) -> None:
    """Print a result that has line breaks of its own, such as a log."""
    for line in text.split("\n"):
        print_line(line)


def print_message(text: str = "") -> None:
    """Print a sentence for the person, on stderr; nothing if the terminal was closed."""
    with contextlib.suppress(OSError):
        click.echo(_printable(visible(text)), err=True)


def confirm(question: str) -> None:
    """Ask the person; raises click.Abort unless they agree."""
    click.confirm(visible(question), abort=True, err=True)


class NotConfirmed(ServeryError):
    """What has to be agreed to was asked for where nobody can be asked."""


def confirm_unless(yes: bool, question: str, refusal: str) -> None:
    """Ask the person, unless `yes` says that they agree; raises click.Abort unless they do.

    Raises NotConfirmed, with the sentence `refusal`, if standard input is no terminal.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise NotConfirmed(refusal, "Add --yes to do it all the same.")
    confirm(question)


def ask_secret(what: str) -> str:
    """Ask the person for something that is not shown while it is typed; raises click.Abort."""
    return str(click.prompt(visible(what), hide_input=True, err=True))


def print_json(value: Mapping[str, Any]) -> None:
    """Print one result as a JSON object on one line; raises OutputRefused."""
    _print_result(json_line(value))


def print_json_lines(values: Iterable[Mapping[str, Any]]) -> None:
    """Print each of several results as `print_json` does, nothing if there are none."""
    for value in values:
        print_json(value)


def json_line(value: Mapping[str, Any]) -> str:
    """Return `value` as JSON without line breaks, which a terminal can show."""
    text = json.dumps(value, ensure_ascii=False)
    # What acts on a terminal stands within a string, where an escape may take its place.
    return "".join(_json_escape(char) if _needs_escape(char) else char for char in text)


def table_lines(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, align_right: bool = False
) -> list[str]:
    """Return columns without borders, each as wide as its longest cell is on a terminal.

    With `align_right`, all but the first are aligned on the right.
    """
    lines = [[visible(cell) for cell in line] for line in (header, *rows)]
    widths = [max(display_width(line[column]) for line in lines) for column in range(len(header))]
    return [
        "  ".join(
            _padded(cell, width, on_the_left=align_right and column > 0)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    for line in table_lines(header, rows):
        print_line(line)


def keep_streams_open() -> None:
    """Let no file that is opened later get the number of a standard stream that was closed.

    The programs that are started would print into that file.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.dup(2), "w", encoding="utf-8")


def refused_output(error: BaseException) -> OutputRefused | None:
    """Return the error for what a disk refuses of stdout; None if `error` is another one."""
    if not isinstance(error, OSError) or error.errno not in DISK_ERRORS:
        return None
    # click prints help texts by itself, and such an error has no file name.
    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    if not any(frame.f_code is click.echo.__code__ for frame in frames):
        return None
    path = Path(f"/proc/self/fd/{sys.stdout.fileno()}").resolve()
    # The interpreter would try once more at its end, and print a traceback.
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
    return storage_error(error, path, "The output cannot be written", OutputRefused)


def protect_terminal() -> None:
    """Let warnings of libraries, and what nobody caught, be printed as `print_message` prints."""
    logging.basicConfig(level=logging.WARNING, handlers=[LogHandler("%(message)s")])
    logging.captureWarnings(True)
    sys.excepthook = _print_uncaught


class ProgressLine:
    """One line on a terminal that shows how far the work is; silent on anything else."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._shown = False

    def __enter__(self) -> Report:
        return self.report

    def __exit__(self, *_: object) -> None:
        self.erase()

    def erase(self) -> None:
        """Make room for a line of the result; the next report shows the progress again."""
        if self._shown:
            self._shown = False
            self._write("")

    def report(self, done: int, total: int, text: str) -> None:
        if self._terminal:
            self._shown = True
            self._write(f"{100 * done // total:3d}%  {text}" if total else text)

    def _write(self, text: str) -> None:
        # A line that is longer than the terminal could not be erased.
        columns = max(0, shutil.get_terminal_size().columns - 1)
        line = visible(text)
        while line and display_width(line) > columns:
            limit = len(line) - max(1, (display_width(line) - columns) // 2)
            line = shortened(line, limit) if limit > 0 else ""
        # Back to the start of the line, and erase what the last report left there.
        sys.stderr.write(f"\r\033[K{_printable(line)}")
        sys.stderr.flush()


def _print_result(text: str) -> None:
    if sys.stdout is None:
        raise OutputRefused(
            "The output cannot be written: it is closed.",
            "Run the command again with its output open, or send it to a file.",
        )
    try:
        click.echo(_printable(text))
    except OSError as error:
        refused = refused_output(error)
        if refused is None:  # such as the end of who reads a pipe
            raise
        raise refused from error


def _padded(cell: str, width: int, *, on_the_left: bool) -> str:
    padding = " " * (width - display_width(cell))
    return padding + cell if on_the_left else cell + padding


def _needs_escape(char: str) -> bool:
    return is_spelled_out(char) or _printable(char) != char


def _json_escape(char: str) -> str:
    code = ord(char)
    if code <= 0xFFFF:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"


def _printable(text: str) -> str:
    """Return `text` without what the terminal's encoding does not have, which would be an error."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _print_uncaught(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    for line in "".join(traceback.format_exception(kind, error, trace)).splitlines():
        print_message(line)
