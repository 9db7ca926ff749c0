"""Output of the command line: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import click

from serving.progress import Report


def print_message(text: str) -> None:
    """Print a sentence for the person, on stderr."""
    click.echo(text, err=True)


def print_json(value: Any) -> None:
    """Print `value` as the command's whole result."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def table_lines(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, align_right: bool = False
) -> list[str]:
    """Return columns without borders, each as wide as its longest cell.

    With `align_right`, all but the first are aligned on the right.
    """
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return [
        "  ".join(
            cell.rjust(width) if align_right and column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    for line in table_lines(header, rows):
        click.echo(line)


class ProgressLine:
    """One line on a terminal that shows how far the work is; silent on anything else."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._shown = False

    def __enter__(self) -> Report:
        return self.report

    def __exit__(self, *_: object) -> None:
        if self._shown:
            self._write("")

    def report(self, done: int, total: int, text: str) -> None:
        if self._terminal:
            self._shown = True
            self._write(f"{100 * done // total:3d}%  {text}" if total else text)

    def _write(self, text: str) -> None:
        # Back to the start of the line, and erase what the last report left there.
        sys.stderr.write(f"\r\033[K{text}")
        sys.stderr.flush()
