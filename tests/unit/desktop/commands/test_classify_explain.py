"""`servery classify --explain`: what an answer depends on, in words, as a grid, JSON and image."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from PIL import Image, ImageDraw, ImageStat

from desktop.commands.terminal import ProgressLine
from serving.errors import FleetUnavailable
from serving.predict.prediction import Prediction
from serving.workspace import Workspace
from tests.support.predictions import prediction
from tests.support.sample_images import encode, image_file
from tests.unit.desktop.commands.test_classify import FakeClient, client, run_classify

__all__ = ["client"]


class RednessClient(FakeClient):
    """Answers `red` by how much red is in a photo; keeps what it was asked for."""

    async def classify(
        self, jpeg: bytes, model: str | None = None, *, version: int | None = None
    ) -> Prediction:
        self.asked.append((model, version))
        if len(self.asked) > self.most:
            raise FleetUnavailable("No instance is ready.", "Start one.")
        red = min(0.95, 5 * ImageStat.Stat(Image.open(io.BytesIO(jpeg))).mean[0] / 255)
        return prediction(("red", red), ("blue", 1 - red), version=7)

    asked: list[tuple[str | None, int | None]]
    most = 1000


@pytest.fixture
def redness(client: FakeClient) -> RednessClient:
    client.__class__ = RednessClient
    assert isinstance(client, RednessClient)
    client.asked = []
    return client


@pytest.fixture
def photo(tmp_path: Path) -> str:
    """A red thing in the upper left of a blue photo."""
    image = Image.new("RGB", (280, 240), "blue")
    ImageDraw.Draw(image).rectangle((0, 0, 80, 70), fill="red")
    (tmp_path / "thing.jpg").write_bytes(encode(image))
    return "thing.jpg"


def explained(workspace: Workspace, *words: str) -> Result:
    result = run_classify(workspace, *words)
    assert result.exit_code == 0, result.output
    return result


def test_words_and_a_grid_say_what_counted(
    workspace: Workspace, redness: RednessClient, photo: str
) -> None:
    result = explained(workspace, photo, "--explain")
    answer, sentence, counted, heading, *grid = result.stdout.splitlines()
    assert answer.startswith("thing.jpg: red ")
    assert "with the part in the upper left covered" in sentence
    assert counted.startswith("  Counted most: upper left 100%")
    assert "percent of the strongest" in heading
    cells = [line.split() for line in grid]
    assert (len(cells), {len(row) for row in cells}) == (6, {7})
    assert "100" in {*cells[0][:3], *cells[1][:3]}
    assert set(cells[-1]) == {"."}
    assert result.stderr == ""  # no terminal, no progress
    # The version that answered is the one that explains.
    assert redness.asked[0] == (None, None)
    assert set(redness.asked[1:]) == {("pets", 7)}


def test_json_has_what_the_http_interface_answers(
    workspace: Workspace, redness: RednessClient, photo: str
) -> None:
    result = explained(workspace, photo, "--explain-class", "blue", "--json")
    (line,) = result.stdout.splitlines()
    found = json.loads(line)["explanation"]
    assert set(found) == {"class_name", "score", "lowest", "importances", "scale"}
    assert found["class_name"] == "blue"
    assert min(min(row) for row in found["importances"]) == -1.0
    plain = json.loads(explained(workspace, photo, "--json").stdout)
    assert "explanation" not in plain
    assert set(json.loads(line)) - set(plain) == {"explanation"}


def test_the_image_shows_the_part_in_color_and_replaces_no_file(
    workspace: Workspace, redness: RednessClient, photo: str, tmp_path: Path
) -> None:
    target = tmp_path / "out.png"
    explained(workspace, photo, "--explain-image", "out.png")
    with Image.open(target) as image:
        assert (image.format, image.size) == ("PNG", (280, 240))
        colors = image.convert("RGB")
    red, _, blue = colors.getpixel((30, 30))  # type: ignore[misc]
    assert red > blue + 60  # orange, over grey
    red, _, blue = colors.getpixel((250, 220))  # type: ignore[misc]
    assert abs(red - blue) < 20
    before, asked = target.read_bytes(), len(redness.asked)
    refused = run_classify(workspace, photo, "--explain-image", "out.png")
    assert (refused.exit_code, target.read_bytes()) == (1, before)
    assert "already" in refused.stderr
    assert len(redness.asked) == asked  # known before anything is asked
    gone = run_classify(workspace, photo, "--explain-image", "gone/x/out.png", "--json")
    assert gone.exit_code == 0  # its folders are made
    (tmp_path / "file").write_text("")
    no_folder = run_classify(workspace, photo, "--explain-image", "file/out.png")
    assert no_folder.exit_code == 1
    assert "out.png could not be written" in no_folder.stderr
    assert no_folder.stdout  # what was found is printed all the same


@pytest.mark.parametrize(
    "words",
    [
        ["a.jpg", "b.jpg", "--explain-image", "out.png"],
        ["a.jpg", "--explain-image", "out.jpg"],
        ["--watch", ".", "--explain"],
    ],
)
def test_what_does_not_go_together_is_said(
    workspace: Workspace, redness: RednessClient, words: list[str]
) -> None:
    assert run_classify(workspace, *words).exit_code == 2


def test_each_photo_fails_alone_and_progress_counts_all(
    workspace: Workspace,
    redness: RednessClient,
    photo: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    image_file(tmp_path / "red.jpg", color="red")
    (tmp_path / "broken.jpg").write_text("no photo")
    shown: list[tuple[int, int, str]] = []

    def note(_: Any, *report: Any) -> None:
        shown.append(report)

    monkeypatch.setattr(ProgressLine, "report", note)
    result = run_classify(workspace, photo, "broken.jpg", "red.jpg", "--explain")
    assert result.exit_code == 1
    assert [line for line in result.stdout.splitlines() if line.startswith(("thing", "red"))]
    assert result.stderr.startswith("broken.jpg: ")
    assert shown[0] == (0, 129, "Photo 1 of 3: looking at the whole photo")
    assert all(done <= total for done, total, _ in shown)
    other = run_classify(workspace, photo, "--explain-class", "green")
    assert other.exit_code == 1
    assert "does not rank the class green" in other.stderr
    redness.most = len(redness.asked) + 9  # the fleet goes away between two parts
    lost = run_classify(workspace, photo, "red.jpg", "--explain")
    assert (lost.exit_code, lost.stdout) == (1, "")
    assert len(lost.stderr.splitlines()) == 2


def test_a_photo_without_a_class_has_nothing_to_explain(
    workspace: Workspace, client: FakeClient, photo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def none_yet(*_: Any, **__: Any) -> Prediction:
        return prediction()

    monkeypatch.setattr(client, "classify", none_yet, raising=False)
    assert explained(workspace, photo, "--explain").stdout == "thing.jpg: -\n"
    assert (
        json.loads(explained(workspace, photo, "--explain", "--json").stdout)["explanation"] is None
    )
