"""Finds the texts of the window that are to be translated."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WINDOW = ROOT / "desktop"

_LOOK_UP = ("desktop/formats.py", "desktop/service_sentences.py")
"""Files that look up texts which are written out elsewhere."""
_PLACEHOLDER = re.compile(r"(?<!{){(\w+)[^}]*}(?!})")


class NotALiteral(ValueError):
    """A call of tr, tr_plural or plural has a text that is not written out there."""


@dataclass(frozen=True)
class Text:
    """A text to translate; `many` is its form for more than one, or empty."""

    one: str
    many: str
    file: str
    """Its path in the repository."""
    line: int

    @property
    def id(self) -> str | tuple[str, str]:
        """What a catalogue knows it by."""
        return (self.one, self.many) if self.many else self.one


def placeholders(text: str) -> set[str]:
    """Return the names in braces that values take the place of."""
    return set(_PLACEHOLDER.findall(text))


def texts_of_window() -> list[Text]:
    """Return all texts in the code of the window, in the order of its files.

    Commands speak English, and so do the modules that only they use. Raises NotALiteral.
    """
    return [
        text
        for path in sorted(WINDOW.rglob("*.py"))
        if path.relative_to(WINDOW).parts[0] not in ("commands", "cli.py")
        for text in texts_of(path.read_text(encoding="utf-8"), str(path.relative_to(ROOT)))
    ]


def texts_of(code: str, file: str) -> Iterator[Text]:
    """Yield the texts in the code of one file. Raises NotALiteral."""
    for node in ast.walk(ast.parse(code)):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        where = (file, node.lineno)
        name = _name(node.func)
        if name == "tr":
            for one in _literals(node.args[0], where):
                yield Text(one, "", *where)
        elif name == "tr_plural" and file not in _LOOK_UP:
            (one,), (many,) = (_literals(each, where) for each in node.args[:2])
            yield Text(one, many, *where)
        elif name == "plural":
            several = _literals(node.args[2], where) if len(node.args) > 2 else ()
            for one in _literals(node.args[1], where):
                many = several[0] if several else f"{one}s"
                yield Text(f"{{count}} {one}", f"{{count}} {many}", *where)


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _literals(node: ast.expr, where: tuple[str, int]) -> tuple[str, ...]:
    """Return the texts that an expression may be, all written out in it."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return (node.value,)
    if isinstance(node, ast.IfExp):
        return _literals(node.body, where) + _literals(node.orelse, where)
    raise NotALiteral(f"{where[0]}:{where[1]}: {ast.unparse(node)} is not a text written out.")
