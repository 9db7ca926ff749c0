"""`servery classify`: each answer when it is there, whatever a file is called or holds."""

from __future__ import annotations

import asyncio
import io
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from desktop.classify import photo_arrivals
from desktop.cli import main
from desktop.commands import classify as module
from desktop.commands.options import FleetTarget
from desktop.commands.terminal import ProgressLine
from serving.predict.prediction import Prediction
from serving.text.visible import display_width
from serving.workspace import Workspace
from tests.support.command_line import json_lines
from tests.support.predictions import prediction
from tests.support.sample_images import image_bytes, image_file


@dataclass
class FakeClient:
    """Answers every photo alike, after `wait`."""

    wait: Callable[[], Awaitable[None]] | None = None
    seen: list[bytes] = field(default_factory=list)

    def served_name(self, model: str | None) -> str:
        return model or "farm"

    async def classify(self, jpeg: bytes, model: str | None = None) -> Prediction:
        self.seen.append(jpeg)
        if self.wait is not None and len(self.seen) > 1:
            await self.wait()
        return prediction(("otter", 0.9))


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeClient:
    made = FakeClient()

    async def observe() -> Any:
        return SimpleNamespace(ready=1, can_answer=1)

    async def watch() -> None:
        await asyncio.Event().wait()

    @asynccontextmanager
    async def opened(target: FleetTarget) -> AsyncIterator[Any]:
        yield SimpleNamespace(observe=observe, watch=watch), made

    monkeypatch.setattr(FleetTarget, "open", opened)
    monkeypatch.chdir(tmp_path)
    return made


def run_classify(workspace: Workspace, *words: str, stdin: bytes | None = None) -> Result:
    command = ["--workspace", str(workspace.root), "classify", *words]
    return CliRunner().invoke(main, command, input=stdin)


def test_an_answer_is_printed_while_others_are_on_their_way(
    workspace: Workspace, client: FakeClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed: list[str] = []
    first = asyncio.Event()

    def note(line: str) -> None:
        printed.append(line)
        first.set()

    async def wait() -> None:
        async with asyncio.timeout(30):
            await first.wait()

    client.wait = wait
    monkeypatch.setattr(module, "print_line", note)
    files = [str(image_file(tmp_path / f"{number}.jpg")) for number in range(3)]
    assert run_classify(workspace, *files).exit_code == 0
    assert sorted(printed) == [f"{file}: otter 90%" for file in files]


def test_names_that_are_no_text_and_bad_files_cost_no_other(
    workspace: Workspace, client: FakeClient, tmp_path: Path
) -> None:
    names = [os.fsdecode(name) for name in (b"caf\xe9.jpg", b"\xff", b"\x80 b.jpg")]
    for name in names:
        image_file(tmp_path / name)
    files = [names[0], "gone.jpg", names[1], "x" * 300, names[2]]
    result = run_classify(workspace, *files)
    assert result.exit_code == 1
    assert sorted(result.stdout.encode().decode("utf-8").splitlines()) == [
        r"\x80 b.jpg: otter 90%",
        r"\xff: otter 90%",
        r"caf\xe9.jpg: otter 90%",
    ]
    assert len(result.stderr.splitlines()) == 2
    printed = run_classify(workspace, *files, "--json").stdout.encode().decode("utf-8")
    entries = json_lines(printed)
    assert {entry["file"] for entry in entries} == set(files)
    assert [Path(entry["file"]).exists() for entry in entries if "error" not in entry] == [True] * 3


def test_standard_input_is_a_photo_and_a_file_of_this_name_is_another(
    workspace: Workspace, client: FakeClient, tmp_path: Path
) -> None:
    image_file(tmp_path / "-", color="blue")
    result = run_classify(workspace, "-", stdin=image_bytes("red"))
    assert (result.exit_code, result.stdout) == (0, "-: otter 90%\n")
    assert run_classify(workspace, "./-").stdout == "./-: otter 90%\n"
    assert client.seen == [image_bytes("red"), image_bytes("blue")]
    both = run_classify(workspace, "--json", "-", "./-", "-", stdin=image_bytes("green"))
    assert sorted(entry["file"] for entry in json_lines(both.stdout)) == ["-", "-", "./-"]


@pytest.mark.parametrize("stdin", [b"", b"no photo", image_bytes(size=(640, 480))[:900]])
def test_standard_input_that_is_no_photo_is_a_sentence(
    workspace: Workspace, client: FakeClient, stdin: bytes
) -> None:
    result = run_classify(workspace, "-", stdin=stdin)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("-: The ")


@pytest.mark.parametrize("columns", [1, 2, 5, 20, 80])
@pytest.mark.parametrize(
    "text", ["12 of 4,000 classified", "\u30ab\u30ef\u30a6\u30bd " * 9, "x" * 300]
)
def test_progress_fits_on_a_line_of_a_narrow_terminal(
    monkeypatch: pytest.MonkeyPatch, columns: int, text: str
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", str(columns))
    progress = ProgressLine()
    with progress as report:
        report(12, 4000, text)
        progress.erase()
        report(13, 4000, text)
    first, *lines = terminal.getvalue().split("\r\033[K")
    assert first == ""
    assert len(lines) == 4
    assert all(display_width(line) < columns for line in lines)
    assert (lines[1], lines[3]) == ("", "")


def test_what_arrives_in_a_folder_is_printed_as_lines_of_json(
    workspace: Workspace, client: FakeClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    image_file(inbox / "a.jpg")
    printed: list[dict[str, Any]] = []

    def note(answer: dict[str, Any]) -> None:
        printed.append(answer)
        if len(printed) == 3:
            raise KeyboardInterrupt  # as Ctrl+C does
        if len(printed) == 1:
            image_file(inbox / "b.jpg")
            (inbox / "broken.jpg").write_text("no photo")

    monkeypatch.setattr(module, "print_json", note)
    monkeypatch.setattr(photo_arrivals, "UNSURE_SECONDS", 0.0)
    result = run_classify(workspace, "--watch", str(inbox), "--json")
    assert result.exit_code == 130
    by_name = {Path(record["file"]).name: record for record in printed}
    assert by_name["b.jpg"]["scores"] == ({"name": "otter", "score": 0.9},)
    assert by_name["broken.jpg"]["advice"]


def test_a_folder_is_watched_alone(workspace: Workspace, client: FakeClient) -> None:
    for words in ([], ["a.jpg", "--watch", "."], ["--watch", "gone"]):
        assert run_classify(workspace, *words).exit_code == 2
