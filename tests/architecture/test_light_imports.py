"""The programs that must start at once leave the heavy libraries unimported."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from functools import cache
from pathlib import Path

import pytest

from desktop.cli import COMMANDS
from serving.engines.docker.stack_images.contents import api_files
from tests.conftest import ROOT

COMMAND_LINE = ", ".join(["desktop.cli", *sorted(set(COMMANDS.values()))])


@cache
def imported_with(modules: str, statement: str = "pass") -> frozenset[str]:
    """Return the names of all modules that a new process has after importing `modules`.

    It then also runs `statement`.
    """
    program = f"import {modules}, sys; {statement}; print(*sorted(sys.modules), sep='\\n')"
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0, result.stderr
    return frozenset(result.stdout.split())


@pytest.mark.parametrize(
    "modules",
    [
        "desktop.app, desktop.start_fleet, desktop.start_learning, desktop.start_models",
        "backend.__main__",
        "backend.client",
        "backend.http_app",
        "backend.training.worker",
        "serving.importing.tasks",
        "serving.model_server.server",
        COMMAND_LINE,
    ],
)
def test_tensorflow_is_not_imported(modules: str) -> None:
    assert not {"tensorflow", "tensorflow_serving", "keras"} & imported_with(modules)


@pytest.mark.parametrize(
    "modules",
    [
        "desktop.app",
        "backend.__main__",
        "backend.http_app",
        "serving.model_server.server",
        COMMAND_LINE,
    ],
)
def test_only_training_computes_with_scipy(modules: str) -> None:
    assert not {"scipy", "sklearn"} & imported_with(modules)


def test_the_command_line_imports_no_qt() -> None:
    imported = imported_with(COMMAND_LINE)
    assert not {name for name in imported if name.startswith(("PySide6", "shiboken6", "qasync"))}


def test_the_client_of_the_backend_imports_no_web_framework() -> None:
    assert not {"fastapi", "uvicorn", "pydantic", "numpy"} & imported_with("backend.client")


def test_the_backend_imports_no_desktop() -> None:
    assert not {name for name in imported_with("backend.http_app") if name.startswith("desktop")}


def test_installing_the_first_model_does_not_import_tensorflow(tmp_path: Path) -> None:
    imported = imported_with(
        "sys",
        "from pathlib import Path;"
        "from serving.models.repository import ModelRepository;"
        "from serving.models.builtin.install import install_first_model;"
        f"install_first_model(ModelRepository(Path({str(tmp_path)!r})))",
    )
    assert not {"tensorflow", "keras", "torch"} & imported
    # Of the packages that hold the weights nothing runs.
    assert not {name for name in imported if name.startswith("efficientnet")}


def test_the_image_of_the_api_has_what_the_api_imports() -> None:
    files = {member.name.split("/")[2] for member in api_files() if "/packages/" in member.name}
    packages = {name.split(".")[0] for name in files}
    imported = {name.split(".")[0] for name in imported_with("backend.__main__")}
    # gRPC imports these two if they are there, and setuptools has the last one imported by a file.
    needed = imported - {"grpc_health", "grpc_reflection", "_distutils_hack"}
    installed = {
        path.name.split(".")[0] for path in Path(sysconfig.get_path("purelib")).glob("[!_]*")
    }
    assert (needed & installed) - packages == set()
