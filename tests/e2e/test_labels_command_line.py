"""Labels and classes from the shell, on a backend that goes on from one command to the next."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.models.repository import ModelRepository
from serving.workspace import Workspace
from tests.support.command_line import CommandLine
from tests.support.sample_images import painting
from tests.support.tiny_model import TINY_MODEL, install_tiny


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    shell = CommandLine(tmp_path_factory.mktemp("shell"))
    workspace = Workspace(shell.workspace).create()
    install_tiny(ModelRepository(workspace.models))
    for number in range(3):
        (shell.folder / f"{number}.jpg").write_bytes(painting("red", number))
    with shell.serving():
        yield shell


def lines(shell: CommandLine, *arguments: str) -> list[str]:
    result = shell.run(*arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def said(shell: CommandLine, photo: str) -> list[tuple[str, str]]:
    labels = shell.json("labels", "of", photo)
    return [(each["by"], each["class_name"] or each["kind"]) for each in labels]


def test_photos_are_labelled_at_once_disputed_settled_and_undone(shell: CommandLine) -> None:
    shell.run("label", "0.jpg", "1.jpg", "red", "--by", "Ann")
    shell.run("label", "0.jpg", "--none", "--by", "Bob")
    shell.run("label", "2.jpg", "--skip", "--by", "Bob")
    assert said(shell, "0.jpg") == [("Bob", "none"), ("Ann", "red")]
    (conflict,) = shell.json("labels", "conflicts")
    assert [label["by"] for label in conflict["labels"]] == ["Bob", "Ann"]
    assert any("Ann" in line for line in lines(shell, "labels", "conflicts"))
    assert lines(shell, "label", "0.jpg", "crimson", "--by", "Cid", "--settle") == [
        "0.jpg: crimson (a new class)"
    ]
    assert lines(shell, "labels", "conflicts") == []
    history = shell.json("labels", "history")
    assert [(each["by"], each["count"]) for each in history] == [
        ("Cid", 1),
        ("Bob", 1),
        ("Bob", 1),
        ("Ann", 2),
    ]
    shell.run("labels", "undo")
    shell.run("labels", "undo", str(history[3]["id"]))
    assert said(shell, "0.jpg") == [("Bob", "none")]
    assert said(shell, "1.jpg") == []


def test_classes_are_renamed_merged_deleted_and_that_undone(shell: CommandLine) -> None:
    def known() -> set[str]:
        return {each["name"] for each in shell.json("classes", "list")}

    before = known()
    assert lines(shell, "classes", "rename", "red", "scarlet") == [
        "red was renamed to scarlet. Version 2 is live."
    ]
    assert known() == before - {"red"} | {"scarlet"}
    refused = shell.run("classes", "rename", "scarlet", "yellow")
    assert refused.returncode == 1
    assert "servery classes merge" in refused.stderr
    shell.run("classes", "merge", "scarlet", "yellow", "--by", "Ann")
    shell.run("classes", "delete", "blue")
    assert known() == before - {"red", "blue"}
    assert [each["kind"] for each in shell.json("classes", "history")] == [
        "deleted",
        "merged",
        "renamed",
    ]
    for _ in range(2):
        assert lines(shell, "classes", "undo")[0].split(". ")[1] == "That was undone"
    assert known() == before - {"red"} | {"scarlet"}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("label", "0.jpg", "--none", "--skip"), "not both"),
        (("label", "red"), "The photos are missing."),
        (("labels", "undo", "9999"), "There is no action 9999."),
        (("classes", "delete", "owl"), "has no class owl"),
        (("classes", "merge", "green", "owl"), "There is no class owl."),
        (("classes", "undo", "99"), "There is no change 99"),
    ],
    ids=str,
)
def test_what_cannot_be_done_is_said(
    shell: CommandLine, words: tuple[str, ...], sentence: str
) -> None:
    result = shell.run(*words)
    assert result.returncode in (1, 2)
    assert sentence in result.stderr
    assert (Path(shell.folder) / "0.jpg").exists()


def test_the_model_is_the_current_one(shell: CommandLine) -> None:
    assert {each["model"] for each in shell.json("labels", "history")} == {TINY_MODEL}
