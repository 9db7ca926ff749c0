"""What is connected to signals is held by something: signals hold methods weakly."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.conftest import ROOT

SOURCES = sorted(
    path
    for folder in ("desktop", "tests/gui", "tests/integration")
    for path in (ROOT / folder).rglob("*.py")
)


def dropped_presenters(source: str) -> Iterator[str]:
    """Yield where a presenter is made and nothing is done with it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            function = node.value.func
            name = function.attr if isinstance(function, ast.Attribute) else ast.unparse(function)
            if name.endswith("Presenter"):
                yield f"{node.lineno}: {name}"


def test_every_presenter_is_held() -> None:
    found = {
        str(path.relative_to(ROOT)): dropped
        for path in SOURCES
        if (dropped := list(dropped_presenters(path.read_text(encoding="utf-8"))))
    }
    assert not found


@pytest.mark.parametrize(
    ("source", "is_dropped"),
    [
        ("NodesPresenter(page)", True),
        ("nodes.NodesPresenter(page)", True),
        ("presenter = NodesPresenter(page)", False),
        ("app.presenters.append(NodesPresenter(page))", False),
        ("make_presenter(page)", False),
    ],
)
def test_the_rule_bites(source: str, is_dropped: bool) -> None:
    assert bool(list(dropped_presenters(source))) is is_dropped
