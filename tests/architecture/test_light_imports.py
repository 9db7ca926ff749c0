"""The programs that must start at once leave the heavy libraries unimported."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import ROOT


def imported_with(module: str) -> set[str]:
    """Return the names of all modules that importing `module` in a new process brings."""
    program = f"import {module}, sys; print(*sorted(sys.modules), sep='\\n')"
    told = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert told.returncode == 0, told.stderr
    return set(told.stdout.split())


@pytest.mark.parametrize("module", ["desktop.app", "backend.http_app", "desktop.cli"])
def test_tensorflow_is_not_imported(module: str) -> None:
    assert not {"tensorflow", "tensorflow_serving", "keras"} & imported_with(module)


def test_the_command_line_imports_no_qt() -> None:
    imported = imported_with("desktop.cli")
    assert not {name for name in imported if name.startswith(("PySide6", "shiboken6", "qasync"))}


def test_the_backend_imports_no_desktop() -> None:
    assert not {name for name in imported_with("backend.http_app") if name.startswith("desktop")}
