"""One name, one thing: no two classes have one name, and one folder alone names a model."""

from __future__ import annotations

import ast
from collections import defaultdict
from functools import cache
from pathlib import Path

from serving.models.builtin.catalog import built_in_models
from tests.conftest import ROOT

PACKAGES = ("desktop", "backend", "serving")
FORMER_MODEL = "starter"
"""The one model that the version before knew."""
READS_FORMER_DATA = {"backend/store/schema.py", "serving/engines/docker/names.py"}


@cache
def named(path: Path) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    """Return the classes that a file defines and the strings in it, each with its line."""
    classes: list[tuple[int, str]] = []
    strings: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ClassDef):
            classes.append((node.lineno, node.name))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            strings.append((node.lineno, node.value))
    return classes, strings


def sources() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def test_no_class_name_is_defined_twice() -> None:
    places = defaultdict(list)
    for path in sources():
        for line, name in named(path)[0]:
            if not name.startswith("_"):
                places[name].append(f"{path.relative_to(ROOT)}:{line}")
    twice = {name: found for name, found in places.items() if len(found) > 1}
    assert twice == {}


def test_only_the_built_in_models_are_known_by_name() -> None:
    """So that nothing but the workspace decides which model answers."""
    names = [FORMER_MODEL, *(model.name for model in built_in_models())]
    found = [
        f"{path.relative_to(ROOT)}:{line}: {text[:80]!r}"
        for path in sources()
        if not path.is_relative_to(ROOT / "serving" / "models" / "builtin")
        and str(path.relative_to(ROOT)) not in READS_FORMER_DATA
        for line, text in named(path)[1]
        if any(name in text for name in names)
    ]
    assert found == []
