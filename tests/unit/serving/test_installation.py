from __future__ import annotations

import importlib.util
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
from click.testing import CliRunner

from desktop.cli import main
from serving.installation import find_fault


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty `site-packages`, in place of the real one."""

    def find(name: str) -> ModuleSpec | None:
        folder = tmp_path / name
        if not folder.is_dir():
            return None
        spec = ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [str(folder)]
        return spec

    monkeypatch.setattr(importlib.util, "find_spec", find)
    return tmp_path


def install(packages: Path, module: str, *names: str) -> None:
    (packages / module).mkdir()
    for name in names:
        (packages / f"{name}-2.21.0.dist-info").mkdir()


def test_what_is_installed_here_fits_together() -> None:
    assert find_fault() is None


def test_two_tensorflows_are_named_with_what_to_do(
    packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(packages, "tensorflow_serving", "tensorflow_serving_api")
    install(packages, "tensorflow", "tensorflow_cpu")
    assert find_fault() is None
    (packages / "tensorflow-2.21.0.dist-info").mkdir()
    result = CliRunner().invoke(main, ["--workspace", str(tmp_path / "new"), "token"])
    assert "tensorflow and tensorflow-cpu are both installed" in result.stderr
    assert "pip uninstall tensorflow tensorflow-cpu" in result.stderr


def test_a_missing_package_ends_the_command_with_a_sentence(packages: Path) -> None:
    install(packages, "tensorflow", "tensorflow_cpu")
    result = CliRunner().invoke(main, ["models"])
    assert result.exit_code == 1
    assert "pip install --no-deps tensorflow-serving-api" in result.stderr
