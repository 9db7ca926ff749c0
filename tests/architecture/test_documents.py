"""What the documents refer to exists, and the lock files cover every dependency."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
TRAILS = re.search(
    r"^## Three trails through the code$(.*?)^## ",
    (ROOT / "CONTRIBUTING.md").read_text(),
    re.MULTILINE | re.DOTALL,
)
HOPS = re.findall(r"^\d+\..*", TRAILS[1] if TRAILS else "", re.MULTILINE)
HOP = re.compile(r"\d+\. `(\S+\.py)` `([\w.]+)` - (.+)")
LOCKED = re.compile(r"^([a-z0-9-]+)==(\S+)", re.MULTILINE)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text())
    assert [target for target in targets if not (document.parent / target).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_named_programs_exist(document: Path) -> None:
    modules = re.findall(
        r"python -m ((?:tests|serving|backend|desktop)[\w.]*)", document.read_text()
    )
    for module in modules:
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module


def test_there_are_three_trails_of_at_most_fifteen_hops() -> None:
    assert TRAILS is not None
    trails = [re.findall(r"^(\d+)\.", part, re.MULTILINE) for part in TRAILS[1].split("\n### ")[1:]]
    assert len(trails) == 3
    for numbers in trails:
        assert numbers == [str(number + 1) for number in range(len(numbers))]
        assert 0 < len(numbers) <= 15
    assert [hop for hop in HOPS if len(hop) > 100] == []


@pytest.mark.parametrize("hop", HOPS, ids=lambda hop: hop.partition(" - ")[0])
def test_trails_lead_somewhere(hop: str) -> None:
    match = HOP.fullmatch(hop)
    assert match is not None, "a hop is `path.py` `name` - what happens"
    path, name, description = match.groups()
    source = (ROOT / path).read_text()
    assert name in set(definitions(ast.parse(source).body))
    quoted = re.findall(r"`([^`]+)`", description)
    assert [words for words in quoted if words not in source] == []


def definitions(body: Iterable[ast.stmt], prefix: str = "") -> Iterator[str]:
    """Yield the functions and classes that `body` defines; methods as `Class.method`."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield prefix + node.name
        if isinstance(node, ast.ClassDef):
            yield from definitions(node.body, f"{prefix}{node.name}.")


def test_methods_are_found_by_the_name_of_their_class() -> None:
    source = "def f(): ...\nclass A:\n    async def m(self):\n        def inner(): ...\n"
    assert list(definitions(ast.parse(source).body)) == ["f", "A", "A.m"]


def locked(name: str) -> dict[str, str]:
    return dict(LOCKED.findall((ROOT / name).read_text()))


def named(requirements: list[str]) -> set[str]:
    found = (re.match(r"[\w-]+", requirement) for requirement in requirements)
    return {match.group().lower().replace("_", "-") for match in found if match}


def test_both_locks_pin_the_same_versions() -> None:
    application, everything = locked("requirements.lock"), locked("requirements-test.lock")
    assert application.items() <= everything.items()


def test_the_locks_hold_every_dependency_with_hashes_and_no_address() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert named(project["dependencies"]) <= set(locked("requirements.lock"))
    assert named(project["optional-dependencies"]["test"]) <= set(locked("requirements-test.lock"))
    for name in ("requirements.lock", "requirements-test.lock"):
        text = (ROOT / name).read_text()
        assert "://" not in text
        for entry in re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]:
            assert "--hash=sha256:" in entry, entry


@pytest.mark.parametrize("folder", ["serving/model_server", "serving/tf"])
def test_the_page_on_the_model_server_names_each_of_its_files(folder: str) -> None:
    page = (ROOT / "docs" / "model-server.md").read_text()
    files = {path.name for path in (ROOT / folder).glob("[a-z]*.py")}
    listed = re.findall(r"^\| (`.*?) \|", page, re.MULTILINE)
    named = set(re.findall(r"`(\w+\.py)`", " ".join(listed)))
    assert files - named == set()
    others = {path.name for path in (ROOT / "serving").rglob("*.py")}
    assert named - others == set()
