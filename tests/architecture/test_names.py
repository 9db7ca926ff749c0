"""One name, one thing: no two classes have one name, and one folder alone names a model."""

from __future__ import annotations

import ast
from collections import defaultdict

from serving.models.builtin.catalog import built_in_models
from tests.conftest import ROOT

PACKAGES = ("desktop", "backend", "serving")
FORMER_MODEL = "starter"
"""The one model that the version before knew."""
READS_FORMER_DATA = {"backend/store/schema.py", "serving/engines/docker/names.py"}


def test_no_class_name_is_defined_twice() -> None:
    places = defaultdict(list)
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_bytes())):
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    places[node.name].append(f"{path.relative_to(ROOT)}:{node.lineno}")
    twice = {name: found for name, found in places.items() if len(found) > 1}
    assert twice == {}


def test_only_the_built_in_models_are_known_by_name() -> None:
    """So that nothing but the workspace decides which model answers."""
    names = [FORMER_MODEL, *(model.name for model in built_in_models())]
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.value[:80]!r}"
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        if not path.is_relative_to(ROOT / "serving" / "models" / "builtin")
        and str(path.relative_to(ROOT)) not in READS_FORMER_DATA
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if any(name in node.value for name in names)
    ]
    assert found == []
