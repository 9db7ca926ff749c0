"""Finds the sentences of the services that a person can meet in the window.

Serving and backend know no language but English: what they say is matched against these templates
by `desktop.service_sentences`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from tests.translations.texts import ROOT

_PACKAGES = ("serving", "backend")
_ELSEWHERE = ("serving/model_server/", "serving/tf/", "backend/fake")
"""What speaks to programs."""
_MAX_FORMS = 12
"""Of one expression with several conditions."""
_OF_PARTS = ("serving/errors.py", "serving/image_file.py")
"""Files whose texts are parts of sentences, too: "the disk is full"."""
_LOGS = {"debug", "info", "warning", "error", "exception", "critical"}
_FOR_PROGRAMS = {"help", "description", "summary", "epilog", "metavar", "title", "doc", "reason"}
"""Keyword arguments that are printed by commands, or described to programs."""
_ERRORS = ("Error", "NotServed", "Unavailable", "Refused", "error", "fault")
"""How classes of errors end, and functions that make them: all that these say is a sentence."""
_VARIABLES = ("what", "advice", "sentence")
"""Names of variables that hold a sentence or its beginning."""
_PLACEHOLDER = re.compile(r"{\w+}")
_SQL = re.compile(r"(SELECT|UPDATE|DELETE|INSERT|CREATE|ALTER|DROP) ")
_WORD = re.compile(r"[^\W\d_]{2,}")


@dataclass(frozen=True)
class Sentence:
    """A template: an English sentence with {names} in place of values."""

    text: str
    file: str


def sentences_of_services() -> list[Sentence]:
    """Return each template once, in the order of the files."""
    found: dict[str, Sentence] = {}
    for package in _PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = str(path.relative_to(ROOT))
            if not name.startswith(_ELSEWHERE):
                parts = name in _OF_PARTS
                for text in sentences_of(path.read_text(encoding="utf-8"), with_parts=parts):
                    found.setdefault(text, Sentence(text, name))
    return list(found.values())


def sentences_of(code: str, *, with_parts: bool = False) -> Iterator[str]:
    """Yield the templates in the code of one file, also of parts of sentences if so asked."""
    finder = _Finder(with_parts)
    finder.visit(ast.parse(code))
    yield from finder.found


class _Finder(ast.NodeVisitor):
    def __init__(self, with_parts: bool) -> None:
        self._with_parts = with_parts
        self.found: list[str] = []

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):  # else a docstring
            self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Attribute) and node.func.attr in _LOGS:
            return
        is_error = _called(node.func).endswith(_ERRORS)
        for each in node.args:
            self._take(each, is_error=is_error)
        for keyword in node.keywords:
            if keyword.arg not in _FOR_PROGRAMS:
                self._take(keyword.value, is_error=is_error)
        self.visit(node.func)

    def visit_Assign(self, node: ast.Assign) -> None:
        named = any(isinstance(each, ast.Name) and each.id in _VARIABLES for each in node.targets)
        self._take(node.value, is_error=named)

    def visit_Constant(self, node: ast.Constant) -> None:
        self._take(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        self._take(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        self._take(node)

    def _take(self, node: ast.expr, *, is_error: bool = False) -> None:
        if not isinstance(node, (ast.Constant, ast.JoinedStr, ast.BinOp)):
            self.visit(node)
            return
        for text in map(str.strip, forms_of(node)):  # some are put behind another one
            if is_sentence(text) or ((is_error or self._with_parts) and _has_words(text)):
                self.found.append(text)
        for inner in ast.walk(node):
            if isinstance(inner, ast.FormattedValue):
                self.visit(inner.value)


def _called(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def is_sentence(text: str) -> bool:
    """Whether a string is one that a person reads: words that begin large and end with a stop."""
    bare = _PLACEHOLDER.sub("", text)
    starts = text[:1].isupper() or text[:1] in "{`“"
    ends = text.endswith((".", "?")) or (text.endswith("}") and ". " in f"{bare} ")
    return starts and not _SQL.match(text) and ends and _has_words(bare) and "\n" not in text


def _has_words(text: str) -> bool:
    return len(_WORD.findall(_PLACEHOLDER.sub("", text))) >= 2 and " " in text.strip()


def forms_of(node: ast.expr) -> list[str]:
    """Return what a string expression can be, with {names} for what is not written out."""
    return [_joined(parts) for parts in _parts(node)][:_MAX_FORMS]


def _joined(parts: tuple[str | ast.expr, ...]) -> str:
    taken: list[str] = []
    text = ""
    for part in parts:
        if isinstance(part, str):
            text += part  # {name}s in it are filled in later, by `format`
            continue
        name = base = _value_name(part)
        number = 1
        while name in taken:
            number += 1
            name = f"{base}{number}"
        taken.append(name)
        text += f"{{{name}}}"
    return text


def _parts(node: ast.expr) -> list[tuple[str | ast.expr, ...]]:
    if isinstance(node, ast.Constant):
        return [(node.value,)] if isinstance(node.value, str) else [(node,)]
    if isinstance(node, ast.IfExp) and _is_text(node.body) and _is_text(node.orelse):
        return (_parts(node.body) + _parts(node.orelse))[:_MAX_FORMS]
    if isinstance(node, ast.FormattedValue):
        return _parts(node.value)
    if isinstance(node, ast.JoinedStr):
        every = [_parts(value) for value in node.values]
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add) and _is_text(node.left):
        every = [_parts(node.left), _parts(node.right)]
    else:
        return [(node,)]
    combined = product(*every)
    return [
        tuple(part for parts in each for part in parts)
        for each, _ in zip(combined, range(_MAX_FORMS), strict=False)
    ]


def _is_text(node: ast.expr) -> bool:
    if isinstance(node, ast.BinOp):
        return _is_text(node.left)
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def _value_name(node: ast.expr) -> str:
    """Return a name for a value: the last one in its expression that says what it is."""
    if isinstance(node, ast.Name):
        return node.id.strip("_").lower() or "value"
    if isinstance(node, ast.Attribute):
        return node.attr.strip("_").lower()
    if isinstance(node, ast.Call):
        inner = node.args[0] if node.args else node.func
        return _value_name(inner)
    if isinstance(node, ast.Subscript):
        if isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
            return node.slice.value
        return _value_name(node.value)
    return "value"
