"""CSV that a spreadsheet takes for nothing but text and numbers."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence

from serving.text.visible import visible

_FORMULA = re.compile(
    # At the start, or where a program that divides cells otherwise would begin another one:
    # after a separator, a line break or a quote.
    r"(?:^|[,;|\t\r\n\"'`])"
    # What programs skip before a formula: spaces, and characters that nobody sees.
    r"[\s\"'\x00-\x20\x7f-\xa0\u00ad\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff]*"
    r"[=+\-@\uff1d\uff0b\uff0d\uff20\u2212]"
)
_ACTS_FIRST = "\t\r\n"
_MARK = "'"
"""Spreadsheets take what follows for text."""


def csv_text(columns: Sequence[str], records: Iterable[Mapping[str, object]]) -> str:
    """Return `records` as CSV with a header; texts in quotes, numbers without.

    A text that a spreadsheet could take for a formula begins with an apostrophe, and control and
    format characters in a text are spelled out, so that a record is one line.
    """
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, columns, quoting=csv.QUOTE_NONNUMERIC)
    writer.writeheader()
    for record in records:
        writer.writerow({column: cell(record[column]) for column in columns})
    return out.getvalue()


def escape_formula(text: str) -> str:
    """Return `text` so that no spreadsheet takes it for a formula, and `unescape_formula` knows it.

    Unlike `cell`, it spells nothing out: what is read again is what was written.
    """
    return f"{_MARK}{text}" if text.startswith(_MARK) or _FORMULA.search(text) else text


def unescape_formula(text: str) -> str:
    """Undo `escape_formula`; a text that it cannot have made comes back as it is."""
    rest = text.removeprefix(_MARK)
    return rest if text != rest and escape_formula(rest) == text else text


def cell(value: object) -> object:
    """Return a number as it is, and a text so that it can only be a text."""
    if not isinstance(value, str):
        return value
    shown = visible(value)
    if value[:1] in _ACTS_FIRST or _FORMULA.search(value) or _FORMULA.search(shown):
        return f"{_MARK}{shown}" if value else value
    return shown
