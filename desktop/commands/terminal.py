"""What the command line says: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import click

from serving.progress import Report


def say(text: str) -> None:
    """Print a sentence for the person, on stderr."""
    click.echo(text, err=True)


def print_json(value: Any) -> None:
    """Print `value` as the command's whole result."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print columns as wide as their longest cell; nothing but the cells."""
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


class ProgressLine:
    """One line on a terminal that says how far the work is; silent anywhere else."""

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
            self._write(self._line(done, total, text))

    def _line(self, done: int, total: int, text: str) -> str:
        return f"{text}  {done} of {total}" if total else text

    def _write(self, text: str) -> None:
        sys.stderr.write(f"\r\033[K{text}")
        sys.stderr.flush()


class PercentLine(ProgressLine):
    """The line of work whose text says the amounts already."""

    def _line(self, done: int, total: int, text: str) -> str:
        return f"{done:3d}%  {text}"
