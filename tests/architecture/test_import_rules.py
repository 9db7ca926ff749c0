"""The import rules of pyproject.toml hold, and every one of them bites."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGES = ("desktop", "backend", "serving")
VIOLATIONS = {
    "Imports go one way": ("serving/planted.py", "import backend.contract"),
    "The desktop knows only": ("desktop/planted.py", "import backend.run_file"),
    "Classify, fleet, learn and models": ("desktop/classify/planted.py", "import desktop.learn"),
    "Qt stays in the desktop": ("serving/fleet/planted.py", "import PySide6.QtCore"),
    "Use cases and state": ("desktop/classify/photo.py", "import PySide6.QtCore"),
    "TensorFlow stays": ("desktop/fleet/planted.py", "import serving.models.servable"),
    "The model server knows": ("serving/model_server/planted.py", "import serving.errors"),
    "gRPC and Docker stay": ("backend/planted.py", "import grpc"),
    "Docker stays in its engine": ("serving/models/planted.py", "import docker"),
    "HTTP requests stay": ("desktop/learn/planted.py", "import httpx"),
    "SQLite stays": ("serving/planted_too.py", "import sqlite3"),
    "psycopg stays": ("backend/planted_too.py", "import psycopg"),
}


def lint_imports(folder: Path) -> dict[str, bool]:
    """Check the packages in `folder`; return whether each contract is kept, by its name."""
    result = subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command; lint_imports_command()",
            "--no-cache",
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        env={"PATH": "/usr/bin:/bin", "COLUMNS": "200", "NO_COLOR": "1"},
    )
    found = re.findall(r"^(.+?) (KEPT|BROKEN)\b", result.stdout, re.MULTILINE)
    assert found, result.stdout + result.stderr
    return {name: state == "KEPT" for name, state in found}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The Python files of the project, to plant something into."""
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package,
            tmp_path / package,
            ignore=lambda folder, names: [
                name
                for name in names
                if name == "__pycache__"
                or ((Path(folder) / name).is_file() and not name.endswith(".py"))
            ],
        )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_every_rule_is_kept(copy: Path) -> None:
    rules = lint_imports(copy)
    assert [name for name, kept in rules.items() if not kept] == []
    for start in VIOLATIONS:
        assert sum(name.startswith(start) for name in rules) == 1, start
    assert len(rules) == len(VIOLATIONS), "a rule without a planted violation"


def test_every_rule_bites(copy: Path) -> None:
    for path, source in VIOLATIONS.values():
        (copy / path).write_text(source + "\n")
    kept = [name for name, is_kept in lint_imports(copy).items() if is_kept]
    assert kept == []
