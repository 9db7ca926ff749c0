"""`servery stack export` writes a folder, and says what keeps it from that."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from desktop.cli import main

IMAGE = "registry.example.com/servery-test-nowhere:3"
"""No engine has it."""


@pytest.fixture(autouse=True)
def no_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nothing.sock")


def export(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["stack", "export", *arguments])


@pytest.mark.parametrize(
    ("name", "file"),
    [("compose", "compose.yaml"), ("swarm", "stack.yaml"), ("kubernetes", "kustomization.yaml")],
)
def test_it_writes_and_prints_the_files(tmp_path: Path, name: str, file: str) -> None:
    folder = tmp_path / "stack"
    result = export("--format", name, "--image", IMAGE, "--output", str(folder))
    assert result.exit_code == 0, result.output
    printed = [Path(line) for line in result.stdout.splitlines()]
    assert folder / file in printed
    assert all(path.is_file() for path in printed)
    assert "README.md says how to start" in result.stderr


def test_what_is_there_is_kept(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    result = export("--format", "compose", "--image", IMAGE, "--output", str(tmp_path))
    assert result.exit_code == 1
    assert "new or empty" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_what_cannot_be_is_said_before_anything_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "stack"
    arguments = ("--format", "kubernetes", "--image", IMAGE, "--output", str(folder))
    result = export(*arguments, "--shared-folder", "/mnt/servery")
    assert result.exit_code == 1
    assert "Only a Swarm stack" in result.stderr
    assert export(*arguments, "--memory", "much").exit_code == 2
    assert not folder.exists()


def test_images_need_an_engine() -> None:
    result = CliRunner().invoke(main, ["stack", "build", "--only", "api"])
    assert result.exit_code == 1
    assert "container engine" in result.stderr
