"""What Qt would take for more than text goes through `desktop/widgets/plain_text.py`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

LABELS = {
    "desktop/widgets/plain_label.py": "is the label that cannot be rich",
    "desktop/widgets/question.py": "sets the format of the labels that Qt makes",
    "desktop/theme/icons.py": "gives a label an icon, not a text",
}
RICH = {
    *("setHtml", "insertHtml", "appendHtml", "setMarkdown", "QTextBrowser", "QErrorMessage"),
    *("RichText", "MarkdownText", "setOpenExternalLinks", "linkActivated"),
}
TIPS = {"setToolTip", "setStatusTip", "setWhatsThis"}
CAPTIONS = {"QAction", "addAction", "addTab", "addSection", "QPushButton", "QCheckBox", "QMenu"}
SAFE = {"tooltip", "caption", "fitted", "one_line", "several_lines"}
SOURCES = sorted(path for path in (ROOT / "desktop").rglob("*.py") if "commands" not in path.parts)


def name_of(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def is_plain(node: ast.expr) -> bool:
    """Whether an argument is a text of ours, or was made plain."""
    match node:
        case ast.Constant():
            return True
        case ast.IfExp(body=body, orelse=orelse):
            return is_plain(body) and is_plain(orelse)
        case ast.BoolOp(values=values):
            return all(map(is_plain, values))
        case ast.Call(func=ast.Name(id="tr"), args=[ast.Constant()], keywords=values):
            return all(is_plain(each.value) or is_number(each.value) for each in values)
        case ast.Call(func=func):
            return name_of(func) in SAFE | {"format_bytes", "size", "count"}
        case ast.JoinedStr(values=values):
            return all(map(is_plain, values))
        case ast.FormattedValue(value=value):
            return is_plain(value) or is_number(value)
        case _:
            return False


def is_number(node: ast.expr) -> bool:
    return name_of(node) in {"number", "version"}


def is_object(node: ast.expr) -> bool:
    """Whether an argument is an action, an icon, a parent, or a text that has a name."""
    return isinstance(node, ast.Name | ast.Attribute) or (
        isinstance(node, ast.Call) and name_of(node.func) in {"_action", "add_action", "QIcon"}
    )


def violations(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute | ast.Name | ast.alias):
            name = node.name if isinstance(node, ast.alias) else name_of(node)
            if name in RICH:
                yield f"{node.lineno}: {name}"
        if not isinstance(node, ast.Call):
            continue
        name = name_of(node.func)
        texts = [each for each in node.args if not is_object(each)]
        if name in TIPS and not all(map(is_plain, node.args)):
            yield f"{node.lineno}: {name} without tooltip()"
        if name in CAPTIONS and not all(map(is_plain, texts)):
            yield f"{node.lineno}: {name} without caption()"


def test_no_label_but_plain_label_is_made() -> None:
    found = {
        str(path.relative_to(ROOT))
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.alias | ast.Name)
        and (node.name if isinstance(node, ast.alias) else node.id) == "QLabel"
    }
    assert found == set(LABELS)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_tooltips_and_captions_are_made_plain(path: Path) -> None:
    if path.name == "plain_label.py":
        return
    assert list(violations(path.read_text())) == []


@pytest.mark.parametrize(
    "source",
    [
        "button.setToolTip(f'Label as {name}')",
        "button.setToolTip(name)",
        "button.setToolTip(tr('Label as {name}', name=name))",
        "menu.addAction(f'Restore {name}')",
        "QPushButton('Use ' + name)",
        "tabs.addTab(page, str(name))",
        "text.setHtml('x')",
        "label.linkActivated.connect(open)",
        "label.setTextFormat(Qt.TextFormat.RichText)",
    ],
)
def test_each_rule_bites(source: str) -> None:
    assert list(violations(source))
