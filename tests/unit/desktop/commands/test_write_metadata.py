"""`servery classify --write-metadata`: answers become keywords, where a person wants them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from serving.errors import FleetUnavailable
from serving.photo_metadata.keywords import read_keywords
from serving.predict.prediction import Prediction
from serving.workspace import Workspace
from tests.support.command_line import json_lines
from tests.support.predictions import prediction
from tests.support.sample_images import image_bytes, image_file
from tests.unit.desktop.commands.test_classify import FakeClient, client, run_classify

__all__ = ["client"]


def test_sidecars_are_beside_photos_which_stay(
    workspace: Workspace, client: FakeClient, tmp_path: Path
) -> None:
    photo = image_file(tmp_path / "a.jpg")
    png = image_file(tmp_path / "b.png", form="PNG")
    before = photo.read_bytes()
    result = run_classify(workspace, "a.jpg", "b.png", "--write-metadata", "sidecar", "--json")
    assert result.exit_code == 0, result.stderr
    files = [entry["metadata"] for entry in json_lines(result.stdout)]
    assert files == ["a.jpg.xmp", "b.png.xmp"]
    assert "2 answers written (sidecar)." in result.stderr
    assert photo.read_bytes() == before
    assert read_keywords(photo).own == read_keywords(png).own == ("otter",)


def test_copies_go_to_a_folder_and_replace_nothing(
    workspace: Workspace, client: FakeClient, tmp_path: Path
) -> None:
    (tmp_path / "sub").mkdir()
    image_file(tmp_path / "a.jpg", "red")
    image_file(tmp_path / "sub" / "A.jpg", "blue")
    image_file(tmp_path / "c.png", form="PNG")
    words = ("a.jpg", "sub/A.jpg", "c.png", "--write-metadata", "copy", "--metadata-folder", "out")
    result = run_classify(workspace, *words)
    assert result.exit_code == 1
    assert "c.png: the answer was not written. The photo is no JPEG file." in result.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["A-2.jpg", "a.jpg"]
    assert (tmp_path / "a.jpg").read_bytes() == image_bytes("red")
    again = run_classify(workspace, *words)
    assert again.stderr.count("There is a file out/") == 2


@pytest.mark.parametrize("first_fails", [False, True])
def test_names_of_copies_follow_the_order_of_the_photos(
    workspace: Workspace,
    client: FakeClient,
    tmp_path: Path,
    first_fails: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "sub").mkdir()
    image_file(tmp_path / "a.jpg", "red")
    image_file(tmp_path / "sub" / "A.jpg", "blue")
    red, other_answered = image_bytes("red"), asyncio.Event()

    async def first_comes_last(jpeg: bytes, model: str | None = None) -> Prediction:
        if jpeg != red:
            other_answered.set()
            return prediction(("otter", 0.9))
        await other_answered.wait()
        await asyncio.sleep(0)
        if first_fails:
            raise FleetUnavailable("No instance is ready.", "Wait.")
        return prediction(("otter", 0.9))

    monkeypatch.setattr(client, "classify", first_comes_last)
    words = ("a.jpg", "sub/A.jpg", "--write-metadata", "copy", "--metadata-folder", "out")
    run_classify(workspace, *words)
    names = {"A-2.jpg"} if first_fails else {"a.jpg", "A-2.jpg"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    assert read_keywords(tmp_path / "out" / "A-2.jpg").own == ("otter",)


def test_originals_only_when_asked(
    workspace: Workspace, client: FakeClient, tmp_path: Path
) -> None:
    photo = image_file(tmp_path / "a.jpg")
    assert run_classify(workspace, "a.jpg").exit_code == 0
    assert photo.read_bytes() == image_bytes()
    assert run_classify(workspace, "a.jpg", "--write-metadata", "original").exit_code == 0
    assert read_keywords(photo).own == ("otter",)


@pytest.mark.parametrize(
    ("score", "words", "written"),
    [
        (0.4, (), False),
        (0.4, ("--write-unsure",), True),
        (0.6, (), True),
        (0.6, ("--min-score", "0.7"), False),
        (0.4, ("--write-unsure", "--min-score", "0.41"), False),
    ],
)
def test_unsure_answers_are_not_written_unless_asked(
    workspace: Workspace,
    client: FakeClient,
    tmp_path: Path,
    score: float,
    words: tuple[str, ...],
    written: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def classify(jpeg: bytes, model: str | None = None) -> object:
        return prediction(("otter", score))

    monkeypatch.setattr(client, "classify", classify)
    image_file(tmp_path / "a.jpg")
    result = run_classify(workspace, "a.jpg", "--write-metadata", "sidecar", *words)
    assert result.exit_code == 0
    assert (tmp_path / "a.jpg.xmp").exists() == written
    assert ("1 answer not written: unsure" in result.stderr) != written


def test_the_photo_of_standard_input_has_no_sidecar(
    workspace: Workspace, client: FakeClient, tmp_path: Path
) -> None:
    result = run_classify(workspace, "-", "--write-metadata", "sidecar", stdin=image_bytes())
    assert "is no file" in result.stderr
    assert list(tmp_path.glob("*.xmp")) == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--write-metadata", "copy"), "Name a folder for the copies"),
        (("--write-metadata", "original", "--metadata-folder", "x"), "leave out the folder"),
        (("--metadata-folder", "x"), "--metadata-folder needs --write-metadata"),
        (("--min-score", "0"), "--min-score needs --write-metadata"),
        (("--write-unsure",), "--write-unsure needs --write-metadata"),
        (("--write-metadata", "sidecar", "--min-score", "2"), "--min-score"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    workspace: Workspace, client: FakeClient, words: tuple[str, ...], sentence: str
) -> None:
    result = run_classify(workspace, "a.jpg", *words)
    assert (result.exit_code, sentence in result.stderr) == (2, True), result.stderr
