"""`servery label`: a bad file or a forgotten class costs no other photo, and makes no class."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from backend.client import BackendRefused
from backend.contract import Label
from desktop.cli import main
from desktop.commands.options import BackendTarget
from serving.errors import BackendError, ServeryError
from serving.workspace import Workspace
from tests.support.command_line import json_lines
from tests.support.sample_images import image_bytes, image_file

ORDER = "The files come first and the class last"


@dataclass
class FakeBackend:
    """Keeps labels, as the backend does, and fails as it is told to."""

    errors: list[ServeryError | BaseException | None] = field(default_factory=list)
    """What each request in turn ends with; None and none at all is success."""
    kept: list[str] = field(default_factory=list)

    async def label(
        self, image: bytes, class_name: str, *, model: str | None, **said: object
    ) -> Label:
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error
        self.kept.append(class_name)
        return Label(len(self.kept), "0" * 64, class_name, "2026-01-01", True, model or "farm")


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeBackend:
    made = FakeBackend()

    def run(target: BackendTarget, work: object) -> None:
        assert callable(work)
        asyncio.run(work(made))

    monkeypatch.setattr(BackendTarget, "run", run)
    monkeypatch.chdir(tmp_path)
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        image_file(tmp_path / name)
    (tmp_path / "cut.jpg").write_bytes(image_bytes()[:300])
    (tmp_path / "notes").write_text("no photo")
    return made


def run_label(workspace: Workspace, *words: str, stdin: bytes | None = None) -> Result:
    command = ["--workspace", str(workspace.root), "label", *words]
    return CliRunner().invoke(main, command, input=stdin)


@pytest.mark.parametrize(
    ("words", "named", "says_the_order"),
    [
        (["stripes", "photo.jpg"], "stripes", True),
        (["stripes", "gone.jpg", "photo.jpg"], "stripes", True),
        (["photo.jpg", "gone.jpg", "stripes"], "gone.jpg", False),
        (["no/such folder/a.jpg", "stripes"], "no/such folder/a.jpg", False),
    ],
)
def test_a_file_that_is_not_there_is_named(
    workspace: Workspace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    named: str,
    says_the_order: bool,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photo.jpg").write_bytes(b"a photo")
    result = run_label(workspace, *words)
    assert result.exit_code == 1
    assert f"There is no file {named} to label as" in result.stderr
    assert (ORDER in result.stderr) == says_the_order
    assert not workspace.backend_run_file.exists()


@pytest.mark.parametrize("last", ["b.jpg", "notes", "gone.JPEG", "./b.jpg", "cut.jpg", "x.heic"])
def test_a_class_that_looks_like_a_file_is_refused(
    workspace: Workspace, backend: FakeBackend, last: str
) -> None:
    result = run_label(workspace, "a.jpg", last, "--json")
    assert result.exit_code == 1
    assert f"{last} is " in result.stderr
    assert ORDER in result.stderr
    assert (result.stdout, backend.kept) == ("", [])


@pytest.mark.parametrize("name", ["ot\u200bter", " ", "x" * 101, "caf\ufffd"], ids=ascii)
def test_a_name_that_cannot_be_a_class_is_refused_once(
    workspace: Workspace, backend: FakeBackend, name: str
) -> None:
    result = run_label(workspace, "a.jpg", "b.jpg", name)
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert backend.kept == []


BAD_FIRST = ["cut.jpg", "gone.jpg", "a.jpg", "notes", "b.jpg"]


@pytest.mark.parametrize("files", [BAD_FIRST, BAD_FIRST[::-1], ["a.jpg", "cut.jpg", "b.jpg"]])
def test_a_bad_file_costs_no_other_and_what_is_printed_is_what_was_kept(
    workspace: Workspace, backend: FakeBackend, files: list[str]
) -> None:
    result = run_label(workspace, *files, "otter")
    assert result.exit_code == 1
    good = [file for file in files if file in ("a.jpg", "b.jpg")]
    assert result.stdout.splitlines() == [f"{file}: otter (a new class)" for file in good]
    assert len(result.stderr.splitlines()) == len(files) - len(good)
    result = run_label(workspace, *files, "otter", "--json")
    entries = {entry["file"]: entry for entry in json_lines(result.stdout)}
    assert set(entries) == set(files)
    assert {file for file, entry in entries.items() if "id" in entry} == set(good)
    assert all(
        entry["error"] and entry["advice"] for entry in entries.values() if "id" not in entry
    )
    assert len(backend.kept) == 2 * len(good)


@pytest.mark.parametrize(
    ("error", "kept"),
    [
        (BackendRefused(422, "The image is damaged.", "Copy it again."), 2),
        (BackendRefused(404, "There is no model x.", "Choose one."), 1),
        (BackendError("The backend cannot be reached.", "Start it."), 1),
        (KeyboardInterrupt(), 1),
    ],
    ids=["of one photo", "of the model", "of the backend", "ctrl+c"],
)
def test_what_was_kept_before_an_error_is_printed(
    workspace: Workspace, backend: FakeBackend, error: BaseException, kept: int
) -> None:
    backend.errors = [None, error]
    result = run_label(workspace, "a.jpg", "b.jpg", "c.jpg", "otter", "--json")
    assert result.exit_code != 0
    assert len([entry for entry in json_lines(result.stdout) if "id" in entry]) == kept
    assert len(backend.kept) == kept


def test_standard_input_and_names_that_are_no_text_are_labelled(
    workspace: Workspace, backend: FakeBackend, tmp_path: Path
) -> None:
    odd = os.fsdecode(b"caf\xe9.jpg")
    image_file(tmp_path / odd)
    image_file(tmp_path / "-")
    result = run_label(workspace, "-", odd, "./-", "otter", stdin=image_bytes("red"))
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines() == [
        "-: otter (a new class)",
        "caf\\xe9.jpg: otter (a new class)",
        "./-: otter (a new class)",
    ]
    result = run_label(workspace, odd, "otter", "--json")
    (entry,) = json_lines(result.stdout.encode().decode("utf-8"))
    assert os.fsencode(entry["file"]) == b"caf\xe9.jpg"
