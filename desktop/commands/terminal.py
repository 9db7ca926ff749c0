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


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print columns, each as wide as its longest cell, without borders."""
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


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
