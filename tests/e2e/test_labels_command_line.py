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
    labels = shell.json_lines("labels", "of", photo)
    return [(each["by"], each["class_name"] or each["kind"]) for each in labels]


def test_photos_are_labelled_at_once_disputed_settled_and_undone(shell: CommandLine) -> None:
    shell.run("label", "0.jpg", "1.jpg", "red", "--by", "Ann")
    shell.run("label", "0.jpg", "--none", "--by", "Bob")
    shell.run("label", "2.jpg", "--skip", "--by", "Bob")
    assert said(shell, "0.jpg") == [("Bob", "none"), ("Ann", "red")]
    (conflict,) = shell.json_lines("labels", "conflicts")
    assert [label["by"] for label in conflict["labels"]] == ["Bob", "Ann"]
    assert any("Ann" in line for line in lines(shell, "labels", "conflicts"))
    assert lines(shell, "label", "0.jpg", "crimson", "--by", "Cid", "--settle") == [
        "0.jpg: crimson (a new class)"
    ]
    assert lines(shell, "labels", "conflicts") == []
    history = shell.json_lines("labels", "history")
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
        return {each["name"] for each in shell.json_lines("classes", "list")}

    before = known()
    assert lines(shell, "classes", "rename", "red", "scarlet") == [
        "The class “red” was renamed to “scarlet”. Version 2 is live."
    ]
    assert known() == before - {"red"} | {"scarlet"}
    refused = shell.run("classes", "rename", "scarlet", "yellow")
    assert refused.returncode == 1
    assert "servery classes merge" in refused.stderr
    shell.run("classes", "merge", "scarlet", "yellow", "--by", "Ann")
    shell.run("classes", "delete", "blue")
    assert known() == before - {"red", "blue"}
    assert [each["kind"] for each in shell.json_lines("classes", "history")] == [
        "deleted",
        "merged",
        "renamed",
    ]
    for _ in range(2):
        assert ", which was undone. Version " in lines(shell, "classes", "undo")[0]
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
    assert {each["model"] for each in shell.json_lines("labels", "history")} == {TINY_MODEL}


def test_labels_go_out_and_come_in_again(shell: CommandLine, tmp_path: Path) -> None:
    (shell.folder / "new.jpg").write_bytes(painting("yellow", "new"))
    shell.run("label", "new.jpg", "=and/or", "--by", "Ann")
    before = said(shell, "new.jpg")
    for form in ("folder", "csv", "label-studio"):
        target = tmp_path / form
        (line,) = lines(shell, "labels", "export", TINY_MODEL, str(target), "--format", form)
        assert line.endswith(f"written to {target}.")
        again = shell.run("labels", "export", TINY_MODEL, str(target), "--format", form)
        assert (again.returncode, "new or empty" in again.stderr) == (1, True)
        shell.run("labels", "undo")
        assert said(shell, "new.jpg") == []
        taken = shell.json("labels", "import", TINY_MODEL, str(target))
        assert (taken["labels"], taken["skipped"]) == (1, [])
        assert said(shell, "new.jpg") == before


def test_a_csv_file_of_another_program_is_imported(shell: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(painting("red", "from elsewhere"))
    (tmp_path / "x.csv").write_text("filename;label\na.jpg;zebra\nb.jpg;zebra\n")
    result = shell.run("labels", "import", TINY_MODEL, str(tmp_path / "x.csv"), "--by", "Eve")
    assert result.returncode == 1
    assert result.stdout.startswith("1 new label of 1 photo.\n")
    assert "Left out: b.jpg: There is no file of this name." in result.stderr
    assert said(shell, str(tmp_path / "a.jpg")) == [("Eve", "zebra")]


def test_options_of_files_are_refused_for_folders(shell: CommandLine, tmp_path: Path) -> None:
    result = shell.run("labels", "import", TINY_MODEL, str(tmp_path), "--by", "Eve")
    assert (result.returncode, "SOURCE is none" in result.stderr) == (2, True)


def test_keywords_are_shown_before_they_are_taken(shell: CommandLine, tmp_path: Path) -> None:
    photo = tmp_path / "a.jpg"
    photo.write_bytes(painting("green", "keywords"))
    (tmp_path / "a.xmp").write_text(
        '<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
        ' xmlns:d="http://purl.org/dc/elements/1.1/"><r:Description><d:subject><r:Bag>'
        "<r:li>heron</r:li></r:Bag></d:subject></r:Description></r:RDF>"
    )
    words = ("labels", "import", TINY_MODEL, str(tmp_path), "--from-keywords")
    asked = shell.run(*words)  # nobody answers
    assert asked.returncode == 1
    assert "heron" in asked.stderr
    assert said(shell, str(photo)) == []
    wrong = shell.run(*words, "--keyword", "owl")
    assert (wrong.returncode, "has the keyword owl" in wrong.stderr) == (1, True)
    assert lines(shell, *words, "--keyword", "heron", "--by", "Ann")[0] == "1 new label of 1 photo."
    assert said(shell, str(photo)) == [("Ann", "heron")]
    alone = shell.run("labels", "import", TINY_MODEL, str(tmp_path), "--yes")
    assert (alone.returncode, "need --from-keywords" in alone.stderr) == (2, True)
