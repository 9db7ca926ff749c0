"""The programs that must start at once leave the heavy libraries unimported."""

from __future__ import annotations

import subprocess
import sys

import pytest

from desktop.cli import COMMANDS
from tests.conftest import ROOT

COMMAND_LINE = ", ".join(["desktop.cli", *sorted(set(COMMANDS.values()))])


def imported_with(modules: str) -> set[str]:
    """Return the names of all modules that importing `modules` in a new process brings."""
    program = f"import {modules}, sys; print(*sorted(sys.modules), sep='\\n')"
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0, result.stderr
    return set(result.stdout.split())


@pytest.mark.parametrize(
    "modules",
    [
        "desktop.app",
        "backend.__main__",
        "backend.client",
        "backend.http_app",
        "backend.training.worker",
        "serving.model_server.server",
        COMMAND_LINE,
    ],
)
def test_tensorflow_is_not_imported(modules: str) -> None:
    assert not {"tensorflow", "tensorflow_serving", "keras"} & imported_with(modules)


def test_the_command_line_imports_no_qt() -> None:
    imported = imported_with(COMMAND_LINE)
    assert not {name for name in imported if name.startswith(("PySide6", "shiboken6", "qasync"))}


def test_the_client_of_the_backend_imports_no_web_framework() -> None:
    assert not {"fastapi", "uvicorn", "pydantic", "numpy"} & imported_with("backend.client")


def test_the_backend_imports_no_desktop() -> None:
    assert not {name for name in imported_with("backend.http_app") if name.startswith("desktop")}
